"""The kinds: one table of what each is called, where it lives, which model it has and which columns ``kubectl get`` shows.

Kinds that the reference has are in the identity's group; the others (``is_own``) are always in ours. Everything that must know about
all kinds (CRDs, parsing, validation, RBAC) reads this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from baremetal_lb.api.allocation import IPAllocation
from baremetal_lb.api.base import ApiModel
from baremetal_lb.api.bgp import BGPAdvertisement, BGPSessionStatus, Community, ServiceBGPStatus
from baremetal_lb.api.layer2 import L2Advertisement, ServiceL2Status
from baremetal_lb.api.peers import BFDProfile, BGPPeer, BGPPeerV1Beta1
from baremetal_lb.api.pools import IPAddressPool, IPReservation
from baremetal_lb.model.ids import METALLB, Identity

CATEGORY = "baremetal-lb"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``; ``priority`` 1 shows with ``-o wide`` only."""

    name: str
    type: str
    path: str
    description: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a kind. Objects are stored in the first version of its kind."""

    name: str
    model: type[ApiModel]
    deprecation: str | None = None
    only_in: Identity | None = None
    """Served under this identity only; None: under each."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of custom resource."""

    name: str
    plural: str
    versions: tuple[Version, ...]
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    is_own: bool = False
    """The reference does not have it: always in our own group."""
    is_cluster_scoped: bool = False
    is_configuration: bool = True
    """Written by people; otherwise by our processes."""
    has_status: bool = True

    def group(self, identity: Identity) -> str:
        """Return the API group under an identity."""
        return identity.own_group if self.is_own else identity.group

    def served(self, identity: Identity) -> tuple[Version, ...]:
        """Return the versions served under an identity, the stored one first."""
        return tuple(version for version in self.versions if version.only_in in (None, identity))


AGE = Column("Age", "date", ".metadata.creationTimestamp", "Time since the object was made.")
ACCEPTED = Column("Accepted", "string", '.status.conditions[?(@.type=="Accepted")].status', "Whether the spec as it stands is in force.")
DEGRADED = Column(
    "Degraded", "string", '.status.conditions[?(@.type=="Degraded")].reason', "What of the spec cannot be done, if anything.", priority=1
)
NODE_SERVICE = (
    Column("Service Name", "string", ".status.serviceName", "Name of the Service."),
    Column("Service Namespace", "string", ".status.serviceNamespace", "Namespace of the Service."),
)
ADVERTISED = (
    Column("IPAddressPools", "string", ".spec.ipAddressPools", "Pools by name."),
    Column("IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors", "Pools by their labels."),
)
NODE_SELECTORS = Column("Node Selectors", "string", ".spec.nodeSelectors", "Nodes by their labels.", priority=10)
PEER_COLUMNS = (
    Column("Address", "string", ".spec.peerAddress", "Address of the peer."),
    Column("ASN", "string", ".spec.peerASN", "AS number of the peer."),
    Column("BFD Profile", "string", ".spec.bfdProfile", "BFD profile of its sessions."),
    Column("Multi Hops", "string", ".spec.ebgpMultiHop", "Whether the peer may be several hops away."),
    ACCEPTED,
    DEGRADED,
    AGE,
)

