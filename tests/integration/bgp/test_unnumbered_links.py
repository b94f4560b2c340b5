"""Unnumbered links: this node and the router at the other end learn each other by Router Advertisements alone."""

import socket
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, IPv6

from baremetal_lb.bgp.unnumbered import UnnumberedReason
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from tests.support.bgp_peer import ScriptedPeer
from tests.support.discovering import Discovering
from tests.support.netns import Host, Lab
from tests.support.routers import Router
from tests.support.wait import until

pytestmark = pytest.mark.netns


def link_local(host: Host, interface: str = "eth0") -> IPv6Address:
    words = host.run("ip", "-6", "-o", "address", "show", "dev", interface, "scope", "link").split()
    return IPv6Address(words[words.index("inet6") + 1].partition("/")[0])


def router_of(kind: RouterKind) -> RouterSpec:
    session = RouterSession("node", None, interface="eth0", has_extended_next_hop=True)
    return RouterSpec(kind, 65001, IPv4Address("192.0.2.1"), (session,))


@pytest.mark.parametrize("kind", [RouterKind.FRR, RouterKind.BIRD], ids=lambda kind: kind.value)
def test_a_node_and_a_router_without_addresses_find_each_other(kind: RouterKind, tmp_path: Path):
    with Lab() as lab:
        router_host, node_host = lab.host(), lab.host()
        with Router(router_host, router_of(kind), tmp_path / "router") as router, Discovering(node_host, ["eth0"]) as node:
            discovery = node.discovery
            until(lambda: discovery.routers == {"eth0": link_local(router_host)}, describe=lambda: (discovery.reasons, router.describe()))
            assert discovery.own == {"eth0": link_local(node_host)}
            assert discovery.reasons == {}
            with ScriptedPeer(node_host, asn=65000, router_id="192.0.2.11") as peer:
                if kind is RouterKind.BIRD:
                    # BIRD waits for those who know it.
                    peer.dial(f"{link_local(router_host)}%eth0")
                until(lambda: peer.established, deadline_s=20, describe=router.describe)


def test_the_router_is_forgotten_with_its_interface_and_learned_again(tmp_path: Path):
    with Lab() as lab:
        router_host, node_host = lab.host(), lab.host()
        with Router(router_host, router_of(RouterKind.FRR), tmp_path / "router"), Discovering(node_host, ["eth0", "eth7"]) as node:
            discovery = node.discovery
            until(lambda: "eth0" in discovery.routers)
            assert discovery.reasons == {"eth7": UnnumberedReason.NoSuchInterface}
            node_host.run("ip", "link", "set", "eth0", "down")
            until(lambda: discovery.reasons.get("eth0") is UnnumberedReason.NoLinkLocalAddress)
            assert discovery.routers == {}
            node_host.run("ip", "link", "set", "eth0", "up")
            until(lambda: discovery.routers == {"eth0": link_local(router_host)})
            node.want("eth7")
            until(lambda: discovery.routers == {})
            assert discovery.reasons == {"eth7": UnnumberedReason.NoSuchInterface}


def send(host: Host, message: IPv6) -> None:
    """Send from a host, past its kernel's own opinion."""

    def inside() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as opened:
            opened.sendto(bytes(message), (message.dst, 0, 0, socket.if_nametoindex("eth0")))

    host.call(inside)


def test_a_second_router_is_a_reason_and_garbage_is_none():
    with Lab() as lab:
        first, second, node_host = lab.host(), lab.host(), lab.host()
        with Discovering(node_host, ["eth0"]) as node:
            discovery = node.discovery
            until(lambda: discovery.reasons == {"eth0": UnnumberedReason.NoRouterHeard} and discovery.own)
            send(first, IPv6(src="2001:db8::1", dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=0))
            send(first, IPv6(src=str(link_local(first)), dst="ff02::1", hlim=254) / ICMPv6ND_RA(routerlifetime=0))
            until(lambda: discovery.malformed == {"RouterNotLinkLocal": 1, "WrongHopLimit": 1})
            assert discovery.routers == {}
            send(first, IPv6(src=str(link_local(first)), dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=0))
            until(lambda: discovery.routers == {"eth0": link_local(first)})
            send(second, IPv6(src=str(link_local(second)), dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=0))
            until(lambda: discovery.reasons == {"eth0": UnnumberedReason.SeveralRouters})
            send(second, IPv6(src=str(link_local(second)), dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=30))
            until(lambda: discovery.routers == {"eth0": link_local(second)})


def advertisements_of(host: Host) -> int:
    return int(host.run("grep", "Icmp6OutRouterAdvertisements", "/proc/net/snmp6").split()[1])


def test_a_flood_of_solicitations_is_answered_twice_a_second_at_most():
    with Lab() as lab:
        asking, node_host = lab.host(), lab.host()
        with Discovering(node_host, ["eth0"]), Discovering(asking, ["eth0"]) as other:
            until(lambda: other.discovery.routers == {"eth0": link_local(node_host)})
            before = advertisements_of(node_host)
            for _ in range(100):
                send(asking, IPv6(src=str(link_local(asking)), dst="ff02::2", hlim=255) / ICMPv6ND_RS())
            until(lambda: advertisements_of(node_host) > before)
            assert advertisements_of(node_host) - before < 50
