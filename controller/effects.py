"""Carrying a verdict out: the steps of the ledger protocol, in their order, each of which may be the last before a crash.

    reserve   (memory, at once after the decision, so that the next decision sees it)
    allocate  entries written -> status written
    change    new entries written -> Service looked at live -> new status written -> old entries released
    release   Service looked at live -> status cleared, confirmed by its response -> entries released
    gone      Service looked at live: not there, or another uid -> entries released

A step that fails stops the rest. What was reserved stays reserved, what was released in memory but not at the API server is taken back,
so that deciding anew continues where this broke off. Nothing is assumed of a write without an answer.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, DeleteEntry, HoldEntry, ServiceChanges, Step, UpdateEntry, is_release
from baremetal_lb.kube.errors import ApiError, Unreachable
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.state import content
from baremetal_lb.settle.step import Verdict
from controller.contest import Contests
from controller.dirty import Dirty
from controller.entry_writes import EntryWriter
from controller.outcome import Superseded, Unfinished
from controller.report import Report

log = structlog.get_logger(__name__)

StatusStep = AssignStatus | ClearStatus


class ServiceApi(Protocol):
    """The two requests that Services take."""

    async def get(self, key: ObjectKey) -> ServiceView | None:
        """GET, None when there is none.

        Raises:
            Unfinished: no answer.
        """
        ...

    async def apply_status(self, service: ServiceView, step: StatusStep) -> ServiceView:
        """Write the status as one forced server-side apply that holds only what is ours, for the uid of the Service.

        Raises:
            Superseded: another Service has the name now.
            KubeError: as any request.
        """
        ...


class ServiceEffects:
    """Carries verdicts out."""

    def __init__(
        self,
        dirty: Dirty,
        entries: EntryWriter,
        api: ServiceApi,
        report: Report,
        judge: Callable[[ObjectKey], Verdict],
        *,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._dirty = dirty
        self._world = dirty.world
        self._entries = entries
        self._api = api
        self._report = report
        self._judge = judge
        self._clock = clock
        self._contests = Contests()

    async def carry_out(self, verdict: Verdict) -> int:
        """Do all that a verdict says; return after how many ns the key is to be decided again, 0 for not before something changes.

        Raises:
            Superseded, Unfinished, NotLeading: it broke off; see ``outcome``.
        """
        if verdict.gone:
            await self._release_gone(verdict)
        if verdict.service is None or verdict.decision is None or verdict.changes is None:
            return 0
        await self._write_entries(verdict.decision.addresses)
        for address in verdict.decision.addresses:
            entry = self._world.confirmed.get(address)
            if entry is None or not entry.has_service(verdict.service.uid):
                # Another turn at this entry found that somebody else had written it, and our reservation went with that.
                raise Superseded(f"{address} is not in the ledger for {verdict.key}")
        return await self._take_steps(verdict.service, verdict, verdict.changes)

    async def _release_gone(self, verdict: Verdict) -> None:
        """Release what uids have that are gone, and let a Service that was made anew under the name take over what is held for it.

        It reserves that before anybody else can be decided: in a full pool somebody waits for the very IP. So one write hands it over.
        """
        for changes in verdict.gone:
            await self._look_for_absence(changes)
            self._contests.forget(changes.service, changes.uid)
        unwritten: list[_Release] = []
        try:
            self._mean_releases(verdict, unwritten)
            while unwritten:
                await self._write_release(unwritten.pop(0))
        except BaseException:
            for release in unwritten:
                self._take_back(release.before, release.after)
            raise

    def _mean_releases(self, verdict: Verdict, meant: list["_Release"]) -> None:
        """Mean the releases of those who were looked for, and what their successor takes over; both by what is known after the last look.

        While it went on, others may have left the same IP, so that this is its last user; and the look may have found the successor.
        """
        looked_for = {changes.uid for changes in verdict.gone}
        for changes in self._judge(verdict.key).gone:
            for step in changes.steps if changes.uid in looked_for else ():
                release = self._mean_release(step, changes.uid)
                if release is not None:
                    meant.append(release)
        successor = self._judge(verdict.key)
        if successor.changes is not None:
            self._world.reserve(successor.changes)
            self._hand_over(meant)
        if successor.service is not None or successor.gone:
            self._dirty.agenda.mark(verdict.key)

    def _hand_over(self, meant: list["_Release"]) -> None:
        """Let what the successor reserves of released IPs be a change of the entries that stand there still, not entries of their own."""
        for release in meant:
            taken = self._world.ledger.entry(release.before.address)
            if release.after is None and taken is not None:
                self._world.put(replace(taken, uid=release.before.uid, resource_version=release.before.resource_version))

    async def _take_steps(self, service: ServiceView, verdict: Verdict, changes: ServiceChanges) -> int:
        is_restoration = not any(not isinstance(step, StatusStep) for step in changes.steps) and self._is_contested(service)
        for position, step in enumerate(changes.steps):
            if isinstance(step, StatusStep):
                if is_restoration and not self._contests.may_restore(service.key, service.uid, now=self._clock()):
                    self._report.contested(service)
                    return self._contests.opens_in(service.key, service.uid, now=self._clock())
                if any(is_release(later) for later in changes.steps[position:]):
                    await self._look_for_presence(service)
                after = await self._write_status(step, service)
                if is_restoration:
                    self._contests.restored(service.key, service.uid, now=self._clock())
                self._report.status_written(service, after, verdict)
            elif is_release(step):
                if not any(isinstance(before, StatusStep) for before in changes.steps[:position]):
                    await self._look_for_presence(service)
                release = self._mean_release(step, service.uid)
                if release is not None:
                    await self._write_release(release)
        return 0

    def _is_contested(self, service: ServiceView) -> bool:
        """Tell whether the status, which is about to be written, had been written by us before and is not as we left it."""
        meant = {entry.address for entry in self._world.ledger.entries_of(service.uid)}
        return set(service.status_ips) != meant and (service.condition is not None or bool(service.status_ips))

    async def _write_entries(self, addresses: tuple[IPAddress, ...]) -> None:
        """Write the entries of both families at a time."""
        if len(addresses) == 1:
            await self._entries.write(addresses[0])
            return
        results = await asyncio.gather(*(self._entries.write(address) for address in addresses), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    # -- the Service -----------------------------------------------------------------------------------------------------------------

    async def _look_for_presence(self, service: ServiceView) -> None:
        """Make sure that what we are about to take from a Service is decided upon what it is now."""
        live = await self._look(service.key, service.uid)
        if live != service:
            raise Superseded(f"{service.key} is not what it was when this was decided")

    async def _look_for_absence(self, changes: ServiceChanges) -> None:
        """Make sure that a Service whose entries we are about to release is gone, whatever a list says."""
        live = await self._look(changes.service, changes.uid)
        if live is not None and live.uid == changes.uid:
            raise Superseded(f"{changes.service} is still there")

    async def _look(self, key: ObjectKey, uid: str) -> ServiceView | None:
        """GET a Service, and take in what is there (the key is marked again by what is news)."""
        before = self._world.services.get(key)
        live = await self._api.get(key)
        if live is not None:
            if before is None or key in self._world.services:  # else its end was observed while the answer was on its way
                self._dirty.service_changed(None, live)
        elif self._world.lose_service(key, uid):
            self._dirty.agenda.mark(key)
        return live

    async def _write_status(self, step: StatusStep, service: ServiceView) -> ServiceView:
        """Write the status and take its response in; the response is the confirmation that a release waits for."""
        try:
            after = await self._api.apply_status(service, step)
        except Superseded:
            await self._look(service.key, service.uid)
            raise
        except ApiError as error:
            if error.status == 409 or error.is_not_found:
                await self._look(service.key, service.uid)
                raise Superseded(f"{service.key}: {error}") from error
            if error.status >= 500:
                await self._look(service.key, service.uid)
            raise Unfinished(str(error), retry_after_s=error.retry_after_s or 0.0) from error
        except Unreachable as error:
            if error.was_sent:
                await self._look(service.key, service.uid)
            raise Unfinished(str(error)) from error
        known = self._world.services.get(service.key)
        if known is None or known.uid != after.uid:
            raise Superseded(f"{service.key} ended, or was made anew, while its status was written")
        if _wishes(after) == _wishes(service):
            self._world.see_service(after)  # only what we wrote ourselves: nothing to decide
        else:
            self._dirty.service_changed(service, after)
        return after

    # -- entries ---------------------------------------------------------------------------------------------------------------------

    def _mean_release(self, step: Step, uid: str) -> "_Release | None":
        """Take a Service out of an entry, in memory; the entry goes, or is held, when that was its last user."""
        if not isinstance(step, HoldEntry | DeleteEntry | UpdateEntry):
            return None
        address = step.entry.address
        before = self._world.ledger.entry(address)
        if before is None:
            return None
        after = _without(before, uid, step)
        if after is not None and not after.services and address not in self._world.confirmed:
            after = None  # a person has released it, or it was never written: there is nothing to hold
        if after is None:
            self._world.drop(address)
        else:
            self._world.put(after)
        return _Release(before, after, uid)

    async def _write_release(self, release: "_Release") -> None:
        before, after = release.before, release.after
        try:
            await self._entries.write(before.address)
        except Superseded:
            raise
        except BaseException:  # also when cancelled: what the API server still has is still taken
            self._take_back(before, after)
            raise
        log.info(
            "released",
            ip=before.address,
            service=next((user.key for user in before.services if user.uid == release.uid), ""),
            users=len(after.services) if after else 0,
        )

    def _take_back(self, before: LedgerEntry, after: LedgerEntry | None) -> None:
        """Mean again what a release that failed had taken out, so that deciding anew finds it."""
        current = self._world.ledger.entry(before.address)
        if content(current) == content(after):
            # The answer to another write may have come meanwhile: what is meant follows from that by now.
            version = current or before
            self._world.put(replace(before, uid=version.uid, resource_version=version.resource_version))
        elif current is not None:  # others joined; their write carries the release, so they are to see to it
            self._dirty.agenda.mark_all(user.key for user in current.services)


@dataclass(frozen=True, slots=True)
class _Release:
    """A release that is meant and is to be written."""

    before: LedgerEntry
    after: LedgerEntry | None
    uid: str


def _without(entry: LedgerEntry, uid: str, step: Step) -> LedgerEntry | None:
    """Return the entry without this user; None when it is to go. Others may have joined since the step was planned."""
    users = tuple(user for user in entry.services if user.uid != uid)
    if users:
        return replace(entry, services=users)
    if isinstance(step, HoldEntry):
        return replace(step.entry, uid=entry.uid, resource_version=entry.resource_version)
    return None


def _wishes(view: ServiceView) -> ServiceView:
    """Return a Service without what we write ourselves."""
    return replace(view, ingress=(), allocated_from_pool=None, condition=None, generation=0)
