"""Neighbor Solicitation and Advertisement over Ethernet, at fixed offsets (RFC 4861 §4.3, §4.4, §7.1; RFC 2464).

::

    0            6        12     14     18    20 21 22      38      54   55   56  58     62       78
    | destination| source | 86dd | 6..  | len |58|ff| source| dest. | type| 0 | ck| flags| target | options ...

Implemented: both messages with their link-layer address option, and every validity check of §7.1.1 and §7.1.2, over untagged Ethernet.
Not implemented: redirects and Secure Neighbor Discovery; other options are walked over, as §4.6 demands.
Elsewhere: router messages, in ``router_discovery``.
Refused: any extension header (RFC 6980 forbids fragments; the others have no use here and would cost the fixed offsets).
"""

from dataclasses import dataclass
from ipaddress import IPv6Address

from baremetal_lb.model.net import Mac
from baremetal_lb.packet import ethernet
from baremetal_lb.packet.checksum import MODULUS, complement, word_sum
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason

NEXT_HEADER = 58
HOP_LIMIT = 255
SOLICITATION = 135
ADVERTISEMENT = 136
SOURCE_LINK_LAYER = 1
TARGET_LINK_LAYER = 2
IP_SOURCE = slice(22, 38)
IP_DESTINATION = slice(38, 54)
TARGET = slice(62, 78)
ROUTER, SOLICITED, OVERRIDE = 0x80, 0x40, 0x20
ALL_NODES = IPv6Address("ff02::1")
SOLICITED_NODE_PREFIX = IPv6Address("ff02::1:ff00:0").packed[:13]
UNSPECIFIED = bytes(16)


@dataclass(frozen=True, slots=True)
class NeighborSolicitation:
    """One NS with its Ethernet and IPv6 addresses."""

    destination: Mac
    source: Mac
    ip_source: IPv6Address
    ip_destination: IPv6Address
    target: IPv6Address
    source_link_layer: Mac | None = None

    @property
    def is_probe(self) -> bool:
        """Tell whether it asks if an address is in use (duplicate address detection, RFC 4862 §5.4)."""
        return self.ip_source.is_unspecified


@dataclass(frozen=True, slots=True)
class NeighborAdvertisement:
    """One NA with its Ethernet and IPv6 addresses."""

    destination: Mac
    source: Mac
    ip_source: IPv6Address
    ip_destination: IPv6Address
    target: IPv6Address
    is_router: bool = False
    is_solicited: bool = False
    is_override: bool = False
    target_link_layer: Mac | None = None


def solicited_node_group(address: IPv6Address) -> IPv6Address:
    """Return the group to which solicitations of this address are sent (RFC 4291 §2.7.1)."""
    return IPv6Address(SOLICITED_NODE_PREFIX + address.packed[13:])


def group_hardware(group: IPv6Address) -> Mac:
    """Return the Ethernet address of an IPv6 multicast group (RFC 2464 §7)."""
    return Mac(b"\x33\x33" + group.packed[12:])


def parse(frame: bytes) -> NeighborSolicitation | NeighborAdvertisement:
    """Parse a frame from its Ethernet header on.

    Raises:
        MalformedPacket: it is none of the two messages, or RFC 4861 §7.1 says to discard it.
    """
    message = _icmp(frame)
    destination, source = ethernet.addresses(frame)
    ip_source, ip_destination = IPv6Address(frame[IP_SOURCE]), IPv6Address(frame[IP_DESTINATION])
    target = IPv6Address(frame[TARGET])
    # §7.1.1, §7.1.2: "Target Address is not a multicast address."
    if target.is_multicast:
        raise MalformedPacket(MalformedReason.MulticastTarget)
    options = link_layer_options(message[24:])
    if message[0] == SOLICITATION:
        sender = options.get(SOURCE_LINK_LAYER)
        if ip_source.is_unspecified:
            _check_probe(frame, sender)
        return NeighborSolicitation(destination, source, ip_source, ip_destination, target, sender)
    flags = frame[58]
    # §7.1.2: "If the IP Destination Address is a multicast address the Solicited flag is zero."
    if flags & SOLICITED and ip_destination.is_multicast:
        raise MalformedPacket(MalformedReason.SolicitedToGroup)
    return NeighborAdvertisement(
        destination,
        source,
        ip_source,
        ip_destination,
        target,
        bool(flags & ROUTER),
        bool(flags & SOLICITED),
        bool(flags & OVERRIDE),
        options.get(TARGET_LINK_LAYER),
    )


