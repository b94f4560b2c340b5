"""Which pools may serve a Service, before anybody looks for a free address.

A pool *admits* a Service by its ``serviceAllocation``: the namespace is named or selected (if either list is given), and one of the
serviceSelectors matches (if any is given). A selector that matches no namespace admits nobody. Admission also decides whether a
Service may keep what it has; everything else here is about new addresses only.

Order without a request: pools with serviceAllocation (pinned) before pools without; among the pinned by priority (1, 2, ..., then 0 and
whatever is less), then by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.configuration import Pool
from baremetal_lb.model.labels import matches_any
from baremetal_lb.model.views import ServiceView


@dataclass(frozen=True, slots=True)
class PoolGroups:
    """Pools in the order in which they are tried; the second group only when the first has nothing."""

    pinned: tuple[Pool, ...]
    unpinned: tuple[Pool, ...]


def admission_refusal(service: ServiceView, pool: Pool, namespace_labels: Mapping[str, str]) -> Refusal | None:
    """Return why the pool does not admit the Service; None if it does."""
    allocation = pool.allocation
    if allocation is None:
        return None
    if allocation.namespaces or allocation.namespace_selectors:
        namespace = service.key.namespace
        if namespace not in allocation.namespaces and not matches_any(allocation.namespace_selectors, namespace_labels):
            return Refusal(AllocationReason.PoolNamespaceMismatch, f"Pool {pool.name}, namespace {namespace}.")
    if allocation.service_selectors and not matches_any(allocation.service_selectors, service.labels):
        return Refusal(AllocationReason.PoolServiceMismatch, f"Pool {pool.name}.")
    return None


def grouped(pools: Iterable[Pool]) -> PoolGroups:
    """Return the pools in the order in which they are tried without a request."""
    pools = tuple(pools)
    pinned = [pool for pool in pools if pool.allocation is not None]
    return PoolGroups(
        tuple(sorted(pinned, key=_pinned_order)),
        tuple(sorted((pool for pool in pools if pool.allocation is None), key=lambda pool: pool.name)),
    )


def quota_of(pool: Pool, namespace: str, namespace_labels: Mapping[str, str]) -> int | None:
    """Return how many addresses of the pool the namespace may use (the least of all quotas that mean it); None for any number."""
    return min((quota.addresses for quota in pool.quotas if quota.covers(namespace, namespace_labels)), default=None)


def _pinned_order(pool: Pool) -> tuple[bool, int, str]:
    priority = pool.allocation.priority if pool.allocation is not None else 0
    return (priority <= 0, max(0, priority), pool.name)
