"""Responders: from a frame to its reply, or to the reason why there is none.

One ArpResponder and one NdpResponder per interface hold, for each IP that is announced there, the octets of the reply that do not
depend on who asks. Answering the usual question is then: compare the constant octets at their fixed offsets, look up the target,
join three or four pieces. Everything else goes the slow way, through the codec, which names what is wrong.

    frame -> usual question? --yes--> reply prepared? --yes--> reply (bytes)
                  | no                     | no
                  +-------> codec <--------+   -> MalformedReason | DropReason | Conflict | reply, which is prepared now

A reply is prepared at the first question for its IP, so that a table of thousands of IPs, or a new hardware address, costs next to nothing.

Rules of this file: no object per packet on the fast way; the fast way answers only what the slow way would answer, with the same
octets (a property test holds them together); every frame yields exactly one of bytes, Reason, Conflict, ProbeAnswer.

Implemented: replies of RFC 826 (also to ARP Probes, RFC 5227 §1.1), RFC 4861 §7.2.4 (also without source link-layer address option:
then the answer goes to the hardware source), probes of RFC 4862 §5.4; conflicts as in RFC 5227 §2.4, but only for packets that *tell*
(announcements and replies): hosts that have the IP on an interface without arp_announce ask with it as sender, and mean no claim.
Not implemented: waiting a random time before answers to anycast targets; rate limits, the kernel's receive buffer is the bound.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Generic, TypeVar

from baremetal_lb.l2.reasons import DropReason
from baremetal_lb.l2.templates import ICMP_LENGTH, Templates, advertisement, fill_arp
from baremetal_lb.model.net import IPAddress, Mac
from baremetal_lb.model.reasons import Reason
from baremetal_lb.packet import arp, ethernet, ndp
from baremetal_lb.packet.checksum import MODULUS, word_sum
from baremetal_lb.packet.malformed import MalformedPacket

_USUAL_REQUEST = bytes.fromhex("0806 0001 0800 06 04 0001")
_WITH_OPTION = b"\0\x20\x3a\xff"
_WITHOUT_OPTION = b"\0\x18\x3a\xff"
_SOLICITATION = b"\x87\0"
_SOURCE_OPTION = b"\1\1"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another hardware address told that it has an IP that we announce here."""

    address: IPAddress
    mac: Mac


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """Another hardware address told us, and nobody else, that it has an IP that we asked for.

    An announcement says the same to all, whether somebody asked or not: it is no answer.
    """

    address: IPAddress
    mac: Mac


Answer = bytes | Reason | Conflict | ProbeAnswer
A = TypeVar("A", IPv4Address, IPv6Address)
P = TypeVar("P")


class _Responder(Generic[A, P]):
    """What both have in common: the IPs announced on one interface, and what is prepared for each."""

    def __init__(self, templates: Templates, mac: Mac, own_macs: Iterable[Mac] = ()) -> None:
        self._templates = templates
        self._mac = mac.octets
        self._own = frozenset(own.octets for own in (mac, *own_macs))
        self._announced: set[bytes] = set()
        self._asked: set[bytes] = set()
        self._prepared: dict[bytes, P] = {}

    def __len__(self) -> int:
        return len(self._announced)

    def put(self, addresses: Iterable[A]) -> None:
        """Answer for these from now on."""
        self._announced.update(address.packed for address in addresses)

    def remove(self, addresses: Iterable[A]) -> None:
        """Answer for these no more."""
        for address in addresses:
            self._announced.discard(address.packed)
            self._prepared.pop(address.packed, None)

    def ask(self, addresses: Iterable[A]) -> None:
        """Take what others tell us of these for answers from now on."""
        self._asked.update(address.packed for address in addresses)

    def end_ask(self, addresses: Iterable[A]) -> None:
        """Expect no answers for these any more."""
        self._asked.difference_update(address.packed for address in addresses)

    def set_macs(self, mac: Mac, own_macs: Iterable[Mac] = ()) -> None:
        """Answer with this hardware address from now on; ``own_macs`` are those of the node's other interfaces."""
        if mac.octets != self._mac:
            self._prepared.clear()
        self._mac = mac.octets
        self._own = frozenset(own.octets for own in (mac, *own_macs))


