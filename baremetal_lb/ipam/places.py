"""Where an address stands in a Configuration: in which pool, at which position, excluded, reserved for whom.

Each declared range is cut once, when the Configuration is taken, into segments of one kind:

    range      |------------------------------|
    excluded         |---|
    reserved                    |------|
    segments   |----|xxxxx|-----|rrrrrr|-------|     x: excluded   r: reserved   else: for everybody

so that a look-up is one bisection. Where reservations overlap, the older one has the address. Cost: O(ranges), never O(addresses).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from baremetal_lb.ipam.ranges import count_buggy, is_buggy
from baremetal_lb.model.configuration import Configuration, Pool, Reservation
from baremetal_lb.model.net import AddressRange, Family, IPAddress, family_of


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive addresses of one declared range that all stand alike."""

    span: AddressRange
    pool: Pool
    position: int
    """Of the declared range in ``spec.addresses``."""
    is_excluded: bool = False
    reservation: Reservation | None = None

    def avoids(self, address: IPAddress) -> bool:
        """Tell whether the pool never hands this address out for its last octet."""
        return self.pool.avoid_buggy_ips and self.span.family is Family.IPV4 and is_buggy(int(address))

    @property
    def capacity(self) -> int:
        """Addresses that can be handed out, exactly."""
        if self.is_excluded:
            return 0
        buggy = self.pool.avoid_buggy_ips and self.span.family is Family.IPV4
        return self.span.size - (count_buggy(self.span.first, self.span.last) if buggy else 0)


class Places:
    """All segments of a Configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._segments: dict[Family, list[Segment]] = {family: [] for family in Family}
        for pool in configuration.pools:
            for position, span in enumerate(pool.ranges):
                self._segments[span.family].extend(_cut(pool, position, span, configuration.reservations))
        for segments in self._segments.values():
            segments.sort(key=lambda segment: segment.span.first)
        self._firsts = {family: [s.span.first for s in segments] for family, segments in self._segments.items()}

    def __iter__(self) -> Iterator[Segment]:
        for segments in self._segments.values():
            yield from segments

    def segment(self, address: IPAddress) -> Segment | None:
        """Return the segment that has this address; None outside every pool."""
        family, value = family_of(address), int(address)
        index = bisect_right(self._firsts[family], value) - 1
        if index < 0:
            return None
        segment = self._segments[family][index]
        return segment if value <= segment.span.last else None


def _cut(pool: Pool, position: int, span: AddressRange, reservations: Iterable[Reservation]) -> Iterator[Segment]:
    """Yield the segments of one declared range."""
    free = span.minus(pool.excluded)
    for hole in span.minus(free):
        yield Segment(hole, pool, position, is_excluded=True)
    for reservation in reservations:
        reserved = [hole for hole in reservation.ranges if hole.overlaps(span)]
        if not reserved:
            continue
        left: list[AddressRange] = []
        for part in free:
            rest = part.minus(reserved)
            left.extend(rest)
            for taken in part.minus(rest):
                yield Segment(taken, pool, position, reservation=reservation)
        free = tuple(left)
    for part in free:
        yield Segment(part, pool, position)
