"""Templates: the constant octets of everything we send, and how a frame is made of one.

A template is a whole frame whose variable fields (addresses, checksum) are zeros. scapy builds the four of them, once, in a process of
its own (``baremetal_lb.frames``); here they are checked against our own codec and filled. They hold no hardware address, so that they
outlive every change of one.

Forms, as found to work on Linux neighbours (which ignore some others while an entry is young):

* ARP Announcements are a request with THA = 0 (RFC 5227 §3) *and* a reply with THA = SHA, both broadcast;
* advertisements have Override set, else a neighbour keeps what it knows; Router is never set, an IP of a Service is none;
* a solicited advertisement goes to who asked; the answer to a probe, and an announcement, to all nodes with Solicited unset
  (RFC 4861 §7.2.4, §7.2.6). Their source is the announced IP itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from baremetal_lb.model.net import Mac
from baremetal_lb.packet import arp, ethernet, ndp
from baremetal_lb.packet.checksum import complement, word_sum

ICMP_LENGTH = 32
_ZERO = bytes(6)


class UnfitTemplate(ValueError):
    """A template is not the frame that this program would send."""


@dataclass(frozen=True, slots=True)
class Templates:
    """One frame per form. A field's name is the key under which the builder writes it."""

    arp_request: bytes
    arp_reply: bytes
    solicited_advertisement: bytes
    unsolicited_advertisement: bytes

    @classmethod
    def of(cls, frames: Mapping[str, bytes]) -> Self:
        """Take what the builder made.

        Raises:
            UnfitTemplate: one is missing, or filled in it is not what our codec would encode.
        """
        missing = [form.name for form in fields(cls) if form.name not in frames]
        if missing:
            raise UnfitTemplate(f"the builder made no {', '.join(missing)}")
        templates = cls(**{form.name: bytes(frames[form.name]) for form in fields(cls)})
        templates._check()
        return templates

    def _check(self) -> None:
        mac, peer, ip = Mac(b"\2\0\0\0\0\1"), Mac(b"\2\0\0\0\0\2"), IPv4Address("198.51.100.1")
        peer_ip, ip6, peer_ip6 = IPv4Address("198.51.100.2"), IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
        for template, operation in ((self.arp_request, arp.Operation.REQUEST), (self.arp_reply, arp.Operation.REPLY)):
            packet = arp.ArpFrame(peer, mac, operation, mac, ip, peer, peer_ip)
            _require_equal(fill_arp(template, packet), arp.encode(packet))
        solicited = ndp.NeighborAdvertisement(peer, mac, ip6, peer_ip6, ip6, is_solicited=True, is_override=True, target_link_layer=mac)
        _require_equal(advertisement(self.solicited_advertisement, mac, ip6, peer, peer_ip6), ndp.encode(solicited))
        group = ndp.group_hardware(ndp.ALL_NODES)
        told = ndp.NeighborAdvertisement(group, mac, ip6, ndp.ALL_NODES, ip6, is_override=True, target_link_layer=mac)
        _require_equal(self.announcement_of_ipv6(mac, ip6), ndp.encode(told))

    def announcement_of_ipv4(self, mac: Mac, ip: IPv4Address) -> tuple[bytes, bytes]:
        """Return the two broadcast frames that tell neighbours that ``mac`` has ``ip``."""
        broadcast = Mac(ethernet.BROADCAST)
        request = arp.ArpFrame(broadcast, mac, arp.Operation.REQUEST, mac, ip, Mac(_ZERO), ip)
        reply = arp.ArpFrame(broadcast, mac, arp.Operation.REPLY, mac, ip, mac, ip)
        return fill_arp(self.arp_request, request), fill_arp(self.arp_reply, reply)

    def announcement_of_ipv6(self, mac: Mac, ip: IPv6Address) -> bytes:
        """Return the unsolicited advertisement to all nodes; it answers probes, too."""
        return advertisement(self.unsolicited_advertisement, mac, ip, Mac(ethernet.ALL_NODES), ndp.ALL_NODES)


def _require_equal(made: bytes, wanted: bytes) -> None:
    if made != wanted:
        raise UnfitTemplate(f"a template gives {made.hex()}, wanted is {wanted.hex()}")


def fill_arp(template: bytes, packet: arp.ArpFrame) -> bytes:
    """Return the template with the addresses of ``packet``; all else, the operation included, is the template's."""
    return b"".join(
        (
            packet.destination.octets,
            packet.source.octets,
            template[12:22],
            packet.sender_hardware.octets,
            packet.sender_protocol.packed,
            packet.target_hardware.octets,
            packet.target_protocol.packed,
        )
    )


def advertisement(template: bytes, mac: Mac, ip: IPv6Address, to_mac: Mac, to_ip: IPv6Address) -> bytes:
    """Return the template as an advertisement that ``mac`` has ``ip``, with its checksum."""
    addresses = ip.packed + to_ip.packed
    tail = template[58:62] + ip.packed + template[78:80] + mac.octets
    total = word_sum(addresses) + ICMP_LENGTH + ndp.NEXT_HEADER + word_sum(template[54:56]) + word_sum(tail)
    return b"".join((to_mac.octets, mac.octets, template[12:22], addresses, template[54:56], complement(total).to_bytes(2, "big"), tail))
