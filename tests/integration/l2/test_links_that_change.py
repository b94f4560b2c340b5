"""Links that go and come: everything is right again, by netlink events alone."""

import os
import signal
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA
from scapy.layers.l2 import ARP

from baremetal_lb.model.net import Mac
from tests.support.announcing import AnnouncerProcess
from tests.support.frames import solicitation
from tests.support.netns import Host, Lab
from tests.support.wait import until
from tests.support.wire import Wire

pytestmark = pytest.mark.netns
IP, IP6 = "198.51.100.200", "2001:db8::200"
GROUP = "ff02::1:ff00:200"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture
def node(lab: Lab) -> Host:
    return lab.host("198.51.100.1/24", "2001:db8::1/64")


@pytest.fixture
def client(lab: Lab) -> Host:
    return lab.host("198.51.100.7/24", "2001:db8::7/64")


@pytest.fixture
def announcer(lab: Lab, node: Host) -> AnnouncerProcess:
    announcer = AnnouncerProcess(lab, node)
    announcer.announce(IP, IP6)
    return announcer


def resolves_to(client: Host, mac: str) -> None:
    """Wait until the client, knowing nothing, resolves both to this hardware address."""

    def does() -> bool:
        client.run("ip", "neigh", "flush", "dev", "eth0")
        client.run("ip", "-6", "neigh", "flush", "dev", "eth0")
        client.resolve(IP)
        client.resolve(IP6)
        until(lambda: client.neighbour(IP) and client.neighbour(IP6), deadline_s=2)
        return (client.neighbour(IP), client.neighbour(IP6)) == (mac, mac)

    until(does)


def is_member(node: Host, interface: str = "eth0") -> bool:
    return GROUP in node.run("ip", "maddress", "show", "dev", interface)


def test_the_group_is_joined_while_announced(announcer: AnnouncerProcess, node: Host):
    assert is_member(node)
    announcer.announce(IP)
    assert not is_member(node)


def test_after_down_and_up_it_answers_and_is_in_its_groups_again(announcer: AnnouncerProcess, node: Host, client: Host):
    node.run("ip", "link", "set", "eth0", "down")
    announcer.wait_for_link("eth0", usable=False, reason="Down")
    assert not is_member(node)
    node.run("ip", "link", "set", "eth0", "up")
    announcer.wait_for_link("eth0", usable=True, has_ipv6=True)
    resolves_to(client, node.mac)
    until(lambda: is_member(node))


def test_a_cable_that_is_plugged_in_again_is_announced_on(announcer: AnnouncerProcess, node: Host, client: Host):
    until(lambda: announcer.report()["announcements"] == {"arp": 16, "ndp": 8}, deadline_s=15)
    node.cut()
    announcer.wait_for_link("eth0", carrier=False, usable=True)
    with Wire(client) as wire:
        node.heal()
        announcer.wait_for_link("eth0", carrier=True)
        wire.first(lambda frame: ARP in frame and frame[ARP].psrc == IP and frame[ARP].op == 1)
        wire.first(lambda frame: ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == IP6)
    resolves_to(client, node.mac)


def test_a_new_hardware_address_is_told_and_answered_with(announcer: AnnouncerProcess, node: Host, client: Host):
    resolves_to(client, node.mac)
    new = "02:00:00:00:aa:01"
    node.run("ip", "link", "set", "eth0", "address", new)
    until(lambda: (client.neighbour(IP), client.neighbour(IP6)) == (new, new), deadline_s=2)
    resolves_to(client, new)


def test_an_interface_that_appears_is_used_and_one_that_goes_is_forgotten(announcer: AnnouncerProcess, node: Host, client: Host, lab: Lab):
    node.add_interface("eth1", "second", "02:00:00:00:aa:02")
    announcer.wait_for_link("eth1", usable=True, has_ipv4=True, has_ipv6=True)
    until(lambda: is_member(node, "eth1"))
    node.run("ip", "link", "del", "eth1")
    until(lambda: "eth1" not in announcer.report()["links"])
    resolves_to(client, node.mac)


