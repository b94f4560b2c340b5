"""The allocator: which IPs a Service should have.

A pure function of the Service, the ledger and the Configuration that the ledger stands on. It decides, and changes nothing; the steps
from here to there are made by ``changes``.

    is it a LoadBalancer? -> what does it have and may keep? (standing) -> which families? -> what does it ask for? (requests)
        what it has is what it asks for   -> keep; complete a half dual-stack pair from the same pool
        else                              -> look for new addresses (picking), in the pools that may serve it (admission)
                found                     -> these
                not found                 -> keep what it has, and say why; who has nothing takes what is held for somebody else

Laws: a request that fails costs nothing; the decision depends on no order of any input; applied, it is decided again as it is.

Without a request, the pools are tried in this order: those where something waits for the Service (an address that it has, that is
held or reserved for it by name, or that its sharing key has), pinned pools, other pools. Within a group a dual-stack Service takes
the first pool that has both families; with PreferDualStack then the first with the primary family, then the first with the other one.

An address that is held for a Service which was deleted is given to others as the very last one: when no pool that may serve a Service has
anything else, and it would otherwise have no IP. So it comes after what is free in later pools, it completes no pair, and it meets no
wish: a request by address waits until the hold has ended. Of several, the one whose hold ends first, then the lowest, of whatever pool.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from baremetal_lb.ipam.admission import PoolGroups, admission_refusal, grouped
from baremetal_lb.ipam.decision import Decision, PoolVerdict, Refusal
from baremetal_lb.ipam.ledger import Ledger, address_order
from baremetal_lb.ipam.picking import FREE, Case, Picked, address_refusal, pick, preferred, quota_refusal
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.ipam.requests import LOAD_BALANCER, Request, needed_families, parse_request
from baremetal_lb.ipam.sharing import sharing_key, sharing_refusal
from baremetal_lb.ipam.standing import Standing, standing_of
from baremetal_lb.model.configuration import Pool
from baremetal_lb.model.net import IPAddress, family_of
from baremetal_lb.model.views import FamilyPolicy, ServiceView

_FARTHEST = (
    AllocationReason.QuotaExceeded,
    AllocationReason.PoolExhausted,
    AllocationReason.PoolFamilyMissing,
    AllocationReason.PoolNotAutoAssigned,
    AllocationReason.PoolDisabled,
    AllocationReason.PoolServiceMismatch,
    AllocationReason.PoolNamespaceMismatch,
)
"""Of several pools' refusals, the one that is told first: of the pool that came closest to serving."""
_SHOWN = 5
"""Pools named in a message; conditions are no place for a hundred."""


def decide(service: ServiceView, ledger: Ledger, *, namespaces: Mapping[str, Mapping[str, str]], now_utc: int) -> Decision:
    """Decide what a Service should have; ``namespaces`` maps names to labels (absent: no labels), ``now_utc`` is ns since the epoch."""
    if service.type != LOAD_BALANCER:
        return _deny(Refusal(AllocationReason.NotLoadBalancer))
    case = Case(service, ledger, namespaces.get(service.key.namespace, {}), now_utc)
    if not ledger.configuration.pools:
        return _without_pools(case)
    standing = standing_of(case)
    families = needed_families(service)
    if isinstance(families, Refusal):
        return _deny(families) if families.reason is AllocationReason.Headless else _keep(case, standing.addresses, families)
    if service.family_policy is FamilyPolicy.REQUIRE_DUAL_STACK and len(families) < 2:
        return _deny(Refusal(AllocationReason.NotEnoughClusterIPs))
    case = Case(service, ledger, case.namespace_labels, now_utc, families)
    current = {family: address for family, address in standing.addresses.items() if family in families}
    request = sharing_refusal(service) or parse_request(service)
    if isinstance(request, Refusal):
        return _keep(case, current, request)
    case = Case(service, ledger, case.namespace_labels, now_utc, families, request)
    if current and _is_what_was_asked(request, current, standing.pool):
        completed = _complete(case, current, standing.pool)
        if not isinstance(completed, Refusal):
            return _grant(case, completed, standing)
        if not case.needs_all_families:
            return _grant(case, current, standing)
    if service.is_deleting:
        return _keep(case, current, Refusal(AllocationReason.BeingDeleted))
    found, considered = _allocate(case)
    if isinstance(found, Refusal):
        kept = replace(_keep(case, current, found, considered), given_up=tuple(standing.lost.items()))
        taken = None if kept.addresses else _take_held(case)
        if taken is None:
            return kept
        found, name = taken
        considered = tuple(PoolVerdict(each.pool) if each.pool == name else each for each in considered)
    return _grant(case, found, standing, considered=considered)


