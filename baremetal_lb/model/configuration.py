"""The compiled Configuration: what all accepted custom resources mean together, with every default applied.

Made by ``api.compile``, in a stable order (by age, then name, where order decides; by name elsewhere). The kinds of BGP are in
``model.bgp``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from baremetal_lb.model.bgp import BGPAdvertisement, BGPPeer
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.labels import LabelSelector, matches_any
from baremetal_lb.model.net import AddressRange, Family, IPAddress


@dataclass(frozen=True, slots=True)
class ServiceAllocation:
    """To whom a pool gives addresses (``spec.serviceAllocation``). Lower priority is tried first; 0 is last."""

    priority: int = 0
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``addresses`` addresses of a pool for each of the namespaces meant."""

    addresses: int
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[LabelSelector, ...] = ()

    def covers(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether this namespace is meant; a quota with neither list means every namespace."""
        if not self.namespaces and not self.namespace_selectors:
            return True
        return namespace in self.namespaces or matches_any(self.namespace_selectors, labels)


class SharingScope(Enum):
    """Who may share an IP of a pool with each other (``spec.sharing``): sharing keys of other namespaces can be guessed, or leak."""

    NAMESPACE = "Namespace"
    CLUSTER = "Cluster"


@dataclass(frozen=True, slots=True)
class Pool:
    """One IPAddressPool."""

    name: str
    ranges: tuple[AddressRange, ...]
    """In the order of ``spec.addresses``; never overlapping, with no other pool either."""
    labels: Mapping[str, str] = field(default_factory=dict)
    excluded: tuple[AddressRange, ...] = ()
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    disabled: bool = False
    retain_for: int = 0
    """ns."""
    allocation: ServiceAllocation | None = None
    quotas: tuple[Quota, ...] = ()
    sharing: SharingScope = SharingScope.NAMESPACE

    def covers(self, address: IPAddress) -> bool:
        """Tell whether the address is in one of the ranges, be it excluded or not."""
        return any(address in r for r in self.ranges)

    @property
    def families(self) -> frozenset[Family]:
        """Families that it has addresses of."""
        return frozenset(r.family for r in self.ranges)


class PreemptionPolicy(Enum):
    """Whether a better candidate that comes back takes an IP over from the node that announces it."""

    NEVER = "Never"
    DELAYED = "Delayed"


@dataclass(frozen=True, slots=True)
class Preference:
    """Weight 1..100 for the nodes that the selector matches."""

    weight: int
    selector: LabelSelector


@dataclass(frozen=True, slots=True)
class L2Advertisement:
    """One L2Advertisement. ``pools`` is resolved: names of the pools meant, None for all pools."""

    name: str
    pools: frozenset[str] | None = None
    node_selectors: tuple[LabelSelector, ...] = ()
    """Empty: all nodes."""
    interfaces: tuple[str, ...] = ()
    """Empty: all interfaces."""
    service_selectors: tuple[LabelSelector, ...] = ()
    """Empty: all Services."""
    preferences: tuple[Preference, ...] = ()
    preemption: PreemptionPolicy = PreemptionPolicy.NEVER
    preemption_delay: int = 0
    """ns; with DELAYED only."""

    def selects_pool(self, name: str) -> bool:
        """Tell whether it speaks of this pool."""
        return self.pools is None or name in self.pools

    def may_preempt(self, pool: str) -> bool:
        """Tell whether a node of greater weight may take IPs of this pool from one that announces them well."""
        return self.preemption is PreemptionPolicy.DELAYED and self.selects_pool(pool)

    def selects_node(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a node with these labels may announce."""
        return not self.node_selectors or matches_any(self.node_selectors, labels)

    def selects_service(self, labels: Mapping[str, str]) -> bool:
        """Tell whether it speaks of Services with these labels."""
        return not self.service_selectors or matches_any(self.service_selectors, labels)


@dataclass(frozen=True, slots=True)
class Reservation:
    """One IPReservation: these addresses go only to this namespace, and there only to this Service if one is named."""

    name: str
    ranges: tuple[AddressRange, ...]
    namespace: str
    service_name: str | None = None
    reason: str = ""

    def admits(self, service: ObjectKey) -> bool:
        """Tell whether the addresses are for this Service."""
        return service.namespace == self.namespace and self.service_name in (None, service.name)


@dataclass(frozen=True, slots=True)
class Configuration:
    """All accepted custom resources, compiled."""

    pools: tuple[Pool, ...] = ()
    """By name."""
    l2_advertisements: tuple[L2Advertisement, ...] = ()
    """By name."""
    reservations: tuple[Reservation, ...] = ()
    """Older first, then by name: where two claim an address, the older one has it."""
    bgp_peers: tuple[BGPPeer, ...] = ()
    """By name."""
    bgp_advertisements: tuple[BGPAdvertisement, ...] = ()
    """By name."""

    def pool(self, name: str) -> Pool | None:
        """Return the pool of this name."""
        return next((pool for pool in self.pools if pool.name == name), None)

    def pool_of(self, address: IPAddress) -> Pool | None:
        """Return the pool whose ranges have this address."""
        return next((pool for pool in self.pools if pool.covers(address)), None)
