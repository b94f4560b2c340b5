"""Arbitrary configurations and nodes, for properties: small pools of every kind, so that many wait, and nodes in every state."""

from ipaddress import ip_address

from baremetal_lb.model.bgp import BGPAdvertisement, BGPPeer, Community, ServiceAddresses
from baremetal_lb.model.configuration import (
    Configuration,
    L2Advertisement,
    Pool,
    PreemptionPolicy,
    Preference,
    Quota,
    ServiceAllocation,
    SharingScope,
)
from baremetal_lb.model.ids import EXCLUDE_NODE_LABEL
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import Family, parse_address
from baremetal_lb.model.roster import InterfaceFacts, Member, Roster
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import NodeView
from tests.support.chance import Chance
from tests.support.ipam_world import pool, reservation

NODES = ("n1", "n2", "n3", "n4")
RANGES = {
    "a": (("198.51.100.0/31", "2001:db8:a::/127"), ("198.51.100.0/30", "2001:db8:a::/126"), ("198.51.100.0/31",), ("2001:db8:a::/127",)),
    "b": (("203.0.113.0/31", "2001:db8:b::/127"), ("203.0.113.0/32",)),
    "c": (("192.0.2.254-192.0.3.0", "2001:db8:c::/128"), ("192.0.3.0/32",)),
}
"""What each pool may be by now: an entry of the ledger may be of a pool that was larger, that had another family, or that is gone."""
V4 = ("198.51.100.0", "198.51.100.1", "198.51.100.2", "203.0.113.0", "203.0.113.1", "192.0.2.254", "192.0.3.0", "192.0.2.9")
V6 = ("2001:db8:a::", "2001:db8:a::1", "2001:db8:b::", "2001:db8:b::1", "2001:db8:c::", "2001:db8:f::9")
ADDRESSES = tuple(map(parse_address, (*V4, *V6)))
ODDITIES = (
    *("pool gone", "shrunk", "excluded", "manual", "buggy", "disabled", "retain", "allocation", "quota", "scope", "reservation"),
    *("l2 missing", "l2 pools", "l2 nodes", "interfaces", "l2 services", "weights", "preemption"),
    *("bgp", "bgp pools", "bgp nodes", "bgp services", "bgp peers", "aggregation", "attributes", "all addresses"),
    *("exclude label", "cut off", "drained", "dead", "not serving", "no member", "no such node", "few interfaces"),
)


def label(key: str, *values: str) -> LabelSelector:
    """Return a selector of labels that have one of these values."""
    return LabelSelector((Requirement(key, Operator.IN, values),))


GOLD = (label("tier", "gold"),)
PEERS = (
    BGPPeer("six", 64512, 64512, address=ip_address("2001:db8::1"), node_selectors=(label("name", "n1", "n2"),)),
    BGPPeer("tor", 64512, 64600, address=ip_address("192.0.2.1"), is_dual_stack=True),
)


def configuration(chance: Chance) -> Configuration:
    """Return a compiled configuration: up to three pools, advertisements, peers, perhaps a reservation."""
    reserved = reservation("r", "198.51.100.1", "2001:db8:b::", service=chance.one(None, "s1"))
    is_routed = "bgp" in chance.on
    l2_names = chance.odd("l2 missing", ("l2-a",), (), ("l2-a", "l2-b"))
    return Configuration(
        tuple(_pool(chance, name) for name in chance.odd("pool gone", chance.one("a", "ab", "abc"), "bc", "c", "")),
        tuple(_l2(chance, name) for name in l2_names),
        (reserved,) if "reservation" in chance.on else (),
        bgp_peers=PEERS if is_routed else (),
        bgp_advertisements=tuple(_bgp(chance, name) for name in chance.one(("bgp-a",), ("bgp-a", "bgp-b"))) if is_routed else (),
    )


