"""Adoption: the ledger's first entries, from what Services have in their status already.

Only when a consistent LIST finds the ledger empty, and before anything else is written: every IP in the status of a Service that is ours
gets an entry, inside a pool or not. The oldest Service comes first; where a younger one claims the same IP without being
entitled to share it, it is left out and gets another IP later like anybody whose IP is not valid.
"""

from collections.abc import Iterable
from dataclasses import replace

from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.requests import handles_service
from baremetal_lb.ipam.sharing import backend_key, entry_service, namespace_refusal, objection, sharing_key
from baremetal_lb.model.configuration import Configuration, SharingScope
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.views import LedgerEntry, ServiceView


def allocation_order(service: ServiceView, *, is_awaited: bool = False) -> tuple[bool, bool, int, ObjectKey]:
    """Sort key in which Services are decided: those that have an IP first, then the older, then by namespace and name.

    ``is_awaited``: an IP is held for it, so that it goes with those that have one, before somebody else takes it for want of another.
    A Service without creationTimestamp (a manifest that was never applied) is younger than all others.
    """
    return (not service.status_ips and not is_awaited, *service.age_order)


def adopt(
    services: Iterable[ServiceView], configuration: Configuration, *, owner: str, lb_class: str = "", now_utc: int
) -> tuple[LedgerEntry, ...]:
    """Return the entries to create for those of the given Services that are ours, in the order in which they are to be created."""
    ledger = Ledger(configuration, owner=owner)
    order = []
    for service in sorted((s for s in services if handles_service(s, lb_class)), key=allocation_order):
        me = entry_service(service)
        for address in dict.fromkeys(service.status_ips):
            entry = ledger.entry(address)
            if entry is None:
                segment = ledger.places.segment(address)
                pool = "" if segment is None else segment.pool.name
                key, backends = sharing_key(service), backend_key(service) or ""
                ledger.put(LedgerEntry(address, owner, pool, (me,), key, backends, since_utc=service.created_utc or now_utc))
                order.append(address)
            elif _may_join(service, entry, ledger):
                ledger.put(replace(entry, services=tuple(sorted((*entry.services, me), key=lambda user: (user.key, user.uid)))))
    return tuple(entry for address in order if (entry := ledger.entry(address)) is not None)


def _may_join(service: ServiceView, entry: LedgerEntry, ledger: Ledger) -> bool:
    """Tell whether the Service is entitled to the IP beside those who claimed it before.

    Who has our annotation of the pool shared the IP when the ledger was lost, and goes on doing so. Outside every pool no pool's choice
    binds.
    """
    segment = ledger.places.segment(entry.address)
    had_it = segment is not None and service.allocated_from_pool == segment.pool.name
    scope = SharingScope.CLUSTER if segment is None else segment.pool.sharing
    return (had_it or namespace_refusal(service, entry, scope) is None) and objection(service, entry) is None
