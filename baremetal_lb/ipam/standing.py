"""What a Service has and may keep.

An address stands if the ledger gives it to the Service, a pool covers it, the pool admits the Service, and the Service is still
compatible with the others on it. Nothing else takes an address away: not autoAssign or priorities or quotas that change, not a pool that
is disabled, not an exclusion or a reservation made later.

Surplus addresses of one family: the one in the status stays, else the oldest, else the lowest.

A status that names an address for which the ledger has no entry at all, together with our annotation of the right pool, is a lost entry:
the address is recalled, so that nobody loses an IP because an entry was deleted. Anything else in a status is not ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from baremetal_lb.ipam.admission import admission_refusal
from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.ledger import address_order
from baremetal_lb.ipam.picking import Case
from baremetal_lb.ipam.places import Segment
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.sharing import objection
from baremetal_lb.model.net import Family, IPAddress, family_of


@dataclass(frozen=True, slots=True)
class Standing:
    """The addresses that a Service may keep, at most one of each family and all of one pool, and why others fell."""

    addresses: Mapping[Family, IPAddress] = field(default_factory=dict)
    pool: str | None = None
    lost: Mapping[IPAddress, Refusal] = field(default_factory=dict)


def standing_of(case: Case) -> Standing:
    """Return what the Service may keep, whatever it asks for."""
    ledger, service = case.ledger, case.service
    status = service.status_ips
    mine = {entry.address: entry.since_utc for entry in ledger.entries_of(service.uid)}
    owned_families = {family_of(address) for address in mine}
    mine.update({address: 0 for address in status if family_of(address) not in owned_families and _is_recalled(case, address)})
    lost: dict[IPAddress, Refusal] = {}
    stands: dict[Family, IPAddress] = {}
    for address in sorted(mine, key=lambda a: (a not in status, mine[a], address_order(a))):
        refusal = fault(case, address)
        if refusal is not None:
            lost[address] = refusal
        else:
            stands.setdefault(family_of(address), address)
    return _of_one_pool(case, stands, lost)


def fault(case: Case, address: IPAddress) -> Refusal | None:
    """Return why an address that the Service has is no longer valid; None if it is."""
    segment = case.ledger.places.segment(address)
    if segment is None:
        return Refusal(AllocationReason.AddressNotInPool, f"{address}.")
    if segment.avoids(address):
        return Refusal(AllocationReason.AddressBuggy, f"{address}, pool {segment.pool.name}.")
    refusal = admission_refusal(case.service, segment.pool, case.namespace_labels)
    entry = case.ledger.entry(address)
    return refusal if refusal is not None or entry is None else objection(case.service, entry)


def _is_recalled(case: Case, address: IPAddress) -> bool:
    segment = case.ledger.places.segment(address)
    return segment is not None and segment.pool.name == case.service.allocated_from_pool and case.ledger.entry(address) is None


def _of_one_pool(case: Case, stands: dict[Family, IPAddress], lost: dict[IPAddress, Refusal]) -> Standing:
    segments: dict[Family, Segment] = {}
    for family, address in stands.items():
        segment = case.ledger.places.segment(address)
        if segment is not None:
            segments[family] = segment
    primary = next((family for family in (*case.service.families, *Family) if family in segments), None)
    if primary is None:
        return Standing(lost=lost)
    pool = segments[primary].pool.name
    for family, segment in segments.items():
        if segment.pool.name != pool:
            lost[stands[family]] = Refusal(AllocationReason.AddressesInDifferentPools, f"{stands[family]} is in pool {segment.pool.name}.")
    return Standing({f: stands[f] for f in Family if f in segments and segments[f].pool.name == pool}, pool, lost)
