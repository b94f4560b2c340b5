"""The loop: takes what is dirty, decides it, has it carried out; while this process leads.

    reflectors --> Dirty.agenda --> judge (serial, in memory) --> reserve --> carry_out (up to N at a time) --> done
                        ^                                                          |
                        +---- Superseded: at once; Unfinished: after a while ------+

A term begins with a consistent LIST of the ledger, which replaces what was kept warm by watching, and with adoption if that list is
empty; then every Service is looked at once, in the order of allocation. What is as it should be costs no write.
"""

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

import msgspec
import structlog

from baremetal_lb.api.names import address_of_name
from baremetal_lb.ipam.adoption import adopt
from baremetal_lb.kube import memory
from baremetal_lb.kube.errors import KubeError
from baremetal_lb.kube.ledger import entries_path
from baremetal_lb.kube.records import IP_ALLOCATION, DecodeError
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.json_text import UNDECODABLE
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import LedgerEntry
from baremetal_lb.settle.step import Verdict, judge
from controller.api import UNREADABLE_OWNER, Api
from controller.effects import ServiceEffects
from controller.entry_writes import EntryWriter
from controller.observe import Knowledge
from controller.outcome import NotLeading, Result, Superseded, Unfinished
from controller.report import Report
from controller.settings import Settings
from controller.upkeep import GarbageRemoval, Holds, Placement, Statuses

log = structlog.get_logger(__name__)
R = TypeVar("R")

PAGE = 500
COMPILE_DELAY_S = 0.01
"""Changes of our resources that come within this are compiled together."""
BACKOFF_BASE_S, BACKOFF_CAP_S = 0.05, 30.0
QUICK_RETRIES = 5
"""Times that a key is decided again at once because the world moved under it, before it has to wait."""
YIELD_EVERY = 20
TRIM_EVERY_S, TRIM_ABOVE = 2.0, 100
"""How often memory is given back at most, and after how many decisions."""


class _ListMeta(msgspec.Struct):
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Named(msgspec.Struct):
    name: str = ""


class _Envelope(msgspec.Struct):
    metadata: _Named


