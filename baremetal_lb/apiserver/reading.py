"""GET, LIST and WATCH."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from weakref import WeakSet

import msgspec

from baremetal_lb.apiserver import errors
from baremetal_lb.apiserver.faults import Fault, FaultAction
from baremetal_lb.apiserver.messages import Request, Response, json_response
from baremetal_lb.apiserver.resources import Object
from baremetal_lb.apiserver.selectors import Selector
from baremetal_lb.apiserver.store import Storage, Store
from baremetal_lb.apiserver.targets import Target, view_of
from baremetal_lb.apiserver.watches import Watch
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.time import SECOND

MAXIMUM_WATCHES = 1_000
_DEFAULT_TIMEOUT_S, _MAXIMUM_TIMEOUT_S = 2_400, 7_200


def _revision(text: str) -> int:
    if not text.isdecimal():
        raise errors.bad_request(f"invalid resource version: {text!r}")
    return int(text)


class Reader:
    """Answers without changing anything."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watches: WeakSet[Watch] = WeakSet()

    def get(self, request: Request, target: Target, *, now: int) -> Response:
        """GET one object."""
        value = self._store.get(target.resource.storage, target.key)
        if value is None:
            raise errors.not_found(target.resource.group, target.resource.plural, target.name)
        return json_response(view_of(request, target.resource).one(value, now=now))

    def selected(self, request: Request, target: Target) -> list[Object]:
        """Return the present objects that a request selects, by key."""
        selector = Selector(target.resource, request.query)
        found = self._store.snapshot(target.resource.storage, target.namespace, self._store.revision)
        return [value for _, value in found if selector.matches(value)]

    def list(self, request: Request, target: Target, fault: Fault | None, *, now: int) -> Response:
        """LIST, by pages if asked; every page shows the revision of the first."""
        query, view = request.query, view_of(request, target.resource)
        selector = Selector(target.resource, query)
        revision, after = self._start(request)
        found = self._store.snapshot(target.resource.storage, target.namespace, revision)
        if fault is not None and fault.action is FaultAction.EmptyList:
            found = []
        left = [(key, value) for key, value in found if key > after and selector.matches(value)]
        limit = _revision(query.get("limit") or "0")
        page = left[:limit] if limit else left
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if len(left) > len(page):
            metadata["continue"] = urlsafe_b64encode(msgspec.json.encode([revision, *page[-1][0]])).decode().rstrip("=")
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                metadata["remainingItemCount"] = len(left) - len(page)
        return json_response(view.many([value for _, value in page], metadata, now=now))

    def _start(self, request: Request) -> tuple[int, ObjectKey]:
        """Return the revision to list at, and the key to list after."""
        query = request.query
        if token := query.get("continue"):
            try:
                revision, namespace, name = msgspec.json.decode(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
                return int(revision), ObjectKey(str(namespace), str(name))
            except (msgspec.DecodeError, ValueError, TypeError):
                raise errors.bad_request("continue key is not valid: it was not made by this server") from None
        asked = _revision(query.get("resourceVersion") or "0")
        if asked > self._store.revision:
            message = f"Too large resource version: {asked}, current: {self._store.revision}"
            raise errors.Refusal(504, "Timeout", message, {"causes": [{"reason": "ResourceVersionTooLarge", "message": message}]}, 1)
        is_exact = query.get("resourceVersionMatch") == "Exact"
        return (asked if is_exact else self._store.revision), ObjectKey("", "")

    def watch(self, request: Request, target: Target, fault: Fault | None, *, now: int) -> Watch:
        """WATCH from a revision on, or from the present with everything there is as ADDED."""
        query, resource = request.query, target.resource
        if len(self._watches) >= MAXIMUM_WATCHES:
            raise errors.Refusal(429, "TooManyRequests", f"{MAXIMUM_WATCHES} watches are open already", retry_after_s=5)
        selector = Selector(resource, query)
        asked = query.get("resourceVersion") or "0"
        wants_initial = request.asks("sendInitialEvents")
        has_initial = wants_initial or (asked == "0" and "sendInitialEvents" not in query)
        since = self._store.revision if has_initial or asked == "0" else _revision(asked)
        first = self._store.snapshot(resource.storage, target.namespace, self._store.revision) if has_initial else []
        timeout_s = min(int(query.get("timeoutSeconds") or 0) or _DEFAULT_TIMEOUT_S, _MAXIMUM_TIMEOUT_S)
        watch = Watch(
            self._store,
            resource.storage,
            target.namespace,
            selector,
            view_of(request, resource),
            since=since,
            first=[value for _, value in first if selector.matches(value)],
            has_initial_end=wants_initial and request.asks("allowWatchBookmarks"),
            wants_bookmarks=request.asks("allowWatchBookmarks"),
            now=now,
            timeout=timeout_s * SECOND,
        )
        watch.is_silent = fault is not None and fault.action is FaultAction.SilentWatch
        self._watches.add(watch)
        return watch

    def end_watches(self, served: set[Storage]) -> None:
        """End the watches of kinds that are served no more."""
        for watch in self._watches:
            if watch.storage not in served:
                watch.close()
