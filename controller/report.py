"""What people get to see of a change: one event on the object, one log line, counters. Nothing is reported when nothing changes.

The reason of an event about a "no" is the same token as in the condition; the events of success have the reference's names.
"""

from collections.abc import Container, Iterable
from typing import Protocol

import structlog

from baremetal_lb.api.kinds import KINDS
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.views import ServiceView
from baremetal_lb.settle.step import Verdict
from baremetal_lb.telemetry import metric_table as table
from baremetal_lb.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


WISHES_MAX = 20_000
"""Services whose last wish for an announcer is remembered."""
CONTESTED_MAX = 20_000
"""Services of which it is remembered that their contested status was reported; one that is forgotten is reported once more."""


class ControllerReason(Reason):
    """What the controller reports of itself, beside the allocator's reasons."""

    StatusContested = "Somebody else keeps changing the IPs in the status of this Service; they are not put right any more for a while."
    UnknownAnnouncer = "The annotation announcer names no Node of the cluster; it has no effect."
    SharerLeftOut = "Another Service on the shared IP is left out: no node could announce the IP for both."
    LedgerEntryMissing = "The ledger entry of an IP was deleted while a Service has the IP; it is made again."


class Events(Protocol):
    """Where events go; at most one request each, and none that would say what the last one said."""

    def record(self, ref: ObjectRef, api_version: str, uid: str, *, is_warning: bool, reason: str, note: str) -> None:
        """Send an event about an object, some time soon."""
        ...


