"""Address ranges as people write them, and the arithmetic that conflicts need.

Everything is O(log ranges) or O(ranges) in pairs of integers, whatever the size of the ranges: a /8 of IPv6 costs what a /128 does.
What the texts mean: a CIDR has all of its addresses, host bits are ignored; ``first-last`` has both ends; IPv4-mapped IPv6 addresses
are IPv4 addresses in ``first-last`` and refused in a CIDR (they would be a range that no Service can ask for).
"""

import re
from collections.abc import Iterator, Sequence

from sortedcontainers import SortedDict

from baremetal_lb.api.faults import Fault
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.model.net import AddressRange, Family, IPAddress, RangeError, address_at, parse_address

_PREFIX_LENGTH = re.compile(r"[0-9a-fA-F:.]+/[0-9]{1,3}", re.ASCII)
_MAPPED = AddressRange(Family.IPV6, 0xFFFF_0000_0000, 0xFFFF_FFFF_FFFF)
_REASONS = {
    "unparsable": Why.UnparsableRange,
    "reversed": Why.ReversedRange,
    "mixed-family": Why.MixedFamilyRange,
    "bare-address": Why.BareAddress,
}


def parse_range(text: str, field: str, *, allow_single: bool = False) -> tuple[AddressRange | None, list[Fault]]:
    """Parse one entry of a list of addresses; the range is None where a fault is fatal."""
    try:
        found = AddressRange.parse(text, allow_single=allow_single)
    except RangeError as error:
        return None, [Fault(field, _REASONS[error.kind], f"{error}.")]
    except ValueError as error:
        return None, [Fault(field, Why.UnparsableRange, f"{error}.")]
    if "-" in text:
        return found, []
    if "/" in text and not _PREFIX_LENGTH.fullmatch(text.strip()):
        return None, [Fault(field, Why.UnparsableRange, f"{text!r} needs a prefix length after the slash, as in 198.51.100.0/24.")]
    if found.overlaps(_MAPPED) and "/" in text and found.size <= _MAPPED.size:
        return None, [Fault(field, Why.UnparsableRange, f"{text!r} is an IPv4-mapped prefix; write it as IPv4.")]
    if text != text.strip():
        return found, [Fault(field, Why.SurroundingSpace, f"It is read as {text.strip()}.", is_fatal=False)]
    return found, []


def parse_ranges(texts: Sequence[str], field: str, *, allow_single: bool = False) -> tuple[list[AddressRange | None], list[Fault]]:
    """Parse a list of addresses: one range for each text, None for those at fault."""
    results = [parse_range(text, f"{field}[{index}]", allow_single=allow_single) for index, text in enumerate(texts)]
    return [found for found, _ in results], [fault for _, faults in results for fault in faults]


def overlaps_within(ranges: Sequence[AddressRange | None]) -> Iterator[tuple[int, int]]:
    """Yield pairs (earlier index, later index) of ranges of one list that overlap, one for each range that does; sort and sweep."""
    widest: tuple[AddressRange, int] | None = None
    for found, index in sorted((found, index) for index, found in enumerate(ranges) if found is not None):
        if widest is not None and widest[0].overlaps(found):
            yield min(widest[1], index), max(widest[1], index)
        if widest is None or widest[0].family is not found.family or found.last > widest[0].last:
            widest = (found, index)


def widest_prefix_length(found: AddressRange) -> int:
    """Return the length of the shortest prefix that lies wholly in the range (the widest CIDR in its summary)."""
    exponent = found.size.bit_length() - 1
    start = -(-found.first >> exponent) << exponent
    if start + (1 << exponent) - 1 > found.last:
        exponent -= 1
    return found.family.bits - exponent


def parse_ip(text: str) -> IPAddress | None:
    """Return the address, or None where the text is none."""
    try:
        return parse_address(text)
    except ValueError:
        return None


class SpanMap:
    """Disjoint ranges of addresses, each with the name of its owner."""

    def __init__(self) -> None:
        self._spans: dict[Family, SortedDict[int, tuple[int, str]]] = {family: SortedDict() for family in Family}

    def overlapping(self, wanted: AddressRange) -> Iterator[tuple[AddressRange, str]]:
        """Yield the spans that share an address with the range, ascending."""
        spans = self._spans[wanted.family]
        start = max(spans.bisect_right(wanted.first) - 1, 0)
        for first in spans.islice(start):
            last, owner = spans[first]
            if first > wanted.last:
                return
            if last >= wanted.first:
                yield AddressRange(wanted.family, first, last), owner

    def add(self, span: AddressRange, owner: str) -> None:
        """Add a span that overlaps none."""
        self._spans[span.family][span.first] = (span.last, owner)

    def remove(self, span: AddressRange) -> None:
        """Take out a span that was added."""
        del self._spans[span.family][span.first]


def range_text(found: AddressRange) -> str:
    """Write a range as a CIDR where it is one, else as first-last."""
    if found.size & (found.size - 1) == 0 and found.first % found.size == 0:
        return f"{address_at(found.family, found.first)}/{found.family.bits - found.size.bit_length() + 1}"
    return str(found)
