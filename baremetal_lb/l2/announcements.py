"""Announcement bursts: when to tell the neighbours, unasked, that an IP is here.

One frame may be lost, and a neighbour ignores some for a second after it learned the old place; so each IP is told eight times, at
0, 50, 200, 500 ms, 1, 2, 4 and 8 s. A node that takes over thousands of IPs at once must neither stop answering meanwhile nor flood
the link: at most ``PER_BATCH`` announcements go out every ``BATCH_INTERVAL``, and a first round always goes before a second one.

    start(subject) -> round 0 queue -> ... -> round 7 queue -> done            (subject: an IP on an interface)
                         |                       |
                         +--- tick(now): the earliest rounds first, up to the batch's size

Rules: pure, time is an argument. Invariants: a subject has at most one live burst; a queue holds dues in ascending order, so its
head is its earliest; a stopped subject is never announced again, even in the same tick. A restart before the first announcement went
out changes nothing, so that the queues are bounded by what was sent in the last 8 s plus one entry per subject.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from baremetal_lb.model.time import MILLISECOND, SECOND

OFFSETS = (0, 50 * MILLISECOND, 200 * MILLISECOND, 500 * MILLISECOND, SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND)
"""ns after the start at which a subject is announced."""
PER_BATCH = 32
"""Announcements per batch; one is two frames in ARP, so that a batch stays within the 64 frames that the loop sends at once."""
BATCH_INTERVAL = 4 * MILLISECOND

Subject = TypeVar("Subject", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Start(Generic[Subject]):
    """Announce these from now on; a burst that is under way begins anew."""

    subjects: Iterable[Subject]


@dataclass(frozen=True, slots=True)
class Stop(Generic[Subject]):
    """Announce these no more."""

    subjects: Iterable[Subject]


@dataclass(slots=True)
class _Burst:
    started: int
    round: int = 0


class Announcements(Generic[Subject]):
    """The machine without I/O: what it returns are the subjects to announce now, in order; ``deadline`` tells when to let time pass."""

    def __init__(self) -> None:
        self._live: dict[Subject, _Burst] = {}
        self._rounds: tuple[deque[tuple[int, Subject, _Burst]], ...] = tuple(deque() for _ in OFFSETS)
        self._not_before = 0

    def __len__(self) -> int:
        return len(self._live)

    def handle(self, event: Start[Subject] | Stop[Subject], *, now: int) -> tuple[Subject, ...]:
        """Start or stop bursts; what is due at once comes back as from ``tick``."""
        for subject in event.subjects:
            if isinstance(event, Stop):
                self._live.pop(subject, None)
                continue
            running = self._live.get(subject)
            if running is not None and running.round == 0:
                continue
            burst = _Burst(now)
            self._live[subject] = burst
            self._rounds[0].append((now, subject, burst))
        return self.tick(now=now)

    def tick(self, *, now: int) -> tuple[Subject, ...]:
        """Return what is to be announced at ``now``: at most a batch, nothing before a batch's interval has passed."""
        if now < self._not_before:
            return ()
        due: list[Subject] = []
        for number, queue in enumerate(self._rounds):
            while queue and queue[0][0] <= now and len(due) < PER_BATCH:
                _at, subject, burst = queue.popleft()
                if self._live.get(subject) is not burst:
                    continue
                due.append(subject)
                self._advance(subject, burst, number + 1, now)
        if due:
            self._not_before = now + BATCH_INTERVAL
        return tuple(due)

    def _advance(self, subject: Subject, burst: _Burst, number: int, now: int) -> None:
        if number == len(OFFSETS):
            del self._live[subject]
            return
        burst.round = number
        # A late round pushes the next one back, so that repeats of a crowded start do not come in one heap.
        at = max(burst.started + OFFSETS[number], now + BATCH_INTERVAL)
        queue = self._rounds[number]
        queue.append((max(at, queue[-1][0] if queue else at), subject, burst))

    def deadline(self) -> int | None:
        """When the next announcement is due, or None."""
        heads = [queue[0][0] for queue in self._rounds if queue]
        return max(min(heads), self._not_before) if heads else None
