"""Which node an entry of the ledger prefers as announcer (D7), and when another one is to be preferred.

    at creation:  what ``settle`` would choose, with the loads as they are
    later:        when the preferred node is no candidate any more, or when a person asks (annotation ``announcer``), and then whoever
                  the speakers elect now: they have moved the IP already, and it must not move twice;
                  else only by ``preemption``, which reads the election

The load of a node is the number of entries that prefer it. An entry without preferred announcer stays so: giving it one later would move
an IP for the sake of balance only.
"""

from baremetal_lb.election.elect import Election, ElectionInput, elect
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.placement import preferred_announcer
from controller.world import World


def preferred_at_creation(world: World, service: ServiceView, address: IPAddress, *, sibling: str | None = None) -> str | None:
    """Return the node that a new entry is to prefer, or None."""
    return preferred_announcer(_subject(world, address, (service,), sibling=sibling), world.ledger.load)


def preferred_now(world: World, entry: LedgerEntry) -> tuple[str | None, Election | None]:
    """Return the node that a written entry is to prefer from now on: its own announcer when nothing is to change.

    With it comes the election that the entry's announcer has won; None if it has not, or there is nothing to elect.
    """
    services = world.users_of(entry)
    wanted = any(service.wanted_announcer for service in services)
    if not services or (entry.announcer is None and not wanted):
        return entry.announcer, None
    result = elect(_subject(world, entry.address, services, preferred=entry.announcer, sibling=_sibling(world, entry)))
    if result.announcer is None:
        return entry.announcer, None
    if entry.announcer is None:
        asked_for = {service.wanted_announcer for service in services}
        return (result.announcer if result.announcer in asked_for else None), None
    return result.announcer, result if result.announcer == entry.announcer else None


def left_out_now(world: World, entry: LedgerEntry) -> tuple[tuple[ServiceView, ...], tuple[ServiceView, ...]]:
    """Return the Services for which a shared IP is announced, and those that no node could serve beside them; by namespace and name."""
    services = world.users_of(entry)
    if len(services) < 2:
        return services, ()
    reasons = elect(_subject(world, entry.address, services, preferred=entry.announcer, sibling=_sibling(world, entry))).left_out
    out = tuple(service for service in services if reasons.get(service.key) is ExclusionReason.LeftOutOfSharedIP)
    return tuple(service for service in services if service.key not in reasons), out


def _subject(
    world: World, address: IPAddress, services: tuple[ServiceView, ...], *, preferred: str | None = None, sibling: str | None = None
) -> ElectionInput:
    """Return all that an election of the address by these Services reads."""
    return ElectionInput(
        address=address,
        services=services,
        pool=world.configuration.pool_of(address),
        advertisements=world.configuration.l2_advertisements,
        nodes=world.nodes,
        endpoints={service.key: world.endpoints(service.key) for service in services},
        roster=world.roster,
        preferred=preferred,
        sibling=sibling,
    )


def _sibling(world: World, entry: LedgerEntry) -> str | None:
    """Return the preferred announcer of the other IP of a dual-stack Service; None for a shared IP."""
    if len(entry.services) != 1:
        return None
    others = (other for other in world.ledger.entries_of(entry.services[0].uid) if other.address != entry.address)
    return next((other.announcer for other in others if other.announcer), None)
