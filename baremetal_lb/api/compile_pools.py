"""IPAddressPool and IPReservation: from specs to ``model.configuration.Pool`` and ``Reservation``.

Pools never overlap: a younger pool that does means nothing. Reservations may: the older one has the address, and both are in force.
"""

from collections.abc import Iterable

from baremetal_lb.api.durations import parse_duration
from baremetal_lb.api.faults import Fault
from baremetal_lb.api.frame import Item
from baremetal_lb.api.pools import IPAddressPoolSpec, IPReservationSpec, QuotaModel, ServiceAllocationModel
from baremetal_lb.api.ranges import SpanMap, overlaps_within, parse_ranges, range_text
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.selectors import compile_selectors, duplicates
from baremetal_lb.model.configuration import Pool, Quota, Reservation, ServiceAllocation, SharingScope
from baremetal_lb.model.ids import METALLB, Identity
from baremetal_lb.model.net import AddressRange
from baremetal_lb.model.time import MINUTE

RETAIN_FOR = 2 * MINUTE
"""Default of ``spec.retainFor``: `kubectl replace --force`, or a chart that is installed anew, takes less."""
NAMED_OVERLAPS = 3
"""Overlaps of one range that are named one by one."""


def compile_pool(item: Item, spec: IPAddressPoolSpec, *, identity: Identity) -> tuple[Pool, list[Fault]]:
    """Compile one pool by itself; the identity decides how far Services share where the pool does not say."""
    ranges, faults = _own_ranges(spec.addresses)
    excluded, found = parse_ranges(spec.excluded or (), "spec.excluded", allow_single=True)
    faults += found
    faults += [
        Fault(f"spec.excluded[{index}]", Why.ExcludesNothing, is_fatal=False)
        for index, hole in enumerate(excluded)
        if hole is not None and not any(hole.overlaps(found) for found in ranges)
    ]
    retain_for, found = duration_at(spec.retain_for, "spec.retainFor", RETAIN_FOR)
    faults += found
    allocation, found = _allocation(spec.service_allocation)
    faults += found
    quotas: list[Quota] = []
    for index, quota in enumerate(spec.quotas or ()):
        compiled, found = _quota(quota, f"spec.quotas[{index}]")
        quotas.append(compiled)
        faults += found
    pool = Pool(
        name=item.name,
        ranges=tuple(ranges),
        labels=item.labels,
        excluded=tuple(hole for hole in excluded if hole is not None),
        auto_assign=spec.auto_assign,
        avoid_buggy_ips=spec.avoid_buggy_ips,
        disabled=spec.disabled,
        retain_for=retain_for,
        allocation=allocation,
        quotas=tuple(quotas),
        # The reference lets everybody share who knows the key; manifests that were written for it mean that.
        sharing=SharingScope(spec.sharing or ("Cluster" if identity == METALLB else "Namespace")),
    )
    return pool, faults


def _own_ranges(texts: list[str], *, allow_single: bool = False) -> tuple[list[AddressRange], list[Fault]]:
    ranges, faults = parse_ranges(texts, "spec.addresses", allow_single=allow_single)
    faults += [
        Fault(
            f"spec.addresses[{later}]", Why.OverlappingRanges, f"{texts[later]} overlaps with {texts[earlier]}, spec.addresses[{earlier}]."
        )
        for earlier, later in overlaps_within(ranges)
    ]
    return [found for found in ranges if found is not None], faults


def duration_at(text: str | None, field: str, default: int = 0) -> tuple[int, list[Fault]]:
    """Return the ns of a duration that may not be negative."""
    if text is None:
        return default, []
    try:
        length = parse_duration(text)
    except ValueError as error:
        return default, [Fault(field, Why.InvalidDuration, f"{error}.")]
    return length, [] if length >= 0 else [Fault(field, Why.InvalidDuration, f"{text} is negative.")]


