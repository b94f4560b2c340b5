"""What a router of a lab is to do, and what makes it do so, as values. ``routers`` turns the first into the second."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.net import Family, IPAddress


class RouterCannot(ValueError):
    """A kind of router has no such feature; the text says which."""


class RouterKind(Enum):
    """Which program it is. The value is how people call it."""

    FRR = "frr"
    BIRD = "bird"
    GOBGP = "gobgp"


@dataclass(frozen=True, slots=True)
class RouterSession:
    """One BGP session of a router, to a node. At least one of ``remote`` and ``interface``."""

    name: str
    """Letters, digits and underscores; unique in its router."""
    asn: int | None
    """The node's AS number; None: any but our own (external)."""
    remote: IPAddress | None = None
    """None: unnumbered, whoever is behind ``interface``."""
    interface: str | None = None
    """For link-local and unnumbered sessions."""
    families: frozenset[Family] = frozenset(Family)
    local: IPAddress | None = None
    """Source address; None: the kernel chooses."""
    local_asn: int | None = None
    """What the node is told instead of the router's own AS number."""
    port: int = 179
    """Of the node."""
    hold_time_s: int = 9
    connect_s: int = 1
    """Between two attempts to connect."""
    is_passive: bool = False
    """Only listens."""
    password: str | None = field(default=None, repr=False)
    """RFC 2385. Printable, without quotation marks and white space."""
    has_ttl_security: bool = False
    """RFC 5082 (GTSM), for nodes on the same link."""
    is_multihop: bool = False
    is_graceful_restart_helper: bool = True
    """RFC 4724: keep the node's routes while it restarts."""
    has_extended_next_hop: bool = False
    """RFC 8950: IPv4 routes with IPv6 next hops."""
    bfd: BFDProfile | None = None
    has_bfd_control_plane_check: bool = False
    """Leave graceful restart alone when BFD fails whose C bit was set: then the node's forwarding failed (RFC 5882 §4.3)."""

    def is_internal_to(self, asn: int) -> bool:
        """Tell whether it is iBGP for a router of this AS number."""
        return self.asn is not None and self.asn == (self.local_asn or asn)


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """What one router does."""

    kind: RouterKind
    asn: int
    router_id: IPv4Address
    sessions: tuple[RouterSession, ...] = ()
    maximum_paths: int = 8
    """ECMP over so many next hops."""
    has_graceful_shutdown_policy: bool = True
    """RFC 8326: routes with the community 65535:0 get LOCAL_PREF 0 (1 in GoBGP)."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Routes that it originates to its sessions, without forwarding to them."""


@dataclass(frozen=True, slots=True)
class RouterProcess:
    """One process of a router, to be kept running in its namespace."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouterPlan:
    """What makes a router of a directory."""

    files: Mapping[str, str] = field(repr=False)
    """Text by name in the directory. Passwords are in there: modes are to be 0600."""
    processes: tuple[RouterProcess, ...]
    """In the order in which to start them."""