def consider(
    service: ServiceView, ledger: Ledger, decision: Decision, *, namespaces: Mapping[str, Mapping[str, str]], now_utc: int
) -> tuple[PoolVerdict, ...] | Refusal:
    """Return how each pool stands to a Service beside the decision about it, in the order in which pools are tried without a request.

    The pool that serves it has no reason; every other one has, also one that could serve. A Refusal: no pool is asked at all.
    """
    families = needed_families(service)
    if isinstance(families, Refusal):
        return families
    request = sharing_refusal(service) or parse_request(service)
    if isinstance(request, Refusal):
        return request
    case = Case(service, ledger, namespaces.get(service.key.namespace, {}), now_utc, families, request)
    groups = grouped(ledger.configuration.pools)
    return tuple(_verdict(case, pool, decision) for pool in (*groups.pinned, *groups.unpinned))


def _verdict(case: Case, pool: Pool, decision: Decision) -> PoolVerdict:
    if pool.name == decision.pool:
        return PoolVerdict(pool.name)
    refusal = _refusal_for_new(case, pool)
    if refusal is None and decision.addresses:
        refusal = Refusal(AllocationReason.PoolNotNeeded if decision.keeps else AllocationReason.PoolTriedLater)
    return PoolVerdict(pool.name) if refusal is None else PoolVerdict(pool.name, refusal.reason, refusal.message)


def _refusal_for_new(case: Case, pool: Pool) -> Refusal | None:
    """Return why a pool could give the Service nothing if something new were looked for; None if it could."""
    request = case.request
    is_asked_for = any(map(pool.covers, request.addresses)) if request.addresses else request.pool in (None, pool.name)
    if not is_asked_for:
        return Refusal(AllocationReason.PoolNotRequested)
    outcomes: list[Picked | Refusal]
    if request.addresses:
        outcomes = [_take_requested(case)]
    else:
        refusal = pool_refusal(case, pool, is_automatic=request.pool is None)
        outcomes = [refusal] if refusal is not None else [pick(case, pool, families) for families in case.attempts]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    return refusals[0] if len(refusals) == len(outcomes) else None


def _is_what_was_asked(request: Request, current: Picked, pool: str | None) -> bool:
    if request.pool is not None and request.pool != pool:
        return False
    return not request.addresses or set(request.addresses) == set(current.values())


def _complete(case: Case, current: Picked, pool_name: str | None) -> Picked | Refusal:
    """Return the current addresses with what is missing of a dual-stack pair, from the same pool."""
    if len(current) == len(case.families):
        return current
    if case.request.addresses:
        return _family_mismatch(case)
    pool = case.ledger.configuration.pool(pool_name or "")
    if pool is None or case.service.is_deleting:
        return Refusal(AllocationReason.BeingDeleted)
    if pool.disabled:
        return Refusal(AllocationReason.PoolDisabled, f"Pool {pool.name}.")
    return pick(case, pool, case.families, fixed=current)


def _allocate(case: Case) -> tuple[Picked | Refusal, tuple[PoolVerdict, ...]]:
    configuration = case.ledger.configuration
    request = case.request
    pool = configuration.pool(request.pool) if request.pool is not None else None
    if request.pool is not None and pool is None:
        return Refusal(AllocationReason.UnknownPool, f"{request.pool!r}."), ()
    if request.addresses:
        return _take_requested(case), ()
    if pool is not None:
        return _from_pools(case, ((pool,),), is_automatic=False)
    groups = grouped(configuration.pools)
    return _from_pools(case, (_awaiting(case, groups), groups.pinned, groups.unpinned), is_automatic=True)


