"""What is to be done for one Service now: the allocator's decision, the steps of the ledger protocol, and what it still waits for. Pure.

    nothing there, and no entry of that name    -> nothing
    entries of a uid that is gone               -> release (the live GET is the effects' business); whoever has that name now is decided
                                                   upon what is left then, for what is held is held for him
    a Service that is not ours (any more)       -> release what it has of ours; nothing else is touched
    a Service of ours                           -> ipam decides, ipam plans; we add the preferred announcer of a new entry

The same inputs give the same verdict; nothing is applied here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_lb.ipam.allocator import decide
from baremetal_lb.ipam.changes import ServiceChanges, plan_gone, plan_service
from baremetal_lb.ipam.decision import Decision
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.requests import handles_service
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.net import Family, IPAddress, family_of, parse_address
from baremetal_lb.model.views import FamilyPolicy, ServiceView
from controller.placement import preferred_at_creation
from controller.waiting import Wait
from controller.world import World


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


def judge(world: World, key: ObjectKey, *, identity: Identity, lb_class: str, now_utc: int) -> Verdict:
    """Return what is to be done for a key (``now_utc``: ns since the epoch)."""
    service = world.services.get(key)
    uid = service.uid if service is not None else None
    gone = tuple(plan_gone(key, holder, world.ledger, now_utc=now_utc) for holder in sorted(world.ledger.holders.get(key, ())) if holder != uid)
    if service is None or gone:
        return Verdict(key, service, gone)
    if handles_service(service, lb_class) or service.type != "LoadBalancer":
        decision = decide(service, world.ledger, namespaces=world.namespaces, now_utc=now_utc)
    elif world.ledger.entries_of(service.uid):
        decision = Decision(reason=AllocationReason.ClassNotOurs, message=AllocationReason.ClassNotOurs.sentence)
    else:
        return Verdict(key, service)
    changes = plan_service(
        service, decision, world.ledger, identity=identity, now_utc=now_utc, announcer=_announcer(world, service, decision.addresses)
    )
    return Verdict(key, service, (), decision, changes, _wait(world, service, decision))


def _announcer(world: World, service: ServiceView, addresses: Iterable[IPAddress]) -> str | None:
    """Return the node that the entries which this decision creates are to prefer: one node for both families."""
    chosen = None
    for address in addresses:
        entry = world.ledger.entry(address)
        if entry is not None and entry.services:
            chosen = chosen or entry.announcer
        else:
            chosen = preferred_at_creation(world, service, address, sibling=chosen) or chosen
    return chosen


def _wait(world: World, service: ServiceView, decision: Decision) -> Wait | None:
    """Return what the Service waits for; None when it has all that it asks for."""
    if service.type != "LoadBalancer":
        return None
    if decision.is_satisfied and not _lacks_a_family(service, decision):
        return None
    pools = {verdict.pool for verdict in decision.considered}
    if decision.pool is not None:
        pools.add(decision.pool)
    requested = frozenset(_requested(service))
    for address in requested:
        pool = world.configuration.pool_of(address)
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
