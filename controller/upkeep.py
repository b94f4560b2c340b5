"""Work beside Services: the status of our resources, preferred announcers, holds that end, garbage. Each a loop that ends with the term.

None of it is urgent and all of it is bounded: one write at a time for each kind of work, a pool's status at most once in its interval,
a preferred announcer only after it could not announce for a while. What fails is tried again at the next look.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from baremetal_lb.ipam.changes import plan_expired
from baremetal_lb.kube.errors import ApiError, KubeError, NoObjectName
from baremetal_lb.kube.records import DecodeError, raw_object
from baremetal_lb.kube.resources import NODES, SERVICES, Resource, ours
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import SECOND
from baremetal_lb.settle.placement import review
from controller.api import Api
from controller.dirty import Dirty
from controller.entry_writes import EntryWriter
from controller.garbage import LINK_STATUSES, NO_SERVICE, PLURALS, Garbage, StatusRecord
from controller.outcome import Superseded, Unfinished
from controller.preemption import Preemption
from controller.report import Report
from controller.resources import POOL, Resources, path_of

log = structlog.get_logger(__name__)
RETRY_S = 2.0
GARBAGE_EVERY_S = 2.0
HOLDS_EVERY = SECOND
"""Longest time between two looks at the holds (ns); a new one may be shorter than all others."""
OBJECT_INTERVAL_S = 0.1
"""Shortest time between two writes of one object's status that is no pool."""


class Statuses:
    """Writes the status of our configuration objects."""

    def __init__(self, dirty: Dirty, resources: Resources, api: Api, report: Report, identity: Identity, *, pool_interval_s: float) -> None:
        self._dirty, self._resources, self._api, self._report = dirty, resources, api, report
        self._identity = identity
        self._pool_interval_s = pool_interval_s
        self._not_before: dict[ObjectRef, float] = {}
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Write what is to be written, until cancelled."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            self._take_pools()
            pause_s = await self._round()
            if pause_s is not None:
                asyncio.get_running_loop().call_later(pause_s, self.wake.set)

    def _take_pools(self) -> None:
        for name in self._dirty.pools:
            ref = self._resources.pool_ref(name)
            if ref is not None:
                self._resources.to_report.add(ref)
        self._dirty.pools.clear()

    async def _round(self) -> float | None:
        """Look at each object that may have to be written; return in how many seconds to look again, None for not before a change."""
        pause_s: float | None = None
        now_s = time.monotonic()
        self._not_before = {ref: at for ref, at in self._not_before.items() if at > now_s}
        for ref in sorted(self._resources.to_report):
            if self._resources.is_stale:
                return None  # what is not compiled yet is not judged; the compilation wakes us
            wait_s = self._not_before.get(ref, 0.0) - time.monotonic()
            if wait_s > 0:
                pause_s = wait_s if pause_s is None else min(pause_s, wait_s)
                continue
            self._resources.to_report.discard(ref)
            if not await self._write(ref):
                self._resources.to_report.add(ref)
                pause_s = min(pause_s or RETRY_S, RETRY_S)
        return pause_s

    async def _write(self, ref: ObjectRef) -> bool:
        """Write one status, if anything; tell whether it says now what it should."""
        patch = self._resources.patch_for(ref, self._dirty.world, now_utc=time.time_ns())
        if not patch:
            self._not_before.pop(ref, None)
            return True
        interval_s = self._pool_interval_s if ref.kind == POOL else OBJECT_INTERVAL_S
        self._not_before[ref] = time.monotonic() + interval_s
        try:
            written = raw_object(await self._api.merge_status(path_of(ref, self._identity), patch))
        except (KubeError, DecodeError) as error:
            if isinstance(error, ApiError) and error.is_not_found:
                return True
            self._not_before[ref] = time.monotonic() + max(RETRY_S, (error.retry_after_s or 0.0) if isinstance(error, ApiError) else 0.0)
            log.warning("status_not_written", object=ref, error=str(error))
            return False
        self._resources.changed(ref.kind, ref.key, written)
        if "conditions" in patch:
            self._report.resource_judged(ref, self._resources.uid_of(ref), self._resources.problems_of(ref), self._identity)
        return True


