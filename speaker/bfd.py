"""BFD beside the sessions of this node: which paths are watched, and which sessions are held down meanwhile. Pure.

The sessions that there are to be come from the configuration; BFD watches the paths of all of them, also of those that it holds down.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from baremetal_lb.bfd.holds import holds
from baremetal_lb.bfd.reasons import BfdReason
from baremetal_lb.bfd.spec import BfdSpec, BfdStatus
from baremetal_lb.bfd.wanted import bfd_sessions
from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import SessionSpec
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.reasons import Reason
from speaker.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Watched:
    """Sessions as BFD leaves them."""

    sessions: Sessions = field(default_factory=Sessions)
    """Without those held down, which have a reason instead."""
    paths: Mapping[str, BfdSpec] = field(default_factory=dict)
    """What BFD is to watch, by peer."""
    notes: Mapping[str, Reason] = field(default_factory=dict)
    """What is to be said of sessions that there are, by peer."""
    deadline: int | None = None
    """When the next hold ends (ns, monotonic)."""


def watched(
    decided: Sessions,
    peers: Mapping[str, BGPPeer],
    *,
    on_link: frozenset[str],
    statuses: Mapping[str, BfdStatus],
    problems: Iterable[BfdReason],
    limit: int,
    now: int,
) -> Watched:
    """Return what is left of the sessions decided; ``statuses`` by peer, ``limit`` of a hold in ns."""
    paths = bfd_sessions(peers, decided.specs, on_link=on_link)
    found = holds((status for peer, status in statuses.items() if peer in paths), limit=limit, now=now)
    specs = {name: spec for name, spec in decided.specs.items() if name not in found.held}
    reasons = {**decided.reasons, **dict.fromkeys(sorted(found.held), SessionReason.HeldDownByBFD)}
    problem = next(iter(problems), None)
    notes: dict[str, Reason] = dict.fromkeys(sorted(found.ended), BfdReason.HoldEnded)
    if problem is not None:
        notes = dict.fromkeys(sorted(paths), problem) | notes
    return Watched(Sessions(specs, reasons), paths, notes, found.deadline)


def asks_for_links(peers: Iterable[BGPPeer], specs: Mapping[str, SessionSpec]) -> list[str]:
    """Return the peers of which BFD must know whether a link of the node has them."""
    return [peer.name for peer in peers if peer.bfd is not None and peer.is_internal and peer.name in specs]
