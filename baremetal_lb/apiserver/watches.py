"""A watch as a machine: the shell asks it for the frames that are due, and when to come back.

A watch is a cursor (a revision) into what the store remembers. Whoever reads too slowly finds its cursor forgotten and gets an ERROR
frame with 410, as from the real server. An object that begins or ceases to match the selectors is ADDED or DELETED to that watcher.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from baremetal_lb.apiserver.errors import Refusal
from baremetal_lb.apiserver.messages import View
from baremetal_lb.apiserver.resources import Object
from baremetal_lb.apiserver.selectors import Selector
from baremetal_lb.apiserver.store import Occurrence, Storage, Store
from baremetal_lb.model.time import SECOND

BOOKMARK_INTERVAL = 10 * SECOND
"""The real server's is a minute; a lab is watched more closely."""


def _frame(kind: str, value: Any) -> bytes:
    return msgspec.json.encode({"type": kind, "object": value}) + b"\n"


class Watch:
    """One watch. ``take`` at once, after every write, and at ``deadline``; it is over when ``is_over``."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        namespace: str,
        selector: Selector,
        view: View,
        *,
        since: int,
        first: list[Object],
        has_initial_end: bool,
        wants_bookmarks: bool,
        now: int,
        timeout: int,
    ) -> None:
        self._store, self.storage, self._namespace = store, storage, namespace
        self._selector, self._view = selector, view
        self._cursor = since
        self._first, self._has_initial_end = first, has_initial_end
        self._wants_bookmarks = wants_bookmarks
        self._end, self._bookmark = now + timeout, now + BOOKMARK_INTERVAL
        self.is_silent = False
        """A fault on demand: nothing is ever sent."""
        self.is_over = False

    def deadline(self) -> int:
        """When ``take`` wants to be called at the latest (ns, the same clock)."""
        return min(self._end, self._bookmark) if self._wants_bookmarks else self._end

    def take(self, *, now: int) -> list[bytes]:
        """Return the frames that are due."""
        if self.is_silent:
            self.is_over = now >= self._end
            return []
        try:
            frames = [*self._initial(now), *self._news(now)]
        except Refusal as refusal:
            self.is_over = True
            return [_frame("ERROR", refusal.status)]
        if self._wants_bookmarks and now >= self._bookmark:
            frames.append(self._bookmark_frame())
            self._bookmark = now + BOOKMARK_INTERVAL
        self.is_over = now >= self._end
        return frames

    def close(self) -> None:
        """End it with the next ``take``: its kind is not served any more."""
        self._end = 0

    def _initial(self, now: int) -> Iterator[bytes]:
        first, self._first = self._first, []
        for value in first:
            yield _frame("ADDED", self._view.one(value, now=now))
        if self._has_initial_end:
            self._has_initial_end = False
            yield self._bookmark_frame({"k8s.io/initial-events-end": "true"})

    def _news(self, now: int) -> Iterator[bytes]:
        occurrences = self._store.since(self._cursor)
        self._cursor = max(self._cursor, self._store.revision)
        for occurrence in occurrences:
            if occurrence.storage == self.storage and self._namespace in ("", occurrence.key.namespace):
                kind = self._kind_of(occurrence)
                if kind is not None:
                    yield _frame(kind, self._view.one(occurrence.last, now=now))

    def _kind_of(self, occurrence: Occurrence) -> str | None:
        had, has = self._selector.matches(occurrence.before), self._selector.matches(occurrence.after)
        return {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get((had, has))

    def _bookmark_frame(self, annotations: dict[str, str] | None = None) -> bytes:
        metadata = {"resourceVersion": str(self._cursor), **({"annotations": annotations} if annotations else {})}
        value: dict[str, Any] = {"kind": self._view.resource.kind, "apiVersion": self._view.resource.api_version, "metadata": metadata}
        if self._view.form.value == "Table":
            value = {**self._view.table([], {"resourceVersion": str(self._cursor)}, now=0), "rows": [{"cells": [], "object": value}]}
        return _frame("BOOKMARK", value)
