"""BGP as it is configured: peers, advertisements and BFD profiles, compiled, with every default applied.

Names are those of RFC 4271, 1997, 8092, 2385, 4724, 5880 and 5082. Aliases are resolved, references are values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address
from typing import NamedTuple

from baremetal_lb.model.labels import LabelSelector, matches_any
from baremetal_lb.model.net import Family, IPAddress, family_of
from baremetal_lb.model.time import MILLISECOND


class Community(NamedTuple):
    """A community (RFC 1997): two numbers of 16 bit."""

    high: int
    low: int

    def __str__(self) -> str:
        """Return ``65000:1``."""
        return f"{self.high}:{self.low}"


class LargeCommunity(NamedTuple):
    """A large community (RFC 8092): three numbers of 32 bit."""

    administrator: int
    data1: int
    data2: int

    def __str__(self) -> str:
        """Return ``65000:1:2``."""
        return f"{self.administrator}:{self.data1}:{self.data2}"


GRACEFUL_SHUTDOWN = Community(65535, 0)
"""RFC 8326: routers that act on it prefer every other path."""


class DynamicASN(Enum):
    """What the AS number in the peer's OPEN must be, where it is not given."""

    INTERNAL = "internal"
    """Our own."""
    EXTERNAL = "external"
    """Any but our own."""


class ServiceAddresses(Enum):
    """Which addresses of a Service an advertisement speaks of."""

    LOAD_BALANCER = "LoadBalancer"
    """``status.loadBalancer.ingress``, as the ledger confirms."""
    EXTERNAL = "External"
    """``spec.externalIPs``."""
    CLUSTER = "Cluster"
    """``spec.clusterIPs``."""


@dataclass(frozen=True, slots=True)
class BFDProfile:
    """Parameters of BFD sessions. Intervals are in ns."""

    name: str
    required_min_rx: int = 300 * MILLISECOND
    desired_min_tx: int = 300 * MILLISECOND
    detect_mult: int = 3
    is_passive: bool = False
    """RFC 5880, section 6.1: send nothing before the peer does."""
    minimum_ttl: int = 254
    """Of received packets, in multihop sessions (RFC 5883); single hop takes 255 only (RFC 5881, section 5)."""


@dataclass(frozen=True, slots=True)
class BGPPeer:
    """One BGPPeer. Exactly one of ``address`` and ``interface``, of ``peer_asn`` and ``dynamic_asn``."""

    name: str
    my_asn: int
    """The AS number that this peer is told: ``localASN`` if given, else ``myASN``."""
    peer_asn: int | None = None
    dynamic_asn: DynamicASN | None = None
    address: IPAddress | None = None
    interface: str | None = None
    """Unnumbered: the one router on this link, learned from its Router Advertisements."""
    source_address: IPAddress | None = None
    port: int = 179
    hold_time_s: int = 90
    """0: none."""
    router_id: IPv4Address | None = None
    """None: derived on each node."""
    node_selectors: tuple[LabelSelector, ...] = ()
    """Empty: all nodes."""
    password: str | None = field(default=None, repr=False)
    """Given in the object itself. Never in a log, an event, a metric, a status or a plan."""
    password_secret: str | None = None
    """Name of the Secret that has it."""
    bfd: BFDProfile | None = None
    is_graceful_restart: bool = False
    is_multihop: bool = False
    has_ttl_security: bool = False
    """RFC 5082 (GTSM): take and send packets of TTL 255 only."""
    vrf: str | None = None
    is_dual_stack: bool = False

    @property
    def is_internal(self) -> bool:
        """Tell whether the peer is in our autonomous system (iBGP)."""
        return self.dynamic_asn is DynamicASN.INTERNAL or self.peer_asn == self.my_asn

    @property
    def families(self) -> frozenset[Family]:
        """Families of the routes that its sessions carry: both on unnumbered ones, as in the reference."""
        if self.is_dual_stack or self.address is None:
            return frozenset(Family)
        return frozenset({family_of(self.address)})

    def selects_node(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a node with these labels keeps a session with it."""
        return not self.node_selectors or matches_any(self.node_selectors, labels)


@dataclass(frozen=True, slots=True)
class BGPAdvertisement:
    """One BGPAdvertisement. ``pools`` is resolved: names of the pools meant, None for all pools."""

    name: str
    pools: frozenset[str] | None = None
    node_selectors: tuple[LabelSelector, ...] = ()
    """Empty: all nodes."""
    service_selectors: tuple[LabelSelector, ...] = ()
    """Empty: all Services."""
    peers: frozenset[str] = frozenset()
    """Names of BGPPeers; empty: all."""
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int = 0
    """0: not given (100 is sent to internal peers, RFC 4271's usual default)."""
    communities: tuple[Community, ...] = ()
    """Ascending, without repetition; so are the large ones."""
    large_communities: tuple[LargeCommunity, ...] = ()
    med: int | None = None
    as_path_prepend: int = 0
    weight_by_endpoints: bool = False
    service_addresses: frozenset[ServiceAddresses] = frozenset({ServiceAddresses.LOAD_BALANCER})

    def selects_pool(self, name: str) -> bool:
        """Tell whether it speaks of this pool."""
        return self.pools is None or name in self.pools

    def selects_node(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a node with these labels advertises."""
        return not self.node_selectors or matches_any(self.node_selectors, labels)

    def selects_service(self, labels: Mapping[str, str]) -> bool:
        """Tell whether it speaks of Services with these labels."""
        return not self.service_selectors or matches_any(self.service_selectors, labels)

    def length(self, family: Family) -> int:
        """Return the prefix length of its routes of a family."""
        return self.aggregation_length if family is Family.IPV4 else self.aggregation_length_v6