class Report:
    """Reports changes."""

    def __init__(self, events: Events, metrics: Metrics) -> None:
        self._events = events
        self._contested: dict[tuple[ObjectKey, str], None] = {}
        self._wishes: dict[ObjectKey, tuple[str, str | None]] = {}
        """(uid, wanted announcer) of Services as they were decided last."""
        self._left_out: dict[IPAddress, frozenset[str]] = {}
        """Shared IPs with the uids of those for whom it is not announced; only where there are such."""
        self.allocated = metrics.counter(table.ALLOCATED)
        self.denied = metrics.counter(table.DENIED)
        self.writes = metrics.counter(table.WRITES)
        self.reconciled = metrics.histogram(table.RECONCILE_TIME)
        """By Result."""
        self.restorations = metrics.counter(table.CONTESTED)

    def status_written(self, before: ServiceView, after: ServiceView, verdict: Verdict) -> None:
        """Report what a status write changed for users: IPs that came or went, or another reason."""
        decision = verdict.decision
        if decision is None:
            return
        self._contested.pop((before.key, before.uid), None)
        has_new_ips = set(after.status_ips) != set(before.status_ips)
        old_reason = before.condition.reason if before.condition is not None else None
        for address, refusal in decision.given_up:
            if address in before.status_ips and address not in after.status_ips:
                self._event(before, refusal.reason.name, f"The Service loses {address}. {refusal.message}", is_warning=True)
        if decision.reason is not None and decision.reason is not AllocationReason.NotLoadBalancer and old_reason != decision.reason.name:
            self.denied.inc(decision.reason)
            self._event(before, decision.reason.name, decision.message, is_warning=True)
        elif has_new_ips and after.status_ips:
            self.allocated.inc()
            said = decision.message or f"{' and '.join(str(ip) for ip in after.status_ips)} from pool {decision.pool or '(none)'}."
            self._event(before, "IPAllocated", f"Assigned {said}")
        elif has_new_ips:
            self._event(before, "ClearAssignment", decision.message or "The Service has no IP any more.")
        elif decision.reason is None and old_reason != "Satisfied" and before.condition is not None:
            self._event(before, "Satisfied", decision.message or "The Service has all that it asks for.")
        if has_new_ips and before.deprecated_annotations:
            names = ", ".join(before.deprecated_annotations)
            self._event(before, "DeprecatedAnnotation", f"Use the current prefix instead of {names}.", is_warning=True)
        log.info(
            "status_written",
            service=before.key,
            ips=after.status_ips,
            pool=decision.pool,
            reason=decision.reason.name if decision.reason is not None else "Satisfied",
        )

    def contested(self, service: ServiceView) -> None:
        """Report, once, that a status is not put right any more."""
        self.restorations.inc()
        if (service.key, service.uid) not in self._contested:
            self._contested[service.key, service.uid] = None
            if len(self._contested) > CONTESTED_MAX:  # Services that are deleted while they are contested would add up
                del self._contested[next(iter(self._contested))]
            reason = ControllerReason.StatusContested
            self._event(service, reason.name, reason.sentence, is_warning=True)
            log.warning("status_contested", service=service.key, ips=service.status_ips)

    def announcer_wanted(self, service: ServiceView, nodes: Container[str]) -> None:
        """Report, when the wish is new, that a Service asks for an announcer that is no Node.

        A Service that has our condition when this process sees it first was told by a predecessor.
        """
        wish, known = (service.uid, service.wanted_announcer), self._wishes.pop(service.key, None)
        self._wishes[service.key] = wish
        if len(self._wishes) > WISHES_MAX:
            del self._wishes[next(iter(self._wishes))]
        is_new = known != wish and (known is not None or service.condition is None)
        if is_new and service.wanted_announcer is not None and service.wanted_announcer not in nodes:
            reason = ControllerReason.UnknownAnnouncer
            self._event(service, reason.name, f"{reason.sentence} {service.wanted_announcer!r}.", is_warning=True)

    def sharers_left_out(self, address: IPAddress, served: Iterable[ServiceView], left_out: Iterable[ServiceView]) -> None:
        """Report, to each Service on a shared IP, that it is announced for some and not for others; once for the same others."""
        out = list(left_out)
        uids = frozenset(service.uid for service in out)
        if uids == self._left_out.get(address, frozenset()):
            return
        self._left_out[address] = uids
        if not uids:
            del self._left_out[address]
            return
        names = ", ".join(str(service.key) for service in out)
        for service in out:
            reason = ExclusionReason.LeftOutOfSharedIP
            self._event(service, reason.name, f"{reason.sentence} ({address})", is_warning=True)
        for service in served:
            self._event(service, ControllerReason.SharerLeftOut.name, f"{ControllerReason.SharerLeftOut.sentence} ({address}: {names})")
        log.warning("sharers_left_out", ip=address, services=names)

    def entry_missing(self, address: IPAddress, users: Iterable[ServiceView]) -> None:
        """Report that somebody deleted an entry which is in use."""
        reason = ControllerReason.LedgerEntryMissing
        for service in users:
            self._event(service, reason.name, f"{reason.sentence} ({address})", is_warning=True)
        log.warning("ledger_entry_missing", ip=address)

    def resource_judged(self, ref: ObjectRef, uid: str, problems: Iterable[Problem], identity: Identity) -> None:
        """Report what is wrong with one of our resources, where its author looks."""
        first = next(iter(sorted(problems, key=lambda problem: not problem.is_fatal)), None)
        if first is None:
            return
        note = f"{first.field}: {first.message}" if first.field else first.message
        self._events.record(ref, api_version_of(ref.kind, identity), uid, is_warning=True, reason=first.reason.name, note=note)
        log.warning("resource_problem", object=ref, reason=first.reason, field=first.field)

    def _event(self, service: ServiceView, reason: str, note: str, *, is_warning: bool = False) -> None:
        ref = ObjectRef("Service", service.key)
        self._events.record(ref, "v1", service.uid, is_warning=is_warning, reason=reason, note=note)


def api_version_of(kind: str, identity: Identity) -> str:
    """Return the apiVersion of one of our kinds."""
    found = next(known for known in KINDS if known.name == kind)
    return f"{found.group(identity)}/{found.versions[0].name}"
