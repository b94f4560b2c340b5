"""Each rule of RFC 826 and RFC 4861 §7.1, broken once: the reason names it. scapy is the oracle for what is right."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6, in6_chksum
from scapy.layers.l2 import ARP, Ether

from baremetal_lb.model.net import Mac
from baremetal_lb.packet import arp, ndp
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason

A, B = Mac.parse("02:00:00:00:00:0a"), Mac.parse("02:00:00:00:00:0b")
REQUEST = arp.ArpFrame(
    Mac(b"\xff" * 6), A, arp.Operation.REQUEST, A, IPv4Address("198.51.100.7"), Mac(bytes(6)), IPv4Address("198.51.100.1")
)
TARGET = IPv6Address("2001:db8::1:2:3")
GROUP = ndp.solicited_node_group(TARGET)
SOLICITATION = ndp.NeighborSolicitation(ndp.group_hardware(GROUP), A, IPv6Address("2001:db8::7"), GROUP, TARGET, A)
PROBE = ndp.NeighborSolicitation(ndp.group_hardware(GROUP), A, IPv6Address("::"), GROUP, TARGET)
ADVERTISEMENT = ndp.NeighborAdvertisement(
    A, B, TARGET, IPv6Address("2001:db8::7"), TARGET, is_solicited=True, is_override=True, target_link_layer=B
)


def with_octets(frame: bytes, at: int, octets: bytes) -> bytes:
    return frame[:at] + octets + frame[at + len(octets) :]


def with_valid_checksum(frame: bytes) -> bytes:
    """The frame with the checksum that scapy computes for what stands in it."""
    message = with_octets(frame[54:], 2, b"\0\0")
    return with_octets(frame, 56, in6_chksum(58, Ether(frame)[IPv6], message).to_bytes(2, "big"))


def reason_of(parse, frame: bytes) -> MalformedReason:
    with pytest.raises(MalformedPacket) as caught:
        parse(frame)
    return caught.value.reason


def test_our_arp_request_is_the_frame_that_scapy_builds():
    built = Ether(dst="ff:ff:ff:ff:ff:ff", src=str(A)) / ARP(op=1, hwsrc=str(A), psrc="198.51.100.7", pdst="198.51.100.1")
    assert arp.encode(REQUEST) == bytes(built)


@pytest.mark.parametrize("source", ["2001:db8::7", "fe80::1"])
def test_our_solicitation_is_the_frame_that_scapy_builds(source: str):
    ours = ndp.NeighborSolicitation(ndp.group_hardware(GROUP), A, IPv6Address(source), GROUP, TARGET, A)
    built = (
        Ether(dst=str(ndp.group_hardware(GROUP)), src=str(A))
        / IPv6(src=source, dst=str(GROUP), hlim=255)
        / ICMPv6ND_NS(tgt=str(TARGET))
        / ICMPv6NDOptSrcLLAddr(lladdr=str(A))
    )
    assert ndp.encode(ours) == bytes(built)


def test_our_advertisement_is_the_frame_that_scapy_builds():
    built = (
        Ether(dst=str(A), src=str(B))
        / IPv6(src=str(TARGET), dst="2001:db8::7", hlim=255)
        / ICMPv6ND_NA(tgt=str(TARGET), R=0, S=1, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=str(B))
    )
    assert ndp.encode(ADVERTISEMENT) == bytes(built)


ARP_FAULTS = {
    "vlan": (12, b"\x81\x00", MalformedReason.VlanTagged),
    "ethertype": (12, b"\x08\x00", MalformedReason.WrongEtherType),
    "hardware": (14, b"\0\6", MalformedReason.WrongHardwareType),
    "protocol": (16, b"\x86\xdd", MalformedReason.WrongProtocolType),
    "hlen": (18, b"\x08", MalformedReason.WrongAddressLength),
    "plen": (19, b"\x10", MalformedReason.WrongAddressLength),
    "op0": (20, b"\0\0", MalformedReason.UnknownOperation),
    "rarp": (20, b"\0\3", MalformedReason.UnknownOperation),
    "op256": (20, b"\1\1", MalformedReason.UnknownOperation),
}


@pytest.mark.parametrize("fault", ARP_FAULTS)
def test_arp_fault_is_named(fault: str):
    at, octets, reason = ARP_FAULTS[fault]
    assert reason_of(arp.parse, with_octets(arp.encode(REQUEST), at, octets)) is reason


@pytest.mark.parametrize("length", range(arp.LENGTH))
def test_arp_frame_of_any_shorter_length_is_too_short(length: int):
    assert reason_of(arp.parse, arp.encode(REQUEST)[:length]) is MalformedReason.TooShort


def test_arp_padding_is_ignored():
    assert arp.parse(arp.encode(REQUEST) + bytes(18)) == REQUEST


ND_FAULTS = {
    "vlan": (SOLICITATION, 12, b"\x81\x00", False, MalformedReason.VlanTagged),
    "ethertype": (SOLICITATION, 12, b"\x08\x06", False, MalformedReason.WrongEtherType),
    "version": (SOLICITATION, 14, b"\x40", False, MalformedReason.WrongVersion),
    "hop by hop": (SOLICITATION, 20, b"\0", False, MalformedReason.ExtensionHeader),
    "fragment": (SOLICITATION, 20, b"\x2c", False, MalformedReason.ExtensionHeader),
    "payload beyond the frame": (SOLICITATION, 18, b"\0\x21", False, MalformedReason.LengthMismatch),
    "payload under 24": (SOLICITATION, 18, b"\0\x17", False, MalformedReason.TooShort),
    "hop limit": (SOLICITATION, 21, b"\xfe", False, MalformedReason.WrongHopLimit),
    "multicast source": (SOLICITATION, 22, b"\xff", True, MalformedReason.MulticastSource),
    "checksum": (SOLICITATION, 56, b"\0\0", False, MalformedReason.WrongChecksum),
    "redirect": (SOLICITATION, 54, b"\x89", True, MalformedReason.WrongType),
    "code": (SOLICITATION, 55, b"\1", True, MalformedReason.WrongCode),
    "multicast target": (SOLICITATION, 62, b"\xff", True, MalformedReason.MulticastTarget),
    "option of length 0": (SOLICITATION, 79, b"\0", True, MalformedReason.EmptyOption),
    "option beyond the message": (SOLICITATION, 79, b"\2", True, MalformedReason.TruncatedOption),
    "probe to unicast": (PROBE, 38, b"\x20", True, MalformedReason.ProbeToUnicast),
    "probe to all nodes": (PROBE, 38, IPv6Address("ff02::1").packed, True, MalformedReason.ProbeToUnicast),
    "probe with option": (SOLICITATION, 22, bytes(16), True, MalformedReason.ProbeWithOption),
    "solicited to a group": (ADVERTISEMENT, 38, IPv6Address("ff02::1").packed, True, MalformedReason.SolicitedToGroup),
}


@pytest.mark.parametrize("fault", ND_FAULTS)
def test_nd_fault_is_named(fault: str):
    packet, at, octets, has_new_checksum, reason = ND_FAULTS[fault]
    frame = with_octets(ndp.encode(packet), at, octets)
    assert reason_of(ndp.parse, with_valid_checksum(frame) if has_new_checksum else frame) is reason


@pytest.mark.parametrize("packet", [SOLICITATION, PROBE, ADVERTISEMENT], ids=["ns", "probe", "na"])
def test_nd_frame_of_any_shorter_length_is_refused(packet):
    frame = ndp.encode(packet)
    expected = {length: MalformedReason.TooShort if length < 54 else MalformedReason.LengthMismatch for length in range(len(frame))}
    assert {length: reason_of(ndp.parse, frame[:length]) for length in range(len(frame))} == expected


def test_an_unknown_option_is_walked_over():
    base = ndp.encode(PROBE)
    nonce = b"\x0e\x01" + b"random"
    frame = with_octets(base + nonce, 18, (32).to_bytes(2, "big"))
    assert ndp.parse(with_valid_checksum(frame)) == PROBE


def test_half_an_option_header_is_truncated():
    frame = with_octets(ndp.encode(PROBE) + b"\x0e", 18, (25).to_bytes(2, "big"))
    assert reason_of(ndp.parse, with_valid_checksum(frame)) is MalformedReason.TruncatedOption


def test_padding_behind_the_payload_length_is_ignored():
    assert ndp.parse(ndp.encode(SOLICITATION) + b"\1\2\3") == SOLICITATION