class Loop:
    """One controller's work; ``lead`` is a term."""

    def __init__(self, settings: Settings, transport: Transport, knowledge: Knowledge, api: Api, report: Report) -> None:
        self._settings, self._transport, self._knowledge, self._report = settings, transport, knowledge, report
        self._identity = settings.names
        self._dirty = knowledge.dirty
        self._world = self._dirty.world
        self._agenda = self._dirty.agenda
        self.entries = EntryWriter(self._dirty, api)
        self._effects = ServiceEffects(self._dirty, self.entries, api, report, self._judge)
        self._statuses = Statuses(
            self._dirty, knowledge.resources, api, report, self._identity, pool_interval_s=settings.pool_status_interval_s
        )
        self._placement = Placement(self._dirty, self.entries, report, delay_s=settings.placement_delay_s)
        self._holds = Holds(self._dirty, self.entries, self.poke)
        self._garbage = GarbageRemoval(self._dirty, knowledge.garbage, transport, api, self._identity)
        self._work = asyncio.Event()
        self._compile = asyncio.Event()
        self._failures: Counter[ObjectKey] = Counter()
        self._timers: dict[ObjectKey, asyncio.TimerHandle] = {}
        self._served = 0
        self._is_closing = False
        self._quiet = asyncio.Event()
        """Nothing is under way any more; looked at when closing."""
        self.is_in_term = False
        """The ledger was loaded and work goes on."""

    # -- what comes in -----------------------------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """Wake whatever has something to do now."""
        if len(self._agenda):
            self._work.set()
        if self._knowledge.resources.is_stale:
            self._compile.set()
        if self._knowledge.resources.to_report or self._dirty.pools:
            self._statuses.wake.set()
        if self._dirty.placements:
            self._placement.wake.set()

    def entry_seen(self, entry: LedgerEntry) -> None:
        """Take an entry from the watch."""
        self._dirty.entry_observed(entry, is_being_written=self.entries.is_writing(entry.address))

    def entry_lost(self, entry: LedgerEntry) -> None:
        """Take from the watch that an entry is gone."""
        address = entry.address
        users = self._dirty.entry_lost(address, entry.uid, is_being_written=self.entries.is_writing(address), is_leading=self.is_in_term)
        views = [view for user in users if (view := self._world.services.get(user.key)) is not None and view.uid == user.uid]
        if views:
            self._report.entry_missing(address, views)

    # -- a term ------------------------------------------------------------------------------------------------------------------------

    async def lead(self, ready: asyncio.Event) -> None:
        """Do the work of a leader until cancelled. ``ready``: every kind has been listed once.

        Nothing of an older term is under way any more: whoever cancels it waits until it has ended.
        """
        try:
            await ready.wait()
            self._recompile()
            self._failures.clear()
            await self._load_ledger()
            ours = [view.key for view in self._world.services.values() if self._dirty.concerns(view)]
            if stuck := self._agenda.begin_term([*ours, *self._world.ledger.holders]):
                log.error("left_by_older_term", services=stuck)
            self._dirty.pools.update(pool.name for pool in self._world.configuration.pools)
            self._dirty.placements.update(entry.address for entry in self._world.ledger.entries())
            self.is_in_term = True
            log.info("term_began", services=len(self._world.services), entries=len(self._world.confirmed), dirty=len(self._agenda))
            self.poke()
            async with asyncio.TaskGroup() as group:
                for loop in (self._statuses, self._placement, self._holds, self._garbage):
                    group.create_task(_until_not_leading(loop.run))
                group.create_task(self._recompile_on_change())
                group.create_task(self._give_memory_back())
                await self._dispatch(group)
        finally:
            self.is_in_term = False
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def close(self) -> None:
        """Take nothing new, and let what is under way finish for a short while."""
        self._is_closing = True
        self._work.set()
        self._quiet.clear()
        if self._agenda.is_busy:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), self._settings.shutdown_grace_s)

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(self._settings.write_concurrency)
        taken = 0
        while True:
            await slots.acquire()
            while self._is_closing or (key := self._agenda.take()) is None:
                self._work.clear()
                await self._work.wait()
            self._take_up(key, group, slots)
            taken += 1
            if taken % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    def _take_up(self, key: ObjectKey, group: asyncio.TaskGroup, slots: asyncio.Semaphore) -> None:
        """Decide a key that was taken, and begin to carry the verdict out. Waits for nothing.

        The key and its slot are let go by whatever comes last: this, or the end of the task, which may be cancelled before its first step.
        """
        begun = time.perf_counter()
        with ExitStack() as held:
            held.callback(self._let_go, key, slots)
            try:
                verdict = self._decide(key)
            except Exception as error:  # noqa: BLE001 - one Service's trouble must not end the work on all others
                self._observe(begun, self._broke_off(key, error))
                return
            if verdict is None:
                self._observe(begun, Result.UNCHANGED)
                return
            work = self._carry_out(verdict, begun)
            held.callback(work.close)  # of no effect once a task has it; without one, it would never be awaited
            task = group.create_task(work)
            held.pop_all()
            task.add_done_callback(lambda _: self._let_go(key, slots))

    def _let_go(self, key: ObjectKey, slots: asyncio.Semaphore) -> None:
        self._agenda.done(key)
        slots.release()
        if not self._agenda.is_busy:
            self._quiet.set()
        self.poke()

    def _decide(self, key: ObjectKey) -> Verdict | None:
        """Decide a key and reserve what it takes; None when nothing is to be done."""
        verdict = self._judge(key)
        if verdict.decision is not None and verdict.decision.reason is not None and self._knowledge.resources.is_stale:
            self._recompile()  # nobody is refused an IP for a pool that is there already
            verdict = self._judge(key)
        self._served += 1
        if verdict.service is not None and verdict.decision is not None:
            self._report.announcer_wanted(verdict.service, self._world.nodes)
        if verdict.wait is None:
            self._dirty.waiting.discard(key)
        else:
            self._dirty.waiting.put(key, verdict.wait)
        if verdict.changes:
            self._world.reserve(verdict.changes)
        addresses = verdict.decision.addresses if verdict.decision is not None else ()
        if verdict.gone or verdict.changes or not all(self._world.is_written(address) for address in addresses):
            return verdict
        self._failures.pop(key, None)
        return None

    def _judge(self, key: ObjectKey) -> Verdict:
        return judge(self._world, key, identity=self._identity, now_utc=_now_utc())

    async def _carry_out(self, verdict: Verdict, begun: float) -> None:
        key, result = verdict.key, Result.WRITTEN
        try:
            again = await self._effects.carry_out(verdict)
            self._failures.pop(key, None)
            if again:
                self._later(key, again / SECOND)
        except Exception as error:  # noqa: BLE001 - one Service's trouble must not end the work on all others
            result = self._broke_off(key, error)
        self._observe(begun, result)

    def _observe(self, begun: float, result: Result) -> None:
        self._report.reconciled.observe(time.perf_counter() - begun, result.value)

    def _broke_off(self, key: ObjectKey, error: Exception) -> Result:
        """Have a key whose deciding or writing broke off decided again, when that helps.

        Raises:
            InvariantViolation: it was one.
        """
        if isinstance(error, InvariantViolation):
            raise error
        if isinstance(error, NotLeading):
            log.info("write_withheld", service=key)
            return Result.WITHHELD  # the next term looks at everything
        self._failures[key] += 1
        if isinstance(error, Superseded):
            log.info("decided_again", service=key, reason=str(error))
            self._later(key, 0.0 if self._failures[key] <= QUICK_RETRIES else self._backoff_s(key))
            return Result.SUPERSEDED
        if isinstance(error, Unfinished | KubeError):
            wait_s = max(self._backoff_s(key), error.retry_after_s if isinstance(error, Unfinished) else 0.0)
            log.warning("unfinished", service=key, error=str(error), retry_in_s=round(wait_s, 3))
            self._later(key, wait_s)
            return Result.UNFINISHED
        log.error("service_failed", service=key, exc_info=error)
        self._later(key, max(1.0, self._backoff_s(key)))
        return Result.FAILED

    def _backoff_s(self, key: ObjectKey) -> float:
        return min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(self._failures[key] - 1, 20)) * random.uniform(0.75, 1.25)

    def _later(self, key: ObjectKey, after_s: float) -> None:
        """Mark a key after a while."""

        def mark() -> None:
            self._timers.pop(key, None)
            self._agenda.mark(key)
            self.poke()

        old = self._timers.pop(key, None)
        if old is not None:
            old.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(after_s, mark)

    async def _give_memory_back(self) -> None:
        """After many Services were served, return the heap that their requests took; arenas are not freed by themselves."""
        trimmed_at = 0
        while True:
            await asyncio.sleep(TRIM_EVERY_S)
            if self._served - trimmed_at > TRIM_ABOVE and self._agenda.is_idle:
                trimmed_at = self._served
                gc.collect(1)  # what the burst left behind; the old generation is not walked
                memory.trim()

    # -- configuration -----------------------------------------------------------------------------------------------------------------

    async def _recompile_on_change(self) -> None:
        while True:
            await self._compile.wait()
            await asyncio.sleep(COMPILE_DELAY_S)
            self._compile.clear()
            if self._knowledge.resources.is_stale:
                self._recompile()
                self.poke()

    def _recompile(self) -> None:
        compiled = self._knowledge.resources.compile(self._world.nodes.values())
        if compiled.configuration != self._world.configuration:
            log.info("configuration_changed", pools=len(compiled.configuration.pools), problems=len(compiled.problems))
        self._dirty.configuration_changed(compiled.configuration)

    # -- the ledger --------------------------------------------------------------------------------------------------------------------

    async def _load_ledger(self) -> None:
        """Replace the ledger by a consistent LIST, and adopt what Services have if it is empty. Tries until it is done."""
        entries = await self._insist(self._list_entries) or []
        if stuck := self.entries.start_over():
            log.error("left_by_older_term", ips=stuck)
        self._dirty.start_over(entries)
        if not entries:
            await self._adopt()

    async def _list_entries(self) -> list[LedgerEntry]:
        found: list[LedgerEntry] = []
        decode, token = IP_ALLOCATION.decoder(self._identity), ""
        while True:
            query = [("limit", str(PAGE)), *([("continue", token)] if token else [])]
            try:
                page = msgspec.json.decode(await self._transport.request("GET", entries_path(self._identity), query), type=_Page)
            except UNDECODABLE as error:
                raise Unfinished(f"the list of the ledger cannot be read: {error}") from error
            for item in page.items or ():
                entry = _read(bytes(item), decode)
                if entry is not None:
                    found.append(entry)
            token = page.metadata.continue_
            if not token:
                return found

    async def _adopt(self) -> None:
        """Write an entry for every IP that a Service of ours has, before anything else is written."""
        world = self._world
        entries = adopt(world.services.values(), world.configuration, owner=world.owner, lb_class=world.lb_class, now_utc=_now_utc())
        if not entries:
            return
        log.info("adopting", entries=len(entries))
        for entry in entries:
            self._world.put(entry)
        slots = asyncio.Semaphore(self._settings.write_concurrency)

        async def write(entry: LedgerEntry) -> None:
            async with slots:
                await self._insist(lambda: self.entries.write(entry.address))

        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(write(entry))

    async def _insist(self, work: Callable[[], Awaitable[R]]) -> R | None:
        """Do something until the environment lets it be done; somebody else's entry counts as done."""
        failures = 0
        while True:
            try:
                return await work()
            except Superseded:
                return None
            except (Unfinished, KubeError) as error:
                failures += 1
                wait_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(failures, 20))
                log.warning("not_started_yet", error=str(error), retry_in_s=round(wait_s, 3))
                await asyncio.sleep(wait_s)


def _now_utc() -> int:
    """Return the time in ns since the epoch, in whole microseconds: a ledger entry is read back no finer."""
    return time.time_ns() // 1_000 * 1_000


async def _until_not_leading(work: Callable[[], Awaitable[None]]) -> None:
    """Do something until it is refused a write: the term is over, and whoever began it is about to end it."""
    with suppress(NotLeading):
        await work()


def _read(data: bytes, decode: Callable[[bytes], LedgerEntry]) -> LedgerEntry | None:
    """Return an entry of the list; one that cannot be read is an obstacle at the address that its name says."""
    try:
        entry = decode(data)
    except DecodeError as error:
        log.warning("entry_unreadable", error=str(error))
        try:
            address = address_of_name(msgspec.json.decode(data, type=_Envelope).metadata.name)
        except (ValueError, *UNDECODABLE):
            return None
        return LedgerEntry(address, UNREADABLE_OWNER, "", uid=UNREADABLE_OWNER)
    return entry
