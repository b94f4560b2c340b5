"""From a Decision to the ordered steps of the ledger protocol.

    gain      create the entry, or join one, or take up a held one
    status    the IPs, the annotation and the condition of the Service, in one write
    lose      leave an entry that has other users, else delete it (or hold it, for a Service that is gone and may come back)

in this order: an entry exists before a status names its IP, and no status names an IP whose entry is given up (otherwise kube-proxy would
still forward what somebody else was given). After any prefix of the steps, the rest is what is planned next. What is as it should
be has no step: the plan of a settled Service is empty.
"""

from dataclasses import dataclass, replace

from baremetal_lb.ipam.decision import Decision
from baremetal_lb.ipam.ledger import Ledger, address_order
from baremetal_lb.ipam.requests import LOAD_BALANCER
from baremetal_lb.ipam.sharing import backend_key, entry_service, sharing_key
from baremetal_lb.model.condition import Condition
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import ConditionView, HeldFor, IngressView, LedgerEntry, ServiceView


@dataclass(frozen=True, slots=True)
class CreateEntry:
    """POST a new entry; AlreadyExists: read it and compare."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class UpdateEntry:
    """PUT an entry with the uid and resourceVersion that it carries: a user joins or leaves, a hold is taken up, ports change."""

    entry: LedgerEntry
    is_release: bool = False
    """The Service leaves the entry: like DeleteEntry, only after the status was written and the Service looked at live."""


@dataclass(frozen=True, slots=True)
class AssignStatus:
    """Write the IPs (ipMode VIP), the annotation ``ip-allocated-from-pool`` and our condition into the status of the Service."""

    service: ObjectKey
    uid: str
    addresses: tuple[IPAddress, ...]
    pool: str | None
    condition: Condition


@dataclass(frozen=True, slots=True)
class ClearStatus:
    """Take IPs and annotation out of the status; write our condition, or take that out too where it is None."""

    service: ObjectKey
    uid: str
    condition: Condition | None


@dataclass(frozen=True, slots=True)
class HoldEntry:
    """PUT an entry without users that is held for a Service of the same name; like DeleteEntry a release."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class DeleteEntry:
    """DELETE an entry, with its uid and resourceVersion as preconditions, after a live GET of the Service that had it."""

    entry: LedgerEntry


Step = CreateEntry | UpdateEntry | AssignStatus | ClearStatus | HoldEntry | DeleteEntry


@dataclass(frozen=True, slots=True)
class ServiceChanges:
    """The steps for one Service, to be done in this order; a step that fails stops the rest."""

    service: ObjectKey
    uid: str
    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def gains(self) -> tuple[CreateEntry | UpdateEntry, ...]:
        """The steps that take entries: once decided they are reserved, before anything else is decided."""
        return tuple(step for step in self.steps if isinstance(step, CreateEntry | UpdateEntry) and not is_release(step))


def is_release(step: Step) -> bool:
    """Tell whether a step takes an entry, or its place in one, from the Service."""
    return isinstance(step, HoldEntry | DeleteEntry) or (isinstance(step, UpdateEntry) and step.is_release)


def plan_service(
    service: ServiceView, decision: Decision, ledger: Ledger, *, identity: Identity, now_utc: int, announcer: str | None = None
) -> ServiceChanges:
    """Return the steps from what the Service and the ledger hold to what was decided; empty when nothing is to be done.

    ``announcer`` is the preferred node for entries that are created or taken up. The owner of entries is ``ledger.owner``.
    """
    gains = [
        step
        for address in decision.addresses
        if (step := _gain(service, address, decision.pool or "", ledger, now_utc=now_utc, announcer=announcer)) is not None
    ]
    status = _status_step(service, decision, identity, owns_any=bool(ledger.entries_of(service.uid)))
    losses = [_loss(service.uid, entry) for entry in ledger.entries_of(service.uid) if entry.address not in decision.addresses]
    return ServiceChanges(service.key, service.uid, (*gains, *([status] if status is not None else []), *losses))


