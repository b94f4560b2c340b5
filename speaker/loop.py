"""The loop: whatever happened, look at the IPs it touched, and make this node do what is to be done about them.

    events --> world.dirty --+
    netlink, conflicts ------+--> wake --> turn: decide -> plan -> announcer, status objects --> next deadline
    hand-overs, lost entries,
      answers to questions --+

Level-triggered: nothing is remembered of an event but which IPs it touched; events that come in a burst are worked off in one turn.
A turn handles ``CHUNK`` IPs between two breaths, so that replies and renewals go on while thousands of IPs move.
Until the first complete sync nothing is withdrawn that a state file had us announce, but what another member is found to answer for.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from baremetal_lb.l2.reasons import YieldReason
from baremetal_lb.membership.lease_roster import LeaseRoster
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress, Mac
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.time import MILLISECOND, SECOND
from speaker.contested import Contested, ProbingPort
from speaker.decide import Decider, Wanted
from speaker.plan import L2Status, Standing, plan_address, status_of, yields
from speaker.reasons import SilenceReason

log = structlog.get_logger(__name__)
CHUNK = 200
HEARD_FOR = SECOND
"""How long an announcement that was heard counts: the new announcer may be faster than the news that it is elected."""
COALESCE_S = 0.002
BEAT_S = 1.0


class AnnouncerPort(ProbingPort, Protocol):
    """What the loop needs of ``host.announcer.Announcer``."""

    def update_announced(self, changed: Mapping[IPAddress, frozenset[str] | None], withdrawn: tuple[IPAddress, ...] = ()) -> None:
        """Announce ``changed`` on the interfaces named (None: all), then withdraw."""
        ...


class Loop:
    """Works off the dirty IPs of one world."""

    def __init__(
        self,
        decider: Decider,
        machine: LeaseRoster,
        *,
        on_status: Callable[[ObjectKey, L2Status | None], None],
        on_change: Callable[[IPAddress, Standing | None, Standing | None], None] = lambda _ip, _old, _new: None,
        prepare: Callable[[], None] = lambda: None,
        may_withdraw: Callable[[], bool] = lambda: True,
        on_turn: Callable[[int], None] = lambda _took: None,
        on_yield: Callable[[YieldReason], None] = lambda _reason: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._decider, self._world, self._machine = decider, decider.world, machine
        self._on_status, self._on_change, self._prepare, self._may_withdraw = on_status, on_change, prepare, may_withdraw
        self._on_turn = on_turn
        self._clock = clock
        self._announcer: AnnouncerPort | None = None
        self._wake = asyncio.Event()
        self.standings: dict[IPAddress, Standing] = {}
        self.silent: dict[IPAddress, Reason] = {}
        """IPs that this node does not announce, with the reason."""
        self._of_service: dict[ObjectKey, set[IPAddress]] = {}
        self._ending: dict[IPAddress, int] = {}
        """IPs being handed over, with when that ends at the latest."""
        self._heard_at: dict[IPAddress, int] = {}
        """When another member was last heard to announce an IP that this node answers for."""
        self._strangers: dict[IPAddress, Mac] = {}
        """Who that is no member was last heard to announce an IP that this node answers for; said once."""
        self._contested = Contested(on_yield)
        self.beat = 0
        """When the last turn ended (ns, monotonic)."""
        self._turned = asyncio.Event()

    @property
    def is_cut_off(self) -> bool:
        """Tell whether what this node knows of the others may be old."""
        return self._machine.is_frozen(now=self._clock())

    def wake(self) -> None:
        """Have a turn soon."""
        self._wake.set()

    def attach(self, announcer: AnnouncerPort | None) -> None:
        """Use this announcer from now on; it is given everything that stands. None: sockets are gone."""
        self._announcer = self._contested.port = announcer
        if announcer is not None:
            announcer.update_announced({address: standing.interfaces for address, standing in self.standings.items()})

    def heard(self, address: IPAddress, mac: Mac, interface: str) -> None:
        """Take that another host told everybody that it has an IP of ours."""
        standing, now = self.standings.get(address), self._clock()
        member = self._other_member(address, mac, interface) if standing is not None else None
        if standing is None or member is None:
            return
        self._heard_at[address] = now
        if standing.until is None and self._machine.is_frozen(now=now) and yields(self._world.node, member, standing, now=now):
            self._contested.announced(address, member, standing.interfaces, now=now)
        self._world.dirty.add(address)
        self.wake()

    def answered(self, address: IPAddress, mac: Mac, interface: str) -> None:
        """Take that another host answered when we asked for an IP. A stranger's answer silences nobody: two frames would do."""
        standing, now = self.standings.get(address), self._clock()
        member = self._other_member(address, mac, interface) if address in self._contested else None
        if member is not None and (standing is None or yields(self._world.node, member, standing, now=now)):
            self._contested.answered(address, member, now=now)
            self.wake()

    def _other_member(self, address: IPAddress, mac: Mac, interface: str) -> str | None:
        """Return the member with this hardware address, if it is another one; say so of a stranger."""
        member = next((m.node for m in self._world.roster.members.values() if any(facts.mac == mac for facts in m.interfaces or ())), None)
        if member is None and self._strangers.get(address) != mac:
            self._strangers[address] = mac
            log.warning("address_claimed_by_stranger", ip=address, mac=mac, interface=interface)
        return member if member != self._world.node else None

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            deadline = await self.turn()
            self._turned.set()
            self.beat = now = self._clock()
            wait_s = BEAT_S if deadline is None else min(BEAT_S, max(0, deadline - now) / SECOND)
            try:
                async with asyncio.timeout(wait_s):  # wait_for would lose a cancellation that comes together with the event
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()
            await asyncio.sleep(COALESCE_S)  # events come in bursts; one turn for all of them

    async def wait_for_next_turn(self) -> None:
        """Wait until everything that is dirty now was worked off."""
        self._turned.clear()
        self.wake()
        await self._turned.wait()

    async def turn(self) -> int | None:
        """Work off what is dirty; return when to look again at the latest (ns, monotonic), None: when woken."""
        self._prepare()
        now = self._clock()
        self._world.forget_lost(now=now)
        self._world.dirty |= self._contested.turn(is_cut_off=self._machine.is_frozen(now=now), now=now)
        self._world.dirty.update(address for address, until in self._ending.items() if until <= now)
        deferred: set[IPAddress] = set()
        is_idle = not self._world.dirty
        while self._world.dirty:
            chunk = [self._world.dirty.pop() for _ in range(min(CHUNK, len(self._world.dirty)))]
            deferred |= self._work_off(sorted(chunk, key=lambda ip: (ip.version, int(ip))))
            if self._world.dirty:
                await asyncio.sleep(0)
        self._world.dirty |= deferred
        if not is_idle:
            self._on_turn(self._clock() - now)
        return self._deadline(bool(deferred))

    def _work_off(self, addresses: list[IPAddress]) -> set[IPAddress]:
        """Decide and carry out; return those whose withdrawal has to wait."""
        now = self._clock()
        changed: dict[IPAddress, frozenset[str] | None] = {}
        withdrawn: list[IPAddress] = []
        deferred: set[IPAddress] = set()
        services: set[ObjectKey] = set()
        for address in addresses:
            wanted = self._decider.decide(address)
            self._world.note_elected(address, wanted.announcer, is_pinned=wanted.is_pinned)
            if not self._world.is_named(address):
                self._contested.forget(address, now=now)
            before = self.standings.get(address)
            after = plan_address(
                wanted,
                before,
                node=self._world.node,
                is_yielded=self._contested.is_yielded(address),
                is_heard=now - self._heard_at.get(address, now - HEARD_FOR) < HEARD_FOR,
                now=now,
            )
            if after is None and before is not None and not self._may_withdraw() and not self._contested.is_yielded(address):
                deferred.add(address)
                self._ending.pop(address, None)  # else it would be due for ever
                continue
            if before is None and after is not None and not self._may_withdraw() and self._machine.is_frozen(now=now):
                self._contested.doubted(address, after.interfaces, now=now)
            self._note(address, wanted, after)
            if after == before:
                continue
            if after is None:
                withdrawn.append(address)
            elif before is None or before.interfaces != after.interfaces:
                changed[address] = after.interfaces
            services |= self._index(address, before, after)
            self._on_change(address, before, after)
        if self._announcer is not None and (changed or withdrawn):
            self._announcer.update_announced(changed, tuple(withdrawn))
        for service in services:
            self._on_status(service, status_of(service, (self.standings[ip] for ip in self._of_service.get(service, ()))))
        return deferred

    def _note(self, address: IPAddress, wanted: Wanted, after: Standing | None) -> None:
        """Remember what stands for an IP, or why nothing does."""
        if after is not None:
            self.standings[address] = after
            self.silent.pop(address, None)
            if after.until is None:
                self._ending.pop(address, None)
            else:
                self._ending[address] = after.until
            return
        for index in (self.standings, self._ending, self._heard_at, self._strangers):
            index.pop(address, None)
        if self._contested.is_yielded(address) and wanted.announcer == self._world.node:
            self.silent[address] = SilenceReason.YieldedToMember
        elif wanted.announcer is not None:
            self.silent[address] = wanted.own_reason or SilenceReason.AnotherNode
        elif not self._world.is_named(address):
            self.silent.pop(address, None)
        elif wanted.reason is not None:
            self.silent[address] = wanted.reason

    def _index(self, address: IPAddress, before: Standing | None, after: Standing | None) -> set[ObjectKey]:
        """Keep the index of IPs by Service; return the Services that are concerned."""
        old, new = set(before.services if before else ()), set(after.services if after else ())
        for service in old - new:
            self._of_service[service].discard(address)
            if not self._of_service[service]:
                del self._of_service[service]
        for service in new - old:
            self._of_service.setdefault(service, set()).add(address)
        return old | new

    def _deadline(self, is_deferred: bool) -> int | None:  # noqa: FBT001 - internal
        now = self._clock()
        deadlines = [*self._ending.values()]
        deadlines += [lost.until for lost in self._world.lost.values()]
        deadlines += [due for due in (self._contested.deadline(),) if due is not None]
        if is_deferred:
            deadlines.append(now + 100 * MILLISECOND)
        return min(deadlines, default=None)
