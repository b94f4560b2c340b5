"""Metrics of the controller. What others count already is read when somebody asks, and counted nowhere twice.

Every controller tells of itself: requests, watches, its queue, whether it leads. Of the cluster (pools, Services, the ledger) only the
one that leads tells, so that a sum over all of them counts nothing twice.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.core import Metric

from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.requests import handles_service
from baremetal_lb.ipam.utilization import FamilyUsage, usage
from baremetal_lb.kube.events import EventRecorder
from baremetal_lb.kube.reflector import Reflector
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.net import Family
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import ServiceView
from baremetal_lb.telemetry import metric_table as table
from baremetal_lb.telemetry.api_client import client_families, configuration_families, queue_family
from baremetal_lb.telemetry.metrics import Metrics
from controller.dirty import Dirty
from controller.observe import Knowledge, Observation

SATISFIED, UNDECIDED, OTHER = "Satisfied", "Undecided", "Other"
"""Values of ``reason`` beside those of AllocationReason: nothing is missing; nobody looked yet; a word that somebody else wrote."""
_REASONS = frozenset(AllocationReason.__members__) | {SATISFIED}


class Leading(Protocol):
    """What is asked of the elector."""

    terms: int

    @property
    def is_leading(self) -> bool:
        """Whether this process may act as the leader at this very moment."""
        ...


class Term(Protocol):
    """What is asked of the loop."""

    is_in_term: bool


class Measures:
    """What one controller tells at a scrape."""

    def __init__(
        self,
        metrics: Metrics,
        knowledge: Knowledge,
        *,
        leading: Leading,
        term: Term,
        transport: Transport,
        observation: Observation,
        recorder: EventRecorder,
    ) -> None:
        self._metrics, self._knowledge, self._leading, self._term = metrics, knowledge, leading, term
        self._transport, self._observation, self._recorder = transport, observation, recorder

    def read(self) -> Iterator[Metric]:
        """Return all families as they stand."""
        resources, metrics, dirty = self._knowledge.resources, self._metrics, self._knowledge.dirty
        reflectors: dict[str, Reflector[object]] = self._observation.reflectors
        yield from client_families(metrics, self._transport, reflectors, self._recorder)
        yield from configuration_families(
            metrics, is_loaded=resources.is_compiled, is_stale=resources.uses_last_accepted, problems=resources.problems
        )
        # What a standby has marked nobody takes until it leads; it is no work that waits.
        yield queue_family(metrics, dirty.agenda if self._term.is_in_term else ())
        yield metrics.family(table.OLDEST_BUSY, [((), dirty.agenda.busy_for(now=time.monotonic_ns()) / SECOND)])
        yield metrics.family(table.LEADER, [((), self._leading.is_leading)])
        yield metrics.family(table.TERMS, [((), self._leading.terms)])
        if self._term.is_in_term:
            yield from cluster_families(metrics, dirty)


def cluster_families(metrics: Metrics, dirty: Dirty) -> Iterator[Metric]:
    """Return what the leader tells of the cluster."""
    world = dirty.world
    ours = (view for view in world.services.values() if handles_service(view, dirty.world.lb_class))
    yield metrics.family(table.SERVICES, Counter((reason_of(view),) for view in ours).items())
    yield metrics.family(table.ENTRIES, [((), len(world.confirmed))])
    pools = usage(world.ledger)
    totals = (
        (table.POOL_CAPACITY, table.POOL_IN_USE, tuple(Family)),
        (table.POOL_CAPACITY_V4, table.POOL_IN_USE_V4, (Family.IPV4,)),
        (table.POOL_CAPACITY_V6, table.POOL_IN_USE_V6, (Family.IPV6,)),
    )
    for capacity, in_use, families in totals:
        counted = [(pool, [numbers[family] for family in families if family in numbers]) for pool, numbers in pools.items()]
        yield metrics.family(capacity, [((pool,), sum(one.capacity for one in numbers)) for pool, numbers in counted])
        yield metrics.family(in_use, [((pool,), sum(one.allocated for one in numbers)) for pool, numbers in counted])
    states = (
        ((pool, family.value, state), count)
        for pool, numbers in pools.items()
        for family, one in numbers.items()
        for state, count in _states(one)
    )
    yield metrics.family(table.POOL_ADDRESSES, states)


def reason_of(view: ServiceView) -> str:
    """Return the reason that a Service's condition gives, out of the few that we write."""
    if view.condition is None:
        return UNDECIDED
    return view.condition.reason if view.condition.reason in _REASONS else OTHER


def _states(counted: FamilyUsage) -> Iterable[tuple[str, int]]:
    return (
        ("allocated", counted.allocated),
        ("held", counted.held),
        ("foreign", counted.foreign),
        ("reserved", counted.reserved),
        ("available", counted.available),
    )
