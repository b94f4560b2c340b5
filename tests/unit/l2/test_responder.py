"""The responders' answers, table by table; scapy dissects what they send."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6, in6_chksum
from scapy.layers.l2 import ARP, Ether

from baremetal_lb.frames.__main__ import build
from baremetal_lb.l2.probes import probe_of
from baremetal_lb.l2.reasons import DropReason
from baremetal_lb.l2.responder import ArpResponder, Conflict, NdpResponder, ProbeAnswer
from baremetal_lb.l2.templates import Templates, UnfitTemplate
from baremetal_lb.model.net import Mac
from baremetal_lb.packet import arp, ndp
from baremetal_lb.packet.malformed import MalformedReason
from tests.support.frames import (
    OURS,
    PEER,
    PEER_V4,
    PEER_V6,
    STRANGER,
    TEMPLATES,
    advertisement,
    arp_request,
    arp_told,
    probe,
    solicitation,
)

IP, OTHER_IP = IPv4Address("203.0.113.1"), IPv4Address("203.0.113.2")
IP6, OTHER_IP6 = IPv6Address("2001:db8:1::1"), IPv6Address("2001:db8:1::2")
OWN_SECOND = Mac.parse("02:00:00:00:00:02")


@pytest.fixture
def arp_responder() -> ArpResponder:
    responder = ArpResponder(TEMPLATES, OURS, [OWN_SECOND])
    responder.put([IP])
    return responder


@pytest.fixture
def ndp_responder() -> NdpResponder:
    responder = NdpResponder(TEMPLATES, OURS, [OWN_SECOND])
    responder.put([IP6])
    return responder


def with_octets(frame: bytes, at: int, octets: bytes) -> bytes:
    return frame[:at] + octets + frame[at + len(octets) :]


def test_arp_reply_is_what_scapy_would_send(arp_responder: ArpResponder):
    expected = Ether(dst=str(PEER), src=str(OURS)) / ARP(op=2, hwsrc=str(OURS), psrc=str(IP), hwdst=str(PEER), pdst=str(PEER_V4))
    assert arp_responder.reply(arp_request(IP)) == bytes(expected)


def test_arp_probe_is_answered_to_its_sender(arp_responder: ArpResponder):
    reply = arp.parse(arp_responder.reply(arp_request(IP, source=IPv4Address("0.0.0.0"))))
    assert (reply.destination, reply.sender_protocol, reply.target_protocol) == (PEER, IP, IPv4Address("0.0.0.0"))


def test_arp_padding_changes_nothing(arp_responder: ArpResponder):
    assert arp_responder.reply(arp_request(IP) + bytes(18)) == arp_responder.reply(arp_request(IP))


ARP_REFUSALS = {
    "another IP": (arp_request(OTHER_IP), DropReason.NotAnnounced),
    "to another host": (arp_request(IP, to=STRANGER), DropReason.WrongDestination),
    "own frame": (arp_request(IP, mac=OURS), DropReason.OwnFrame),
    "own frame of the second interface": (arp_request(IP, mac=OWN_SECOND), DropReason.OwnFrame),
    "own announcement": (arp_told(OWN_SECOND, IP), DropReason.OwnFrame),
    "group as requester": (with_octets(arp_request(IP), 22, b"\x01"), DropReason.InvalidRequester),
    "no requester": (with_octets(arp_request(IP), 22, bytes(6)), DropReason.InvalidRequester),
    "announcement of another IP": (arp_told(STRANGER, OTHER_IP), DropReason.AdvertisementOfOthers),
    "foreign announcement": (arp_told(STRANGER, IP), Conflict(IP, STRANGER)),
    "foreign reply": (arp_told(STRANGER, IP, arp.Operation.REPLY), Conflict(IP, STRANGER)),
    "malformed": (arp_request(IP)[:41], MalformedReason.TooShort),
    "vlan": (with_octets(arp_request(IP), 12, b"\x81\0"), MalformedReason.VlanTagged),
}


@pytest.mark.parametrize("case", ARP_REFUSALS)
def test_arp_refusal_has_its_reason(arp_responder: ArpResponder, case: str):
    frame, expected = ARP_REFUSALS[case]
    assert arp_responder.reply(frame) == expected


def test_a_question_with_our_ip_as_sender_is_no_conflict(arp_responder: ArpResponder):
    assert arp_responder.reply(arp_request(OTHER_IP, source=IP, mac=STRANGER)) is DropReason.NotAnnounced


def test_arp_answers_unicast_requests_to_itself(arp_responder: ArpResponder):
    assert arp_responder.reply(arp_request(IP, to=OURS)) == arp_responder.reply(arp_request(IP))


LINK_LOCAL, OTHER_LINK_LOCAL = IPv6Address("fe80::1"), IPv6Address("fe80::2")


@pytest.mark.parametrize("is_announced", [True, False], ids=["still announced", "yielded"])
def test_the_answer_of_one_of_ours_to_a_question_of_ours_is_known_for_one(*, is_announced: bool):
    """Both ends of the wire: what we ask, our responder on another node answers, and to us alone."""
    here_arp, here_ndp = ArpResponder(TEMPLATES, OURS, [OWN_SECOND]), NdpResponder(TEMPLATES, OURS, [OWN_SECOND])
    there_arp, there_ndp = ArpResponder(TEMPLATES, PEER), NdpResponder(TEMPLATES, PEER)
    there_arp.put([IP])
    there_ndp.put([IP6])
    if is_announced:
        here_arp.put([IP])
        here_ndp.put([IP6])
    here_arp.ask([IP])
    here_ndp.ask([IP6])
    assert here_arp.reply(there_arp.reply(probe_of(IP, OURS, None))) == ProbeAnswer(IP, PEER)
    assert here_ndp.reply(there_ndp.reply(probe_of(IP6, OURS, LINK_LOCAL))) == ProbeAnswer(IP6, PEER)


def test_an_announcement_is_no_answer(arp_responder: ArpResponder, ndp_responder: NdpResponder):
    """Else one forged frame, repeated, would do as well as an answer."""
    arp_responder.ask([IP])
    ndp_responder.ask([IP6])
    for operation in arp.Operation:
        assert arp_responder.reply(arp_told(PEER, IP, operation)) == Conflict(IP, PEER)
    assert ndp_responder.reply(advertisement(PEER, IP6, PEER)) == Conflict(IP6, PEER)


def test_what_was_not_asked_for_or_is_told_to_another_is_no_answer(arp_responder: ArpResponder, ndp_responder: NdpResponder):
    there_arp, there_ndp = ArpResponder(TEMPLATES, PEER), NdpResponder(TEMPLATES, PEER)
    there_arp.put([IP, OTHER_IP])
    there_ndp.put([IP6, OTHER_IP6])
    to_us = there_arp.reply(probe_of(IP, OURS, None)), there_ndp.reply(probe_of(IP6, OURS, LINK_LOCAL))
    to_another = there_arp.reply(probe_of(IP, STRANGER, None)), there_ndp.reply(probe_of(IP6, STRANGER, OTHER_LINK_LOCAL))
    conflicts = (Conflict(IP, PEER), Conflict(IP6, PEER))
    # Neither an answer nor a claim: sent again once something was asked for, it would be both.
    assert [arp_responder.reply(to_us[0]), ndp_responder.reply(to_us[1])] == [DropReason.AdvertisementOfOthers] * 2
    arp_responder.ask([IP])
    ndp_responder.ask([IP6])
    assert (arp_responder.reply(to_another[0]), ndp_responder.reply(to_another[1])) == conflicts
    other = there_arp.reply(probe_of(OTHER_IP, OURS, None)), there_ndp.reply(probe_of(OTHER_IP6, OURS, LINK_LOCAL))
    assert (arp_responder.reply(other[0]), ndp_responder.reply(other[1])) == (DropReason.AdvertisementOfOthers,) * 2
    arp_responder.end_ask([IP])
    ndp_responder.end_ask([IP6])
    assert [arp_responder.reply(to_us[0]), ndp_responder.reply(to_us[1])] == [DropReason.AdvertisementOfOthers] * 2


def test_an_answer_of_our_own_second_interface_is_none(arp_responder: ArpResponder, ndp_responder: NdpResponder):
    second_arp, second_ndp = ArpResponder(TEMPLATES, OWN_SECOND), NdpResponder(TEMPLATES, OWN_SECOND)
    second_arp.put([IP])
    second_ndp.put([IP6])
    arp_responder.ask([IP])
    ndp_responder.ask([IP6])
    assert arp_responder.reply(second_arp.reply(probe_of(IP, OURS, None))) is DropReason.OwnFrame
    assert ndp_responder.reply(second_ndp.reply(probe_of(IP6, OURS, LINK_LOCAL))) is DropReason.OwnFrame


def test_a_probe_is_what_scapy_would_send_and_claims_nothing():
    arp_frame = Ether(dst="ff:ff:ff:ff:ff:ff", src=str(OURS)) / ARP(op=1, hwsrc=str(OURS), psrc="0.0.0.0", pdst=str(IP))
    assert probe_of(IP, OURS, None) == bytes(arp_frame)
    group = "ff02::1:ff00:1"
    ndp_frame = (
        Ether(dst="33:33:ff:00:00:01", src=str(OURS))
        / IPv6(src=str(LINK_LOCAL), dst=group, hlim=255)
        / ICMPv6ND_NS(tgt=str(IP6))
        / ICMPv6NDOptSrcLLAddr(lladdr=str(OURS))
    )
    assert probe_of(IP6, OURS, LINK_LOCAL) == bytes(ndp_frame)


def test_without_a_link_local_address_an_ipv6_address_cannot_be_asked_for():
    assert probe_of(IP6, OURS, None) is None


def test_removed_ip_is_answered_no_more(arp_responder: ArpResponder, ndp_responder: NdpResponder):
    arp_responder.remove([IP])
    ndp_responder.remove([IP6])
    assert (arp_responder.reply(arp_request(IP)), ndp_responder.reply(solicitation(IP6))) == (DropReason.NotAnnounced,) * 2


def test_changed_hardware_address_is_in_all_replies(arp_responder: ArpResponder, ndp_responder: NdpResponder):
    arp_responder.set_macs(STRANGER)
    ndp_responder.set_macs(STRANGER)
    assert arp.parse(arp_responder.reply(arp_request(IP))).sender_hardware == STRANGER
    assert ndp.parse(ndp_responder.reply(solicitation(IP6))).target_link_layer == STRANGER
    assert ndp.parse(ndp_responder.reply(probe(IP6))).target_link_layer == STRANGER


@pytest.mark.parametrize("has_option", [True, False], ids=["with option", "without option"])
def test_solicitation_is_answered_as_scapy_would(ndp_responder: NdpResponder, *, has_option: bool):
    expected = (
        Ether(dst=str(PEER), src=str(OURS))
        / IPv6(src=str(IP6), dst=str(PEER_V6), hlim=255)
        / ICMPv6ND_NA(tgt=str(IP6), R=0, S=1, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=str(OURS))
    )
    assert ndp_responder.reply(solicitation(IP6, has_option=has_option)) == bytes(expected)


def test_unicast_solicitation_is_answered(ndp_responder: NdpResponder):
    asked = ndp.NeighborSolicitation(OURS, PEER, PEER_V6, IP6, IP6)
    assert ndp_responder.reply(ndp.encode(asked)) == ndp_responder.reply(solicitation(IP6))


def test_probe_is_answered_to_all_nodes_unsolicited(ndp_responder: NdpResponder):
    reply = Ether(ndp_responder.reply(probe(IP6)))
    seen = (reply.dst, reply[IPv6].dst, reply[IPv6].hlim, reply[ICMPv6ND_NA].S, reply[ICMPv6ND_NA].O, reply[ICMPv6NDOptDstLLAddr].lladdr)
    assert seen == ("33:33:00:00:00:01", "ff02::1", 255, 0, 1, str(OURS))
    message = bytes(reply[IPv6].payload)
    assert in6_chksum(58, reply[IPv6], message[:2] + b"\0\0" + message[4:]) == reply[ICMPv6ND_NA].cksum


def ns(**changes) -> bytes:
    group = ndp.solicited_node_group(IP6)
    values = {
        "destination": ndp.group_hardware(group),
        "source": PEER,
        "ip_source": PEER_V6,
        "ip_destination": group,
        "target": IP6,
        "source_link_layer": PEER,
    }
    return ndp.encode(ndp.NeighborSolicitation(**(values | changes)))


NDP_REFUSALS = {
    "another IP": (solicitation(OTHER_IP6), DropReason.NotAnnounced),
    "to another host": (ns(destination=STRANGER, ip_destination=IP6), DropReason.WrongDestination),
    "to another IP": (ns(destination=OURS, ip_destination=OTHER_IP6), DropReason.WrongDestination),
    "to all nodes": (ns(ip_destination=ndp.ALL_NODES), DropReason.WrongDestination),
    "own frame": (solicitation(IP6, mac=OWN_SECOND), DropReason.OwnFrame),
    "own requester": (ns(source_link_layer=OURS), DropReason.OwnFrame),
    "group as requester": (ns(source_link_layer=Mac(b"\x33" * 6)), DropReason.InvalidRequester),
    "no requester": (ns(source_link_layer=Mac(bytes(6))), DropReason.InvalidRequester),
    "advertisement of another IP": (advertisement(STRANGER, OTHER_IP6, STRANGER), DropReason.AdvertisementOfOthers),
    "own advertisement": (advertisement(OWN_SECOND, IP6, OWN_SECOND), DropReason.OwnFrame),
    "foreign advertisement": (advertisement(STRANGER, IP6, STRANGER), Conflict(IP6, STRANGER)),
    "foreign advertisement without option": (advertisement(STRANGER, IP6, None), Conflict(IP6, STRANGER)),
    "checksum": (with_octets(solicitation(IP6), 57, b"\0"), MalformedReason.WrongChecksum),
    "hop limit": (with_octets(solicitation(IP6), 21, b"\x40"), MalformedReason.WrongHopLimit),
    "truncated": (solicitation(IP6)[:80], MalformedReason.LengthMismatch),
}


@pytest.mark.parametrize("case", NDP_REFUSALS)
def test_ndp_refusal_has_its_reason(ndp_responder: NdpResponder, case: str):
    frame, expected = NDP_REFUSALS[case]
    assert ndp_responder.reply(frame) == expected


def test_a_template_that_is_not_what_we_send_is_refused():
    wrong = build() | {"arp_reply": build()["arp_request"]}
    with pytest.raises(UnfitTemplate):
        Templates.of(wrong)
    with pytest.raises(UnfitTemplate, match="arp_request"):
        Templates.of({"arp_reply": b""})


def test_announcements_have_the_forms_that_neighbours_take():
    request, reply = (Ether(frame)[ARP] for frame in TEMPLATES.announcement_of_ipv4(OURS, IP))
    assert [(p.op, p.hwsrc, p.psrc, p.hwdst, p.pdst) for p in (request, reply)] == [
        (1, str(OURS), str(IP), "00:00:00:00:00:00", str(IP)),
        (2, str(OURS), str(IP), str(OURS), str(IP)),
    ]
    told = Ether(TEMPLATES.announcement_of_ipv6(OURS, IP6))
    assert (told[IPv6].dst, told[ICMPv6ND_NA].S, told[ICMPv6ND_NA].O, told[ICMPv6ND_NA].R) == ("ff02::1", 0, 1, 0)