def test_an_interface_that_is_removed_and_added_under_its_name_is_used_anew(announcer: AnnouncerProcess, node: Host, client: Host):
    node.run("ip", "link", "del", "eth0")
    until(lambda: "eth0" not in announcer.report()["links"])
    node.add_interface("eth0", node.port, "02:00:00:00:aa:03")
    node.run("ip", "address", "add", "198.51.100.1/24", "dev", "eth0")
    resolves_to(client, "02:00:00:00:aa:03")


def test_a_port_of_a_bridge_is_left_to_the_bridge(announcer: AnnouncerProcess, node: Host, client: Host):
    node.run("ip", "link", "add", "lan0", "address", "02:00:00:00:aa:04", "type", "bridge", "mcast_snooping", "0")
    node.run("ip", "link", "set", "eth0", "master", "lan0")
    announcer.wait_for_link("eth0", usable=False, reason="Enslaved")
    node.run("ip", "link", "set", "lan0", "up")
    announcer.wait_for_link("lan0", usable=True, has_ipv6=True)
    resolves_to(client, "02:00:00:00:aa:04")
    node.run("ip", "link", "set", "eth0", "nomaster")
    announcer.wait_for_link("eth0", usable=True)


def test_interfaces_of_container_runtimes_are_excluded(announcer: AnnouncerProcess, node: Host):
    node.run("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "cali0")
    announcer.wait_for_link("cali0", usable=False, reason="ExcludedByName")
    assert announcer.report()["links"]["veth0"]["reason"] == "ExcludedByName"


def test_without_link_local_address_only_arp_is_answered(announcer: AnnouncerProcess, node: Host):
    node.set_sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
    announcer.wait_for_link("eth0", usable=True, has_ipv4=True, has_ipv6=False)
    node.set_sysctl("net.ipv6.conf.eth0.disable_ipv6", 0)
    announcer.wait_for_link("eth0", has_ipv6=True)
    until(lambda: is_member(node))


def test_lost_events_make_it_read_all_links_anew(announcer: AnnouncerProcess, node: Host, client: Host):
    node.run("ip", "link", "add", "busy", "type", "bridge")
    changes = "".join(f"link set busy mtu {1400 + number % 2}\n" for number in range(2_000))
    os.kill(announcer.pid, signal.SIGSTOP)
    try:
        node.run("ip", "-batch", "-", text=changes + "link del busy\nlink add last type bridge\n")
    finally:
        os.kill(announcer.pid, signal.SIGCONT)
    announcer.wait_for_link("last", usable=False)
    report = until(lambda: (seen := announcer.report())["link_resyncs"] > 0 and "busy" not in seen["links"] and seen)
    assert set(report["links"]) == {"lo", "eth0", "last"}
    resolves_to(client, node.mac)


def test_a_switch_that_snoops_mld_lets_solicitations_through(lab: Lab, announcer: AnnouncerProcess, node: Host, client: Host):
    """A bridge with a querier forwards a group only to ports that reported it: a packet socket's own membership would not do."""
    until(lambda: "fe80:" in (seen := lab.switch.run("ip", "-6", "address", "show", "dev", "br0")) and "tentative" not in seen)
    for option in ("mcast_query_response_interval", "mcast_startup_query_interval", "mcast_query_interval"):
        lab.switch.run("ip", "link", "set", "br0", "type", "bridge", option, "100")  # 1 s
    lab.switch.run("ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "1")
    with Wire(client) as wire, Wire(node) as seen:
        mac = Mac.parse(client.mac)

        def arrives(target: str) -> bool:
            wire.send(solicitation(IPv6Address(target), mac=mac))
            return any(frame.dst == f"33:33:ff:00:{target[-4:-2]}:{target[-2:]}" for frame in seen.frames(quiet_s=0.1))

        until(lambda: not arrives("2001:db8::1300"), deadline_s=30)  # nobody joined it: floods until the switch trusts its querier
        assert arrives("2001:db8::0200")
        wire.first(lambda frame: ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].S == 1)
        assert not arrives("2001:db8::1300")
