"""Which node an entry of the ledger prefers as announcer, at its creation and later.

At creation:

    the other IP of a dual-stack pair            the same node, if it can
    a person asks for a node, or an              who would be elected: wishes and weights decide, not the load
    advertisement has node preferences
    externalTrafficPolicy Local                  the eligible node with most ready endpoints, then the least loaded one
    externalTrafficPolicy Cluster                the least loaded eligible node

Load is the number of entries that prefer a node. For a Service of policy Cluster its endpoints do not matter here: it would be
announced from any node once it has some. Where nobody is eligible there is no preference, and the speakers elect by rendezvous.

Later: when the preferred node is no candidate any more, or when a person asks (annotation ``announcer``), whoever the speakers elect now:
they have moved the IP already, and it must not move twice; else only by preemption, which reads the election. An entry without preferred
announcer stays so: giving it one later would move an IP for the sake of balance only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from baremetal_lb.election.elect import Election, ElectionInput, elect
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.model.net import IPAddress, family_of
from baremetal_lb.model.views import EndpointView, LedgerEntry, ServiceView, TrafficPolicy
from baremetal_lb.settle.elections import ElectionFacts, election_now, subject_of


def preferred_at_creation(
    facts: ElectionFacts, service: ServiceView, addresses: Iterable[IPAddress], load: Mapping[str, int]
) -> str | None:
    """Return the node that the entries are to prefer which the Service gets for these addresses, or None: one node for both families.

    ``addresses`` are all that it is to have; an entry that has users keeps its announcer, and the other one follows that.
    """
    chosen: str | None = None
    for address in addresses:
        entry = facts.entry(address)
        if entry is not None and entry.services:
            chosen = chosen or entry.announcer
        else:
            chosen = _preferred(subject_of(facts, address, (service,), sibling=chosen), load) or chosen
    return chosen


def _preferred(subject: ElectionInput, load: Mapping[str, int]) -> str | None:
    """Return the node that a new entry for the IP is to prefer; ``sibling`` of the subject is the choice for the other IP of its pair."""
    (service,) = subject.services
    is_local = service.traffic_policy is TrafficPolicy.LOCAL
    if not is_local:
        everywhere = tuple(EndpointView(node, family_of(subject.address), ready=True) for node in sorted(subject.nodes))
        subject = replace(subject, endpoints={service.key: everywhere})
    election = elect(subject)
    if not election.eligible:
        return None
    pool = subject.pool
    has_preferences = pool is not None and any(a.preferences for a in subject.advertisements if a.selects_pool(pool.name))
    if service.wanted_announcer in election.eligible or has_preferences:
        return election.announcer
    if subject.sibling in election.eligible:
        return subject.sibling
    ready = {candidate.node: candidate.ready_endpoints for candidate in election.candidates}
    return min(election.eligible, key=lambda node: (-ready[node] if is_local else 0, load.get(node, 0), node))


@dataclass(frozen=True, slots=True)
class Review:
    """How a written entry stands."""

    wanted: str | None
    """The node that it is to prefer from now on: its own announcer when nothing is to change."""
    is_asked_for: bool = False
    """A person asks for that node."""
    won: Election | None = None
    """The election that the entry's announcer has won; None if it has not, or there was nothing to elect."""
    served: tuple[ServiceView, ...] = ()
    """The Services for which a shared IP is announced, by key."""
    left_out: tuple[ServiceView, ...] = ()
    """Those that no node could serve beside them, by key."""


def review(facts: ElectionFacts, entry: LedgerEntry) -> Review:
    """Return how an entry stands as things are."""
    services = facts.users_of(entry)
    if not services:
        return Review(entry.announcer)
    election = election_now(facts, entry)
    wanted = _wanted(entry, services, election)
    return Review(
        wanted,
        is_asked_for=wanted is not None and any(service.wanted_announcer == wanted for service in services),
        won=election if wanted is not None and election.announcer == entry.announcer else None,
        served=tuple(service for service in services if service.key not in election.left_out),
        left_out=tuple(s for s in services if election.left_out.get(s.key) is ExclusionReason.LeftOutOfSharedIP),
    )


def _wanted(entry: LedgerEntry, services: Iterable[ServiceView], election: Election) -> str | None:
    if election.announcer is None or election.announcer == entry.announcer:
        return entry.announcer
    if entry.announcer is not None or any(service.wanted_announcer == election.announcer for service in services):
        return election.announcer
    return None
