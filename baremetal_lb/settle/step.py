"""The step of one Service: what is to be done for it now. Pure; nothing is applied here.

    nothing there, and no entry of that name    -> nothing
    entries of a uid that is gone               -> release (the live GET is the controller's business); whoever has that name now is
                                                   decided upon what is left then, for what is held is held for him
    a Service that is no concern of ours        -> nothing
    a Service that was ours                     -> release what it has of ours; nothing else is touched
    a Service of ours                           -> ipam decides, ipam plans; we add the preferred announcer of a new entry

The controller takes these steps one by one as things change, a plan all of them at once. The same inputs give the same verdict.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_lb.ipam.adoption import allocation_order
from baremetal_lb.ipam.allocator import decide
from baremetal_lb.ipam.changes import ServiceChanges, plan_gone, plan_service
from baremetal_lb.ipam.decision import Decision, Refusal
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.requests import LOAD_BALANCER, handles_service
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.net import Family, IPAddress, family_of, parse_address
from baremetal_lb.model.views import FamilyPolicy, ServiceView
from baremetal_lb.settle.agenda import Rank
from baremetal_lb.settle.placement import preferred_at_creation
from baremetal_lb.settle.state import ClusterState
from baremetal_lb.settle.waiting import Wait


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do for the Services that have, or had, this key."""

    key: ObjectKey
    service: ServiceView | None = None
    gone: tuple[ServiceChanges, ...] = ()
    """Releases for uids that this key no longer has; nothing else is decided beside them."""
    decision: Decision | None = None
    """None: the Service is not there, or no concern of ours."""
    changes: ServiceChanges | None = None
    wait: Wait | None = None
    """None: it waits for nothing."""


def concerns(service: ServiceView, state: ClusterState) -> bool:
    """Tell whether a Service is ours to serve, or was, so that something is to be cleared."""
    if handles_service(service, state.lb_class) or state.ledger.holders.get(service.key):
        return True
    return service.type != LOAD_BALANCER and (service.condition is not None or service.allocated_from_pool is not None)


def rank_of(key: ObjectKey, state: ClusterState) -> Rank:
    """Return the place of a key among those to be decided: with entries, or an IP held for it, it goes with those that have one."""
    service = state.services.get(key)
    if service is None:
        return (False, False, 0, key)
    return allocation_order(service, is_awaited=key in state.ledger.holders or bool(state.ledger.entries_held_for(key)))


def decision_on(service: ServiceView, state: ClusterState, *, now_utc: int) -> Decision:
    """Return what a Service is to have (``now_utc``: ns since the epoch): nothing of ours where its loadBalancerClass is not ours."""
    if service.type != LOAD_BALANCER or handles_service(service, state.lb_class):
        return decide(service, state.ledger, namespaces=state.namespaces, now_utc=now_utc)
    its_own = f"It is {service.load_balancer_class!r}." if service.load_balancer_class else "It has none."
    refusal = Refusal(AllocationReason.ClassNotOurs, its_own)
    return Decision(reason=refusal.reason, message=refusal.message)


def judge(state: ClusterState, key: ObjectKey, *, identity: Identity, now_utc: int) -> Verdict:
    """Return what is to be done for a key (``now_utc``: ns since the epoch)."""
    service = state.services.get(key)
    uid = service.uid if service is not None else None
    holders = sorted(state.ledger.holders.get(key, ()))
    gone = tuple(plan_gone(key, holder, state.ledger, now_utc=now_utc) for holder in holders if holder != uid)
    if service is None or gone or not concerns(service, state):
        return Verdict(key, service, gone)
    decision = decision_on(service, state, now_utc=now_utc)
    announcer = preferred_at_creation(state, service, decision.addresses, state.ledger.load)
    changes = plan_service(service, decision, state.ledger, identity=identity, now_utc=now_utc, announcer=announcer)
    return Verdict(key, service, (), decision, changes, _wait(state, service, decision))


def _wait(state: ClusterState, service: ServiceView, decision: Decision) -> Wait | None:
    """Return what the Service waits for; None when it has all that it asks for."""
    if service.type != LOAD_BALANCER:
        return None
    if decision.is_satisfied and not _lacks_a_family(service, decision):
        return None
    pools = {verdict.pool for verdict in decision.considered}
    if decision.pool is not None:
        pools.add(decision.pool)
    requested = frozenset(_requested(service))
    for address in requested:
        pool = state.configuration.pool_of(address)
        if pool is not None:
            pools.add(pool.name)
    return Wait(frozenset((pool, family) for pool in pools for family in Family), requested, service.sharing_key or None)


def _lacks_a_family(service: ServiceView, decision: Decision) -> bool:
    return service.family_policy is FamilyPolicy.PREFER_DUAL_STACK and len({family_of(a) for a in decision.addresses}) == 1


def _requested(service: ServiceView) -> Iterable[IPAddress]:
    """Return the addresses that a Service names, as far as they can be read."""
    for text in (service.requested_ips or "", service.spec_load_balancer_ip or ""):
        for part in text.split(","):
            try:
                yield parse_address(part.strip())
            except ValueError:
                continue
