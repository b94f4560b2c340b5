"""IPAM of a whole cluster: what the controller would have written when it has nothing more to write.

Services are decided in the allocator's order (has an IP or one is held for it, older, namespace/name), one after the other, each seeing
what the ones before it did, in passes until one changes nothing: a Service that gives something up may make room for one that was decided
before it.
An IP goes only from those who may not keep it, so passes end; PASSES_MAX bounds them all the same.
"""

from collections import Counter
from dataclasses import dataclass, replace

from baremetal_lb.ipam.adoption import adopt, allocation_order
from baremetal_lb.ipam.allocator import decide
from baremetal_lb.ipam.changes import (
    AssignStatus,
    ClearStatus,
    CreateEntry,
    DeleteEntry,
    HoldEntry,
    ServiceChanges,
    Step,
    UpdateEntry,
    apply_to_ledger,
    plan_expired,
    plan_gone,
    plan_service,
)
from baremetal_lb.ipam.decision import Decision, Refusal
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.requests import LOAD_BALANCER, handles_service
from baremetal_lb.model.condition import Condition
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.views import ConditionView, IngressView, ServiceView
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from baremetal_lb.settle.placement import preferred_announcer
from baremetal_lb.settle.surroundings import Surroundings

PASSES_MAX = 64


@dataclass(frozen=True, slots=True)
class ServiceOutcome:
    """One Service as it would be afterwards, and the decision that made it so."""

    service: ServiceView
    decision: Decision


def settle_addresses(cluster: ClusterObjects, options: SettleOptions) -> tuple[tuple[ServiceOutcome, ...], Ledger]:
    """Return every Service's outcome, by key, and the ledger afterwards."""
    settling = _Settling(cluster, options)
    settling.adopt()
    settling.release_gone()
    settling.order()
    for _ in range(PASSES_MAX):
        if not settling.settle_once():
            return settling.outcomes(), settling.ledger
    raise InvariantViolation(f"allocation does not come to rest within {PASSES_MAX} passes")


class _Settling:
    """The state between passes."""

    def __init__(self, cluster: ClusterObjects, options: SettleOptions) -> None:
        self.ledger = Ledger(cluster.configuration, cluster.entries, options.owner)
        self._cluster, self._options = cluster, options
        self._services = {service.key: service for service in cluster.services}
        self._decisions: dict[object, Decision] = {}
        self._order: list[ObjectKey] = []
        self._surroundings = Surroundings(cluster, options)
        self._load = Counter(entry.announcer for entry in self.ledger.entries() if entry.announcer is not None)

    def adopt(self) -> None:
        """Take up what statuses name, if there is no ledger yet. Without any pool nothing in a status is valid."""
        if self._cluster.entries or not self._cluster.configuration.pools:
            return
        ours = (service for service in self._services.values() if handles_service(service, self._options.lb_class))
        for entry in adopt(ours, self._cluster.configuration, owner=self._options.owner, now_utc=self._options.now_utc):
            self._apply(CreateEntry(entry))

    def release_gone(self) -> None:
        """Release what Services have that are not there any more, and what was held long enough."""
        present = {service.uid for service in self._services.values()}
        users = {user for entry in self.ledger.entries() if entry.owner == self.ledger.owner for user in entry.services}
        for user in sorted((user for user in users if user.uid not in present), key=lambda user: (user.key, user.uid)):
            for step in plan_gone(user.key, user.uid, self.ledger, now_utc=self._options.now_utc).steps:
                self._apply(step)
        for step in plan_expired(self.ledger, now_utc=self._options.now_utc):
            self._apply(step)

    def order(self) -> None:
        """Settle the order in which Services are decided; after the releases, which leave IPs held for some."""
        ranks = {
            key: allocation_order(service, is_awaited=bool(self.ledger.entries_held_for(key))) for key, service in self._services.items()
        }
        self._order = sorted(ranks, key=ranks.__getitem__)

    def settle_once(self) -> bool:
        """Decide every Service once; tell whether anything changed."""
        has_changed = False
        for key in self._order:
            service = self._services[key]
            decision = self._decide(service)
            self._decisions[key] = decision
            if decision.reason is AllocationReason.ClassNotOurs and not self.ledger.entries_of(service.uid):
                continue
            changes = plan_service(
                service,
                decision,
                self.ledger,
                identity=self._options.identity,
                now_utc=self._options.now_utc,
                announcer=self._announcer(service, decision),
            )
            self._services[key] = self._apply_all(changes, service)
            has_changed = has_changed or bool(changes)
        return has_changed

    def outcomes(self) -> tuple[ServiceOutcome, ...]:
        """Return the outcome of every Service, by key."""
        return tuple(ServiceOutcome(self._services[key], self._decisions[key]) for key in sorted(self._services))

    def _decide(self, service: ServiceView) -> Decision:
        if service.type == LOAD_BALANCER and not handles_service(service, self._options.lb_class):
            wanted = f"It is {service.load_balancer_class!r}." if service.load_balancer_class else "It has none."
            refusal = Refusal(AllocationReason.ClassNotOurs, wanted)
            return Decision(reason=refusal.reason, message=refusal.message)
        return decide(service, self.ledger, namespaces=self._cluster.namespaces, now_utc=self._options.now_utc)

    def _announcer(self, service: ServiceView, decision: Decision) -> str | None:
        """Return the node that the entries which this decision creates are to prefer: one node for both families."""
        chosen: str | None = None
        for address in decision.addresses:
            entry = self.ledger.entry(address)
            if entry is not None and entry.services:
                chosen = chosen or entry.announcer
            else:
                chosen = preferred_announcer(self._surroundings.subject(address, (service,), sibling=chosen), self._load) or chosen
        return chosen

    def _apply_all(self, changes: ServiceChanges, service: ServiceView) -> ServiceView:
        for step in changes.steps:
            self._apply(step)
            match step:
                case AssignStatus():
                    ingress = tuple(IngressView(address, str(address), "VIP") for address in step.addresses)
                    condition = _condition_view(step.condition)
                    service = replace(service, ingress=ingress, allocated_from_pool=step.pool, condition=condition)
                case ClearStatus():
                    service = replace(service, ingress=(), allocated_from_pool=None, condition=_condition_view(step.condition))
                case _:
                    pass
        return service

    def _apply(self, step: Step) -> None:
        if isinstance(step, CreateEntry | UpdateEntry | HoldEntry | DeleteEntry):
            before = self.ledger.entry(step.entry.address)
            if before is not None and before.announcer is not None:
                self._load[before.announcer] -= 1
            if not isinstance(step, DeleteEntry) and step.entry.announcer is not None:
                self._load[step.entry.announcer] += 1
        apply_to_ledger(step, self.ledger)


def _condition_view(condition: Condition | None) -> ConditionView | None:
    if condition is None:
        return None
    return ConditionView("True" if condition.is_true else "False", condition.reason, condition.message, condition.observed_generation)
