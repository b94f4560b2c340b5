"""What the election of an IP reads, the same for whoever holds it: controller, speakers, plan and explain.

An election is held among the Services that use the IP. Who they are is for the caller's facts to say: for the controller those that the
ledger names, for everybody else those whose status names the IP, too.

The sibling: of the first of these Services, by key, the first IP (IPv4 before IPv6) leads. An election for another IP follows whoever is
elected for that one now, so both IPs of a dual-stack Service are announced from one node where one node can.
"""

from collections.abc import Mapping
from typing import Protocol

from baremetal_lb.election.elect import Election, ElectionInput, elect
from baremetal_lb.ipam.ledger import address_order
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import EndpointView, LedgerEntry, NodeView, ServiceView


class ElectionFacts(Protocol):
    """What is known of a cluster, as far as elections read it."""

    @property
    def configuration(self) -> Configuration:
        """Pools and advertisements."""
        ...

    @property
    def nodes(self) -> Mapping[str, NodeView]:
        """By name."""
        ...

    @property
    def roster(self) -> Roster:
        """All members."""
        ...

    @property
    def ignore_exclude_lb(self) -> bool:
        """Nodes with the label node.kubernetes.io/exclude-from-external-load-balancers count like others."""
        ...

    def entry(self, address: IPAddress) -> LedgerEntry | None:
        """Return the ledger's entry for an IP, if it is known."""
        ...

    def users_of(self, entry: LedgerEntry) -> tuple[ServiceView, ...]:
        """Return the Services among which the election of the entry's IP is held."""
        ...

    def ips_of(self, service: ServiceView) -> tuple[IPAddress, ...]:
        """Return the IPs for which the Service is such a user."""
        ...

    def endpoints(self, service: ObjectKey) -> tuple[EndpointView, ...]:
        """Return the endpoints of all slices of a Service."""
        ...


def subject_of(
    facts: ElectionFacts,
    address: IPAddress,
    services: tuple[ServiceView, ...],
    *,
    preferred: str | None = None,
    sibling: str | None = None,
) -> ElectionInput:
    """Return the input of the election of an IP among these Services."""
    return ElectionInput(
        address=address,
        services=services,
        pool=facts.configuration.pool_of(address),
        advertisements=facts.configuration.l2_advertisements,
        nodes=facts.nodes,
        endpoints={service.key: facts.endpoints(service.key) for service in services},
        roster=facts.roster,
        preferred=preferred,
        ignore_exclude_lb=facts.ignore_exclude_lb,
        sibling=sibling,
    )


def subject_now(facts: ElectionFacts, entry: LedgerEntry) -> ElectionInput:
    """Return the input of the election of an entry's IP as things are."""
    users = facts.users_of(entry)
    return subject_of(facts, entry.address, users, preferred=entry.announcer, sibling=_sibling(facts, entry.address, users))


def election_now(facts: ElectionFacts, entry: LedgerEntry) -> Election:
    """Hold the election of an entry's IP as things are."""
    return elect(subject_now(facts, entry))


def _sibling(facts: ElectionFacts, address: IPAddress, users: tuple[ServiceView, ...]) -> str | None:
    """Return who is elected for the IP that this one follows; None where it follows none."""
    if not users:
        return None
    leading = min(facts.ips_of(min(users, key=lambda user: user.key)), key=address_order, default=address)
    entry = None if leading == address else facts.entry(leading)
    return None if entry is None else elect(subject_of(facts, leading, facts.users_of(entry), preferred=entry.announcer)).announcer
