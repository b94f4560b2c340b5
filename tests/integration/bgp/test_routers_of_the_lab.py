"""The routers that the lab and the tests run: each takes routes from nodes as its configuration says, and says what it took."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path

import pytest

from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from tests.support.bgp_peer import Conversation, ScriptedPeer
from tests.support.bgp_wire import announce, attribute, prefix, update
from tests.support.netns import Lab
from tests.support.route_monitor import RouteMonitor
from tests.support.routers import Router
from tests.support.wait import until

pytestmark = pytest.mark.netns
NODES = ("198.51.100.11", "198.51.100.12")
ALL_KINDS = pytest.mark.parametrize("kind", RouterKind, ids=lambda kind: kind.value)


def router_of(kind: RouterKind, *, is_passive: bool = True) -> RouterSpec:
    sessions = tuple(
        RouterSession(f"node{number}", 4200000001, ip_address(node), is_passive=is_passive) for number, node in enumerate(NODES, start=1)
    )
    return RouterSpec(kind, 65001, IPv4Address("198.51.100.1"), sessions)


def node(number: int, *messages: bytes):
    def script(conversation: Conversation) -> None:
        conversation.establish()
        for each in messages:
            conversation.send(each)
        conversation.listen()

    return {"asn": 4200000001, "router_id": f"198.51.100.{10 + number}", "script": script}


FIRST = announce(
    [4200000001, 4200000001],
    NODES[0],
    "203.0.113.1/32",
    more=attribute(4, (50).to_bytes(4, "big"), flags=0x80)
    + attribute(8, bytes.fromhex("fde80001fde80002"), flags=0xC0)
    + attribute(16, bytes.fromhex("4004fde84cee6b28"), flags=0xC0)
    + attribute(32, bytes.fromhex("0000fde80000000100000002"), flags=0xC0),
)


@ALL_KINDS
def test_a_router_learns_attributes_of_routes(kind: RouterKind, tmp_path: Path):
    with Lab() as lab:
        router_host, node_host = lab.host("198.51.100.1/24", "2001:db8::1/64"), lab.host("198.51.100.11/24", "2001:db8::11/64")
        second = announce([4200000001], "2001:db8::11", "2001:db8:1::1/128")
        with Router(router_host, router_of(kind), tmp_path / "router") as router, ScriptedPeer(node_host, **node(1, FIRST, second)) as peer:
            peer.dial("198.51.100.1")
            until(lambda: len(router.table()) == 2, describe=router.describe)
            (path,) = router.table()["203.0.113.1/32"]
            assert (path.as_path, path.next_hops, path.med, path.local_pref) == ((4200000001, 4200000001), (NODES[0],), 50, 100)
            assert path.communities == {"65000:1", "65000:2"}
            assert path.large_communities == {"65000:1:2"}
            assert path.link_bandwidth == (65000, 125000000)
            assert router.table()["2001:db8:1::1/128"][0].next_hops[0] == "2001:db8::11"
            until(lambda: set(router.kernel_routes()) == {"203.0.113.1/32", "2001:db8:1::1/128"}, describe=router.describe)
            assert router.is_up("node1")
            assert not router.is_up("node2")


@ALL_KINDS
def test_a_router_spreads_over_nodes_and_prefers_those_that_stay(kind: RouterKind, tmp_path: Path):
    graceful_shutdown = attribute(8, bytes.fromhex("ffff0000"), flags=0xC0)
    with Lab() as lab:
        router_host = lab.host("198.51.100.1/24")
        hosts = [lab.host(f"{address}/24") for address in NODES]
        messages = [announce([4200000001], address, "203.0.113.1/32") for address in NODES]
        with (
            Router(router_host, router_of(kind), tmp_path / "router") as router,
            ScriptedPeer(hosts[0], **node(1, messages[0])) as first,
            ScriptedPeer(hosts[1], **node(2, messages[1])) as second,
            RouteMonitor(router_host) as monitor,
        ):
            for peer in (first, second):
                peer.dial("198.51.100.1")
            until(lambda: router.kernel_routes().get("203.0.113.1/32") == set(NODES), describe=router.describe)
            first.established[0].send(announce([4200000001], NODES[0], "203.0.113.1/32", more=graceful_shutdown))
            until(lambda: router.kernel_routes().get("203.0.113.1/32") == {NODES[1]}, describe=router.describe)
            preferences = {path.next_hops[0]: path.local_pref for path in router.table()["203.0.113.1/32"]}
            assert preferences == {NODES[0]: 1 if kind is RouterKind.GOBGP else 0, NODES[1]: 100}
            assert [event.gateways for event in monitor.events("203.0.113.1/32") if not event.is_removal][-1] == (NODES[1],)
            for peer in (first, second):
                peer.established[0].send(update(withdrawn=prefix("203.0.113.1/32")))
            until(lambda: not router.kernel_routes(), describe=router.describe)
            assert monitor.removals("203.0.113.1/32")
            assert router.table() == {}


@ALL_KINDS
def test_a_router_calls_nodes_and_originates_routes(kind: RouterKind, tmp_path: Path):
    spec = replace(router_of(kind, is_passive=False), networks=(ip_network("192.0.2.0/24"),))
    with Lab() as lab:
        router_host, node_host = lab.host("198.51.100.1/24"), lab.host("198.51.100.11/24")
        with ScriptedPeer(node_host, **node(1)) as peer, Router(router_host, spec, tmp_path / "router") as router:
            until(lambda: "192.0.2.0/24" in peer.rib(), deadline_s=20, describe=router.describe)
            assert peer.rib()["192.0.2.0/24"].as_path == (65001,)
