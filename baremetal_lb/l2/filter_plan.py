"""Filter plans: the classic BPF programme that keeps frames about other hosts' addresses out of this process.

A broadcast storm of requests for others must not wake the speaker, so the kernel looks at the target first. The programme admits a
*superset* of what is announced: the exact set is looked up by the responder. More than a superset does not fit: with
``net.core.optmem_max`` = 20480 a socket holds about 840 instructions, old and new programme together while one replaces the other.

    targets -> runs of consecutive addresses -> close the smallest gaps until at most 128 ranges are left -> binary search

A range [a, b] is two borders, a (inside begins) and b + 1 (outside begins); the search finds how many borders are at or below the
value, and the value is inside when that number is odd. Borders are inner nodes (1 instruction, 2 where the jump is over 255) and
leaves are returns, so n ranges cost 4n + 1 instructions and a few.

For IPv6 the programme compares exactly each 32-bit word that all targets share, and searches the word in which they differ most.

Invariants: every announced target is admitted; so are all frames about it that tell (ARP replies by their sender, advertisements by
their target), for conflicts; so are frames that are too short to look at, to be counted. Tagged frames are not: the kernel takes the tag
off before a packet socket of this protocol sees them, so that they look like untagged ones. What is left to tell them by is the packet
type: the kernel marks a frame of a VLAN that has no interface here as one for another host, even when it is a broadcast.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import NamedTuple

from baremetal_lb.model.net import IPAddress

MAX_RANGES = 128
MAX_INSTRUCTIONS = 800
_LD_WORD, _LD_HALF, _LD_BYTE, _LD_LENGTH = 0x20, 0x28, 0x30, 0x80
_JA, _JEQ, _JGE, _RET = 0x05, 0x15, 0x35, 0x06
_PACKET_TYPE = 0xFFFFF000 + 4
_VLAN_TAG_PRESENT = 0xFFFFF000 + 48
_OTHER_HOST = 3
_SNAP = 0x200
"""Octets of an admitted frame that are handed over; more than any solicitation has."""
_WORD = 1 << 32


class Instruction(NamedTuple):
    """One ``struct sock_filter``: offsets of jumps count from the next instruction."""

    code: int
    if_true: int
    if_false: int
    value: int


_ADMIT = Instruction(_RET, 0, 0, _SNAP)
_REFUSE = Instruction(_RET, 0, 0, 0)
_UNTAGGED_AND_FOR_US = (
    Instruction(_LD_BYTE, 0, 0, _VLAN_TAG_PRESENT),
    Instruction(_JEQ, 1, 0, 0),
    _REFUSE,
    Instruction(_LD_BYTE, 0, 0, _PACKET_TYPE),
    Instruction(_JEQ, 0, 1, _OTHER_HOST),
    _REFUSE,
)


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """A programme and what it admits."""

    program: tuple[Instruction, ...]
    fixed: tuple[tuple[int, int], ...] = ()
    """(number of a word of the address, value that it must have)."""
    word: int = 0
    """Number of the word that is searched."""
    borders: tuple[int, ...] = ()

    def admits(self, address: IPAddress) -> bool:
        """Tell whether frames about this address get through already, so that the programme need not change for it."""
        words = _words(address)
        return all(words[at] == value for at, value in self.fixed) and bisect_right(self.borders, words[self.word]) % 2 == 1


def plan_arp(targets: Iterable[IPv4Address], *, max_ranges: int = MAX_RANGES) -> FilterPlan:
    """Return the programme for a packet socket of ARP: requests by target, replies by sender protocol address."""
    borders = _borders({int(target) for target in targets}, max_ranges)
    prelude = [
        *_UNTAGGED_AND_FOR_US,
        Instruction(_LD_LENGTH, 0, 0, 0),
        Instruction(_JGE, 1, 0, 42),
        _ADMIT,
        Instruction(_LD_HALF, 0, 0, 20),
        Instruction(_JEQ, 2, 0, 1),
        Instruction(_JEQ, 3, 0, 2),
        _REFUSE,
        Instruction(_LD_WORD, 0, 0, 38),
        Instruction(_JA, 0, 0, 1),
        Instruction(_LD_WORD, 0, 0, 28),
    ]
    return FilterPlan((*prelude, *_search(borders)), borders=borders)


def plan_ndp(targets: Iterable[IPv6Address], *, max_ranges: int = MAX_RANGES) -> FilterPlan:
    """Return the programme for a packet socket of IPv6: solicitations and advertisements by their target."""
    prelude = [
        *_UNTAGGED_AND_FOR_US,
        Instruction(_LD_LENGTH, 0, 0, 0),
        Instruction(_JGE, 1, 0, 55),
        _ADMIT,
        Instruction(_LD_BYTE, 0, 0, 20),
        Instruction(_JEQ, 1, 0, 58),
        _REFUSE,
        Instruction(_LD_BYTE, 0, 0, 54),
        Instruction(_JEQ, 2, 0, 135),
        Instruction(_JEQ, 1, 0, 136),
        _REFUSE,
        Instruction(_LD_LENGTH, 0, 0, 0),
        Instruction(_JGE, 1, 0, 78),
        _ADMIT,
    ]
    numbers = [int(target) for target in targets]
    distinct = [{number >> shift & 0xFFFFFFFF for number in numbers} for shift in (96, 64, 32, 0)]
    word = max(range(4), key=lambda at: (len(distinct[at]), at))
    fixed = tuple((at, next(iter(values))) for at, values in enumerate(distinct) if at != word and len(values) == 1)
    for at, value in fixed:
        prelude += [Instruction(_LD_WORD, 0, 0, 62 + 4 * at), Instruction(_JEQ, 1, 0, value), _REFUSE]
    borders = _borders(distinct[word], max_ranges)
    prelude.append(Instruction(_LD_WORD, 0, 0, 62 + 4 * word))
    return FilterPlan((*prelude, *_search(borders)), fixed, word, borders)


def _words(address: IPAddress) -> tuple[int, ...]:
    number = int(address)
    return (number,) if address.version == 4 else (number >> 96, number >> 64 & 0xFFFFFFFF, number >> 32 & 0xFFFFFFFF, number & 0xFFFFFFFF)


def _borders(distinct: set[int], max_ranges: int) -> tuple[int, ...]:
    """Return begin and end of at most ``max_ranges`` ranges that hold all values; an end at 2^32 is left out, nothing is beyond it."""
    values = sorted(distinct)
    if not values:
        return ()
    gaps = sorted(((after - before, before, after) for before, after in pairwise(values) if after > before + 1), reverse=True)
    borders = [values[0], values[-1] + 1]
    for _width, before, after in gaps[: max_ranges - 1]:
        borders += [before + 1, after]
    return tuple(border for border in sorted(borders) if border < _WORD)


def _search(borders: Sequence[int], *, is_inside: bool = False) -> list[Instruction]:
    """Return the binary search for the accumulator; ``is_inside``: what a value below all these borders is."""
    if not borders:
        return [_ADMIT if is_inside else _REFUSE]
    middle = len(borders) // 2
    below = _search(borders[:middle], is_inside=is_inside)
    above = _search(borders[middle + 1 :], is_inside=is_inside ^ (middle % 2 == 0))
    if len(below) <= 0xFF:
        return [Instruction(_JGE, len(below), 0, borders[middle]), *below, *above]
    return [Instruction(_JGE, 0, 1, borders[middle]), Instruction(_JA, 0, 0, len(below)), *below, *above]