class Placement:
    """Rewrites preferred announcers that cannot announce any more, that a person wants elsewhere, or that a better node takes over from."""

    def __init__(self, dirty: Dirty, entries: EntryWriter, report: Report, *, delay_s: float) -> None:
        self._dirty, self._world, self._entries, self._report = dirty, dirty.world, entries, report
        self._delay = int(delay_s * SECOND)
        self._since: dict[IPAddress, int] = {}
        """Since when another node should be preferred (monotonic, ns)."""
        self._preemption = Preemption()
        self._timers: dict[IPAddress, asyncio.TimerHandle] = {}
        """The next look at each address that waits for its time."""
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Look at what may have to be placed anew, until cancelled."""
        self._since.clear()
        self._preemption.clear()
        try:
            while True:
                await self.wake.wait()
                self.wake.clear()
                looked_at, self._dirty.placements = self._dirty.placements, set()
                for count, address in enumerate(sorted(looked_at, key=lambda a: (a.version, int(a)))):
                    if count % 50 == 49:
                        await asyncio.sleep(0)
                    await self._look(address)
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _look(self, address: IPAddress) -> None:
        now = time.monotonic_ns()
        entry = self._world.ledger.entry(address)
        if entry is None or entry.owner != self._world.owner:
            self._settle(address)
            self._report.sharers_left_out(address, (), ())
            return
        found = review(self._world, entry)
        self._report.sharers_left_out(address, found.served, found.left_out)
        wanted = found.wanted
        if wanted == entry.announcer:
            self._since.pop(address, None)
            wait = self._preemption.due(address, found.won, now=now) if found.won is not None else None
            if wait is None or found.won is None:
                self._settle(address)
                return
            wanted, reason = found.won.best, "Preemption"
        else:
            self._preemption.forget(address)
            wait = 0 if found.is_asked_for else self._since.setdefault(address, now) + self._delay - now
            reason = "AskedFor" if found.is_asked_for else "Ineligible"
        if wait > 0:
            self._again(address, wait / SECOND)
            return
        moved = replace(entry, announcer=wanted)
        self._world.put(moved)
        try:
            await self._entries.write(address)
        except (Superseded, Unfinished) as error:
            log.warning("announcer_not_written", ip=address, error=str(error))
            if self._world.ledger.entry(address) == moved:
                self._world.put(entry)  # else the next look would find all as it should be
            self._again(address, RETRY_S)
        else:
            self._settle(address)
            log.info("preferred_announcer_changed", ip=address, before=entry.announcer, announcer=wanted, reason=reason)

    def _settle(self, address: IPAddress) -> None:
        """Wait for nothing any more."""
        self._since.pop(address, None)
        self._preemption.forget(address)
        timer = self._timers.pop(address, None)
        if timer is not None:
            timer.cancel()

    def _again(self, address: IPAddress, after_s: float) -> None:
        def look() -> None:
            self._timers.pop(address, None)
            self._dirty.placements.add(address)
            self.wake.set()

        before = self._timers.pop(address, None)
        if before is not None:
            before.cancel()
        self._timers[address] = asyncio.get_running_loop().call_later(after_s, look)


class Holds:
    """Gives up held IPs whose time is over."""

    def __init__(self, dirty: Dirty, entries: EntryWriter, on_release: Callable[[], None]) -> None:
        self._world, self._entries, self._on_release = dirty.world, entries, on_release

    async def run(self) -> None:
        """Release what is due, when it is due; what failed, a second later. Until cancelled."""
        while True:
            now_utc = time.time_ns()
            for step in plan_expired(self._world.ledger, now_utc=now_utc):
                await self._release(step.entry.address)
            now_utc = time.time_ns()
            next_end = min((until for until in self._world.ledger.holds.values() if until > now_utc), default=now_utc + HOLDS_EVERY)
            await asyncio.sleep(min(next_end - now_utc, HOLDS_EVERY) / SECOND)

    async def _release(self, address: IPAddress) -> None:
        entry = self._world.ledger.entry(address)
        if entry is None or entry.services:
            return
        self._world.drop(address)
        try:
            await self._entries.write(address)
        except (Superseded, Unfinished) as error:
            log.warning("hold_not_released", ip=address, error=str(error))
            if self._world.ledger.entry(address) is None:
                self._world.put(entry)
            return
        log.info("hold_ended", ip=address)
        self._on_release()


class GarbageRemoval:
    """Removes status objects that nobody looks after any more."""

    def __init__(self, dirty: Dirty, garbage: Garbage, transport: Transport, api: Api, identity: Identity) -> None:
        self._world, self._garbage, self._transport, self._api = dirty.world, garbage, transport, api
        self._resources = {plural: ours(identity, plural) for plural in PLURALS}

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            for record in self._garbage.due(now=time.monotonic_ns()):
                if record.node and (self._is_forsaken(record) or self._is_without_service(record)):
                    await self._remove(record)
                self._garbage.looked_at(record)  # not before: a term that ends meanwhile leaves it to the next one
            await asyncio.sleep(GARBAGE_EVERY_S)

    def _is_without_service(self, record: StatusRecord) -> bool:
        return record.service != NO_SERVICE and record.service not in self._world.services

    def _is_forsaken(self, record: StatusRecord) -> bool:
        """Tell whether a node is gone, or its speaker is dead while others are alive, and announce in its place."""
        node = record.node
        if record.plural != LINK_STATUSES:
            return node not in self._world.nodes
        members = self._world.roster.members
        is_dead = node in members and not members[node].is_alive and any(member.is_alive for member in members.values())
        return node not in self._world.nodes or is_dead

    async def _remove(self, record: StatusRecord) -> None:
        try:
            if (
                not (record.node in self._world.nodes and self._is_forsaken(record))
                and await self._is_there(NODES, ObjectKey("", record.node))
                and (record.service == NO_SERVICE or await self._is_there(SERVICES, record.service))
            ):
                return
            await self._api.remove(self._resources[record.plural].path(record.key.namespace, record.key.name), record.uid)
        except KubeError as error:
            log.warning("garbage_not_removed", object=record.key, error=str(error))
            self._garbage.status_changed(record, record)
        else:
            log.info("garbage_removed", object=record.key, node=record.node, service=record.service)

    async def _is_there(self, resource: Resource, key: ObjectKey) -> bool:
        try:
            await self._transport.request("GET", resource.path(key.namespace, key.name))
        except NoObjectName:  # whoever writes a status object can write so
            return False
        except ApiError as error:
            if error.is_not_found:
                return False
            raise
        return True
