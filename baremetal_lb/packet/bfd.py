"""BFD Control packets (RFC 5880 §4.1), at fixed offsets; they are the payload of a UDP datagram.

::

    0                 1                   2             3        4                   8                    12
    | vers 3 | diag 5 | state 2 | PFCADM  | Detect Mult | Length | My Discriminator  | Your Discriminator |
    | Desired Min TX Interval     12      | Required Min RX Interval    16           | Required Min Echo RX Interval  20 |

Implemented: all fixed fields, and the checks of RFC 5880 §6.8.6 that need no session. Intervals are in microseconds, as on the wire.
Not implemented: authentication sections (§4.2 to 4.4). A packet with one is parsed, and says so.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason

LENGTH = 24
SINGLE_HOP_PORT, MULTIHOP_PORT = 3784, 4784
"""RFC 5881 §4, RFC 5883 §5."""
_PACKET = struct.Struct("!BBBBIIIII")
_POLL, _FINAL, _CONTROL_PLANE_INDEPENDENT, _AUTHENTICATION, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


class State(IntEnum):
    """The field Sta."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3

    @property
    def title(self) -> str:
        """As people write it: ``AdminDown``, ``Up``."""
        return "".join(word.capitalize() for word in self.name.split("_"))


class Diagnostic(IntEnum):
    """The field Diag: why the last change to Down or AdminDown was."""

    NONE = 0
    DETECTION_TIME_EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_SIGNALED_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """One BFD Control packet; intervals in microseconds."""

    state: State
    my_discriminator: int
    your_discriminator: int
    """0: not known yet."""
    detect_mult: int
    desired_min_tx: int
    required_min_rx: int
    """0: wants no periodic packets."""
    required_min_echo_rx: int = 0
    """0: does not answer echo packets."""
    diagnostic: int = Diagnostic.NONE
    """Of Diagnostic, or a later assignment."""
    is_poll: bool = False
    is_final: bool = False
    is_control_plane_independent: bool = False
    has_authentication: bool = False
    is_demand: bool = False


def parse(payload: bytes) -> ControlPacket:
    """Parse a UDP payload; what is behind the length it claims is ignored.

    Raises:
        MalformedPacket: it is to be discarded without a look at any session.
    """
    if len(payload) < LENGTH:
        raise MalformedPacket(MalformedReason.TooShort)
    first, flags, detect_mult, length, mine, yours, desired, required, echo = _PACKET.unpack_from(payload)
    if first >> 5 != 1:
        raise MalformedPacket(MalformedReason.NotVersion1)
    if not LENGTH + (2 if flags & _AUTHENTICATION else 0) <= length <= len(payload):
        raise MalformedPacket(MalformedReason.WrongLengthField)
    if detect_mult == 0:
        raise MalformedPacket(MalformedReason.NoDetectMult)
    if flags & _MULTIPOINT:
        raise MalformedPacket(MalformedReason.Multipoint)
    if mine == 0:
        raise MalformedPacket(MalformedReason.NoDiscriminator)
    return ControlPacket(
        state=State(flags >> 6),
        my_discriminator=mine,
        your_discriminator=yours,
        detect_mult=detect_mult,
        desired_min_tx=desired,
        required_min_rx=required,
        required_min_echo_rx=echo,
        diagnostic=first & 0x1F,
        is_poll=bool(flags & _POLL),
        is_final=bool(flags & _FINAL),
        is_control_plane_independent=bool(flags & _CONTROL_PLANE_INDEPENDENT),
        has_authentication=bool(flags & _AUTHENTICATION),
        is_demand=bool(flags & _DEMAND),
    )


def encode(packet: ControlPacket) -> bytes:
    """Return the 24 octets of a packet without authentication.

    Raises:
        ValueError: the packet is to have an authentication section.
    """
    if packet.has_authentication:
        raise ValueError("authentication sections are not implemented")
    flags = packet.state << 6
    flags |= packet.is_poll * _POLL | packet.is_final * _FINAL | packet.is_demand * _DEMAND
    flags |= packet.is_control_plane_independent * _CONTROL_PLANE_INDEPENDENT
    return _PACKET.pack(
        1 << 5 | packet.diagnostic,
        flags,
        packet.detect_mult,
        LENGTH,
        packet.my_discriminator,
        packet.your_discriminator,
        packet.desired_min_tx,
        packet.required_min_rx,
        packet.required_min_echo_rx,
    )
