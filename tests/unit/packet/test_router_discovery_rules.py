"""Each rule of RFC 4861 §6.1, broken once: the reason names it. scapy is the oracle for what is right."""

from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptMTU, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6

from baremetal_lb.model.net import Mac
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason
from baremetal_lb.packet.router_discovery import RouterAdvertisement, RouterSolicitation, encode, parse

LINK_LOCAL, ROUTABLE, UNSPECIFIED = IPv6Address("fe80::1"), IPv6Address("2001:db8::1"), IPv6Address("::")
MAC = Mac.parse("02:00:00:00:00:0a")


def octets(layers) -> bytes:
    return bytes(IPv6(src="fe80::1", dst="ff02::1") / layers)[40:]


def without_checksum(message: bytes) -> bytes:
    return message[:2] + b"\0\0" + message[4:]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RouterSolicitation(), ICMPv6ND_RS()),
        (RouterSolicitation(MAC), ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=str(MAC))),
        (RouterAdvertisement(), ICMPv6ND_RA(chlim=0, prf=0, routerlifetime=0)),
        (RouterAdvertisement(1800, MAC), ICMPv6ND_RA(chlim=0, prf=0, routerlifetime=1800) / ICMPv6NDOptSrcLLAddr(lladdr=str(MAC))),
    ],
    ids=["RS", "RS with address", "RA", "RA of a default router"],
)
def test_our_messages_are_those_that_scapy_builds(ours, theirs):
    assert encode(ours) == without_checksum(octets(theirs))
    assert parse(encode(ours), source=LINK_LOCAL, hop_limit=255) == ours


def test_options_that_we_have_no_use_for_are_walked_over():
    message = octets(ICMPv6ND_RA(routerlifetime=30) / ICMPv6NDOptMTU() / ICMPv6NDOptPrefixInfo() / ICMPv6NDOptSrcLLAddr(lladdr=str(MAC)))
    assert parse(message, source=LINK_LOCAL, hop_limit=255) == RouterAdvertisement(30, MAC)


SOLICITATION, ADVERTISEMENT = encode(RouterSolicitation(MAC)), encode(RouterAdvertisement(30, MAC))
FAULTS = {
    "forwarded": (ADVERTISEMENT, LINK_LOCAL, 254, MalformedReason.WrongHopLimit),
    "nothing": (b"", LINK_LOCAL, 255, MalformedReason.NoRouterMessage),
    "neighbour": (b"\x87" + ADVERTISEMENT[1:], LINK_LOCAL, 255, MalformedReason.NoRouterMessage),
    "short advertisement": (ADVERTISEMENT[:15], LINK_LOCAL, 255, MalformedReason.TooShort),
    "short solicitation": (SOLICITATION[:7], LINK_LOCAL, 255, MalformedReason.TooShort),
    "code": (ADVERTISEMENT[:1] + b"\1" + ADVERTISEMENT[2:], LINK_LOCAL, 255, MalformedReason.WrongCode),
    "routable source": (ADVERTISEMENT, ROUTABLE, 255, MalformedReason.RouterNotLinkLocal),
    "no source": (ADVERTISEMENT, UNSPECIFIED, 255, MalformedReason.RouterNotLinkLocal),
    "asker without address has one": (SOLICITATION, UNSPECIFIED, 255, MalformedReason.ProbeWithOption),
    "empty option": (ADVERTISEMENT[:17] + b"\0" + ADVERTISEMENT[18:], LINK_LOCAL, 255, MalformedReason.EmptyOption),
    "option beyond the end": (ADVERTISEMENT[:17] + b"\2" + ADVERTISEMENT[18:], LINK_LOCAL, 255, MalformedReason.TruncatedOption),
    "half an option": (ADVERTISEMENT + b"\1", LINK_LOCAL, 255, MalformedReason.TruncatedOption),
}


@pytest.mark.parametrize(("message", "source", "hop_limit", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_message_that_breaks_a_rule_is_discarded_with_its_reason(
    message: bytes, source: IPv6Address, hop_limit: int, reason: MalformedReason
):
    with pytest.raises(MalformedPacket) as caught:
        parse(message, source=source, hop_limit=hop_limit)
    assert caught.value.reason is reason


def test_a_solicitation_may_come_from_anywhere_on_the_link():
    for source in (LINK_LOCAL, ROUTABLE):
        assert parse(SOLICITATION, source=source, hop_limit=255) == RouterSolicitation(MAC)
    assert parse(encode(RouterSolicitation()), source=UNSPECIFIED, hop_limit=255) == RouterSolicitation()
