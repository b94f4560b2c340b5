"""How full pools are: exact integers, in O(pools + segments)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.net import Family


@dataclass(frozen=True, slots=True)
class FamilyUsage:
    """Counts of the addresses of one family of one pool; each address once, however many Services share it."""

    capacity: int
    """All that can be handed out: neither excluded nor avoided as buggy."""
    allocated: int
    """Used by Services."""
    held: int
    """Kept for Services that were deleted."""
    foreign: int
    """In the ledger of another install."""
    reserved: int
    """Free, but only for those whom an IPReservation names."""
    available: int
    """Free for everybody that the pool admits."""


def usage(ledger: Ledger) -> Mapping[str, Mapping[Family, FamilyUsage]]:
    """Return the usage of every pool of the Configuration, for the families that the pool has."""
    capacity: Counter[tuple[str, Family]] = Counter()
    for segment in ledger.places:
        capacity[segment.pool.name, segment.span.family] += segment.capacity
    return {
        pool.name: {
            family: FamilyUsage(
                capacity[pool.name, family],
                ledger.used[pool.name, family],
                ledger.held[pool.name, family],
                ledger.foreign[pool.name, family],
                ledger.reserved_count(pool.name, family),
                ledger.free_count(pool.name, family),
            )
            for family in Family
            if family in pool.families
        }
        for pool in ledger.configuration.pools
    }
