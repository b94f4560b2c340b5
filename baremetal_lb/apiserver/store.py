"""Objects, the one resourceVersion counter, and the bounded memory of what happened.

Objects are plain JSON values and are never changed in place: a write stores a new one. Each write counts the revision up by one,
stamps it on the object and remembers an ``Occurrence`` (with the object before), so that

* a watch is a cursor into the occurrences: no queue per watcher, so a slow watcher costs nothing and falls off the end (410);
* a list at an older revision (the next page of a paged list) is the present with the later occurrences undone: exact snapshots.

Every write is also given to ``journal`` as one JSON line, so that a shell can keep the objects over a kill; ``load`` reads them back.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

import msgspec

from baremetal_lb.apiserver.errors import Refusal, expired
from baremetal_lb.apiserver.resources import Object
from baremetal_lb.model.ids import ObjectKey

Storage = tuple[str, str]
FIRST_REVISION = 100
"""Those before are of no object, so that a client can ask for a forgotten one."""
REMEMBERED = 20_000
"""How many occurrences are remembered, of all kinds together."""

MAXIMUM_OBJECTS = 100_000
"""How many objects of one kind are stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Occurrence:
    """One write: what the object was (None: created) and is (None: deleted; ``last`` is then its final state)."""

    revision: int
    storage: Storage
    key: ObjectKey
    before: Object | None
    after: Object | None
    last: Object


def with_revision(value: Object, revision: int) -> Object:
    """Return the object with this resourceVersion."""
    return {**value, "metadata": {**value["metadata"], "resourceVersion": str(revision)}}


class Store:
    """All objects, by storage (group, plural) and key."""

    def __init__(self, *, journal: Callable[[bytes], None], remembered: int = REMEMBERED) -> None:
        self.revision = FIRST_REVISION
        self._objects: dict[Storage, dict[ObjectKey, Object]] = {}
        self._occurrences: deque[Occurrence] = deque(maxlen=remembered)
        self._forgotten = FIRST_REVISION
        self._journal = journal

    def get(self, storage: Storage, key: ObjectKey) -> Object | None:
        """Return the object."""
        return self._objects.get(storage, {}).get(key)

    def items(self, storage: Storage) -> Iterable[tuple[ObjectKey, Object]]:
        """Return all objects of a storage, in no order."""
        return self._objects.get(storage, {}).items()

    def snapshot(self, storage: Storage, namespace: str, revision: int) -> list[tuple[ObjectKey, Object]]:
        """Return the objects of a namespace ("" for all) as they were at a revision, by key.

        Raises:
            Refusal: 410 when the revision is older than what is remembered.
        """
        objects = dict(self._objects.get(storage, {}))
        for occurrence in self._back_to(revision):
            if occurrence.storage != storage:
                continue
            if occurrence.before is None:
                objects.pop(occurrence.key, None)
            else:
                objects[occurrence.key] = occurrence.before
        return sorted((item for item in objects.items() if namespace in ("", item[0].namespace)), key=lambda item: item[0])

    def since(self, revision: int) -> list[Occurrence]:
        """Return what happened after a revision, oldest first.

        Raises:
            Refusal: 410 when some of it is forgotten.
        """
        return list(self._back_to(revision))[::-1]

    @property
    def oldest(self) -> int:
        """The oldest revision that ``since`` and ``snapshot`` take."""
        return self._forgotten

    def _back_to(self, revision: int) -> Iterator[Occurrence]:
        if revision < self._forgotten:
            raise expired(f"too old resource version: {revision} ({self._forgotten})")
        return takewhile(lambda occurrence: occurrence.revision > revision, reversed(self._occurrences))

    def put(self, storage: Storage, key: ObjectKey, value: Object) -> Object:
        """Store an object under the next revision and return it as stored.

        Raises:
            Refusal: 500 when there are too many of this kind.
        """
        objects = self._objects.setdefault(storage, {})
        if len(objects) >= MAXIMUM_OBJECTS and key not in objects:
            raise Refusal(
                500, "InternalError", f"{MAXIMUM_OBJECTS} objects of a kind are stored already; the embedded API server takes no more"
            )
        self.revision += 1
        value = with_revision(value, self.revision)
        self._remember(Occurrence(self.revision, storage, key, objects.get(key), value, value))
        objects[key] = value
        return value

    def remove(self, storage: Storage, key: ObjectKey, last: Object) -> Object:
        """Remove an object under the next revision; ``last`` is what watchers see of it."""
        self.revision += 1
        last = with_revision(last, self.revision)
        self._remember(Occurrence(self.revision, storage, key, self._objects[storage].pop(key), None, last))
        return last

    def forget(self) -> None:
        """Forget all occurrences: whoever is behind must list again (a fault on demand; real servers compact)."""
        self._occurrences.clear()
        self._forgotten = self.revision + 1
        self.revision += 1

    def _remember(self, occurrence: Occurrence) -> None:
        if len(self._occurrences) == self._occurrences.maxlen:
            self._forgotten = self._occurrences[0].revision
        self._occurrences.append(occurrence)
        self._journal(_line(occurrence.revision, occurrence.storage, occurrence.key, occurrence.after))

    def dump(self) -> Iterator[bytes]:
        """Yield the journal lines that rebuild the present."""
        yield _line(self.revision, ("", ""), ObjectKey("", ""), None)
        for storage, objects in self._objects.items():
            for key, value in objects.items():
                yield _line(self.revision, storage, key, value)

    def load(self, lines: Iterable[bytes]) -> int:
        """Read journal lines back, before anything is served; return how many. A torn last line is left out.

        What happened before is forgotten, so that watchers list again unless they had seen everything.
        """
        count = 0
        for line in lines:
            try:
                revision, group, plural, namespace, name, value = msgspec.json.decode(line)
            except (msgspec.DecodeError, ValueError):
                break
            count += 1
            self.revision = max(self.revision, revision)
            objects = self._objects.setdefault((group, plural), {})
            if value is None:
                objects.pop(ObjectKey(namespace, name), None)
            else:
                objects[ObjectKey(namespace, name)] = value
        self._forgotten = self.revision
        return count


def _line(revision: int, storage: Storage, key: ObjectKey, value: Object | None) -> bytes:
    return msgspec.json.encode([revision, *storage, *key, value]) + b"\n"