def _icmp(frame: bytes) -> bytes:
    """Return the ICMPv6 message of a frame whose headers are right."""
    ethernet.require_type(frame, ethernet.IPV6)
    if len(frame) < 54:
        raise MalformedPacket(MalformedReason.TooShort)
    if frame[14] >> 4 != 6:
        raise MalformedPacket(MalformedReason.WrongVersion)
    if frame[20] != NEXT_HEADER:
        raise MalformedPacket(MalformedReason.ExtensionHeader)
    length = int.from_bytes(frame[18:20], "big")
    if 54 + length > len(frame):
        raise MalformedPacket(MalformedReason.LengthMismatch)
    # §7.1: "ICMP length (derived from the IP length) is 24 or more octets."
    if length < 24:
        raise MalformedPacket(MalformedReason.TooShort)
    # §7.1: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been forwarded by a router."
    if frame[21] != HOP_LIMIT:
        raise MalformedPacket(MalformedReason.WrongHopLimit)
    if frame[22] == 0xFF:
        raise MalformedPacket(MalformedReason.MulticastSource)
    message = frame[54 : 54 + length]
    if message[0] not in (SOLICITATION, ADVERTISEMENT):
        raise MalformedPacket(MalformedReason.WrongType)
    # §7.1: "ICMP Checksum is valid." "ICMP Code is 0."
    if (word_sum(frame[22:54]) + word_sum(message + b"\0" * (length & 1)) + length + NEXT_HEADER) % MODULUS:
        raise MalformedPacket(MalformedReason.WrongChecksum)
    if message[1] != 0:
        raise MalformedPacket(MalformedReason.WrongCode)
    return message


def link_layer_options(octets: bytes) -> dict[int, Mac]:
    """Return the link-layer addresses by option type; the first of a type counts, others are walked over.

    Raises:
        MalformedPacket: an option is empty or goes beyond the message.
    """
    found: dict[int, Mac] = {}
    at = 0
    while at < len(octets):
        if at + 2 > len(octets):
            raise MalformedPacket(MalformedReason.TruncatedOption)
        kind, length = octets[at], octets[at + 1] * 8
        # §7.1: "All included options have a length that is greater than zero."
        if length == 0:
            raise MalformedPacket(MalformedReason.EmptyOption)
        if at + length > len(octets):
            raise MalformedPacket(MalformedReason.TruncatedOption)
        if kind in (SOURCE_LINK_LAYER, TARGET_LINK_LAYER) and length == 8:
            found.setdefault(kind, Mac(octets[at + 2 : at + 8]))
        at += length
    return found


def _check_probe(frame: bytes, sender: Mac | None) -> None:
    """§7.1.1: a source of :: goes to a solicited-node group, and without source link-layer address."""
    if frame[IP_DESTINATION][:13] != SOLICITED_NODE_PREFIX:
        raise MalformedPacket(MalformedReason.ProbeToUnicast)
    if sender is not None:
        raise MalformedPacket(MalformedReason.ProbeWithOption)


def encode(packet: NeighborSolicitation | NeighborAdvertisement) -> bytes:
    """Return the frame, with its checksum: 78 octets, or 86 with the link-layer address option."""
    if isinstance(packet, NeighborSolicitation):
        kind, flags, option, link_layer = SOLICITATION, 0, SOURCE_LINK_LAYER, packet.source_link_layer
    else:
        kind, option, link_layer = ADVERTISEMENT, TARGET_LINK_LAYER, packet.target_link_layer
        flags = ROUTER * packet.is_router | SOLICITED * packet.is_solicited | OVERRIDE * packet.is_override
    tail = bytes((flags, 0, 0, 0)) + packet.target.packed
    if link_layer is not None:
        tail += bytes((option, 1)) + link_layer.octets
    length = 4 + len(tail)
    addresses = packet.ip_source.packed + packet.ip_destination.packed
    total = word_sum(addresses) + length + NEXT_HEADER + (kind << 8) + word_sum(tail)
    return b"".join(
        (
            packet.destination.octets,
            packet.source.octets,
            b"\x86\xdd\x60\0\0\0",
            length.to_bytes(2, "big"),
            bytes((NEXT_HEADER, HOP_LIMIT)),
            addresses,
            bytes((kind, 0)),
            complement(total).to_bytes(2, "big"),
            tail,
        )
    )
