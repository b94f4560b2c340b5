"""Finding addresses for one Service in one pool.

Per family, the first of these that there is:

1. an address that the Service has in the ledger already (an allocation that was interrupted is taken up, not doubled);
2. one that is held for a Service of its name;
3. the one that its sharing key already has, if the Service may join;
4. a free one that is reserved for it by name;
5. the lowest free one in declaration order;
6. only for a Service that would have no IP at all, and after 1 to 5 of every pool that may serve it (``is_last_resort``): one that is held
   for somebody else, first the one whose hold ends first.

The addresses of one Service come from one pool, all or none. A quota counts distinct addresses per namespace.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from baremetal_lb.ipam.admission import quota_of
from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.places import Segment
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.requests import Request
from baremetal_lb.ipam.sharing import namespace_refusal, objection, sharing_key
from baremetal_lb.model.configuration import Pool
from baremetal_lb.model.net import Family, IPAddress, family_of
from baremetal_lb.model.rfc3339 import format_time
from baremetal_lb.model.views import FamilyPolicy, LedgerEntry, ServiceView

Picked = Mapping[Family, IPAddress]
FREE = 4
"""Preference of an address that only happens to be free."""


@dataclass(frozen=True, slots=True)
class Case:
    """One Service before the allocator."""

    service: ServiceView
    ledger: Ledger
    namespace_labels: Mapping[str, str]
    now_utc: int
    families: tuple[Family, ...] = ()
    request: Request = field(default_factory=Request)

    @property
    def needs_all_families(self) -> bool:
        """Tell whether one family alone will not do. Only PreferDualStack is content with one."""
        return self.service.family_policy is not FamilyPolicy.PREFER_DUAL_STACK

    @property
    def attempts(self) -> tuple[tuple[Family, ...], ...]:
        """The sets of families to try for, best first."""
        if len(self.families) < 2 or self.needs_all_families:
            return (self.families,)
        primary = Family.IPV6 if self.service.families[:1] == (Family.IPV6,) else Family.IPV4
        return (self.families, (primary,), (primary.other,))

    def owns(self, address: IPAddress) -> bool:
        """Tell whether the Service has the address in the ledger."""
        entry = self.ledger.entry(address)
        return entry is not None and entry.owner == self.ledger.owner and entry.has_service(self.service.uid)


def pick(
    case: Case, pool: Pool, families: tuple[Family, ...], *, fixed: Picked | None = None, is_last_resort: bool = False
) -> Picked | Refusal:
    """Return an address of each of the families, or why the pool has not all of them; ``fixed`` ones stay as they are.

    ``is_last_resort``: where nothing is free, what is held for somebody else will do.
    """
    picked = dict(fixed or {})
    for family in families:
        if family in picked:
            continue
        if family not in pool.families:
            return Refusal(AllocationReason.PoolFamilyMissing, f"Pool {pool.name}, {family.value}.")
        found = preferred(case, pool, family)
        address = None if found is None else found[1]
        if address is None and is_last_resort:
            address = case.ledger.soonest_held(pool.name, family, case.service.key)
        if address is None:
            return Refusal(AllocationReason.PoolExhausted, f"Pool {pool.name}, {family.value}.")
        picked[family] = address
    return quota_refusal(case, pool, tuple(picked.values())) or picked


def preferred(case: Case, pool: Pool, family: Family) -> tuple[int, IPAddress] | None:
    """Return (preference, address) of the best address of a family in the pool; a smaller preference is a better one."""
    service, ledger = case.service, case.ledger
    for preference, entries in enumerate(
        (ledger.entries_of(service.uid), ledger.entries_held_for(service.key), ledger.entries_shared_as(sharing_key(service)))
    ):
        usable = [
            (segment.position, int(entry.address), entry.address)
            for entry in entries
            if family_of(entry.address) is family
            and (segment := ledger.places.segment(entry.address)) is not None
            and segment.pool.name == pool.name
            and address_refusal(case, entry.address, segment) is None
        ]
        if usable:
            return preference, min(usable)[2]
    by_name = ledger.has_reserved_by_name(pool.name, family, service.key)
    lowest = ledger.lowest_free(pool.name, family, service.key)
    return None if lowest is None else (FREE - 1 if by_name else FREE, lowest)


def address_refusal(case: Case, address: IPAddress, segment: Segment) -> Refusal | None:
    """Return why the Service cannot have this address of a pool; None if it can. What it has already is not asked again."""
    if segment.avoids(address):
        return Refusal(AllocationReason.AddressBuggy, f"{address}, pool {segment.pool.name}.")
    entry = case.ledger.entry(address)
    if not case.owns(address):
        if segment.is_excluded:
            return Refusal(AllocationReason.AddressExcluded, f"{address}, pool {segment.pool.name}.")
        reservation = segment.reservation
        if reservation is not None and not reservation.admits(case.service.key):
            why = f" ({reservation.reason})" if reservation.reason else ""
            return Refusal(AllocationReason.AddressReserved, f"{address} is in IPReservation {reservation.name}{why}.")
    return None if entry is None else entry_refusal(case, entry, segment.pool)


def entry_refusal(case: Case, entry: LedgerEntry, pool: Pool) -> Refusal | None:
    """Return why the Service cannot have the address of an entry, for what the ledger says of it.

    While an address is held, a wish for it is met for the Service of that namespace and name only. An equal sharing key changes nothing:
    keys are written by whoever likes, so one that was guessed, or was shared with once, would be a way to camp on the IP of somebody who
    comes back. Those who shared it join again once he has. When the hold has ended the address is anybody's, though it still has its entry.
    """
    if entry.owner != case.ledger.owner:
        return Refusal(AllocationReason.AddressForeign, f"{entry.address} belongs to {entry.owner!r}.")
    held = entry.held_for
    if not entry.services and held is not None and held.key != case.service.key and held.until_utc > case.now_utc:
        return Refusal(AllocationReason.AddressHeld, f"{entry.address} is held for {held.key} until {format_time(held.until_utc)}.")
    if not case.owns(entry.address) and (refusal := namespace_refusal(case.service, entry, pool.sharing)) is not None:
        return refusal
    return objection(case.service, entry)


def quota_refusal(case: Case, pool: Pool, addresses: tuple[IPAddress, ...]) -> Refusal | None:
    """Return a refusal if the namespace would use more of the pool than its quota allows.

    What the Service has alone counts as given back, unless it is among the addresses.
    """
    service, ledger = case.service, case.ledger
    namespace = service.key.namespace
    limit = quota_of(pool, namespace, case.namespace_labels)
    if limit is None:
        return None

    def is_used_by_others(entry: LedgerEntry | None) -> bool:
        return entry is not None and any(u.key.namespace == namespace and u.uid != service.uid for u in entry.services)

    given_back = sum(
        1
        for entry in ledger.entries_of(service.uid)
        if not is_used_by_others(entry) and (segment := ledger.places.segment(entry.address)) is not None and segment.pool.name == pool.name
    )
    wanted = sum(1 for address in addresses if not is_used_by_others(ledger.entry(address)))
    used = ledger.addresses_used_by(pool.name, namespace) - given_back
    if used + wanted <= limit or (wanted <= given_back and all(case.owns(address) for address in addresses)):
        return None
    return Refusal(
        AllocationReason.QuotaExceeded, f"Pool {pool.name}: namespace {namespace} uses {used} of {limit}, and {wanted} are needed."
    )
