"""What a neighbour gets: replies, announcements, take-over, in network namespaces on one bridge; scapy dissects the frames."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP

from baremetal_lb.model.net import Mac
from tests.support.announcing import AnnouncerProcess
from tests.support.frames import STRANGER, advertisement, arp_request, arp_told, probe, solicitation
from tests.support.netns import Host, Lab
from tests.support.wait import until
from tests.support.wire import Wire

pytestmark = pytest.mark.netns
IP, IP6 = "198.51.100.200", "2001:db8::200"


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
    return AnnouncerProcess(lab, node)


@pytest.fixture
def wire(client: Host) -> Iterator[Wire]:
    with Wire(client) as opened:
        yield opened


def is_arp_reply_to(mac: str):
    return lambda frame: ARP in frame and frame[ARP].op == 2 and frame.dst == mac


def is_solicited_advertisement(frame):
    return ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].S == 1


def test_a_kernel_resolves_both_families(announcer: AnnouncerProcess, node: Host, client: Host):
    announcer.announce(IP, IP6)
    client.resolve(IP)
    client.resolve(IP6)
    until(lambda: (client.neighbour(IP), client.neighbour(IP6)) == (node.mac, node.mac))
    assert announcer.report()["replies"] == {"arp": 1, "ndp": 1}


def test_the_arp_reply_is_unicast_to_the_requester(announcer: AnnouncerProcess, node: Host, client: Host, wire: Wire):
    announcer.announce(IP)
    wire.send(arp_request(IPv4Address(IP), mac=Mac.parse(client.mac)))
    reply = wire.first(is_arp_reply_to(client.mac))
    assert (reply.src, reply[ARP].hwsrc, reply[ARP].psrc, reply[ARP].hwdst, reply[ARP].pdst) == (
        node.mac,
        node.mac,
        IP,
        client.mac,
        "198.51.100.7",
    )


@pytest.mark.parametrize("has_option", [True, False], ids=["with option", "without option"])
def test_a_solicitation_is_answered(announcer: AnnouncerProcess, node: Host, client: Host, wire: Wire, *, has_option: bool):
    announcer.announce(IP6)
    wire.send(solicitation(IPv6Address(IP6), mac=Mac.parse(client.mac), has_option=has_option))
    reply = wire.first(is_solicited_advertisement)
    assert (reply.dst, reply[IPv6].src, reply[IPv6].dst, reply[IPv6].hlim, reply[ICMPv6ND_NA].O, reply[ICMPv6NDOptDstLLAddr].lladdr) == (
        client.mac,
        IP6,
        "2001:db8::7",
        255,
        1,
        node.mac,
    )


def test_a_probe_is_answered_to_all_nodes(announcer: AnnouncerProcess, node: Host, client: Host, wire: Wire):
    announcer.announce(IP6)
    wire.frames(quiet_s=0.7)  # the next announcement of the burst is a second away then
    wire.send(probe(IPv6Address(IP6), mac=Mac.parse(client.mac)))
    reply = wire.first(lambda frame: ICMPv6ND_NA in frame)
    assert announcer.report()["replies"]["ndp"] == 1
    assert (reply.dst, reply[IPv6].dst, reply[ICMPv6ND_NA].S, reply[ICMPv6ND_NA].O) == ("33:33:00:00:00:01", "ff02::1", 0, 1)


def test_a_kernel_that_wants_the_same_address_finds_it_taken(announcer: AnnouncerProcess, client: Host):
    announcer.announce(IP6)
    client.set_sysctl("net.ipv6.conf.eth0.accept_dad", 1)
    client.run("ip", "address", "add", f"{IP6}/64", "dev", "eth0")
    until(lambda: "dadfailed" in client.run("ip", "address", "show", "dev", "eth0"))


def test_both_families_are_announced_in_the_forms_that_neighbours_take(announcer: AnnouncerProcess, node: Host, wire: Wire):
    announcer.announce(IP, IP6)
    request = wire.first(lambda frame: ARP in frame and frame[ARP].psrc == IP)
    reply = wire.first(lambda frame: ARP in frame and frame[ARP].psrc == IP)
    told = wire.first(lambda frame: ICMPv6ND_NA in frame)
    assert [(frame.dst, frame[ARP].op, frame[ARP].hwsrc, frame[ARP].hwdst, frame[ARP].pdst) for frame in (request, reply)] == [
        ("ff:ff:ff:ff:ff:ff", 1, node.mac, "00:00:00:00:00:00", IP),
        ("ff:ff:ff:ff:ff:ff", 2, node.mac, node.mac, IP),
    ]
    assert (told[IPv6].dst, told[ICMPv6ND_NA].S, told[ICMPv6ND_NA].O, told[ICMPv6NDOptDstLLAddr].lladdr) == ("ff02::1", 0, 1, node.mac)


def test_a_neighbour_follows_at_once_when_another_node_takes_over(lab: Lab, announcer: AnnouncerProcess, node: Host, client: Host):
    second = lab.host("198.51.100.2/24", "2001:db8::2/64")
    successor = AnnouncerProcess(lab, second)
    announcer.announce(IP, IP6)
    for ip in (IP, IP6):
        client.resolve(ip)
    until(lambda: [client.neighbour(ip) for ip in (IP, IP6)] == [node.mac] * 2)
    announcer.stop()
    successor.announce(IP, IP6)
    until(lambda: [client.neighbour(ip) for ip in (IP, IP6)] == [second.mac] * 2, deadline_s=1)


def test_a_withdrawn_ip_is_answered_no_more_and_others_are(announcer: AnnouncerProcess, client: Host, wire: Wire):
    other = "198.51.100.201"
    announcer.announce(IP, other)
    announcer.announce(other)
    for ip in (IP, other):
        wire.send(arp_request(IPv4Address(ip), mac=Mac.parse(client.mac)))
    assert wire.first(is_arp_reply_to(client.mac))[ARP].psrc == other
    assert announcer.report()["replies"]["arp"] == 1


def test_an_ip_that_is_not_for_this_interface_is_not_answered_here(announcer: AnnouncerProcess, client: Host, wire: Wire):
    announcer.announce(IP, on=["eth1"])
    wire.send(arp_request(IPv4Address(IP), mac=Mac.parse(client.mac)))
    announcer.announce(IP, on=["eth0"])
    wire.send(arp_request(IPv4Address(IP), mac=Mac.parse(client.mac)))
    wire.first(is_arp_reply_to(client.mac))
    assert announcer.report()["replies"]["arp"] == 1


@pytest.mark.parametrize(
    ("ip", "frame"),
    [(IP, arp_told(STRANGER, IPv4Address(IP))), (IP6, advertisement(STRANGER, IPv6Address(IP6), STRANGER))],
    ids=["arp", "ndp"],
)
def test_a_foreign_announcement_is_a_conflict_that_is_told(announcer: AnnouncerProcess, wire: Wire, ip: str, frame: bytes):
    announcer.announce(IP, IP6)
    wire.send(frame)
    until(lambda: announcer.report()["conflicts"] == [[ip, str(STRANGER), "eth0"]])


def test_conflicts_are_counted_each_and_told_seldom(announcer: AnnouncerProcess, wire: Wire):
    announcer.announce(IP)
    for _ in range(50):
        wire.send(arp_told(STRANGER, IPv4Address(IP)))
    report = until(lambda: (seen := announcer.report())["conflict_frames"] == 50 and seen)
    assert len(report["conflicts"]) < 10


def test_a_question_for_an_ip_is_answered_by_the_announcer_that_has_it_and_the_answer_gets_through_the_filter(
    lab: Lab, announcer: AnnouncerProcess, node: Host, wire: Wire
):
    other_node = lab.host("198.51.100.2/24", "2001:db8::2/64")
    other = AnnouncerProcess(lab, other_node)
    other.wait_for_link("eth0", usable=True, has_ipv6=True, carrier=True)
    announcer.announce(IP, IP6)
    assert other.tell({"probe": [IP, IP6]})["unsent"] == []
    wanted = [[ip, node.mac, "eth0"] for ip in (IP, IP6)]
    until(lambda: sorted(other.report()["answers"]) == wanted, describe=other.report)
    assert other.report()["conflict_frames"] == 0
    asked = wire.first(lambda frame: ARP in frame and frame.src == other_node.mac and frame[ARP].pdst == IP)
    assert (asked.dst, asked[ARP].op, asked[ARP].psrc) == ("ff:ff:ff:ff:ff:ff", 1, "0.0.0.0")
    assert other_node.neighbour(IP) == ""  # an answer to a kernel that did not ask teaches it nothing


def test_a_question_of_one_that_has_the_ip_too_is_answered_and_the_answer_is_no_announcement(
    lab: Lab, announcer: AnnouncerProcess, node: Host
):
    other = AnnouncerProcess(lab, lab.host("198.51.100.2/24", "2001:db8::2/64"))
    other.wait_for_link("eth0", usable=True, has_ipv6=True, carrier=True)
    announcer.announce(IP, IP6)
    other.announce(IP, IP6)
    other.tell({"probe": [IP, IP6]})
    until(lambda: sorted(other.report()["answers"]) == [[ip, node.mac, "eth0"] for ip in (IP, IP6)], describe=other.report)
    other.tell({"announce": {}})
    other.tell({"probe": [IP, IP6]})
    until(lambda: len(other.report()["answers"]) == 4, describe=other.report)


def test_without_carrier_a_question_is_not_sent(announcer: AnnouncerProcess, node: Host):
    announcer.wait_for_link("eth0", usable=True, has_ipv6=True, carrier=True)
    assert announcer.tell({"probe": [IP]})["unsent"] == []
    node.cut()
    announcer.wait_for_link("eth0", carrier=False)
    assert announcer.tell({"probe": [IP]})["unsent"] == [IP]


def test_malformed_frames_of_every_length_are_counted_and_nothing_else_happens(announcer: AnnouncerProcess, node: Host, client: Host):
    node.connect(client, "eth1")
    announcer.wait_for_link("eth1", usable=True, has_ipv6=True, carrier=True)
    announcer.announce(IP, IP6, on=["eth1"])
    request, asked = arp_request(IPv4Address(IP)), solicitation(IPv6Address(IP6))
    truncated = [frame[:length] for frame in (request, asked) for length in range(15, len(frame))]
    with Wire(client, "eth1") as wire:
        for frame in truncated:
            wire.send(frame)
        until(lambda: sum(announcer.report()["drops"].values()) == len(truncated), describe=lambda: announcer.report()["drops"])
        report = announcer.report()
        assert report["drops"] == {"TooShort": len(request) - 15 + 54 - 15, "LengthMismatch": len(asked) - 54}
        assert report["replies"] == {"arp": 0, "ndp": 0}
        wire.send(request)
        wire.first(is_arp_reply_to("02:00:00:00:00:0b"))


@pytest.mark.parametrize(
    ("at", "octets", "reason"),
    [(57, b"\0\0", "WrongChecksum"), (21, b"\x40", "WrongHopLimit"), (55, b"\1", "WrongChecksum")],
)
def test_a_malformed_solicitation_is_counted_by_its_reason(announcer: AnnouncerProcess, wire: Wire, at: int, octets: bytes, reason: str):
    announcer.announce(IP6)
    frame = solicitation(IPv6Address(IP6))
    wire.send(frame[:at] + octets + frame[at + len(octets) :])
    until(lambda: announcer.report()["drops"] == {reason: 1})


def test_frames_of_a_vlan_are_not_for_this_interface(announcer: AnnouncerProcess, client: Host, wire: Wire):
    announcer.announce(IP)
    request = arp_request(IPv4Address(IP), mac=Mac.parse(client.mac))
    wire.send(request[:12] + b"\x81\0\0\5" + request[12:])
    wire.send(request)
    wire.first(is_arp_reply_to(client.mac))
    assert announcer.report()["replies"]["arp"] == 1


def test_the_announcing_process_never_imports_scapy(announcer: AnnouncerProcess):
    assert announcer.report()["imports_scapy"] is False
