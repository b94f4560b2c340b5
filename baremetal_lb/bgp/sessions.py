"""Which session a node keeps with a peer: from the peer as configured and what the node has, to a SessionSpec, or the reason for none.

What the node has is given: the address that the kernel would call the peer from, the router heard on an unnumbered link, the password.
Nothing is left to ExaBGP's guesses: own address, router id and next hops are always said.

    own address   sourceAddress, else what the kernel says, else the node's InternalIP of the family
    router id     routerID, else the node's IPv4 InternalIP, else one made from its name (RFC 6286 wants it unique in the AS only)
    next hop      the own address; for the other family the node's InternalIP of it, or, over IPv6, the own address too (RFC 8950)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address

from baremetal_lb.bgp.exabgp_commands import what_is_unwritable
from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import SessionSpec, TtlMode
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.net import Family, IPAddress, family_of
from baremetal_lb.model.views import NodeView


@dataclass(frozen=True, slots=True)
class NodeSurroundings:
    """What a node has, as far as a session with one peer asks for it."""

    source: IPAddress | None = None
    """What the kernel would call the peer from."""
    router: IPv6Address | None = None
    """The router heard on the peer's interface."""
    link_local: IPv6Address | None = None
    """Our own address there."""
    password: str | None = field(default=None, repr=False)
    """What the peer's Secret holds."""


def session_of(peer: BGPPeer, node: NodeView, around: NodeSurroundings) -> SessionSpec | SessionReason:
    """Return the session of a node with a peer, or why there is none."""
    if not peer.selects_node(node.labels):
        return SessionReason.NodeNotSelected
    password = peer.password if peer.password_secret is None else around.password
    if peer.password_secret is not None and not password:
        return SessionReason.NoPassword
    remote: IPAddress | None = peer.address if peer.address is not None else around.router
    if remote is None:
        return SessionReason.NoRouterHeard
    local = _local(peer, node, around, remote)
    if local is None:
        return SessionReason.NoSourceAddress
    is_link_local = isinstance(remote, IPv6Address) and remote.is_link_local
    next_hops = _next_hops(peer, node, local)
    spec = SessionSpec(
        peer=peer.name,
        remote=remote,
        local_asn=peer.my_asn,
        router_id=peer.router_id or router_id_of(node),
        peer_asn=peer.peer_asn,
        dynamic_asn=peer.dynamic_asn,
        local=local,
        interface=peer.vrf or (peer.interface if is_link_local else None),
        port=peer.port,
        hold_time_s=peer.hold_time_s,
        password=password,
        is_graceful_restart=peer.is_graceful_restart,
        ttl=_ttl(peer),
        families=peer.families & frozenset(next_hops),
        has_extended_next_hop=Family.IPV4 in next_hops and next_hops[Family.IPV4].version == 6,
        next_hops=tuple(sorted(next_hops.items(), key=lambda entry: entry[0].value)),
    )
    # Here too, not in the driver alone: what is no session is not watched by BFD either.
    return spec if what_is_unwritable(spec) is None else SessionReason.NotWritable


def _local(peer: BGPPeer, node: NodeView, around: NodeSurroundings, remote: IPAddress) -> IPAddress | None:
    if peer.source_address is not None:
        return peer.source_address
    if peer.address is None:
        return around.link_local
    return around.source or internal_ip(node, family_of(remote))


def _next_hops(peer: BGPPeer, node: NodeView, local: IPAddress) -> Mapping[Family, IPAddress]:
    """Return the next hop of each family that routes can have."""
    found: dict[Family, IPAddress] = {family_of(local): local}
    for family in peer.families - found.keys():
        other = internal_ip(node, family) if peer.address is not None else None
        if other is not None:
            found[family] = other
        elif family is Family.IPV4:  # over IPv6, IPv4 routes can have an IPv6 next hop
            found[family] = local
    return found


def _ttl(peer: BGPPeer) -> TtlMode:
    if peer.has_ttl_security:
        return TtlMode.SECURITY
    is_on_a_link = not peer.is_internal and not peer.is_multihop and peer.source_address is None
    return TtlMode.SINGLE_HOP if is_on_a_link else TtlMode.MULTIHOP


def internal_ip(node: NodeView, family: Family) -> IPAddress | None:
    """Return the node's first InternalIP of a family."""
    return next((address for address in node.internal_ips if family_of(address) is family), None)


def router_id_of(node: NodeView) -> IPv4Address:
    """Return the router id of a node for which none is configured: never 0, and the same as long as its name or address is."""
    own = internal_ip(node, Family.IPV4)
    if isinstance(own, IPv4Address):
        return own
    return IPv4Address(int.from_bytes(sha256(node.name.encode()).digest()[:4], "big") or 1)
