"""The speaker as a process: what is wired to what, in which order it starts, and how it leaves.

    start:  sockets and first contact with the API server at the same time
            API there  -> list everything, then decide
            API away   -> state file, decide on that; what is listed later replaces it
    serve:  reflectors, loop, Lease, status objects, state file, health
    BGP:    from the first complete sync on the engine is kept as wanted; what it held before is not touched
    leave:  SIGTERM (SIGUSR1, or a Pod that is being deleted: routes are withdrawn with notice, too)
            Lease released -> this node no longer counts as serving -> others take over, each heard or two seconds awaited
            -> status objects removed -> exit

A failure of one task is a fault of ours and ends the process: the supervisor starts it again, within the time that its Lease is good.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

import structlog

from baremetal_lb.api.compile import compile_objects
from baremetal_lb.kube import memory
from baremetal_lb.kube.errors import ApiError, KubeconfigError, KubeError, UnsupportedServer
from baremetal_lb.kube.events import EventRecorder
from baremetal_lb.kube.transport import Transport
from baremetal_lb.membership.facts import MemberFacts
from baremetal_lb.membership.lease_roster import LeaseRoster, RosterOptions, is_same_for_election
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import Member
from baremetal_lb.model.time import MILLISECOND, SECOND
from baremetal_lb.telemetry.health import Health, serve
from speaker.decide import Decider
from speaker.effects import StatusWriter
from speaker.inputs import Inputs
from speaker.l2_task import L2Task, announcer_options
from speaker.lease import OwnLease, facts_annotation
from speaker.loop import Loop
from speaker.measures import Measures
from speaker.membership_task import MembershipTask
from speaker.plan import L2Status, Standing
from speaker.routing import Routing, until
from speaker.routing_measures import RoutingMeasures
from speaker.settings import Settings
from speaker.state_file import StateFile
from speaker.status_task import StatusTask
from speaker.world import World

log = structlog.get_logger(__name__)
STALLED_AFTER_S = 30.0
RELEASE_TIMEOUT_S = 1.0
CLEANUP_LIMIT_S = 1.0


class Speaker:
    """All parts of one speaker."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        identity, home, node = settings.names, settings.home, settings.node_name
        self._settings, self._transport = settings, transport
        self.world = World(node, ignore_exclude_lb=settings.ignore_exclude_lb)
        self._incarnation = time.time_ns() // MILLISECOND
        echo_limit = round(settings.lease_interval_s * 2.5 * SECOND)
        self.machine = LeaseRoster(RosterOptions(node, facts_annotation(identity), echo_limit=echo_limit, incarnation=self._incarnation))
        self.measures = Measures(identity, node)
        self.loop = Loop(
            Decider(self.world),
            self.machine,
            on_status=self._desire,
            on_change=self._announcement_changed,
            prepare=self._compile_if_changed,
            may_withdraw=lambda: self.inputs.has_synced,
            on_turn=self.measures.turned,
            on_yield=self.measures.yielded,
        )
        self.inputs = Inputs(transport, settings, self.world, self.machine, wake=self._wake, on_status=self._observe_status)
        self.events = EventRecorder(transport, f"{identity.name}-speaker", node)
        writer = StatusWriter(transport, self.events, identity=identity, namespace=home, node=node)
        self.statuses = StatusTask(writer, self.inputs.statuses.store, self.world.services, namespace=home, node=node)
        self.l2 = L2Task(self.loop, announcer_options(settings.exclude_interfaces), on_facts=self._facts_changed)
        lease = OwnLease(transport, identity, home, node, duration_s=settings.lease_duration_s)
        # A predecessor renewed its Lease an interval before its end at the earliest, and ended before we began: shorter would cut it off.
        silent_s = settings.lease_duration_s - settings.lease_interval_s
        self.membership = MembershipTask(lease, self._facts, interval_s=settings.lease_interval_s, silent_start_s=silent_s)
        self.state_file = StateFile(
            settings.state_file, identity=identity, interval_s=settings.state_interval_s, max_age_s=settings.state_max_age_s
        )
        self.bgp: Routing | None = None
        if settings.runtime_dir:
            self.bgp = Routing(
                settings,
                transport,
                self.world,
                self.inputs,
                self.events,
                is_healthy=lambda: self._loop_complaint() is None,
                compile_now=self._compile_if_changed,
            )
        self.measures.read_at_scrape(
            self.loop,
            self.world,
            self.l2,
            transport=transport,
            inputs=self.inputs,
            events=self.events,
            state_file=self.state_file,
            routing=RoutingMeasures(identity, self.world, self.bgp.task) if self.bgp is not None else None,
        )
        self._is_deciding = False
        self._has_compiled = False
        self._is_leaving = False
        self.is_pod_going = False
        """The Pod is being stopped, not just this process: set by SIGUSR1, or found out from the API server."""

    def _wake(self) -> None:
        self.loop.wake()
        if self.bgp is not None:
            self.bgp.wake()

    # -- what the parts tell each other --------------------------------------------------------------------------------------------

    def _facts(self) -> MemberFacts:
        is_serving = self._is_deciding and self.l2.is_attached and not self._is_leaving
        return MemberFacts(is_serving, self._incarnation, self.l2.interfaces)

    def _facts_changed(self) -> None:
        self.membership.changed()

    def _desire(self, service: ObjectKey, status: L2Status | None) -> None:
        self.statuses.desire(service, status)

    def _observe_status(self, name: str) -> None:
        self.statuses.observe(name)

    def _announcement_changed(self, address: IPAddress, before: Standing | None, after: Standing | None) -> None:
        self.measures.changed(before, after)
        if before is None and after is not None:
            log.info("address_announced", ip=address, services=after.services, interfaces=after.interfaces)
        elif after is None:
            log.info("address_withdrawn", ip=address, reason=self.loop.silent.get(address))
        elif after.until is not None and before is not None and before.until is None:
            log.info("address_handed_over", ip=address, to=self.world.elected.get(address))

    def _compile_if_changed(self) -> None:
        if not self.inputs.is_config_dirty:
            return
        self.inputs.is_config_dirty = False
        compiled = compile_objects(
            self.inputs.configuration_objects,
            identity=self._settings.names,
            namespace=self._settings.home,
            nodes=self.world.nodes.values() if self.bgp is not None else (),
            are_secrets_given=False,
        )
        self.measures.compiled = compiled
        if compiled.configuration == self.world.configuration and self._has_compiled:
            return
        self._has_compiled = True
        self.world.configure(compiled.configuration)
        if self.bgp is not None:
            self.bgp.configured()
        log.info(
            "configuration_compiled",
            pools=len(compiled.configuration.pools),
            l2_advertisements=len(compiled.configuration.l2_advertisements),
            bgp_peers=len(compiled.configuration.bgp_peers),
            bgp_advertisements=len(compiled.configuration.bgp_advertisements),
            problems=[f"{problem.object} {problem.field}: {problem.reason.name}" for problem in compiled.problems[:20]],
        )

    # -- health --------------------------------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """Return the checks of this speaker."""
        return Health(
            liveness={"loop": self._loop_complaint},
            readiness={
                "kubernetes": self._sync_complaint,
                "memory": lambda: None if self.inputs.has_synced else self.state_file.complaint,
                "sockets": lambda: self.l2.problem,
                "lease": lambda: self.membership.problem,
                "roster": self._roster_complaint,
                **({"engine": self._engine_complaint} if self.bgp is not None else {}),
                "leaving": lambda: "the speaker was told to stop" if self._is_leaving else None,
            },
        )

    def _engine_complaint(self) -> str | None:
        return self.bgp.complaint if self.bgp is not None else None

    def _loop_complaint(self) -> str | None:
        if not self.loop.beat:
            return None
        silent_s = (time.monotonic_ns() - self.loop.beat) / SECOND
        return f"the decision loop has been silent for {silent_s:.0f} s" if silent_s > STALLED_AFTER_S else None

    def _roster_complaint(self) -> str | None:
        own = self.machine.roster.members.get(self.world.node)
        if own is not None and own.is_serving:
            return None
        return "the others do not know yet that this node serves: its Lease has not come back saying so"

    def _sync_complaint(self) -> str | None:
        if self.inputs.has_synced:
            return None
        return "not in sync: " + "; ".join(f"{name}: {problem}" for name, problem in self.inputs.problems().items())

    # -- life ----------------------------------------------------------------------------------------------------------------------

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until told to stop, then hand over."""
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self.l2.run()), tasks.create_task(self.events.run())]
            is_there = await self._first_contact()
            if not is_there:
                await self._start_from_memory()
            running += [tasks.create_task(run) for run in self.inputs.runs()]
            parts: list[Callable[[], Awaitable[None]]] = [self._decide, self.membership.run, self._write_statuses, self._remember]
            if not is_there:
                parts.append(self._check_version_later)
            if self.bgp is not None:
                parts += self.bgp.parts()
            running += [tasks.create_task(_coroutine(part)) for part in parts]
            await stopping.wait()
            await self._leave()
            for task in running:
                task.cancel()

    async def _start_from_memory(self) -> None:
        state = await asyncio.to_thread(self.state_file.load)
        if state is None:
            log.warning("started_with_nothing", problem=self.state_file.complaint)
            return
        log.warning("started_from_state_file", problem=self.state_file.complaint)
        self.inputs.seed(state)
        self._is_deciding = True

    async def _first_contact(self) -> bool:
        """Tell whether the API server answers; give it a little time, but none where it refuses the connection and we could start."""
        try:
            async with asyncio.timeout(self._settings.api_patience_s):
                version = await self._transport.check_version()
        except (TimeoutError, KubeError) as error:
            if isinstance(error, UnsupportedServer):
                raise
            log.warning("api_server_away", error=str(error) or "no answer in time")
            return isinstance(error, ApiError) and error.status < 500
        log.info("api_server_found", version=version.text)
        return True

    async def _check_version_later(self) -> None:
        while True:
            try:
                await self._transport.check_version()
            except UnsupportedServer:
                raise
            except KubeError:
                await asyncio.sleep(5)
            else:
                return

    async def _decide(self) -> None:
        if not self._is_deciding:
            await self.inputs.wait_synced()
            self._is_deciding = True
            memory.tune_collector()
        self.membership.changed()
        await self.loop.run()

    async def _write_statuses(self) -> None:
        await self.inputs.statuses.has_synced.wait()
        await self.inputs.wait_synced()
        await self.loop.wait_for_next_turn()
        await self.statuses.run()

    async def _remember(self) -> None:
        """Keep the state file; what is in it is always a state that was in sync, and that has this node's own Lease.

        A speaker that starts from a file elects by it. Without what the others know of this node it would leave the IPs to another one,
        and that one to this: nobody would answer. So what they are told is remembered at once.
        """
        remembered: Member | None = None
        while True:
            await asyncio.sleep(1)
            own = self.machine.roster.members.get(self.world.node)
            if own is None or not self.inputs.has_synced or self.inputs.problems():
                continue
            is_due = self.state_file.is_due(now_s=time.monotonic()) or not is_same_for_election(remembered, own)
            if self.inputs.is_changed and is_due:
                self.inputs.is_changed, remembered = False, own
                if not await asyncio.to_thread(self.state_file.save, self.inputs.remembered()):
                    self.inputs.is_changed = True  # only then: something may have changed while it was saved
            elif not self.inputs.is_changed:
                self.state_file.touch()

    async def _leave(self) -> None:
        log.info("leaving", announced=len(self.loop.standings))
        self._is_leaving = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._leave_link())
            if self.bgp is not None:
                tasks.create_task(self.bgp.leave(is_pod_going=self.is_pod_going))

    async def _leave_link(self) -> None:
        begun = time.monotonic()
        if await self.membership.leave(timeout_s=RELEASE_TIMEOUT_S):
            self.inputs.leave()
            await until(lambda: not self.loop.standings, self._settings.handover_limit_s)
            await until(lambda: self.statuses.is_idle, CLEANUP_LIMIT_S)
            if self.inputs.has_synced and not self.inputs.problems():
                await asyncio.to_thread(self.state_file.save, self.inputs.remembered())
        log.info("left", still_announced=len(self.loop.standings), took_s=round(time.monotonic() - begun, 3))


def _stop_pod(speaker: Speaker, stopping: asyncio.Event) -> None:
    speaker.is_pod_going = True
    stopping.set()


async def _coroutine(part: Callable[[], Awaitable[None]]) -> None:
    await part()


async def run(settings: Settings) -> int:
    """Run one speaker until SIGTERM or SIGINT; return the exit code."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    failures: list[BaseException] = []
    try:
        async with Transport(settings.kubeconfig or None, user_agent="baremetal-lb-speaker") as transport:
            speaker = Speaker(settings, transport)
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: _stop_pod(speaker, stopping))
            async with serve(
                speaker.health(),
                speaker.measures.metrics,
                addresses=settings.addresses,
                health_port=settings.health_port,
                metrics_port=settings.metrics_port,
            ):
                await speaker.run(stopping)
    except* (KubeconfigError, UnsupportedServer, OSError) as group:
        failures.extend(group.exceptions)
    for error in failures:
        log.error("speaker_failed", error=str(error))
    return 1 if failures else 0
