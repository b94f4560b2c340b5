"""What a change of our resources would do to Services: the decisions of the running processes, before and after. Pure.

    objects of the cluster      --settle--> who has which IP now
    that end, with the change   --settle--> who would have which IP
    the difference: IPs that Services would lose, change or get

The change meets a controller that is at work, so it starts from where that has come to, and nothing is adopted on the way.

So nothing is renumbered by surprise: whoever shrinks or deletes a pool is told first, from the same functions that would do it.

What is foreseen is of one install: Services of another loadBalancerClass are not its business. Which class an install serves is a setting
of its controller; `served_classes` reads it off the ledger, since a wrong guess would foresee nothing at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baremetal_lb.cli.offline import OfflineCluster, read_cluster
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.picking import Case
from baremetal_lb.ipam.requests import handles_service
from baremetal_lb.ipam.standing import fault
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.views import LedgerEntry
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from baremetal_lb.settle.settle import SettledState, settle

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Move:
    """One Service whose IPs would change."""

    service: ObjectKey
    before: tuple[IPAddress, ...]
    after: tuple[IPAddress, ...]
    message: str
    """What the allocator would say of it."""

    @property
    def costs(self) -> bool:
        """Tell whether it would lose an IP that it has."""
        return not set(self.before) <= set(self.after)


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would come of a change."""

    before: OfflineCluster
    after: OfflineCluster
    moves: tuple[Move, ...] = ()
    """By Service."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with objects after the change and was not before."""
    stranded: tuple[LedgerEntry, ...] = ()
    """IPs that no Service of this install uses and that would be in no pool any more: held ones, and those of other installs."""

    @property
    def losses(self) -> tuple[Move, ...]:
        """The moves that cost a Service an IP."""
        return tuple(move for move in self.moves if move.costs)

    def is_same(self, other: "Foresight") -> bool:
        """Tell whether the same would come of both."""
        return (self.moves, self.stranded, self.problems) == (other.moves, other.stranded, other.problems)


def foresee(before: Sequence[Object], after: Sequence[Object], *, namespace: str, options: SettleOptions) -> Foresight:
    """Compare what both come to."""
    old, new = (_read(objects, namespace, options) for objects in (before, after))
    had = settle(old.cluster, options=options)
    gets = settle(_with_statuses(new.cluster, had), options=options)
    now = {outcome.service.key: outcome.service for outcome in had.services}
    ledger = Ledger(new.cluster.configuration, new.cluster.entries, options.owner)
    moves = []
    for outcome in gets.services:
        service = outcome.service
        before_it = now.get(service.key)
        if before_it is None or not handles_service(service, options.lb_class) or before_it.status_ips == service.status_ips:
            continue
        case = Case(before_it, ledger, new.cluster.namespaces.get(service.key.namespace, {}), options.now_utc)
        lost = [refusal.message for ip in before_it.status_ips if ip not in service.status_ips and (refusal := fault(case, ip)) is not None]
        moves.append(Move(service.key, before_it.status_ips, service.status_ips, " ".join([*lost, outcome.decision.message])))
    known = {(problem.object, problem.field, problem.reason) for problem, _place in old.problems}
    return Foresight(
        old,
        new,
        tuple(moves),
        tuple(p for p, _place in new.problems if (p.object, p.field, p.reason) not in known),
        tuple(_stranded(had, old.cluster.configuration, new.cluster.configuration, options.owner)),
    )


def served_classes(objects: Sequence[Object], owner: str) -> tuple[str, ...]:
    """Return the loadBalancerClasses of the Services that an install has in its ledger, sorted; "" stands for none. One is usual."""
    specs = [item.get("spec") or {} for item in objects if item.get("kind") == "IPAllocation"]
    users = {user.get("uid") for spec in specs if spec.get("owner") == owner for user in spec.get("services") or ()}
    services = [item for item in objects if item.get("kind") == "Service" and item["metadata"].get("uid") in users]
    return tuple(sorted({item.get("spec", {}).get("loadBalancerClass") or "" for item in services}))


def _stranded(had: SettledState, old: Configuration, new: Configuration, owner: str) -> Iterator[LedgerEntry]:
    for entry in had.entries:
        is_unused = entry.owner != owner or not entry.services
        if is_unused and old.pool_of(entry.address) is not None and new.pool_of(entry.address) is None:
            yield entry


def _read(objects: Sequence[Object], namespace: str, options: SettleOptions) -> OfflineCluster:
    return read_cluster(objects, identity=options.identity, namespace=namespace, owner=options.owner, is_owner_known=True)


def _with_statuses(cluster: ClusterObjects, settled: SettledState) -> ClusterObjects:
    """Return a cluster with the ledger and the statuses of a settled state; a Service that is not in that keeps its own."""
    known = {outcome.service.uid: outcome.service for outcome in settled.services}
    services = tuple(
        service
        if (had := known.get(service.uid)) is None
        else replace(service, ingress=had.ingress, allocated_from_pool=had.allocated_from_pool, condition=had.condition)
        for service in cluster.services
    )
    return replace(cluster, services=services, entries=settled.entries)
