"""What the processes come to: the controller's own parts driven until they have nothing more to do, and speakers on what it leaves.

    objects --Dirty--> judge --ServiceEffects--> a dictionary that stands for the API server --Placement--> at rest
                                                      |
                                                      +--> Decider and Routes of the speaker on each node

Here is no rule of allocation or placement. What stands for the loop (`controller.loop`): a term's begin, one key after another.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from baremetal_lb.bgp.session import Attributes, Prefix
from baremetal_lb.ipam.adoption import adopt
from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, plan_expired, status_after
from baremetal_lb.ipam.requests import announced_part
from baremetal_lb.membership.lease_roster import MemberChange
from baremetal_lb.model.bgp import ServiceAddresses
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from baremetal_lb.settle.state import content
from baremetal_lb.settle.step import Verdict, judge
from baremetal_lb.telemetry.metrics import Metrics
from controller.dirty import Dirty
from controller.effects import ServiceEffects
from controller.entry_writes import EntryWriter
from controller.outcome import Superseded
from controller.report import Report
from controller.upkeep import Placement
from speaker.decide import Decider, Wanted
from speaker.leaving import Leaving, Phase
from speaker.routes import Routes
from speaker.world import World
from tests.support.simulation.clock import VirtualLoop, virtual_time

TURNS_MAX = 1_000
LONG_S = 3_600.0
"""Longer than whatever a placement waits for."""

Wished = Mapping[tuple[str, str, Prefix], tuple[Attributes, tuple[ObjectKey, ...]]]
"""By node, peer and prefix: attributes, and for which Services."""


class Restless(AssertionError):
    """The controller decides the same again and again, and gets nowhere."""


class Table:
    """The API server of one cluster: Services, and the ledger."""

    def __init__(self, cluster: ClusterObjects) -> None:
        self.version = 0
        self.services = {view.key: replace(view, resource_version=self._next()) for view in cluster.services}
        self.entries = {entry.address: self._stored(entry, f"uid-{entry.address}") for entry in cluster.entries}

    def _next(self) -> str:
        self.version += 1
        return str(self.version)

    def _stored(self, entry: LedgerEntry, uid: str) -> LedgerEntry:
        return replace(entry, uid=uid, resource_version=self._next())

    async def get(self, key: ObjectKey) -> ServiceView | None:
        return self.services.get(key)

    async def apply_status(self, service: ServiceView, step: AssignStatus | ClearStatus) -> ServiceView:
        self.services[service.key] = replace(status_after(self.services[service.key], step), resource_version=self._next())
        return self.services[service.key]

    async def create(self, entry: LedgerEntry) -> LedgerEntry:
        assert entry.address not in self.entries
        self.entries[entry.address] = self._stored(entry, f"uid-{self._next()}")
        return self.entries[entry.address]

    async def update(self, entry: LedgerEntry) -> LedgerEntry:
        known = self.entries[entry.address]
        assert (known.uid, known.resource_version) == (entry.uid, entry.resource_version)
        self.entries[entry.address] = self._stored(entry, entry.uid)
        return self.entries[entry.address]

    async def delete(self, entry: LedgerEntry) -> None:
        assert self.entries.pop(entry.address).uid == entry.uid

    async def fetch(self, address: IPAddress) -> LedgerEntry | None:
        return self.entries.get(address)


class Unheard:
    """Where nobody reads the events."""

    def record(self, *_what: object, **_more: object) -> None:
        pass


class Controller:
    """One term, key after key. ``now_utc`` is what its decisions read as the time."""

    def __init__(self, cluster: ClusterObjects, options: SettleOptions) -> None:
        self.options, self.now_utc = options, options.now_utc
        self.table = Table(cluster)
        self.dirty = Dirty(options.owner, options.lb_class, ignore_exclude_lb=options.ignore_exclude_lb)
        self.world = self.dirty.world
        self.world.nodes = {node.name: node for node in cluster.nodes}
        self.world.roster = cluster.roster if cluster.roster is not None else Roster.of_nodes(self.world.nodes)
        for name, labels in cluster.namespaces.items():
            self.dirty.namespace_changed(name, labels)
        for view in cluster.slices:
            self.world.see_slice(view, None)
        for service in self.table.services.values():
            self.dirty.service_changed(None, service)
        self.dirty.configuration_changed(cluster.configuration)
        report = Report(Unheard(), Metrics(BAREMETAL_LB, with_process=False))
        self.entries = EntryWriter(self.dirty, self.table)
        self.effects = ServiceEffects(self.dirty, self.entries, self.table, report, self.judge)
        self.placement = Placement(self.dirty, self.entries, report, delay_s=3.0)

    def judge(self, key: ObjectKey) -> Verdict:
        return judge(self.world, key, identity=self.options.identity, now_utc=self.now_utc)

    async def begin_term(self) -> None:
        """Begin as a leader begins, and come to rest: all that waits is decided before anybody looks at what is held too long."""
        listed = tuple(self.table.entries.values())
        self.dirty.start_over(listed)
        if not listed:
            services, now_utc = self.world.services.values(), self.now_utc
            owner, lb_class = self.options.owner, self.options.lb_class
            for entry in adopt(services, self.world.configuration, owner=owner, lb_class=lb_class, now_utc=now_utc):
                self.world.put(entry)
                await self.entries.write(entry.address)
        ours = [view.key for view in self.world.services.values() if self.dirty.concerns(view)]
        self.dirty.agenda.begin_term([*ours, *self.world.ledger.holders])
        self.dirty.placements.update(entry.address for entry in self.world.ledger.entries())
        await self._decide_all()
        await self.rest()

    async def rest(self) -> None:
        """Give up what is held too long, then decide what is marked, then place what may have to be placed anew."""
        for step in plan_expired(self.world.ledger, now_utc=self.now_utc):
            self.world.drop(step.entry.address)
            await self.entries.write(step.entry.address)
        await self._decide_all()
        await self._place()
        await self._decide_all()  # who waits for the very IP of an entry hears that it changed

    async def _decide_all(self) -> None:
        for _ in range(TURNS_MAX):
            key = self.dirty.agenda.take()
            if key is None:
                return
            try:
                await self._turn(key)
            except Superseded:
                self.dirty.agenda.mark(key)
            self.dirty.agenda.done(key)
        raise Restless

    async def _turn(self, key: ObjectKey) -> None:
        verdict = self.judge(key)
        if verdict.wait is None:
            self.dirty.waiting.discard(key)
        else:
            self.dirty.waiting.put(key, verdict.wait)
        if verdict.changes:
            self.world.reserve(verdict.changes)
        assert await self.effects.carry_out(verdict) == 0

    async def _place(self) -> None:
        """Have the placement work for so long that it waits for nothing any more."""
        self.placement.wake.set()
        task = asyncio.create_task(self.placement.run())
        await asyncio.sleep(LONG_S)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return what the ledger says at rest, by address; the API server has exactly that."""
        meant = self.world.ledger.entries()
        assert {entry.address: content(entry) for entry in meant} == {a: content(entry) for a, entry in self.table.entries.items()}
        return tuple(replace(entry, uid="", resource_version="") for entry in meant)

    def services(self) -> tuple[ServiceView, ...]:
        """Return all Services at rest, by key."""
        assert self.world.services == self.table.services
        return tuple(service for _, service in sorted(self.world.services.items()))


