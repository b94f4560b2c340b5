"""Which node an entry of the ledger prefers as announcer (D7), and when another one is to be preferred.

    at creation:  Local with endpoints -> eligible node with most ready endpoints, then the least loaded
                  Cluster              -> the least loaded eligible node
                  the other IP of a dual-stack pair -> the same node, if it can
                  advertisements with node preferences -> who would be elected (their weights decide, not the load)
                  nobody eligible, or Local without endpoints yet -> none: speakers elect by rendezvous
    later:        only when the preferred node is no candidate any more, or when a person asks (annotation ``announcer``), and then whoever
                  the speakers elect now: they have moved the IP already, and it must not move twice

The load of a node is the number of entries that prefer it. An entry without preferred announcer stays so: giving it one later would move
an IP for the sake of balance only.
"""

from baremetal_lb.election.elect import Election, ElectionInput, elect
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import Family, IPAddress, family_of
from baremetal_lb.model.views import EndpointView, LedgerEntry, ServiceView, TrafficPolicy
from controller.world import World


def preferred_at_creation(world: World, service: ServiceView, address: IPAddress, *, sibling: str | None = None) -> str | None:
    """Return the node that a new entry is to prefer, or None."""
    is_local = service.traffic_policy is TrafficPolicy.LOCAL
    real = world.endpoints(service.key)
    endpoints = real if is_local else _everywhere(world, family_of(address))
    result = _elect(world, address, (service,), {service.key: endpoints}, preferred=None, sibling=sibling)
    if not result.eligible:
        return None
    if service.wanted_announcer in result.eligible or _has_preferences(world, address):
        return result.announcer
    if sibling in result.eligible:
        return sibling
    ready = {candidate.node: candidate.ready_endpoints for candidate in result.candidates}
    return min(result.eligible, key=lambda node: (-ready[node] if is_local else 0, world.load[node], node))


def preferred_now(world: World, entry: LedgerEntry) -> str | None:
    """Return the node that a written entry is to prefer from now on; its own announcer when nothing is to change."""
    services = world.users_of(entry)
    wanted = any(service.wanted_announcer for service in services)
    if not services or (entry.announcer is None and not wanted):
        return entry.announcer
    endpoints = {service.key: world.endpoints(service.key) for service in services}
    result = _elect(world, entry.address, services, endpoints, preferred=entry.announcer, sibling=_sibling(world, entry))
    if result.announcer is None:
        return entry.announcer
    if entry.announcer is None:
        asked_for = {service.wanted_announcer for service in services}
        return result.announcer if result.announcer in asked_for else None
    return result.announcer


def _elect(
    world: World,
    address: IPAddress,
    services: tuple[ServiceView, ...],
    endpoints: dict[ObjectKey, tuple[EndpointView, ...]],
    *,
    preferred: str | None,
    sibling: str | None,
) -> Election:
    return elect(
        ElectionInput(
            address=address,
            services=services,
            pool=world.configuration.pool_of(address),
            advertisements=world.configuration.l2_advertisements,
            nodes=world.nodes,
            endpoints=endpoints,
            roster=world.roster,
            preferred=preferred,
            sibling=sibling,
        )
    )


def _everywhere(world: World, family: Family) -> tuple[EndpointView, ...]:
    """Return endpoints as if each node had one: where a Service of policy Cluster is announced does not depend on them."""
    return tuple(EndpointView(node, family, ready=True) for node in sorted(world.nodes))


def _has_preferences(world: World, address: IPAddress) -> bool:
    pool = world.configuration.pool_of(address)
    return pool is not None and any(a.preferences for a in world.configuration.l2_advertisements if a.selects_pool(pool.name))


def _sibling(world: World, entry: LedgerEntry) -> str | None:
    """Return the preferred announcer of the other IP of a dual-stack Service; None for a shared IP."""
    if len(entry.services) != 1:
        return None
    others = (other for other in world.ledger.entries_of(entry.services[0].uid) if other.address != entry.address)
    return next((other.announcer for other in others if other.announcer), None)
