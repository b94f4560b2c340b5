"""ARP over Ethernet for IPv4, at fixed offsets (RFC 826, RFC 5227).

::

    0            6            12     14    16    18 19 20  22     28     32     38     42
    | destination| source     | 0806 | 0001| 0800| 6| 4| op| SHA  | SPA  | THA  | TPA  | padding

SHA/THA are sender and target *hardware* addresses, SPA/TPA sender and target *protocol* addresses.

Implemented: requests and replies; everything that RFC 826 says to look at ("Packet Reception") is checked.
Not implemented: RARP, other hardware and protocols. What is behind octet 42 is padding of the medium, and ignored.
"""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from baremetal_lb.model.net import Mac
from baremetal_lb.packet import ethernet
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason

LENGTH = 42
OPERATION = slice(20, 22)
SENDER_HARDWARE = slice(22, 28)
SENDER_PROTOCOL = slice(28, 32)
TARGET_HARDWARE = slice(32, 38)
TARGET_PROTOCOL = slice(38, 42)
_FIXED = bytes.fromhex("0806 0001 0800 06 04")


class Operation(IntEnum):
    """The field ``ar$op``."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class ArpFrame:
    """One ARP packet with its Ethernet addresses."""

    destination: Mac
    source: Mac
    operation: Operation
    sender_hardware: Mac
    sender_protocol: IPv4Address
    target_hardware: Mac
    target_protocol: IPv4Address

    @property
    def is_announcement(self) -> bool:
        """Tell whether it tells its sender's address instead of asking for another one (RFC 5227 §1.1, §3)."""
        return self.operation is Operation.REPLY or self.sender_protocol == self.target_protocol


def parse(frame: bytes) -> ArpFrame:
    """Parse a frame from its Ethernet header on.

    Raises:
        MalformedPacket: a field is not what RFC 826 demands.
    """
    ethernet.require_type(frame, ethernet.ARP)
    if len(frame) < LENGTH:
        raise MalformedPacket(MalformedReason.TooShort)
    # RFC 826, Packet Reception: "Do I have the hardware type? ... Do I speak the protocol? [optionally check the lengths]"
    if frame[14:16] != _FIXED[2:4]:
        raise MalformedPacket(MalformedReason.WrongHardwareType)
    if frame[16:18] != _FIXED[4:6]:
        raise MalformedPacket(MalformedReason.WrongProtocolType)
    if frame[18:20] != _FIXED[6:8]:
        raise MalformedPacket(MalformedReason.WrongAddressLength)
    if frame[OPERATION] not in (b"\0\1", b"\0\2"):
        raise MalformedPacket(MalformedReason.UnknownOperation)
    destination, source = ethernet.addresses(frame)
    return ArpFrame(
        destination,
        source,
        Operation(frame[21]),
        Mac(frame[SENDER_HARDWARE]),
        IPv4Address(frame[SENDER_PROTOCOL]),
        Mac(frame[TARGET_HARDWARE]),
        IPv4Address(frame[TARGET_PROTOCOL]),
    )


def encode(packet: ArpFrame) -> bytes:
    """Return the 42 octets of the frame, without padding (the medium's driver adds it)."""
    return b"".join(
        (
            packet.destination.octets,
            packet.source.octets,
            _FIXED,
            packet.operation.to_bytes(2, "big"),
            packet.sender_hardware.octets,
            packet.sender_protocol.packed,
            packet.target_hardware.octets,
            packet.target_protocol.packed,
        )
    )
