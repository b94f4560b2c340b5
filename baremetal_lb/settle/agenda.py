"""Which Services are to be decided next: dirty keys in a stable order, each in one pair of hands at a time.

The order is that of allocation itself: Services that have an IP, or that one is held for, before the others, then by age, then by name;
so a restart, or a pool that appears under a thousand waiting Services, gives the same IPs every time. Keys that come one by one are taken
as they come.

    mark(key) -> [heap] -> take() -> (decided, written) -> done(key)      marked again meanwhile: back on the heap at done()

Work is bounded by the number of keys: a key is on the heap once, however often it is marked. A key that is busy is decided by nobody
else, so each ``take`` is to be followed by a ``done`` whatever happens; ``busy_for`` tells of one that was not. Times are monotonic, in ns.
"""

import heapq
from collections.abc import Callable, Iterable

from baremetal_lb.model.ids import ObjectKey

Rank = tuple[bool, bool, int, ObjectKey]
"""(has no IP yet and none is held for it, has no creationTimestamp, creationTimestamp, namespace and name): smaller goes first."""

_STALE_MAX = 64
"""Ranks of forgotten keys that may lie on the heap, beside as many as there are keys."""


class Agenda:
    """Dirty keys. ``rank`` tells a key's place at the time it is marked; ``on_work`` is called when there is something to take.

    ``clock`` (ns, monotonic) tells since when a key is busy, for whoever asks; no decision reads it.
    """

    def __init__(
        self, rank: Callable[[ObjectKey], Rank], on_work: Callable[[], None] = lambda: None, *, clock: Callable[[], int] = lambda: 0
    ) -> None:
        self._rank = rank
        self._on_work = on_work
        self._clock = clock
        self._heap: list[Rank] = []
        self._queued: set[ObjectKey] = set()
        self._busy: dict[ObjectKey, int] = {}
        """Since when each is."""
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

    def forget(self, key: ObjectKey) -> None:
        """Take a key that is gone off the heap: whoever takes nothing, as a standby does, would keep all names that ever were."""
        self._queued.discard(key)
        if len(self._heap) > 2 * len(self._queued) + _STALE_MAX:
            self._heap = list({rank[-1]: rank for rank in self._heap if rank[-1] in self._queued}.values())
            heapq.heapify(self._heap)

    def take(self) -> ObjectKey | None:
        """Return the next key, which is then busy until ``done``; None when nothing is to be done."""
        while self._heap:
            key = heapq.heappop(self._heap)[-1]
            if key in self._queued:
                self._queued.discard(key)
                self._busy[key] = self._clock()
                return key
        return None

    def done(self, key: ObjectKey) -> None:
        """Let go of a key; it comes again if it was marked meanwhile."""
        self._busy.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.mark(key)

    def begin_term(self, keys: Iterable[ObjectKey]) -> tuple[ObjectKey, ...]:
        """Forget everything, and have these keys decided; return those that were busy still.

        An older term's work has ended by then, so a key that is busy was not let go of: a fault of ours, which is not to outlive the term.
        """
        stuck = tuple(sorted(self._busy))
        self._heap.clear()
        for index in (self._queued, self._again, self._busy):
            index.clear()
        self.mark_all(keys)
        return stuck

    def busy_for(self, *, now: int) -> int:
        """Return for how long the key that was taken first of those under way has been busy, in ns; 0 when none is."""
        return now - min(self._busy.values(), default=now)

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
