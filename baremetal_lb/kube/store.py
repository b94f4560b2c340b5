"""The store: the last good value of each object of one kind, and what changes when a payload or a list comes in.

    present(key, version, data)   ADDED, MODIFIED, an item of a list     -> decoded unless this version is known already
    gone(key)                     DELETED
    end_list(seen)                what a list no longer has is gone      -> at once, or held back (below)

Rules: an object that cannot be decoded keeps its last good value and is a problem until a later version can be, or it is gone. A
change is reported only if the value differs. Nothing here waits or reads a clock.

Hold-off: a list that came back empty, or older than what was seen before, may be the list of an API server that just came back from
a disaster. Its absences are *missing*, kept in the store, until a later list confirms them after the hold-off or the objects show up.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec

from baremetal_lb.kube.records import DecodeError
from baremetal_lb.model.ids import ObjectKey

T = TypeVar("T")
OnChange = Callable[[ObjectKey, T | None, T | None], None]
"""Called with key, old value (None: new object) and new value (None: it is gone)."""


class Store(Generic[T]):
    """Objects by key; ``on_change`` is called for each difference, after the store has it."""

    def __init__(self, decode: Callable[[bytes], T], on_change: OnChange[T]) -> None:
        self._decode = decode
        self._on_change = on_change
        self._objects: dict[ObjectKey, T] = {}
        self._versions: dict[ObjectKey, str] = {}
        self._problems: dict[ObjectKey, DecodeError] = {}
        self.objects: Mapping[ObjectKey, T] = MappingProxyType(self._objects)
        self.problems: Mapping[ObjectKey, DecodeError] = MappingProxyType(self._problems)
        """Objects whose newest version cannot be decoded."""
        self.decode_errors = 0

    def seed(self, objects: Mapping[ObjectKey, T]) -> None:
        """Start from values remembered elsewhere; their versions count as unknown."""
        for key, value in objects.items():
            self._change(key, value)

    def present(self, key: ObjectKey, version: str, data: bytes | msgspec.Raw) -> None:
        """Take an object as it is now."""
        if version and self._versions.get(key) == version:
            return
        try:
            value = self._decode(bytes(data))
        except DecodeError as error:
            self.decode_errors += 1
            self._problems[key] = error
            self._versions[key] = version
            return
        self._problems.pop(key, None)
        self._versions[key] = version
        self._change(key, value)

    def gone(self, key: ObjectKey) -> None:
        """Take note that an object is no more."""
        self._versions.pop(key, None)
        self._problems.pop(key, None)
        self._change(key, None)

    def version(self, key: ObjectKey) -> str:
        """Return the resourceVersion that an object is known in, "" when it is not known."""
        return self._versions.get(key, "")

    def missing(self, seen: set[ObjectKey]) -> list[ObjectKey]:
        """Return the keys that a list of ``seen`` lacks, sorted."""
        return sorted((self._objects.keys() | self._versions.keys()) - seen)

    def _change(self, key: ObjectKey, new: T | None) -> None:
        old = self._objects.get(key)
        if new is None:
            self._objects.pop(key, None)
        else:
            self._objects[key] = new
        if old != new:
            self._on_change(key, old, new)
