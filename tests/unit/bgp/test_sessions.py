"""Which session a node keeps with a peer, and why it keeps none."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address

import pytest

from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import SessionSpec, TtlMode
from baremetal_lb.bgp.sessions import NodeSurroundings, router_id_of, session_of
from baremetal_lb.model.bgp import BGPPeer, DynamicASN
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import Family
from baremetal_lb.model.views import NodeView

OWN, OWN6 = ip_address("198.51.100.11"), ip_address("2001:db8::11")
TOR, TOR6, LINK, LINK_TOR = (ip_address(text) for text in ("198.51.100.1", "2001:db8::1", "fe80::11", "fe80::1"))
NODE = NodeView("node1", {"rack": "red"}, internal_ips=(OWN, OWN6))
PEER = BGPPeer("tor", 64600, 64512, address=TOR)
NOWHERE = NodeSurroundings()
RED, BLUE = (LabelSelector((Requirement("rack", Operator.IN, (colour,)),)) for colour in ("red", "blue"))
V4, V6 = Family.IPV4, Family.IPV6
UNNUMBERED = BGPPeer("tor", 64600, dynamic_asn=DynamicASN.EXTERNAL, interface="eth1")


def spec(**changes: object) -> SessionSpec:
    plain = SessionSpec(
        "tor",
        TOR,
        64600,
        IPv4Address("198.51.100.11"),
        peer_asn=64512,
        local=OWN,
        ttl=TtlMode.SINGLE_HOP,
        families=frozenset({V4}),
        next_hops=((V4, OWN),),
    )
    return replace(plain, **changes)


SESSIONS = {
    "plain": (PEER, NOWHERE, spec()),
    "the kernel knows better from where": (
        PEER,
        NodeSurroundings(source=ip_address("198.51.100.200")),
        spec(local=ip_address("198.51.100.200"), next_hops=((V4, ip_address("198.51.100.200")),)),
    ),
    "a person knows better still": (
        replace(PEER, source_address=ip_address("10.0.0.1"), router_id=IPv4Address("10.0.0.9")),
        NodeSurroundings(source=OWN),
        spec(
            local=ip_address("10.0.0.1"), router_id=IPv4Address("10.0.0.9"), ttl=TtlMode.MULTIHOP, next_hops=((V4, ip_address("10.0.0.1")),)
        ),
    ),
    "over IPv6": (
        replace(PEER, address=TOR6),
        NOWHERE,
        spec(remote=TOR6, local=OWN6, families=frozenset({V6}), next_hops=((V6, OWN6),)),
    ),
    "both families over IPv4": (
        replace(PEER, is_dual_stack=True),
        NOWHERE,
        spec(families=frozenset(Family), next_hops=((V4, OWN), (V6, OWN6))),
    ),
    "both families over IPv6": (
        replace(PEER, address=TOR6, is_dual_stack=True),
        NOWHERE,
        spec(remote=TOR6, local=OWN6, families=frozenset(Family), next_hops=((V4, OWN), (V6, OWN6))),
    ),
    "an internal peer": (replace(PEER, peer_asn=64600), NOWHERE, spec(peer_asn=64600, ttl=TtlMode.MULTIHOP)),
    "several hops away": (replace(PEER, is_multihop=True), NOWHERE, spec(ttl=TtlMode.MULTIHOP)),
    "TTL security": (replace(PEER, has_ttl_security=True), NOWHERE, spec(ttl=TtlMode.SECURITY)),
    "in a VRF": (replace(PEER, vrf="red"), NOWHERE, spec(interface="red")),
    "unnumbered": (
        UNNUMBERED,
        NodeSurroundings(router=LINK_TOR, link_local=LINK),
        spec(
            remote=LINK_TOR,
            local=LINK,
            interface="eth1",
            peer_asn=None,
            dynamic_asn=DynamicASN.EXTERNAL,
            families=frozenset(Family),
            has_extended_next_hop=True,
            next_hops=((V4, LINK), (V6, LINK)),
        ),
    ),
    "a password of its own": (replace(PEER, password="x"), NOWHERE, spec(password="x")),
    "a password of a Secret": (replace(PEER, password_secret="s"), NodeSurroundings(password="y"), spec(password="y")),
    "selected": (replace(PEER, node_selectors=(BLUE, RED)), NOWHERE, spec()),
    "everything else is passed on": (
        replace(PEER, port=1179, hold_time_s=9, is_graceful_restart=True),
        NOWHERE,
        spec(port=1179, hold_time_s=9, is_graceful_restart=True),
    ),
}


@pytest.mark.parametrize(("peer", "around", "expected"), SESSIONS.values(), ids=SESSIONS)
def test_what_a_session_is(peer: BGPPeer, around: NodeSurroundings, expected: SessionSpec) -> None:
    assert session_of(peer, NODE, around) == expected


REASONS = {
    "not selected": (replace(PEER, node_selectors=(BLUE,)), NODE, NOWHERE, SessionReason.NodeNotSelected),
    "a password that is not known": (replace(PEER, password_secret="s"), NODE, NOWHERE, SessionReason.NoPassword),
    "an empty password": (replace(PEER, password_secret="s"), NODE, NodeSurroundings(password=""), SessionReason.NoPassword),
    "no router on the link": (UNNUMBERED, NODE, NodeSurroundings(link_local=LINK), SessionReason.NoRouterHeard),
    "no address on the link": (UNNUMBERED, NODE, NodeSurroundings(router=LINK_TOR), SessionReason.NoSourceAddress),
    "no address at all": (PEER, NodeView("node1"), NOWHERE, SessionReason.NoSourceAddress),
}


@pytest.mark.parametrize(("peer", "node", "around", "reason"), REASONS.values(), ids=REASONS)
def test_why_there_is_none(peer: BGPPeer, node: NodeView, around: NodeSurroundings, reason: SessionReason) -> None:
    assert session_of(peer, node, around) is reason


def test_a_family_that_nothing_can_be_next_hop_of_is_left_out() -> None:
    only_v4 = replace(NODE, internal_ips=(OWN,))
    found = session_of(replace(PEER, is_dual_stack=True), only_v4, NOWHERE)
    assert isinstance(found, SessionSpec)
    assert found.families == {V4}


def test_a_node_without_ipv4_has_a_router_id_of_its_own_all_the_same() -> None:
    one, other = router_id_of(NodeView("node1")), router_id_of(NodeView("node2"))
    assert one != other
    assert IPv4Address(0) not in (one, other)


def test_a_password_is_in_no_repr() -> None:
    around = NodeSurroundings(password="hunter2")
    found = session_of(replace(PEER, password_secret="s"), NODE, around)
    assert "hunter2" not in repr((found, around, replace(PEER, password="hunter2")))
