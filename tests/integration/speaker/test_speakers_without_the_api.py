"""The API server away: from all speakers, from one, while a speaker is killed; and what is written when nothing changes."""

import signal
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import ARP

from baremetal_lb.model.net import Mac
from baremetal_lb.packet import arp
from tests.support.frames import advertisement, arp_told
from tests.support.proxy import Fault, FaultProxy, Rule
from tests.support.speakers import PATIENCE_S, SpeakerNode, Speakers
from tests.support.wait import until

pytestmark = [pytest.mark.netns, pytest.mark.kube]
IP, IP6 = "198.51.100.200", "2001:db8::200"


def test_an_outage_takes_nothing_away_not_even_with_a_speaker_killed_in_it(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, IP6, endpoints=["node1"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    until_all_is_remembered(node1, "speaker-node1", "speaker-node2")
    for node in (node1, node2):
        cluster.cut(node)
    until(lambda: node1.get("/readyz")[0] == 503, 20)
    for _ in range(40):
        assert cluster.who_answers(IP, patience_s=PATIENCE_S) == {node1.host.mac}
    node1.kill()
    node1.start()
    cluster.until_answered(IP, by=node1)
    cluster.until_answered(IP6, by=node1)
    assert node1.logged("started_from_state_file")
    for node in (node1, node2):
        cluster.heal(node)
    node1.until_ready(60)
    node2.until_ready(60)
    assert cluster.who_answers(IP, patience_s=PATIENCE_S) == {node1.host.mac}


def until_all_is_remembered(node: SpeakerNode, *leases: str) -> None:
    """Wait for a state file from which the speaker knows as much as it knows now; what is newer than two seconds may not be in it."""
    wanted = [*(f'"name":"{lease}"' for lease in leases), '"IPAddressPool"', '"L2Advertisement"', '"EndpointSlice"', '"IPAllocation"', IP]

    def is_all_there() -> bool:
        text = node.state_file.read_text() if node.state_file.exists() else ""
        serving = [line for line in text.splitlines() if '"kind":"Lease"' in line and "eth0" in line]
        return all(word in text for word in wanted) and len(serving) == len(leases)

    until(is_all_there, 20, describe=lambda: node.state_file.read_text() if node.state_file.exists() else node.tail())


def test_nothing_is_remembered_without_what_the_others_know_of_this_node(cluster: Speakers, kube_proxy: FaultProxy):
    """From such a file it would leave the IPs to another node, while that one elects this one: nobody would answer."""
    refused = kube_proxy.add(Rule(Fault.SERVER_ERROR, "PATCH", "leases", times=None))
    cluster.configure()
    node1 = cluster.node("node1", through=kube_proxy)
    until(lambda: refused.hits >= 4, 30, describe=node1.tail)  # a second apart, as are the looks at what is to be remembered
    assert not node1.state_file.exists()
    kube_proxy.clear()
    until(node1.state_file.exists, 20, describe=node1.tail)
    assert '"name":"speaker-node1"' in node1.state_file.read_text()


def test_a_speaker_that_is_cut_off_yields_to_the_member_that_took_over(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, IP6, endpoints=["node2"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    cluster.cut(node1)
    until(lambda: {line["ip"] for line in node1.logged("address_yielded")} == {IP, IP6}, 60, node1.tail)
    cluster.until_answered(IP, by=node2)
    cluster.until_answered(IP6, by=node2)
    cluster.heal(node1)
    cluster.until_answered(IP, by=node1, deadline_s=30)


def is_question(frame: Any, asker: SpeakerNode) -> bool:
    """Tell whether it is a probe of this node for one of the IPs."""
    if frame.src != asker.host.mac:
        return False
    return (ARP in frame and (frame[ARP].op, frame[ARP].psrc, frame[ARP].pdst) == (1, "0.0.0.0", IP)) or (
        ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == IP6
    )


def claims(mac: str) -> list[bytes]:
    """Build announcements of both IPs in the name of a member."""
    forged = Mac.parse(mac)
    of_ipv4 = [arp_told(forged, IPv4Address(IP), operation) for operation in arp.Operation]
    return [*of_ipv4, advertisement(forged, IPv6Address(IP6), forged)]


def test_announcements_in_a_members_name_silence_nobody_while_all_are_cut_off(cluster: Speakers):
    """Of a member with the lower name, which a speaker that is cut off would give way to at once."""
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, IP6, endpoints=["node1", "node2"], announcer="node2")
    for ip in (IP, IP6):
        cluster.until_answered(ip, by=node2, deadline_s=60)
    node1.until_ready()
    for node in (node1, node2):
        cluster.cut(node)
    until(lambda: "\nbaremetal_lb_speaker_cut_off 1.0\n" in node2.get("/metrics", 9121)[1], 30, node2.tail)
    for _ in range(3):
        for frame in claims(node1.host.mac):
            cluster.wire.send(frame)
        cluster.wire.first(lambda frame: is_question(frame, node2), 20)
    until(lambda: {line["ip"] for line in node2.logged("address_claim_unconfirmed")} == {IP, IP6}, 30, node2.tail)
    for ip in (IP, IP6):
        assert cluster.who_answers(ip, patience_s=PATIENCE_S) == {node2.host.mac}
    assert not [*node2.logged("address_yielded"), *node2.logged("address_withdrawn")]
    assert 'speaker_yields_total{reason="Unconfirmed"} 2.0\n' in node2.get("/metrics", 9121)[1]


def test_a_yield_stays_while_the_other_one_answers_and_ends_when_nobody_does(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, IP6, endpoints=["node2"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    cluster.cut(node1)
    until(lambda: {line["ip"] for line in node1.logged("address_yielded")} == {IP, IP6}, 60, node1.tail)
    for ip in (IP, IP6):
        cluster.until_answered(ip, by=node2)
    for _ in range(4):
        cluster.wire.frames(quiet_s=0.0)
        cluster.wire.first(lambda frame: is_question(frame, node1), 20)
        assert cluster.who_answers(IP, patience_s=PATIENCE_S) == {node2.host.mac}
    assert not node1.logged("address_taken_back")
    node2.kill()
    for ip in (IP, IP6):
        cluster.until_answered(ip, by=node1)
    assert {(line["ip"], line["reason"]) for line in node1.logged("address_taken_back")} == {(ip, "NobodyAnswered") for ip in (IP, IP6)}


def test_lists_that_came_back_empty_or_older_withdraw_nothing(cluster: Speakers, kube_proxy: FaultProxy):
    node1 = cluster.node("node1", through=kube_proxy)
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    kube_proxy.add(Rule(Fault.GONE, "GET", "watch=true", times=8))
    empty = kube_proxy.add(Rule(Fault.EMPTY_LIST, "GET", r"(services|ipallocations|l2advertisements|leases)\?(?!.*watch)", times=None))
    old = kube_proxy.add(Rule(Fault.OLD_LIST, "GET", r"(endpointslices|nodes|ipaddresspools)\?(?!.*watch)", times=None))
    kube_proxy.cut()
    until(lambda: empty.hits >= 4 and old.hits >= 3, 30, describe=lambda: (empty, old, node1.tail()))
    for _ in range(20):
        assert cluster.who_answers(IP, patience_s=PATIENCE_S) == {node1.host.mac}
    kube_proxy.clear()
    kube_proxy.cut()
    node1.until_ready(30)
    assert cluster.who_answers(IP, patience_s=PATIENCE_S) == {node1.host.mac}
    assert not node1.logged("address_withdrawn")


def test_a_speaker_whose_renewals_are_lost_gives_way_though_its_watches_work(cluster: Speakers, kube_proxy: FaultProxy):
    node1, node2 = cluster.node("node1", through=kube_proxy), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node2"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    kube_proxy.add(Rule(Fault.SERVER_ERROR, "PATCH", "leases", times=None))
    cluster.until_answered(IP, by=node2, deadline_s=60)
    assert "[-] lease" in node1.get("/readyz")[1]
    kube_proxy.clear()
    cluster.until_answered(IP, by=node1, deadline_s=60)


def test_a_speaker_that_was_stopped_for_a_while_finds_its_place_again(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node2"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    # A speaker that starts first may announce for as long as it has not heard of the other one; that is none of this.
    before = node2.logged("address_withdrawn")
    node1.signal(signal.SIGSTOP)
    cluster.until_answered(IP, by=node2, deadline_s=60)
    cluster.server.merge(cluster.entry_path(IP), {"spec": {"announcer": "node2"}})
    node1.signal(signal.SIGCONT)
    cluster.until_answered(IP, by=node2)
    assert node2.logged("address_withdrawn") == before


def test_an_unchanged_world_is_not_written_to(cluster: Speakers):
    # A restart that outlasts the Lease is told: here it must not, however slow the machine is.
    patient = ("--lease-duration-s", "60")
    node1 = cluster.node("node1", *patient)
    node1.until_ready()
    cluster.configure()
    begun = cluster.server.audit_mark()
    for number in range(10):
        cluster.service(f"web{number}", f"198.51.100.{200 + number}", endpoints=["node1"], announcer="node1")
    until(lambda: len(cluster.statuses()) == 10, describe=cluster.statuses)
    cluster.until_answered("198.51.100.209", by=node1)
    until(lambda: sum(kind[1] == "events" for kind in cluster.server.writes(user="speaker-node1", since=begun).elements()) == 10)
    writes = cluster.server.writes(user="speaker-node1", since=begun)
    del writes["patch", "leases"]
    assert writes == {("create", "servicel2statuses"): 10, ("patch", "servicel2statuses/status"): 10, ("create", "events"): 10}
    node1.kill()
    begun = cluster.server.audit_mark()
    node1.start(*patient)
    node1.until_ready()
    cluster.until_answered(IP, by=node1)
    until(lambda: cluster.server.writes(user="speaker-node1", since=begun)["patch", "leases"] >= 3)
    assert cluster.server.writes(user="speaker-node1", since=begun).keys() == {("patch", "leases")}


def test_without_the_capability_a_speaker_says_so_and_is_not_elected(cluster: Speakers):
    node1, node2 = cluster.node("node1", start=False), cluster.node("node2")
    node1.start(wrapper=("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"))
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1", "node2"], announcer="node1")
    cluster.until_answered(IP, by=node2, deadline_s=60)
    until(lambda: node1.get("/readyz")[0] == 503)
    assert "[-] sockets: announcing IPs on the local link takes the capability NET_RAW" in node1.get("/readyz")[1]