def _awaiting(case: Case, groups: PoolGroups) -> tuple[Pool, ...]:
    """Return the pools where an address waits for this Service, the closest tie first."""
    service, ledger = case.service, case.ledger
    if not (
        ledger.entries_of(service.uid)
        or ledger.entries_held_for(service.key)
        or ledger.entries_shared_as(sharing_key(service))
        or ledger.is_reserved_by_name(service.key)
    ):
        return ()
    ranked = []
    for index, pool in enumerate((*groups.pinned, *groups.unpinned)):
        if pool_refusal(case, pool, is_automatic=True) is None:
            best = min((found[0] for family in case.families if (found := preferred(case, pool, family)) is not None), default=FREE)
            if best < FREE:
                ranked.append((best, index, pool))
    return tuple(pool for _, _, pool in sorted(ranked, key=lambda item: item[:2]))


def _from_pools(case: Case, groups: Iterable[Iterable[Pool]], *, is_automatic: bool) -> tuple[Picked | Refusal, tuple[PoolVerdict, ...]]:
    """Return addresses from the first pool that can serve, in the order of groups, then of attempts, then of pools."""
    refusals: dict[str, Refusal | None] = {}
    for group in groups:
        candidates = []
        for pool in group:
            refusal = pool_refusal(case, pool, is_automatic=is_automatic)
            if refusal is None:
                candidates.append(pool)
            else:
                refusals.setdefault(pool.name, refusal)
        for families in case.attempts:
            for pool in candidates:
                picked = pick(case, pool, families)
                if not isinstance(picked, Refusal):
                    refusals[pool.name] = None
                    return picked, _verdicts(refusals)
                refusals.setdefault(pool.name, picked)
    return _sum_up(refusals), _verdicts(refusals)


def _take_held(case: Case) -> tuple[Picked, str] | None:
    """Return addresses some of which are held for somebody else, and their pool; for a Service that would otherwise have no IP."""
    request, configuration = case.request, case.ledger.configuration
    if request.addresses:
        return None
    pools = [pool for pool in configuration.pools if request.pool in (None, pool.name)]
    may_serve = [pool for pool in pools if pool_refusal(case, pool, is_automatic=request.pool is None) is None]
    for families in case.attempts[1:] or case.attempts:  # who is content with one family takes one from others, not two
        found = [(pick(case, pool, families, is_last_resort=True), pool.name) for pool in may_serve]
        held = [(picked, name) for picked, name in found if not isinstance(picked, Refusal)]
        if held:
            return min(held, key=lambda each: _end_of_holds(case, each[0]))
    return None