def plan_gone(key: ObjectKey, uid: str, ledger: Ledger, *, now_utc: int) -> ServiceChanges:
    """Return the steps that release all that a Service which is gone (by uid) has in the ledger; retained as its pools say."""
    steps: list[Step] = []
    for entry in ledger.entries_of(uid):
        segment = ledger.places.segment(entry.address)
        retain_for = 0 if segment is None else segment.pool.retain_for
        if retain_for > 0 and all(user.uid == uid for user in entry.services):
            held = HeldFor(key, now_utc + retain_for)
            steps.append(HoldEntry(replace(entry, services=(), sharing_key="", backend_key="", held_for=held)))
        else:
            steps.append(_loss(uid, entry))
    return ServiceChanges(key, uid, tuple(steps))


def plan_expired(ledger: Ledger, *, now_utc: int) -> tuple[DeleteEntry, ...]:
    """Return the deletions of our entries whose hold has ended."""
    return tuple(
        DeleteEntry(entry)
        for address in sorted((address for address, end in ledger.holds.items() if end <= now_utc), key=address_order)
        if (entry := ledger.entry(address)) is not None
    )


def status_after(service: ServiceView, step: AssignStatus | ClearStatus) -> ServiceView:
    """Return a Service with the status that a step writes."""
    condition = step.condition
    view = (
        None
        if condition is None
        else ConditionView("True" if condition.is_true else "False", condition.reason, condition.message, condition.observed_generation)
    )
    if isinstance(step, ClearStatus):
        return replace(service, ingress=(), allocated_from_pool=None, condition=view)
    ingress = tuple(IngressView(address, str(address), "VIP") for address in step.addresses)
    return replace(service, ingress=ingress, allocated_from_pool=step.pool, condition=view)


def _gain(
    service: ServiceView, address: IPAddress, pool: str, ledger: Ledger, *, now_utc: int, announcer: str | None
) -> CreateEntry | UpdateEntry | None:
    """Return the step after which the entry of an address names the Service with all that it is now."""
    me = entry_service(service)
    key, backends = sharing_key(service), backend_key(service) or ""
    entry = ledger.entry(address)
    if entry is None:
        return CreateEntry(LedgerEntry(address, ledger.owner, pool, (me,), key, backends, announcer, now_utc))
    others = tuple(user for user in entry.services if user.uid != service.uid)
    wanted = replace(entry, pool=pool, services=tuple(sorted((*others, me), key=lambda user: (user.key, user.uid))), held_for=None)
    if not others:
        wanted = replace(wanted, sharing_key=key, backend_key=backends)
    if not entry.services:
        wanted = replace(wanted, announcer=announcer or entry.announcer, since_utc=now_utc)
    return None if wanted == entry else UpdateEntry(wanted)


def _loss(uid: str, entry: LedgerEntry) -> UpdateEntry | DeleteEntry:
    others = tuple(user for user in entry.services if user.uid != uid)
    return UpdateEntry(replace(entry, services=others), is_release=True) if others else DeleteEntry(entry)


def _status_step(service: ServiceView, decision: Decision, identity: Identity, *, owns_any: bool) -> AssignStatus | ClearStatus | None:
    if service.type != LOAD_BALANCER:
        is_ours = service.allocated_from_pool is not None or service.condition is not None or owns_any
        return ClearStatus(service.key, service.uid, None) if is_ours else None
    condition = decision.condition(identity, generation=service.generation)
    says_so = service.condition is not None and (
        (service.condition.status == "True") == condition.is_true
        and service.condition.reason == condition.reason
        and service.condition.message == condition.message
    )
    if decision.addresses:
        as_is = _names_exactly(service, decision.addresses) and service.allocated_from_pool == decision.pool
        return None if as_is and says_so else AssignStatus(service.key, service.uid, decision.addresses, decision.pool, condition)
    as_is = not service.ingress and service.allocated_from_pool is None
    return None if as_is and says_so else ClearStatus(service.key, service.uid, condition)


def _names_exactly(service: ServiceView, addresses: tuple[IPAddress, ...]) -> bool:
    """Tell whether the status has these IPs and nothing else, in whatever order; an absent ipMode is VIP."""
    if len(service.ingress) != len(addresses) or any(entry.ip_mode not in (None, "VIP") for entry in service.ingress):
        return False
    return set(service.status_ips) == set(addresses)
