"""From what should be to what this node does about one IP, and to its status objects. Pure.

The case table; the rows are tried in this order.

    wanted here, not yielded                     -> announce
    wanted here, yielded to another member       -> silent
    not announced so far                         -> silent
    wanted elsewhere, we could still answer, the
      new announcer not heard, limit not reached -> go on answering (make before break)
    anything else                                -> withdraw

Going on is bounded by ``HANDOVER_LIMIT`` and ends as soon as the new announcer is heard on the link. Yielding is for a speaker that is cut
off from the API server: what it knows is old, and another member's announcement is news. Two that are both cut off must not both yield:
whoever claimed the IP more than ``CLAIM_AGE`` ago yields to the newer claim; of two recent claims the lower node name keeps it.

``plan(x, x)`` is nothing: the same inputs give an equal Standing, and equal Standings give no change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.time import MILLISECOND, SECOND
from speaker.decide import Wanted

HANDOVER_LIMIT = 2 * SECOND
"""How long an old announcer waits for the new one at most; on a machine at ten times its load, news took over half a second."""
CLAIM_AGE = 8 * SECOND + 500 * MILLISECOND
"""A little longer than a claim is announced: so a newer claim is heard once more when this one has come of age."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What this node does about one IP: it answers for it."""

    interfaces: frozenset[str] | None
    services: tuple[ObjectKey, ...]
    since: int
    """When it began (ns, monotonic)."""
    until: int | None = None
    """When it ends at the latest, because another node takes over; None: it does not."""


def plan_address(wanted: Wanted, standing: Standing | None, *, node: str, is_yielded: bool, is_heard: bool, now: int) -> Standing | None:
    """Return what is to stand from ``now`` on; None: nothing."""
    if wanted.announcer == node:
        if is_yielded:
            return None
        since = standing.since if standing is not None else now
        return Standing(wanted.interfaces, wanted.services, since)
    if standing is None or wanted.announcer is None or not wanted.could_answer or is_heard:
        return None
    until = now + HANDOVER_LIMIT if standing.until is None else standing.until
    return replace(standing, until=until) if now < until else None


def yields(node: str, other: str, standing: Standing, *, now: int) -> bool:
    """Tell whether a speaker that is cut off gives way to another member that announces its IP."""
    return now - standing.since > CLAIM_AGE or other < node


@dataclass(frozen=True, slots=True)
class L2Status:
    """What a ServiceL2Status of this node says: the Service is announced here, on these interfaces (empty: all)."""

    service: ObjectKey
    interfaces: tuple[str, ...] = ()


def status_of(service: ObjectKey, standings: Iterable[Standing]) -> L2Status | None:
    """Return the status for a Service by what stands for its IPs; None: it is not announced here."""
    own = [standing for standing in standings if service in standing.services]
    if not own:
        return None
    if any(standing.interfaces is None for standing in own):
        return L2Status(service)
    return L2Status(service, tuple(sorted({name for standing in own for name in standing.interfaces or ()})))


def status_name(service: ObjectKey, node: str) -> str:
    """Return the name of the status object of a Service and node: always the same, so that nothing is made twice."""
    return "l2-" + sha256(f"{service.namespace}/{service.name}/{node}".encode()).hexdigest()[:20]
