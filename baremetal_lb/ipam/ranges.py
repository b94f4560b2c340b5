"""Free addresses as spans: taking the lowest one costs O(log n), in a full /16 as in an empty /64.

A sorted map holds the spans that are free, keyed by (position of the declared range in its pool, first address), so that the first key
is the next address in declaration order:

    (0, .2) -> .9      two spans of the first range; .1, .10 and .11 are taken
    (0, .12) -> .99
    (1, .0) -> .255    the second range is untouched

Buggy addresses (IPv4, last octet 0 or 255) are no holes in the map, which would be one span per /24: spans are trimmed instead, so that
none begins or ends with one. Hence the first address of every span can be handed out, and nothing is skipped in a search.
"""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from baremetal_lb.model.net import Family
from baremetal_lb.model.reasons import InvariantViolation


def is_buggy(value: int) -> bool:
    """Tell whether an IPv4 address (as an integer) ends in .0 or .255, which some old equipment takes for broadcast."""
    return value & 0xFF in (0, 0xFF)


def count_buggy(first: int, last: int) -> int:
    """Count the buggy IPv4 addresses from first to last, both included, in O(1)."""

    def below(end: int) -> int:
        blocks, rest = divmod(end, 256)
        return 2 * blocks + (1 if rest > 0 else 0)

    return below(last + 1) - below(first)


class FreeRanges:
    """The free addresses of one family of one pool that the same people may have. Spans with different positions never merge."""

    def __init__(self, family: Family, *, avoid_buggy: bool) -> None:
        self._avoids_buggy = avoid_buggy and family is Family.IPV4
        self._spans: SortedDict[tuple[int, int], int] = SortedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """How many addresses are free, exactly."""
        return self._size

    def lowest(self) -> tuple[int, int] | None:
        """Return (position, address) of the next address in declaration order, or None when all are taken."""
        if not self._spans:
            return None
        key: tuple[int, int] = self._spans.peekitem(0)[0]
        return key

    def give(self, position: int, first: int, last: int) -> None:
        """Add addresses, none of which is free already."""
        left = self._span_before(position, first)
        if left is not None and self._spans[left] >= first:
            raise InvariantViolation(f"{first:#x} was given twice")
        if left is not None and self._spans[left] == first - 1:
            first = left[1]
            self._remove(left)
        right = (position, last + 1)
        if right in self._spans:
            last = self._spans[right]
            self._remove(right)
        self._insert(position, first, last)

    def take(self, position: int, value: int) -> bool:
        """Take one address out; False when it was not free."""
        key = self._span_before(position, value)
        if key is None or self._spans[key] < value or (self._avoids_buggy and is_buggy(value)):
            return False
        last = self._spans[key]
        self._remove(key)
        self._insert(position, key[1], value - 1)
        self._insert(position, value + 1, last)
        return True

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield (position, first, last) of each span."""
        for (position, first), last in self._spans.items():
            yield position, first, last

    def _span_before(self, position: int, value: int) -> tuple[int, int] | None:
        """Return the key of the last span of this position that starts at or before the value."""
        index = self._spans.bisect_right((position, value)) - 1
        if index < 0:
            return None
        key: tuple[int, int] = self._spans.peekitem(index)[0]
        return key if key[0] == position else None

    def _insert(self, position: int, first: int, last: int) -> None:
        if self._avoids_buggy:
            while first <= last and is_buggy(first):
                first += 1
            while first <= last and is_buggy(last):
                last -= 1
        if first <= last:
            self._spans[position, first] = last
            self._size += self._count(first, last)

    def _remove(self, key: tuple[int, int]) -> None:
        self._size -= self._count(key[1], self._spans.pop(key))

    def _count(self, first: int, last: int) -> int:
        return last - first + 1 - (count_buggy(first, last) if self._avoids_buggy else 0)