def _pool(chance: Chance, name: str) -> Pool:
    allocation = None
    if "allocation" in chance.on and chance.one(True, False):
        allocation = ServiceAllocation(
            chance.one(0, 1, 2), chance.one(frozenset(), frozenset({"default"})), chance.one((), GOLD), chance.one((), (), GOLD)
        )
    return pool(
        name,
        *chance.odd("shrunk", RANGES[name][0], *RANGES[name][1:]),
        excluded=chance.odd("excluded", (), ("198.51.100.0", "2001:db8:a::")),
        auto_assign=chance.odd("manual", True, False),
        avoid_buggy_ips=chance.odd("buggy", False, True),
        disabled=chance.odd("disabled", False, True),
        retain_for=chance.odd("retain", 0, 10 * SECOND, 100 * SECOND),
        allocation=allocation,
        quotas=chance.odd("quota", (), (Quota(1),), (Quota(2, frozenset({"default"})),)),
        sharing=chance.odd("scope", SharingScope.CLUSTER, SharingScope.NAMESPACE),
    )


def _l2(chance: Chance, name: str) -> L2Advertisement:
    weights = chance.some(NODES, most=3) if "weights" in chance.on else []
    preemption = chance.odd("preemption", PreemptionPolicy.NEVER, PreemptionPolicy.DELAYED)
    return L2Advertisement(
        name,
        pools=chance.odd("l2 pools", None, frozenset({"a"}), frozenset({"b", "c"})),
        node_selectors=(label("name", *chance.some(NODES, least=1, most=3)),) if "l2 nodes" in chance.on else (),
        interfaces=chance.odd("interfaces", (), ("eth1",), ("eth0", "eth1")),
        service_selectors=chance.odd("l2 services", (), GOLD),
        preferences=tuple(Preference(chance.one(1, 2, 3), label("name", node)) for node in weights),
        preemption=preemption,
        preemption_delay=chance.one(0, 5 * SECOND) if preemption is PreemptionPolicy.DELAYED else 0,
    )


def _bgp(chance: Chance, name: str) -> BGPAdvertisement:
    every = frozenset(ServiceAddresses)
    return BGPAdvertisement(
        name,
        pools=chance.odd("bgp pools", None, frozenset({"a"}), frozenset({"b", "c"})),
        node_selectors=(label("name", *chance.some(NODES, least=1, most=3)),) if "bgp nodes" in chance.on else (),
        service_selectors=chance.odd("bgp services", (), GOLD),
        peers=chance.odd("bgp peers", frozenset(), frozenset({"tor"})),
        aggregation_length=chance.odd("aggregation", 32, 31, 24),
        aggregation_length_v6=chance.odd("aggregation", 128, 127),
        local_pref=chance.odd("attributes", 0, 200),
        communities=chance.odd("attributes", (), (Community(64512, 1),)),
        med=chance.odd("attributes", None, 7),
        weight_by_endpoints=chance.odd("attributes", False, True),
        service_addresses=chance.odd("all addresses", frozenset({ServiceAddresses.LOAD_BALANCER}), every),
    )


def nodes(chance: Chance) -> tuple[NodeView, ...]:
    """Return two to four Nodes, some drained, excluded or cut off."""
    return tuple(
        NodeView(
            name,
            {"name": name} | chance.odd("exclude label", {}, {EXCLUDE_NODE_LABEL: ""}),
            is_network_unavailable=chance.odd("cut off", False, True),
            is_draining=chance.odd("drained", False, True),
            internal_ips=(parse_address(f"192.0.2.{10 + number}"),),
        )
        for number, name in enumerate(NODES[: chance.one(3, 4, 2)])
    )


FEW = ((InterfaceFacts("eth0"), InterfaceFacts("eth1", families=frozenset({Family.IPV4}))), (InterfaceFacts("eth0", has_carrier=False),))


def roster(chance: Chance, there: tuple[NodeView, ...]) -> Roster | None:
    """Return the members, of most nodes and perhaps of one that is gone: dead, not serving yet, with few interfaces."""
    names = [node.name for node in there if chance.odd("no member", True, False)]
    if "no such node" in chance.on:
        names.append("n5")
    elif not chance.on & {"no member", "dead", "not serving", "few interfaces"}:
        return None
    members = [
        Member(
            name,
            is_alive=chance.odd("dead", True, False),
            is_serving=chance.odd("not serving", True, False),
            interfaces=chance.odd("few interfaces", None, *FEW),
        )
        for name in names
    ]
    return Roster({member.node: member for member in members})