class ArpResponder(_Responder[IPv4Address, bytes]):
    """Answers ARP requests for the IPv4 addresses announced on one interface."""

    def reply(self, frame: bytes) -> Answer:
        """Return what to send, or why not."""
        if frame[12:22] == _USUAL_REQUEST:
            target, destination, requester, own = frame[38:42], frame[:6], frame[22:28], self._own
            if (
                (destination == ethernet.BROADCAST or destination == self._mac)  # noqa: PLR1714 - faster than a tuple
                and requester not in own
                and frame[6:12] not in own
                and frame[28:32] != target
                and len(target) == 4
            ):
                prepared = self._prepared.get(target)
                if prepared is None:
                    if target not in self._announced:
                        return DropReason.NotAnnounced
                elif not requester[0] & 1 and requester != ethernet.ZERO:
                    return requester + prepared + frame[22:32]
        return self._slow_reply(frame)

    def _slow_reply(self, frame: bytes) -> Answer:
        try:
            packet = arp.parse(frame)
        except MalformedPacket as error:
            return error.reason
        if packet.sender_hardware.octets in self._own or packet.source.octets in self._own:
            return DropReason.OwnFrame
        if packet.is_announcement:
            is_to_us = packet.operation is arp.Operation.REPLY and packet.destination.octets == self._mac
            if is_to_us:
                # Unasked it is no claim either: else one frame, sent again and again, would begin a question and answer it.
                is_asked = packet.sender_protocol.packed in self._asked
                return ProbeAnswer(packet.sender_protocol, packet.sender_hardware) if is_asked else DropReason.AdvertisementOfOthers
            if packet.sender_protocol.packed in self._announced:
                return Conflict(packet.sender_protocol, packet.sender_hardware)
            return DropReason.AdvertisementOfOthers
        if packet.destination.octets not in (ethernet.BROADCAST, self._mac):
            return DropReason.WrongDestination
        if packet.target_protocol.packed not in self._announced:
            return DropReason.NotAnnounced
        requester = packet.sender_hardware.octets
        if requester[0] & 1 or requester == ethernet.ZERO:
            return DropReason.InvalidRequester
        return requester + self._prepare(packet.target_protocol) + requester + packet.sender_protocol.packed

    def _prepare(self, address: IPv4Address) -> bytes:
        """Return octets 6 to 32 of all replies for this IP: from our hardware address to the sender protocol address."""
        prepared = self._prepared.get(address.packed)
        if prepared is None:
            mac = Mac(self._mac)
            packet = arp.ArpFrame(mac, mac, arp.Operation.REPLY, mac, address, mac, address)
            prepared = self._prepared[address.packed] = fill_arp(self._templates.arp_reply, packet)[6:32]
        return prepared


@dataclass(frozen=True, slots=True)
class _PreparedAdvertisement:
    """The pieces of a solicited advertisement around what depends on who asks, and the whole answer to a probe."""

    head: bytes
    """Octets 6 to 38: from our hardware address to the IPv6 source."""
    partial_sum: int
    """Of all that the checksum covers but the IPv6 destination."""
    tail: bytes
    """Octets 58 to 86: flags, target, option."""
    to_all_nodes: bytes


