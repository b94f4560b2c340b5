"""What BGP makes of BFD (RFC 5882): for how long a session of BGP is held down.

    BFD went from Up to Down                     -> held: the path fails, whatever TCP still believes (§4.2)
    BFD is Up again                              -> no more
    the peer says AdminDown                      -> no more: it wants no BFD, and that says nothing of the path (§3.2)
    held for longer than the limit               -> no more: a peer that lost BFD for good is still a router
    BFD never came Up; BFD is not configured     -> never: the peer may not have it

Without the hold both sides would connect again within milliseconds, and the failure would not leave a trace in any routing table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from baremetal_lb.bfd.spec import BfdStatus
from baremetal_lb.packet.bfd import State


@dataclass(frozen=True, slots=True)
class Holds:
    """Which peers are held down at a time."""

    held: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    """Peers whose BFD is still Down though the hold is over."""
    deadline: int | None = None
    """When the next hold ends by itself."""


def holds(statuses: Iterable[BfdStatus], *, limit: int, now: int) -> Holds:
    """Return the holds; ``limit`` in ns."""
    ends = {status.peer: status.fell_at + limit for status in statuses if status.fell_at is not None and status.state is not State.UP}
    held = frozenset(peer for peer, end in ends.items() if now < end)
    return Holds(held, frozenset(ends) - held, min((ends[peer] for peer in held), default=None))


def remembered(before: Mapping[str, BfdStatus], told: Mapping[str, BfdStatus]) -> dict[str, BfdStatus]:
    """Return what is told, by peer, and of what was told before the falls that a process started anew cannot know of."""
    fallen = {peer: status for peer, status in before.items() if status.fell_at is not None}
    found = {**fallen, **told}
    for peer, status in told.items():
        if peer in fallen and status.fell_at is None and status.state is not State.UP and status.remote_state is not State.ADMIN_DOWN:
            found[peer] = replace(status, fell_at=fallen[peer].fell_at)
    return found
