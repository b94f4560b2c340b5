"""A reader of classic BPF programmes, after the kernel's documentation: what a socket with this filter would let through."""

from collections.abc import Sequence

from baremetal_lb.l2.filter_plan import Instruction

_VLAN_TAG_PRESENT, _PACKET_TYPE = 0xFFFFF030, 0xFFFFF004


def run(program: Sequence[Instruction], frame: bytes, *, is_tagged: bool = False, packet_type: int = 0) -> tuple[int, int]:
    """Return (octets admitted, instructions run); a load beyond the frame refuses it, as in the kernel."""
    at = accumulator = steps = 0
    while True:
        code, if_true, if_false, value = program[at]
        at, steps = at + 1, steps + 1
        match code:
            case 0x20 | 0x28 | 0x30 if value == _VLAN_TAG_PRESENT:
                accumulator = int(is_tagged)
            case 0x20 | 0x28 | 0x30 if value == _PACKET_TYPE:
                accumulator = packet_type
            case 0x20 | 0x28 | 0x30:
                width = {0x20: 4, 0x28: 2, 0x30: 1}[code]
                if value + width > len(frame):
                    return 0, steps
                accumulator = int.from_bytes(frame[value : value + width], "big")
            case 0x80:
                accumulator = len(frame)
            case 0x05:
                at += value
            case 0x15:
                at += if_true if accumulator == value else if_false
            case 0x35:
                at += if_true if accumulator >= value else if_false
            case 0x06:
                return value, steps
            case _:
                raise AssertionError(f"instruction {code:#x} is not in use here")