class NdpResponder(_Responder[IPv6Address, _PreparedAdvertisement]):
    """Answers Neighbor Solicitations for the IPv6 addresses announced on one interface."""

    def __init__(self, templates: Templates, mac: Mac, own_macs: Iterable[Mac] = ()) -> None:
        super().__init__(templates, mac, own_macs)
        self._kind = templates.solicited_advertisement[54:56]

    def reply(self, frame: bytes) -> Answer:
        """Return what to send, or why not."""
        if frame[18:22] == _WITH_OPTION and frame[54:56] == _SOLICITATION and frame[78:80] == _SOURCE_OPTION and len(frame) >= 86:
            prepared = self._prepared.get(frame[62:78])
            if (
                prepared is not None
                and frame[12:14] == b"\x86\xdd"
                and frame[14] >> 4 == 6
                and self._is_for_us(frame)
                and not (int.from_bytes(frame[22:86], "big") + ICMP_LENGTH + ndp.NEXT_HEADER) % MODULUS
            ):
                source, requester = frame[22:38], frame[80:86]
                if (
                    source[0] != 0xFF
                    and source != ndp.UNSPECIFIED
                    and not requester[0] & 1
                    and requester != ethernet.ZERO
                    and requester not in self._own
                    and frame[6:12] not in self._own
                ):
                    return self._solicited(prepared, requester, source)
        return self._slow_reply(frame)

    def _is_for_us(self, frame: bytes) -> bool:
        """Tell whether it was sent to the target itself or to its solicited-node group, on both layers."""
        if frame[38:54] == frame[62:78]:
            return frame[:6] == self._mac
        if frame[51:54] != frame[75:78] or frame[38:51] != ndp.SOLICITED_NODE_PREFIX:
            return False
        # RFC 6085: a multicast packet may come in a unicast frame, when the sender knows that only one is meant.
        return frame[:2] == b"\x33\x33" or frame[:6] == self._mac

    def _solicited(self, prepared: _PreparedAdvertisement, requester: bytes, source: bytes) -> bytes:
        checksum = MODULUS - (prepared.partial_sum + int.from_bytes(source, "big")) % MODULUS
        return b"".join((requester, prepared.head, source, self._kind, (checksum % MODULUS).to_bytes(2, "big"), prepared.tail))

    def _slow_reply(self, frame: bytes) -> Answer:
        try:
            packet = ndp.parse(frame)
        except MalformedPacket as error:
            return error.reason
        if packet.source.octets in self._own:
            return DropReason.OwnFrame
        if isinstance(packet, ndp.NeighborAdvertisement):
            return self._heard(packet)
        if not self._is_for_us(frame):
            return DropReason.WrongDestination
        if packet.target.packed not in self._announced:
            return DropReason.NotAnnounced
        if packet.is_probe:
            return self._prepare(packet.target).to_all_nodes
        requester = (packet.source_link_layer or packet.source).octets
        if requester in self._own:
            return DropReason.OwnFrame
        if requester[0] & 1 or requester == ethernet.ZERO:
            return DropReason.InvalidRequester
        return self._solicited(self._prepare(packet.target), requester, packet.ip_source.packed)

    def _prepare(self, address: IPv6Address) -> _PreparedAdvertisement:
        prepared = self._prepared.get(address.packed)
        if prepared is None:
            mac = Mac(self._mac)
            frame = advertisement(self._templates.solicited_advertisement, mac, address, mac, IPv6Address(0))
            covered = word_sum(frame[22:38]) + ICMP_LENGTH + ndp.NEXT_HEADER + word_sum(frame[54:56]) + word_sum(frame[58:])
            to_all_nodes = self._templates.announcement_of_ipv6(mac, address)
            prepared = self._prepared[address.packed] = _PreparedAdvertisement(frame[6:38], covered % MODULUS, frame[58:], to_all_nodes)
        return prepared

    def _heard(self, packet: ndp.NeighborAdvertisement) -> Answer:
        is_answer = packet.is_solicited and packet.destination.octets == self._mac
        if packet.target.packed not in (self._asked if is_answer else self._announced):
            return DropReason.AdvertisementOfOthers
        claimant = packet.target_link_layer or packet.source
        if claimant.octets in self._own:
            return DropReason.OwnFrame
        return ProbeAnswer(packet.target, claimant) if is_answer else Conflict(packet.target, claimant)