def _end_of_holds(case: Case, picked: Picked) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Sort key of addresses some of which are held: when the last hold among them ends, then the addresses."""
    entries = (case.ledger.entry(address) for address in picked.values())
    ends = [entry.held_for.until_utc for entry in entries if entry is not None and not entry.services and entry.held_for is not None]
    return max(ends, default=0), tuple(sorted(map(address_order, picked.values())))


def pool_refusal(case: Case, pool: Pool, *, is_automatic: bool) -> Refusal | None:
    """Return why a pool gives the Service nothing new, whatever is free in it; None if it may."""
    refusal = admission_refusal(case.service, pool, case.namespace_labels)
    if refusal is not None:
        return refusal
    if pool.disabled:
        return Refusal(AllocationReason.PoolDisabled, f"Pool {pool.name}.")
    if is_automatic and not pool.auto_assign:
        return Refusal(AllocationReason.PoolNotAutoAssigned, f"Pool {pool.name}.")
    return None


def _take_requested(case: Case) -> Picked | Refusal:
    """Return the requested addresses, if the Service may have every one of them."""
    addresses = case.request.addresses
    if {family_of(address) for address in addresses} != set(case.families):
        return _family_mismatch(case)
    segments = [(address, case.ledger.places.segment(address)) for address in addresses]
    for address, segment in segments:
        if segment is None:
            return Refusal(AllocationReason.AddressNotInPool, f"{address}.")
    pools = {segment.pool.name: segment.pool for _, segment in segments if segment is not None}
    if len(pools) > 1:
        return Refusal(AllocationReason.AddressesInDifferentPools, f"They are in {' and '.join(sorted(pools))}.")
    pool = next(iter(pools.values()))
    if case.request.pool not in (None, pool.name):
        return Refusal(AllocationReason.RequestedPoolMismatch, f"It is in {pool.name}, not in {case.request.pool}.")
    refusal = pool_refusal(case, pool, is_automatic=False)
    if refusal is not None and not (refusal.reason is AllocationReason.PoolDisabled and all(case.owns(address) for address in addresses)):
        return refusal
    for address, segment in segments:
        if segment is not None and (refusal := address_refusal(case, address, segment)) is not None:
            return refusal
    return quota_refusal(case, pool, addresses) or {family_of(address): address for address in addresses}


def _family_mismatch(case: Case) -> Refusal:
    asked, needed = ", ".join(map(str, case.request.addresses)), " and ".join(family.value for family in case.families)
    return Refusal(AllocationReason.RequestFamilyMismatch, f"It asks for {asked} and serves {needed}; name one IP of each.")


def _grant(case: Case, picked: Picked, standing: Standing, *, considered: tuple[PoolVerdict, ...] = ()) -> Decision:
    addresses = _ordered(picked)
    segment = case.ledger.places.segment(addresses[0])
    pool = "" if segment is None else segment.pool.name
    message = f"{' and '.join(map(str, addresses))} from pool {pool}."
    if len(picked) < len(case.families):
        missing = " and ".join(family.value for family in case.families if family not in picked)
        rest = _complete(case, picked, pool)
        message += f" No {missing}: {rest.message}" if isinstance(rest, Refusal) else ""
    return Decision(
        addresses,
        pool,
        message=message,
        considered=considered,
        keeps=all(case.owns(address) for address in addresses),
        given_up=tuple((address, refusal) for address, refusal in standing.lost.items() if address not in addresses),
    )


def _keep(case: Case, current: Picked, refusal: Refusal, considered: tuple[PoolVerdict, ...] = ()) -> Decision:
    """Return a refusal that leaves the Service what it has; half a pair is nothing to a Service that needs both families."""
    if case.needs_all_families and 0 < len(current) < len(case.families):
        current = {}
    if not current:
        return _deny(refusal, considered)
    addresses = _ordered(current)
    segment = case.ledger.places.segment(addresses[0])
    return Decision(
        addresses,
        None if segment is None else segment.pool.name,
        refusal.reason,
        f"{refusal.message} The Service keeps {' and '.join(map(str, addresses))}.",
        considered,
        keeps=all(case.owns(address) for address in addresses),
    )


def _deny(refusal: Refusal, considered: tuple[PoolVerdict, ...] = ()) -> Decision:
    return Decision(reason=refusal.reason, message=refusal.message, considered=considered)


def _without_pools(case: Case) -> Decision:
    """Without any pool nothing is valid; only what was adopted from outside every pool waits for pools to be made."""
    adopted = [entry.address for entry in case.ledger.entries_of(case.service.uid) if not entry.pool]
    refusal = Refusal(AllocationReason.NoPools)
    return _keep(case, {family_of(address): address for address in reversed(adopted)}, refusal)


def _sum_up(refusals: Mapping[str, Refusal | None]) -> Refusal:
    """Return one refusal for many: the reason of the pool that came closest, and what each said."""
    told = {name: refusal for name, refusal in sorted(refusals.items()) if refusal is not None}
    if not told:
        return Refusal(AllocationReason.NoEligiblePool)
    if len(told) == 1:
        return next(iter(told.values()))
    reasons = {refusal.reason for refusal in told.values()}
    reason = next((reason for reason in _FARTHEST if reason in reasons), AllocationReason.NoEligiblePool)
    shown = [f"{name} ({refusal.reason.name})" for name, refusal in told.items()]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return Refusal(reason, f"Pools tried: {', '.join(shown[:_SHOWN])}{more}.")


def _verdicts(refusals: Mapping[str, Refusal | None]) -> tuple[PoolVerdict, ...]:
    return tuple(
        PoolVerdict(name) if refusal is None else PoolVerdict(name, refusal.reason, refusal.message) for name, refusal in refusals.items()
    )


def _ordered(picked: Picked) -> tuple[IPAddress, ...]:
    return tuple(sorted(picked.values(), key=address_order))
