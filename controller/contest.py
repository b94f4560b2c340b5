"""Foreign writes to a Service status: put right at most 3 times in 10 minutes, then only reported.

Two writers that both insist would otherwise write for ever. A restoration is a status write for which nothing changed in the ledger: the
IPs were right, and somebody put others (or none) in their place. The first one after a crash of a predecessor looks the same, and counts.
"""

from collections import OrderedDict
from typing import Final

from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.time import MINUTE

RESTORATIONS_MAX: Final = 3
WINDOW: Final = 10 * MINUTE
REMEMBERED_MAX: Final = 20_000
"""Services whose restorations are remembered; one that is forgotten before its time may be restored three times more."""


class Contests:
    """When which status was restored, by the Service's key and uid; ``now`` is monotonic, in ns."""

    def __init__(self) -> None:
        self._restored: OrderedDict[tuple[ObjectKey, str], tuple[int, ...]] = OrderedDict()
        """Those within the window, by the time of the last one."""

    def may_restore(self, key: ObjectKey, uid: str, *, now: int) -> bool:
        """Tell whether a restoration is still allowed."""
        return len(self._recent(key, uid, now)) < RESTORATIONS_MAX

    def restored(self, key: ObjectKey, uid: str, *, now: int) -> None:
        """Count a restoration."""
        self._restored[key, uid] = (*self._recent(key, uid, now), now)
        self._restored.move_to_end((key, uid))
        while len(self._restored) > REMEMBERED_MAX or next(iter(self._restored.values()))[-1] <= now - WINDOW:
            self._restored.popitem(last=False)

    def opens_in(self, key: ObjectKey, uid: str, *, now: int) -> int:
        """Return after how many ns a restoration is allowed again; 0 when it is."""
        recent = self._recent(key, uid, now)
        return 0 if len(recent) < RESTORATIONS_MAX else recent[0] + WINDOW - now

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Forget a Service that is gone."""
        self._restored.pop((key, uid), None)

    def _recent(self, key: ObjectKey, uid: str, now: int) -> tuple[int, ...]:
        """Return the restorations within the window, at most three."""
        return tuple(at for at in self._restored.get((key, uid), ()) if at > now - WINDOW)
