"""Laws of the codecs: parse(encode(x)) == x; parse(any bytes) returns or raises MalformedPacket."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.model.net import Mac
from baremetal_lb.packet import arp, ndp, rtnetlink
from baremetal_lb.packet.checksum import complement, word_sum
from baremetal_lb.packet.malformed import MalformedPacket

macs = st.binary(min_size=6, max_size=6).map(Mac)
v4 = st.ip_addresses(v=4)
unicast = st.ip_addresses(v=6).filter(lambda ip: not ip.is_multicast and not ip.is_unspecified)
multicast = st.binary(min_size=15, max_size=15).map(lambda rest: IPv6Address(b"\xff" + rest))
arps = st.builds(arp.ArpFrame, macs, macs, st.sampled_from(arp.Operation), macs, v4, macs, v4)
solicitations = st.builds(ndp.NeighborSolicitation, macs, macs, unicast, unicast | multicast, unicast, st.none() | macs)
probes = st.builds(
    lambda d, s, target: ndp.NeighborSolicitation(d, s, IPv6Address("::"), ndp.solicited_node_group(target), target), macs, macs, unicast
)
solicited = st.builds(
    ndp.NeighborAdvertisement, macs, macs, unicast, unicast, unicast, st.booleans(), st.booleans(), st.booleans(), st.none() | macs
)
unsolicited = st.builds(
    ndp.NeighborAdvertisement, macs, macs, unicast, multicast, unicast, st.booleans(), st.just(False), st.booleans(), st.none() | macs
)


@settings(max_examples=100)
@given(arps)
def test_arp_survives_the_wire(packet):
    assert arp.parse(arp.encode(packet)) == packet


@settings(max_examples=200)
@given(solicitations | probes | solicited | unsolicited)
def test_nd_survives_the_wire(packet):
    assert ndp.parse(ndp.encode(packet)) == packet


def _mutants(frames):
    """Right frames with a few octets changed, cut or lengthened: more of them get past the first check than random bytes do."""

    def mutate(frame: bytes, changes: list[tuple[int, int]], cut: int, more: bytes) -> bytes:
        octets = bytearray(frame)
        for at, value in changes:
            octets[at % len(octets)] = value
        return bytes(octets[: len(octets) - cut % len(octets)]) + more

    change = st.tuples(st.integers(0, 200), st.integers(0, 255))
    return st.builds(mutate, frames, st.lists(change, max_size=4), st.just(0) | st.integers(0, 90), st.just(b"") | st.binary(max_size=40))


@settings(max_examples=300)
@given(st.binary(max_size=200) | _mutants(arps.map(arp.encode)))
def test_any_bytes_are_an_arp_packet_or_malformed(frame: bytes):
    try:
        packet = arp.parse(frame)
    except MalformedPacket:
        return
    assert arp.encode(packet) == frame[: arp.LENGTH]


@settings(max_examples=300)
@given(st.binary(max_size=200) | _mutants((solicitations | probes | solicited | unsolicited).map(ndp.encode)))
def test_any_bytes_are_an_nd_message_or_malformed(frame: bytes):
    try:
        packet = ndp.parse(frame)
    except MalformedPacket:
        return
    assert ndp.parse(ndp.encode(packet)) == packet


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_netlink_messages_or_malformed(datagram: bytes):
    try:
        messages = list(rtnetlink.parse(datagram))
    except MalformedPacket:
        return
    assert all(isinstance(message, rtnetlink.Link | rtnetlink.InterfaceAddress | rtnetlink.DumpDone) for message in messages)


@settings(max_examples=200)
@given(st.binary(max_size=80).filter(lambda octets: len(octets) % 2 == 0))
def test_the_checksum_by_remainder_is_the_one_by_addition(octets: bytes):
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert complement(word_sum(octets)) % 0xFFFF == (~total & 0xFFFF) % 0xFFFF  # 0 and ffff are the same number in one's complement


@pytest.mark.parametrize("target", ["2001:db8::1", "2001:db8::ffff:ffff"])
def test_solicited_node_group_keeps_the_low_24_bits(target: str):
    group = ndp.solicited_node_group(IPv6Address(target))
    assert (int(group) & 0xFFFFFF, int(group) >> 24) == (int(IPv6Address(target)) & 0xFFFFFF, int(IPv6Address("ff02::1:ff00:0")) >> 24)


def test_an_announcement_tells_its_senders_address():
    mac, ip = Mac(b"\2" * 6), IPv4Address("198.51.100.1")
    told = arp.ArpFrame(mac, mac, arp.Operation.REQUEST, mac, ip, Mac(bytes(6)), ip)
    asked = arp.ArpFrame(mac, mac, arp.Operation.REQUEST, mac, IPv4Address("198.51.100.2"), Mac(bytes(6)), ip)
    assert (told.is_announcement, asked.is_announcement) == (True, False)
