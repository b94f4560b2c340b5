"""What each node would advertise to each peer, once everything has come to rest: the speakers' own functions, node by node.

A node that is drained, or whose speaker is dead, advertises nothing in the end. Whether a session is up is not known here, nor what a
Secret holds: routes are told as for sessions that work.
"""

from dataclasses import dataclass

from baremetal_lb.bgp.reasons import RouteReason
from baremetal_lb.bgp.rib_index import RibIndex
from baremetal_lb.bgp.routes import RouteInput, routes_of
from baremetal_lb.bgp.session import Attributes, Prefix
from baremetal_lb.bgp.sessions import internal_ip
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.requests import announced_part
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import family_of
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import NodeView, ServiceView
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions

SELF = "self"


@dataclass(frozen=True, slots=True)
class SettledRoute:
    """One route of one node to one peer."""

    node: str
    peer: str
    prefix: Prefix
    next_hop: str
    """``self``, or the node's address of the route's family where the session is of the other one."""
    attributes: Attributes
    services: tuple[ObjectKey, ...]
    """For which Services, by key."""


def settle_routes(
    services: tuple[ServiceView, ...], ledger: Ledger, cluster: ClusterObjects, options: SettleOptions
) -> tuple[SettledRoute, ...]:
    """Return all routes, by node, peer and prefix."""
    if not cluster.configuration.bgp_peers:
        return ()
    endpoints = cluster.endpoints()
    entries = {entry.address: entry for entry in ledger.entries() if entry.owner == ledger.owner}
    announced = [part for service in services if (part := announced_part(service, options.lb_class)) is not None]
    found: list[SettledRoute] = []
    for node in sorted(cluster.nodes, key=lambda each: each.name):
        peers = [peer for peer in cluster.configuration.bgp_peers if peer.selects_node(node.labels)]
        if not peers or silence(node, cluster.roster) is not None:
            continue
        index = RibIndex()
        index.set_peers(peers)
        for service in announced:
            given = RouteInput(
                node=node,
                configuration=cluster.configuration,
                endpoints=endpoints.get(service.key, ()),
                entries=entries,
                service_cidrs=cluster.service_cidrs,
                ignore_exclude_lb=options.ignore_exclude_lb,
            )
            index.put(service.key, routes_of(service, given).contributions)
        for peer in peers:
            found += _of_peer(node, peer, index)
    return tuple(found)


def _of_peer(node: NodeView, peer: BGPPeer, index: RibIndex) -> list[SettledRoute]:
    rib = index.rib(peer.name)
    return [
        SettledRoute(node.name, peer.name, prefix, _next_hop(node, peer, prefix), rib[prefix], index.services_of(prefix, peer.name))
        for prefix in sorted(rib, key=lambda each: (each.version, each))
    ]


def _next_hop(node: NodeView, peer: BGPPeer, prefix: Prefix) -> str:
    family = family_of(prefix.network_address)
    if peer.address is None or family_of(peer.address) is family:
        return SELF
    other = internal_ip(node, family)
    return SELF if other is None else str(other)


def silence(node: NodeView, roster: Roster | None) -> Reason | None:
    """Return why a node advertises nothing in the end, for what becomes of its speaker; None if it may."""
    if node.is_draining:
        return RouteReason.NodeDraining
    if roster is None:
        return None
    member = roster.members.get(node.name)
    if member is None:
        return ExclusionReason.NoSpeaker
    return None if member.is_alive else ExclusionReason.SpeakerNotAlive
