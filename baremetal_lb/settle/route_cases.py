"""How each node stands to the routes of one Service: to whom it advertises them, and why not to others.

The speakers' own functions, node by node and peer by peer. Pure.

    no speaker, drained, excluded, no endpoint here ...   one reason for the node, whatever the peer
    a route                                               each peer is told, or has a reason of its own
"""

from dataclasses import dataclass, replace

from baremetal_lb.bgp.reasons import RouteReason, SessionReason
from baremetal_lb.bgp.rib_index import peer_refusal
from baremetal_lb.bgp.routes import Contribution, RouteInput, routes_of
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import EndpointView, NodeView, ServiceView
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from baremetal_lb.settle.routes import silence


@dataclass(frozen=True, slots=True)
class PeerCase:
    """One peer of a node that has a route."""

    peer: str
    reason: Reason | None = None
    """Why it is not told; None: it is."""


@dataclass(frozen=True, slots=True)
class RouteCase:
    """One IP of a Service on one node."""

    node: str
    address: IPAddress
    peers: tuple[PeerCase, ...] = ()
    """By name, if there is a route to tell."""
    reason: Reason | None = None
    """Why no peer is told one."""


def route_cases(
    service: ServiceView, endpoints: tuple[EndpointView, ...], ledger: Ledger, cluster: ClusterObjects, options: SettleOptions
) -> tuple[RouteCase, ...]:
    """Return the case of each node for each IP in the Service's status, by address and node; none where there are no BGPPeers.

    ``endpoints`` are those of the Service.
    """
    if not cluster.configuration.bgp_peers:
        return ()
    entries = [entry for address in service.status_ips if (entry := ledger.entry(address)) is not None and entry.owner == ledger.owner]
    given = RouteInput(
        node=None,
        configuration=cluster.configuration,
        endpoints=endpoints,
        entries={entry.address: entry for entry in entries},
        service_cidrs=cluster.service_cidrs,
        ignore_exclude_lb=options.ignore_exclude_lb,
    )
    found = [case for node in cluster.nodes for case in _of_node(node, service, replace(given, node=node), cluster.roster)]
    return tuple(sorted(found, key=lambda case: (case.address.version, int(case.address), case.node)))


def _of_node(node: NodeView, service: ServiceView, given: RouteInput, roster: Roster | None) -> list[RouteCase]:
    reason = silence(node, roster)
    if reason is not None:
        return [RouteCase(node.name, address, reason=reason) for address in service.status_ips]
    routes = routes_of(service, given)
    reasons = dict(routes.reasons)
    cases = []
    for address in service.status_ips:
        told = tuple(each for each in routes.contributions if address in each.prefix)
        peers = tuple(_of_peer(node, peer, told) for peer in given.configuration.bgp_peers) if told else ()
        is_told = any(each.reason is None for each in peers)
        cases.append(RouteCase(node.name, address, peers, None if is_told else reasons.get(address, RouteReason.NoPeer)))
    return cases


def _of_peer(node: NodeView, peer: BGPPeer, told: tuple[Contribution, ...]) -> PeerCase:
    if not peer.selects_node(node.labels):
        return PeerCase(peer.name, SessionReason.NodeNotSelected)
    return PeerCase(peer.name, peer_refusal(told, peer))
