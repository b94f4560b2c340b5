"""Which routes one node has for one Service, each with its attributes, and why there are none.

    Service x advertisement x address --> Contribution: a prefix with attributes, for these peers
    contributions of all Services, per peer --> RIB (`rib_index`)

The unit is the Service: what an event touches is computed anew alone, and nothing else. A prefix is advertised as long as one Service
contributes it, so aggregates and shared IPs survive until the last contributor goes.

What may be advertised (rules that no change may break)
* LoadBalancer IPs: those that ledger and status both give to this Service.
* External IPs: only where a pool or a reservation admits them for the namespace and the ledger gives them to nobody else.
* Cluster IPs: only inside a ServiceCIDR.
* An aggregate: only if all of it lies inside pools.
* Policy Local: only where the node has a usable endpoint of the address's family; policy Cluster: where any node has.

Two advertisements may give one route different attributes: communities are united; LOCAL_PREF must agree (else the Service is withdrawn,
with a reason), MED is the lowest, a prepended path the longest of what is asked (what makes the route less wanted is not lost).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from baremetal_lb.bgp.reasons import RouteReason
from baremetal_lb.bgp.session import Attributes, Prefix
from baremetal_lb.model.bgp import BGPAdvertisement, ServiceAddresses
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import EXCLUDE_NODE_LABEL, ObjectKey
from baremetal_lb.model.net import AddressRange, Family, IPAddress, family_of, parse_address
from baremetal_lb.model.views import EndpointView, LedgerEntry, NodeView, ServiceView, TrafficPolicy

LINK_BANDWIDTH_PER_ENDPOINT = 125_000_000
"""Octets per second that one endpoint counts for (1 Gbit/s): only the ratio between nodes has a meaning."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One route that one Service asks for."""

    prefix: Prefix
    attributes: Attributes
    """As asked for; what a kind of peer may not get is left out at the peer."""
    peers: frozenset[str] = frozenset()
    """Names of BGPPeers; empty: all."""
    endpoints: int = 0
    """Usable endpoints on the node, where they weigh."""

    def is_for(self, peer: str) -> bool:
        """Tell whether it goes to this peer."""
        return not self.peers or peer in self.peers


@dataclass(frozen=True, slots=True)
class RouteInput:
    """What the decision about a Service reads, beside the Service."""

    node: NodeView | None
    configuration: Configuration
    endpoints: tuple[EndpointView, ...]
    entries: Mapping[IPAddress, LedgerEntry]
    """Ledger entries of the Service's addresses; more do no harm."""
    service_cidrs: tuple[AddressRange, ...] = ()
    ignore_exclude_lb: bool = False


@dataclass(frozen=True, slots=True)
class ServiceRoutes:
    """The routes of one Service on one node, and the reason for each address that has none."""

    contributions: tuple[Contribution, ...] = ()
    reasons: tuple[tuple[IPAddress, RouteReason], ...] = ()
    """By address, for those without a route."""


def routes_of(service: ServiceView, given: RouteInput) -> ServiceRoutes:
    """Decide on one Service."""
    addresses = list(_addresses(service, given.configuration.bgp_advertisements))
    node_reason = reason_of_node(given.node, ignore_exclude_lb=given.ignore_exclude_lb)
    if node_reason is not None or given.node is None:
        return ServiceRoutes((), tuple((address, node_reason or RouteReason.NodeNotFound) for address, _kind in addresses))
    found: dict[Contribution, None] = {}
    reasons: dict[IPAddress, RouteReason] = {}
    for address, kind in addresses:
        outcome = _of_address(service, address, kind, given.node, given)
        if isinstance(outcome, RouteReason):
            reasons.setdefault(address, outcome)
        else:
            found.update(dict.fromkeys(outcome))
    return ServiceRoutes(tuple(found), tuple(reasons.items()))


def reason_of_node(node: NodeView | None, *, ignore_exclude_lb: bool) -> RouteReason | None:
    """Return why a node advertises nothing at all. Draining is no such reason: it is a planned move, with notice first."""
    if node is None:
        return RouteReason.NodeNotFound
    if node.is_network_unavailable:
        return RouteReason.NetworkUnavailable
    if EXCLUDE_NODE_LABEL in node.labels and not ignore_exclude_lb:
        return RouteReason.ExcludedByLabel
    return None


def _addresses(service: ServiceView, advertisements: Sequence[BGPAdvertisement]) -> Iterable[tuple[IPAddress, ServiceAddresses]]:
    """Return the addresses that advertisements could speak of, in the order of the Service."""
    asked = frozenset().union(*(advertisement.service_addresses for advertisement in advertisements))
    for address in service.status_ips:
        yield address, ServiceAddresses.LOAD_BALANCER
    if ServiceAddresses.EXTERNAL in asked:
        yield from ((address, ServiceAddresses.EXTERNAL) for address in _parsed(service.external_ips))
    if ServiceAddresses.CLUSTER in asked:
        yield from ((address, ServiceAddresses.CLUSTER) for address in _parsed(service.cluster_ips))


def _parsed(texts: Iterable[str]) -> Iterable[IPAddress]:
    for text in texts:
        try:
            yield parse_address(text)
        except ValueError:  # "None" of a headless Service
            continue