@contextmanager
def quick_time() -> Iterator[VirtualLoop]:
    """Run controllers in a loop whose timers cost nothing."""
    with virtual_time() as loop:
        yield loop


@dataclass(frozen=True)
class Speaker:
    """The decisions of the speaker on one node."""

    wanted: Mapping[IPAddress, Wanted]
    routes: Wished


def speaker_on(node: str, cluster: ClusterObjects, options: SettleOptions) -> Speaker:
    """Let a speaker see a cluster that has come to rest, and decide on everything."""
    world = World(node, ignore_exclude_lb=options.ignore_exclude_lb)
    world.configure(cluster.configuration)
    for view in cluster.nodes:
        world.see_node(view.name, view)
    roster = cluster.roster if cluster.roster is not None else Roster.of_nodes(view.name for view in cluster.nodes)
    world.see_roster(roster, [MemberChange(name, None, member) for name, member in roster.members.items()])
    asked = frozenset().union(*(each.service_addresses for each in cluster.configuration.bgp_advertisements))
    for service in cluster.services:
        part = announced_part(service, options.lb_class)
        if part is not None and (asked - {ServiceAddresses.LOAD_BALANCER} or part == service):
            world.see_service(service.key, part)
    for endpoints in cluster.slices:
        world.see_slice(endpoints.key, None, endpoints)
    for entry in cluster.entries:
        world.see_entry(entry.address, entry, now=0)
    decider = Decider(world)
    return Speaker({address: decider.decide(address) for address in world.addresses()}, _routes(world, cluster))


def _routes(world: World, cluster: ClusterObjects) -> Wished:
    node = world.nodes.get(world.node)
    peers = [peer for peer in cluster.configuration.bgp_peers if node is not None and peer.selects_node(node.labels)]
    routes, leaving = Routes(world, service_cidrs=cluster.service_cidrs), Leaving(SECOND)
    routes.set_peers(peers)
    routes.work_off()
    leaving.want(is_leaving=node is not None and node.is_draining, now=0)
    if leaving.phase(now=SECOND) is Phase.GONE:
        return {}
    index = routes.index
    return {
        (world.node, peer.name, prefix): (attributes, index.services_of(prefix, peer.name))
        for peer in peers
        for prefix, attributes in index.rib(peer.name).items()
    }