def _allocation(model: ServiceAllocationModel | None) -> tuple[ServiceAllocation | None, list[Fault]]:
    if model is None:
        return None, []
    field = "spec.serviceAllocation"
    faults = duplicates(model.namespaces, f"{field}.namespaces")
    namespace_selectors, found = compile_selectors(model.namespace_selectors, f"{field}.namespaceSelectors")
    faults += found
    service_selectors, found = compile_selectors(model.service_selectors, f"{field}.serviceSelectors")
    faults += found
    return ServiceAllocation(model.priority, frozenset(model.namespaces or ()), namespace_selectors, service_selectors), faults


def _quota(model: QuotaModel, field: str) -> tuple[Quota, list[Fault]]:
    faults = duplicates(model.namespaces, f"{field}.namespaces")
    selectors, found = compile_selectors(model.namespace_selectors, f"{field}.namespaceSelectors")
    return Quota(model.addresses, frozenset(model.namespaces or ()), selectors), faults + found


def compile_reservation(item: Item, spec: IPReservationSpec) -> tuple[Reservation, list[Fault]]:
    """Compile one reservation by itself."""
    ranges, faults = _own_ranges(spec.addresses, allow_single=True)
    return Reservation(item.name, tuple(ranges), spec.namespace, spec.service_name or None, spec.reason), faults


class PoolClaims:
    """The addresses of pools: nobody may overlap with anybody."""

    def __init__(self) -> None:
        self._spans = SpanMap()

    def faults(self, item: Item, value: Pool, *, is_incumbent: bool) -> list[Fault]:  # noqa: ARG002  # see precedence.Claims
        """Return a fault for each range that overlaps with another pool's."""
        faults: list[Fault] = []
        for index, wanted in enumerate(value.ranges):
            for count, (taken, owner) in enumerate(self._spans.overlapping(wanted)):
                if count == NAMED_OVERLAPS:
                    faults.append(Fault(f"spec.addresses[{index}]", Why.OverlapsOtherPool, "It overlaps with more ranges than these."))
                    break
                detail = f"{range_text(wanted)} overlaps with already defined CIDR {range_text(taken)} of pool {owner}."
                faults.append(Fault(f"spec.addresses[{index}]", Why.OverlapsOtherPool, detail))
        return faults

    def add(self, item: Item, value: Pool) -> None:
        """Take the ranges of a pool."""
        for span in value.ranges:
            self._spans.add(span, item.name)

    def remove(self, item: Item, value: Pool) -> None:  # noqa: ARG002  # see precedence.Claims
        """Give them up."""
        for span in value.ranges:
            self._spans.remove(span)


class ReservationClaims:
    """The addresses of reservations: who comes later is told where others were first, and has the rest."""

    def __init__(self) -> None:
        self._spans = SpanMap()
        self._taken: dict[str, list[AddressRange]] = {}

    def faults(self, item: Item, value: Reservation, *, is_incumbent: bool) -> list[Fault]:  # noqa: ARG002  # see precedence.Claims
        """Return what is reserved already; never fatal."""
        faults: list[Fault] = []
        for index, wanted in enumerate(value.ranges):
            owners = sorted({owner for _, owner in _first(self._spans.overlapping(wanted)) if owner != item.name})
            if owners:
                detail = f"{range_text(wanted)} overlaps with {', '.join(owners)}."
                faults.append(Fault(f"spec.addresses[{index}]", Why.OverlapsOtherReservation, detail, is_fatal=False))
        return faults

    def add(self, item: Item, value: Reservation) -> None:
        """Take what is free of the ranges."""
        taken = self._taken.setdefault(item.name, [])
        for wanted in value.ranges:
            for span in wanted.minus([span for span, _ in self._spans.overlapping(wanted)]):
                self._spans.add(span, item.name)
                taken.append(span)

    def remove(self, item: Item, value: Reservation) -> None:  # noqa: ARG002  # see precedence.Claims
        """Give up what was taken."""
        for span in self._taken.pop(item.name, ()):
            self._spans.remove(span)


def _first(overlaps: Iterable[tuple[AddressRange, str]]) -> list[tuple[AddressRange, str]]:
    return [overlap for overlap, _ in zip(overlaps, range(NAMED_OVERLAPS), strict=False)]