def _of_address(
    service: ServiceView, address: IPAddress, kind: ServiceAddresses, node: NodeView, given: RouteInput
) -> list[Contribution] | RouteReason:
    reason = _right_to(service, address, kind, given)
    if reason is not None:
        return reason
    family = family_of(address)
    matching = matching_advertisements(service, address, kind, given.configuration)
    if not matching:
        return RouteReason.NoAdvertisement
    selecting = [advertisement for advertisement in matching if advertisement.selects_node(node.labels)]
    if not selecting:
        return RouteReason.NotSelectedByAdvertisement
    if kind is ServiceAddresses.LOAD_BALANCER and has_local_pref_conflict(selecting, family):
        return RouteReason.ConflictingLocalPref
    usable = [endpoint for endpoint in given.endpoints if endpoint.family is family and endpoint.is_usable]
    if not usable:
        return RouteReason.NoUsableEndpoint
    # While any endpoint is ready, one that terminates is no reason to send traffic to its node: it serves what is on its way, no more. What
    # health checks on healthCheckNodePort tell a load balancer is the same (KEP-1669).
    ready = [endpoint for endpoint in usable if endpoint.is_ready] or usable
    local = sum(1 for endpoint in ready if endpoint.node == node.name)
    if service.traffic_policy is TrafficPolicy.LOCAL and kind is not ServiceAddresses.CLUSTER and not local:
        is_leaving = any(endpoint.node == node.name for endpoint in usable)
        return RouteReason.OnlyTerminatingEndpoints if is_leaving else RouteReason.NoLocalEndpoint
    contributions = [_contribution(advertisement, address, local, given.configuration, kind) for advertisement in selecting]
    made = [contribution for contribution in contributions if contribution is not None]
    return made or RouteReason.AggregateOutsidePools


def _right_to(service: ServiceView, address: IPAddress, kind: ServiceAddresses, given: RouteInput) -> RouteReason | None:
    """Return why the Service may not have traffic for this address attracted."""
    entry = given.entries.get(address)
    if kind is ServiceAddresses.LOAD_BALANCER:
        if entry is None:
            return RouteReason.NotInLedger
        if not entry.has_service(service.uid):
            return RouteReason.LedgerNamesAnother
        return RouteReason.NoPool if given.configuration.pool_of(address) is None else None
    if kind is ServiceAddresses.CLUSTER:
        return None if any(address in cidr for cidr in given.service_cidrs) else RouteReason.ClusterIPOutsideServiceCIDR
    is_anothers = entry is not None and not entry.has_service(service.uid)
    is_admitted = not is_anothers and _admits(given.configuration, address, service.key)
    return None if is_admitted else RouteReason.ExternalIPNotAdmitted


def _admits(configuration: Configuration, address: IPAddress, service: ObjectKey) -> bool:
    """Tell whether a reservation, or else a pool that takes this namespace by name or takes everybody, admits an external IP."""
    for reservation in configuration.reservations:
        if any(address in each for each in reservation.ranges):
            return reservation.admits(service)
    pool = configuration.pool_of(address)
    if pool is None or any(address in each for each in pool.excluded):
        return False
    allocation = pool.allocation
    return allocation is None or service.namespace in allocation.namespaces


def matching_advertisements(
    service: ServiceView, address: IPAddress, kind: ServiceAddresses, configuration: Configuration
) -> list[BGPAdvertisement]:
    """Return the advertisements that speak of this address of this Service; a cluster IP is in no pool, so pools say nothing of it."""
    pool = configuration.pool_of(address)
    return [
        advertisement
        for advertisement in configuration.bgp_advertisements
        if kind in advertisement.service_addresses
        and advertisement.selects_service(service.labels)
        and (kind is ServiceAddresses.CLUSTER or pool is None or advertisement.selects_pool(pool.name))
        and (kind is ServiceAddresses.CLUSTER or pool is not None or advertisement.pools is None)
    ]


def has_local_pref_conflict(advertisements: Sequence[BGPAdvertisement], family: Family) -> bool:
    """Tell whether two of them give one route to one peer different local preferences."""
    return any(
        one.local_pref != other.local_pref
        and one.length(family) == other.length(family)
        and (not one.peers or not other.peers or not one.peers.isdisjoint(other.peers))
        for index, one in enumerate(advertisements)
        for other in advertisements[index + 1 :]
    )


def _contribution(
    advertisement: BGPAdvertisement, address: IPAddress, local_endpoints: int, configuration: Configuration, kind: ServiceAddresses
) -> Contribution | None:
    """Return the route of one advertisement; None for an aggregate that is not wholly inside pools."""
    family = family_of(address)
    length = advertisement.length(family) if kind is ServiceAddresses.LOAD_BALANCER else family.bits
    prefix = ip_network(f"{address}/{length}", strict=False)
    if length != family.bits and not _lies_in_pools(prefix, family, configuration):
        return None
    attributes = Attributes(
        local_pref=advertisement.local_pref or None,
        med=advertisement.med,
        as_path_prepend=advertisement.as_path_prepend,
        communities=advertisement.communities,
        large_communities=advertisement.large_communities,
        link_bandwidth=None,
    )
    return Contribution(prefix, attributes, advertisement.peers, local_endpoints if advertisement.weight_by_endpoints else 0)


def _lies_in_pools(prefix: Prefix, family: Family, configuration: Configuration) -> bool:
    wanted = AddressRange(family, int(prefix.network_address), int(prefix.broadcast_address))
    return not wanted.minus(each for pool in configuration.pools for each in pool.ranges if each.family is family)
