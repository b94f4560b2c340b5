"""Who would announce each IP, with every node's case.

The election of an IP is held among the Services that share it. The first IP of a dual-stack pair (IPv4) is elected first, and the
other one takes the same node if it can. Whoever is preferred by the ledger but excluded now gives way to whoever is elected, as the
controller would write it, and so does one from whom a better node takes over (``preemption``); an entry that prefers nobody stays so,
unless a person asks for the node.
"""

from dataclasses import dataclass, replace

from baremetal_lb.election.elect import Election, elect
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Announcement:
    """One IP that Services have, and the outcome of its election."""

    address: IPAddress
    services: tuple[ServiceView, ...]
    """By key; never empty."""
    election: Election


def settle_announcements(services: tuple[ServiceView, ...], ledger: Ledger, surroundings: Surroundings) -> tuple[Announcement, ...]:
    """Hold the election of every IP that both the ledger and a status give to a Service; rewrite preferred announcers that fell out."""
    by_uid = {service.uid: service for service in services}
    announcements: dict[IPAddress, Announcement] = {}
    for entry in ledger.entries():
        if entry.owner != ledger.owner:
            continue
        users = tuple(by_uid[user.uid] for user in entry.services if user.uid in by_uid and entry.address in by_uid[user.uid].status_ips)
        if not users:
            continue
        sibling = _sibling(entry, ledger, announcements)
        election = elect(surroundings.subject(entry.address, users, preferred=entry.announcer, sibling=sibling))
        if election.better and entry.announcer is not None:  # preemption has come to its end
            election = elect(surroundings.subject(entry.address, users, preferred=election.best, sibling=sibling))
        announcements[entry.address] = Announcement(entry.address, users, election)
        is_settled = entry.announcer is None and all(election.announcer != user.wanted_announcer for user in users)
        if not is_settled and election.announcer not in (None, entry.announcer):
            ledger.put(replace(entry, announcer=election.announcer))
    return tuple(announcements.values())


def _sibling(entry: LedgerEntry, ledger: Ledger, before: dict[IPAddress, Announcement]) -> str | None:
    """Return who was elected for the other IP of the first Service that has one."""
    for user in entry.services:
        for other in ledger.entries_of(user.uid):
            if other.address in before and before[other.address].election.announcer is not None:
                return before[other.address].election.announcer
    return None