KINDS: tuple[Kind, ...] = (
    Kind(
        "IPAddressPool",
        "ipaddresspools",
        (Version("v1beta1", IPAddressPool),),
        (
            Column("Auto Assign", "boolean", ".spec.autoAssign", "Whether Services get addresses without asking for this pool."),
            Column("Avoid Buggy IPs", "boolean", ".spec.avoidBuggyIPs", "Whether .0 and .255 are never given."),
            Column("Addresses", "string", ".spec.addresses", "Addresses of the pool."),
            Column("IPv4 Used", "string", ".status.ipv4.allocated", "IPv4 addresses in use."),
            Column("IPv4 Free", "string", ".status.ipv4.available", "IPv4 addresses that can be given."),
            Column("IPv6 Used", "string", ".status.ipv6.allocated", "IPv6 addresses in use."),
            Column("IPv6 Free", "string", ".status.ipv6.available", "IPv6 addresses that can be given.", priority=1),
            Column("IPv4 Capacity", "string", ".status.ipv4.capacity", "IPv4 addresses of the pool.", priority=1),
            Column("IPv6 Capacity", "string", ".status.ipv6.capacity", "IPv6 addresses of the pool.", priority=1),
            ACCEPTED,
            DEGRADED,
            AGE,
        ),
        short_names=("ipp",),
    ),
    Kind(
        "L2Advertisement",
        "l2advertisements",
        (Version("v1beta1", L2Advertisement),),
        (
            *ADVERTISED,
            Column("Interfaces", "string", ".spec.interfaces", "Interfaces to announce on."),
            NODE_SELECTORS,
            ACCEPTED,
            DEGRADED,
            AGE,
        ),
        short_names=("l2adv",),
    ),
    Kind(
        "BGPAdvertisement",
        "bgpadvertisements",
        (Version("v1beta1", BGPAdvertisement),),
        (*ADVERTISED, Column("Peers", "string", ".spec.peers", "Peers to advertise to."), NODE_SELECTORS, ACCEPTED, DEGRADED, AGE),
        short_names=("bgpadv",),
    ),
    Kind(
        "BGPPeer",
        "bgppeers",
        (
            Version("v1beta2", BGPPeer),
            Version("v1beta1", BGPPeerV1Beta1, deprecation="v1beta1 is deprecated, please use v1beta2", only_in=METALLB),
        ),
        PEER_COLUMNS,
        short_names=("bgpp",),
    ),
    Kind(
        "BFDProfile",
        "bfdprofiles",
        (Version("v1beta1", BFDProfile),),
        (
            Column("Passive Mode", "boolean", ".spec.passiveMode", "Whether the peer starts the session."),
            Column("Transmit Interval", "integer", ".spec.transmitInterval", "Desired Min TX Interval in ms."),
            Column("Receive Interval", "integer", ".spec.receiveInterval", "Required Min RX Interval in ms."),
            Column("Multiplier", "integer", ".spec.detectMultiplier", "Detect Mult."),
            ACCEPTED,
            AGE,
        ),
        short_names=("bfdp",),
    ),
    Kind("Community", "communities", (Version("v1beta1", Community),), (ACCEPTED, AGE)),
    Kind(
        "ServiceL2Status",
        "servicel2statuses",
        (Version("v1beta1", ServiceL2Status),),
        (
            Column("Allocated Node", "string", ".status.node", "Node that announces."),
            *NODE_SERVICE,
            Column("Interfaces", "string", ".status.interfaces[*].name", "Interfaces that it is announced on.", priority=1),
            AGE,
        ),
        is_configuration=False,
    ),
    Kind(
        "ServiceBGPStatus",
        "servicebgpstatuses",
        (Version("v1beta1", ServiceBGPStatus),),
        (
            Column("Node", "string", ".status.node", "Node that advertises."),
            *NODE_SERVICE,
            Column("Peers", "string", ".status.peers", "Peers that it is advertised to.", priority=1),
            AGE,
        ),
        is_configuration=False,
    ),
    Kind(
        "IPAllocation",
        "ipallocations",
        (Version("v1beta1", IPAllocation),),
        (
            Column("Address", "string", ".spec.address", "The IP address."),
            Column("Pool", "string", ".spec.pool", "Pool that it came from."),
            Column("Namespaces", "string", ".spec.services[*].namespace", "Namespaces of the Services that use it."),
            Column("Services", "string", ".spec.services[*].name", "Services that use it."),
            Column("Announcer", "string", ".spec.announcer", "Node that should announce it."),
            Column("Held For", "string", ".spec.heldFor.name", "Service that it is held for."),
            Column("Held Until", "string", ".spec.heldFor.until", "When it becomes free.", priority=1),
            Column("Owner", "string", ".spec.owner", "Install that made the entry.", priority=1),
            AGE,
        ),
        short_names=("ipalloc",),
        is_own=True,
        is_cluster_scoped=True,
        is_configuration=False,
        has_status=False,
    ),
    Kind(
        "IPReservation",
        "ipreservations",
        (Version("v1beta1", IPReservation),),
        (
            Column("Addresses", "string", ".spec.addresses", "Addresses that are kept."),
            Column("Namespace", "string", ".spec.namespace", "Namespace that they are kept for."),
            Column("Service", "string", ".spec.serviceName", "Service that they are kept for."),
            Column("Reason", "string", ".spec.reason", "Why."),
            ACCEPTED,
            DEGRADED,
            AGE,
        ),
        short_names=("ipres",),
        is_own=True,
        is_cluster_scoped=True,
    ),
    Kind(
        "BGPSessionStatus",
        "bgpsessionstatuses",
        (Version("v1beta1", BGPSessionStatus),),
        (
            Column("Node", "string", ".status.node", "Node whose session it is."),
            Column("Peer", "string", ".status.peer", "BGPPeer."),
            Column("State", "string", ".status.state", "State of the session."),
            Column("Since", "date", ".status.since", "Time in this state."),
            Column("Routes", "integer", ".status.routesAdvertised", "Routes advertised."),
            Column("BFD", "string", ".status.bfdState", "State of the BFD session."),
            Column("Last Error", "string", ".status.lastError.message", "What ended or prevented it last.", priority=1),
            AGE,
        ),
        short_names=("bgpsess",),
        is_own=True,
        is_configuration=False,
    ),
)
KIND_BY_NAME: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in KINDS})
