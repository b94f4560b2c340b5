"""Sessions and routes as values: what is wanted of a session, what travels in it, and how it stands.

A SessionSpec is one BGP session of this node with everything decided: a peer whose Secret is missing, or whose router is not yet
learned, has none. A Rib is all that one peer is to hold of us (its Adj-RIB-Out, RFC 4271 §3.2). SessionState is what is seen of it.

Rules of this file: values only, equal when they mean the same, so that a change is `!=`; a password is never in a `repr`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from baremetal_lb.model.bgp import Community, DynamicASN, LargeCommunity
from baremetal_lb.model.net import Family, IPAddress

Prefix = IPv4Network | IPv6Network


class TtlMode(Enum):
    """With which TTL the packets of a session are sent, and which are taken."""

    SINGLE_HOP = "single-hop"
    """External peers on the same link: sent with 1, so that no router passes them on."""
    MULTIHOP = "multihop"
    """As the kernel does: internal peers, and external ones behind other routers."""
    SECURITY = "security"
    """RFC 5082 (GTSM): sent with 255, and nothing else is taken."""


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """One session of this node. Exactly one of ``peer_asn`` and ``dynamic_asn``."""

    peer: str
    """Name of the BGPPeer."""
    remote: IPAddress
    """Unique among the sessions of a node: ExaBGP tells them apart by it."""
    local_asn: int
    router_id: IPv4Address
    peer_asn: int | None = None
    dynamic_asn: DynamicASN | None = None
    local: IPAddress | None = None
    """None: the kernel chooses."""
    interface: str | None = None
    """Link or VRF device that the socket is bound to (SO_BINDTODEVICE); link-local remotes need it."""
    port: int = 179
    hold_time_s: int = 90
    """0: none, else 3 or more (RFC 4271 §4.2)."""
    password: str | None = field(default=None, repr=False)
    """RFC 2385. Never in a log, an event, a metric, a status or a plan."""
    is_graceful_restart: bool = False
    ttl: TtlMode = TtlMode.MULTIHOP
    families: frozenset[Family] = frozenset()
    has_extended_next_hop: bool = False
    """RFC 8950: IPv4 routes may have an IPv6 next hop."""
    next_hops: tuple[tuple[Family, IPAddress], ...] = ()
    """Next hops of families that the session's own address cannot serve; absent: that address ("self")."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Path attributes of one route, but for AS_PATH's own part, ORIGIN and NEXT_HOP, which the session gives."""

    local_pref: int | None = None
    med: int | None = None
    as_path_prepend: int = 0
    """How many times our own AS number is in front, beyond the one that eBGP puts there."""
    communities: tuple[Community, ...] = ()
    """Ascending, without repetition; so are the large ones."""
    large_communities: tuple[LargeCommunity, ...] = ()
    link_bandwidth: int | None = None
    """Octets per second, in an extended community (draft-ietf-idr-link-bandwidth) with our AS number."""


Rib = Mapping[Prefix, Attributes]
"""All that one peer is to hold of us."""


class SessionStateName(Enum):
    """States of the finite state machine of RFC 4271 §8.2.2, with its names."""

    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


@dataclass(frozen=True, slots=True)
class SessionError:
    """Why a session was last lost or refused, or could not be had."""

    direction: str
    """``Sent`` or ``Received`` (a NOTIFICATION), or ``Local``: no NOTIFICATION, we say why."""
    code: int | None
    subcode: int | None
    """Of the NOTIFICATION (RFC 4271 §4.5)."""
    message: str
    """In words, with the peer's own (RFC 8203) if it sent some."""
    at_utc: int


@dataclass(frozen=True, slots=True)
class SessionState:
    """How a session stands."""

    peer: str
    remote: IPAddress
    state: SessionStateName
    since_utc: int
    last_error: SessionError | None = None
    hold_time_s: int | None = None
    """As negotiated; None while it is not established."""
    routes_advertised: int = 0
    """Routes that ExaBGP has taken for this peer."""
    peer_asn: int | None = None
    """From its OPEN."""
