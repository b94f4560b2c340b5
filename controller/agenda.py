"""Which Services are to be decided next: dirty keys in a stable order, each in one pair of hands at a time.

The order is that of allocation itself: Services that have an IP, or that one is held for, before the others, then by age, then by name;
so a restart, or a pool that appears under a thousand waiting Services, gives the same IPs every time. Keys that come one by one are taken
as they come.

    mark(key) -> [heap] -> take() -> (decided, written) -> done(key)      marked again meanwhile: back on the heap at done()

Work is bounded by the number of keys: a key is on the heap once, however often it is marked.
"""

import heapq
from collections.abc import Callable, Iterable

from baremetal_lb.model.ids import ObjectKey

Rank = tuple[bool, bool, int, ObjectKey]
"""(has no IP yet and none is held for it, has no creationTimestamp, creationTimestamp, namespace and name): smaller goes first."""


class Agenda:
    """Dirty keys. ``rank`` tells a key's place at the time it is marked; ``on_work`` is called when there is something to take."""

    def __init__(self, rank: Callable[[ObjectKey], Rank], on_work: Callable[[], None] = lambda: None) -> None:
        self._rank = rank
        self._on_work = on_work
        self._heap: list[Rank] = []
        self._queued: set[ObjectKey] = set()
        self._busy: set[ObjectKey] = set()
        self._again: set[ObjectKey] = set()

    def mark(self, key: ObjectKey) -> None:
        """Have a key decided, now or after what is under way for it."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            heapq.heappush(self._heap, self._rank(key))
            self._on_work()

    def mark_all(self, keys: Iterable[ObjectKey]) -> None:
        """Have several keys decided."""
        for key in keys:
            self.mark(key)

    def take(self) -> ObjectKey | None:
        """Return the next key, which is then busy until ``done``; None when nothing is to be done."""
        while self._heap:
            key = heapq.heappop(self._heap)[-1]
            if key in self._queued:
                self._queued.discard(key)
                self._busy.add(key)
                return key
        return None

    def done(self, key: ObjectKey) -> None:
        """Let go of a key; it comes again if it was marked meanwhile."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.mark(key)

    def clear(self) -> None:
        """Forget what is queued (a process that no longer leads); what is busy stays so until it is done."""
        self._heap.clear()
        self._queued.clear()
        self._again.clear()

    @property
    def is_busy(self) -> bool:
        """Tell whether something is under way."""
        return bool(self._busy)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is queued and nothing under way."""
        return not self._queued and not self._busy

    def __len__(self) -> int:
        return len(self._queued)
