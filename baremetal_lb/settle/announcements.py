"""Who announces each IP, with every node's case.

The election of an IP is held among the Services that have it by the ledger and by their status. ``settle_placement`` first does what the
controller does about preferred announcers until it has nothing more to do: one that fell out gives way to whoever is elected, one that a
better node may take over from (``preemption``) to that one.
"""

from dataclasses import dataclass, replace

from baremetal_lb.election.elect import Election
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.elections import election_now
from baremetal_lb.settle.placement import review
from baremetal_lb.settle.state import ClusterState

MOVES_MAX = 8
"""Changes of one entry's preferred announcer: who was elected, then whoever is better; the rest is for faults of ours."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One IP that Services have, and the outcome of its election."""

    address: IPAddress
    services: tuple[ServiceView, ...]
    """By key; never empty."""
    election: Election


class Announced:
    """What elections read of a state where the status of a Service counts, too: as the speakers do."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self.configuration, self.nodes, self.roster = state.configuration, state.nodes, state.roster
        self.ignore_exclude_lb = state.ignore_exclude_lb
        self.entry, self.endpoints = state.entry, state.endpoints

    def users_of(self, entry: LedgerEntry) -> tuple[ServiceView, ...]:
        """Return the Services that ledger and status give the entry's IP to, by key."""
        return tuple(service for service in self._state.users_of(entry) if entry.address in service.status_ips)

    def ips_of(self, service: ServiceView) -> tuple[IPAddress, ...]:
        """Return the IPs that ledger and status give to the Service, IPv4 first."""
        return tuple(address for address in self._state.ips_of(service) if address in service.status_ips)


def announcements_of(state: ClusterState) -> tuple[Announcement, ...]:
    """Hold the election of every IP that both the ledger and a status give to a Service, as things are; by address."""
    facts = Announced(state)
    ours = (entry for entry in state.ledger.entries() if entry.owner == state.owner)
    found = ((entry, users) for entry in ours if (users := facts.users_of(entry)))
    return tuple(Announcement(entry.address, users, election_now(facts, entry)) for entry, users in found)


def settle_placement(state: ClusterState) -> None:
    """Rewrite preferred announcers until none is to be rewritten; IPv4 first, since the other IP of a pair follows."""
    for entry in state.ledger.entries():
        if entry.owner == state.owner:
            _settle_entry(state, entry)


def _settle_entry(state: ClusterState, entry: LedgerEntry) -> None:
    for _ in range(MOVES_MAX):
        found = review(state, entry)
        wanted = found.won.best if found.won is not None and found.won.better else found.wanted
        if wanted == entry.announcer:
            return
        entry = replace(entry, announcer=wanted)
        state.put(entry)
    raise InvariantViolation(f"the preferred announcer of {entry.address} does not come to rest within {MOVES_MAX} moves")
