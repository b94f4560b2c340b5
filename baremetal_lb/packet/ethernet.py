"""Ethernet II framing: 6 octets destination, 6 octets source, 2 octets type, then the payload.

Implemented: untagged frames as a packet socket hands them over, without preamble and check sequence.
Not implemented: IEEE 802.3 length fields, 802.1Q tags; both are refused.
"""

from baremetal_lb.model.net import Mac
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason

HEADER_LENGTH = 14
ARP = 0x0806
IPV6 = 0x86DD
VLAN_TYPES = frozenset({0x8100, 0x88A8, 0x9100})
BROADCAST = b"\xff" * 6
ZERO = bytes(6)
ALL_NODES = bytes.fromhex("333300000001")
"""Hardware address of ff02::1 (RFC 2464 §7)."""


def require_type(frame: bytes, ether_type: int) -> None:
    """Check that the frame is an untagged one of this type.

    Raises:
        MalformedPacket: it is too short, tagged, or of another type.
    """
    if len(frame) < HEADER_LENGTH:
        raise MalformedPacket(MalformedReason.TooShort)
    found = int.from_bytes(frame[12:14], "big")
    if found in VLAN_TYPES:
        raise MalformedPacket(MalformedReason.VlanTagged)
    if found != ether_type:
        raise MalformedPacket(MalformedReason.WrongEtherType)


def addresses(frame: bytes) -> tuple[Mac, Mac]:
    """Return (destination, source) of a frame that has a whole header."""
    return Mac(frame[0:6]), Mac(frame[6:12])
