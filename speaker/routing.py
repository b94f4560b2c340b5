"""BGP as a part of the speaker's process: what is wired to what, when it may begin, and how it leaves.

begin:  the engine is told that this process lives, and nothing else, until everything that routes follow from was listed once
serve:  sessions and routes as wanted, BFD beside them, Secrets read, status objects kept
leave:  routes are withdrawn with notice where the whole Pod goes; a process that is only started again leaves everything as it is
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from baremetal_lb.kube.events import EventRecorder
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.bgp import ServiceAddresses
from baremetal_lb.model.net import AddressRange
from baremetal_lb.model.time import SECOND
from speaker.bgp_status_task import BgpStatusTask, bgp_objects
from speaker.bgp_task import BgpTask
from speaker.inputs import Inputs
from speaker.pod import is_being_deleted
from speaker.routes import Routes
from speaker.secrets import Secrets
from speaker.settings import Settings
from speaker.world import World

log = structlog.get_logger(__name__)
CLEANUP_LIMIT_S = 1.0
LOOK_EVERY_S = 1.0


class Routing:
    """The BGP half of one speaker. ``is_healthy`` tells whether its decision loop turns, ``compile_now`` compiles what has changed."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        world: World,
        inputs: Inputs,
        events: EventRecorder,
        *,
        is_healthy: Callable[[], bool],
        compile_now: Callable[[], None],
    ) -> None:
        self._settings, self._transport, self._world, self._inputs = settings, transport, world, inputs
        self._is_healthy, self._compile_now = is_healthy, compile_now
        cidrs = [AddressRange.parse(text) for text in settings.service_cidrs.split(",") if text.strip()]
        self._secrets = Secrets(transport, settings.home, interval_s=settings.secret_interval_s, on_change=self.wake_sessions)
        self.task = BgpTask(
            world,
            Routes(world, service_cidrs=cidrs),
            self._secrets,
            Path(settings.runtime_dir),
            shutdown_wait=round(settings.shutdown_wait_s * SECOND),
            bfd_hold_limit=round(settings.bfd_hold_limit_s * SECOND),
        )
        self._statuses = BgpStatusTask(
            transport,
            events,
            identity=settings.names,
            namespace=settings.home,
            node=world.node,
            wanted=lambda: bgp_objects(self.task, identity=settings.names, node=world.node),
            observed={plural: reflector.store for plural, reflector in inputs.bgp_statuses.items()},
            services=world.services,
        )

    def wake(self) -> None:
        """Look at the routes soon."""
        self.task.wake()

    def wake_sessions(self) -> None:
        """Look at sessions and routes soon."""
        self.task.wake_sessions()

    def configured(self) -> None:
        """Take that the world has another configuration."""
        if any(each.service_addresses - {ServiceAddresses.LOAD_BALANCER} for each in self._world.configuration.bgp_advertisements):
            self._inputs.want_others()
        self.wake_sessions()

    @property
    def complaint(self) -> str | None:
        """What keeps BGP from being as wanted."""
        return self.task.problem

    def parts(self) -> list[Callable[[], Awaitable[None]]]:
        """Return what is to run while this process does."""
        return [self.task.engine.run, self.task.bfd.run, self._secrets.run, self._route, self._write_statuses]

    async def leave(self, *, is_pod_going: bool) -> None:
        """Withdraw with notice, if the Pod goes."""
        if not is_pod_going and self._settings.pod_name:
            is_pod_going = await is_being_deleted(self._transport, self._settings.home, self._settings.pod_name)
        if not is_pod_going or not self.task.told.is_set():
            log.info("routes_left", reason="this is no stop of the Pod")
            return
        log.info("routes_withdrawn", is_acknowledged=await self.task.leave())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_LIMIT_S):
                await self._statuses.look()

    async def _route(self) -> None:
        """Keep the engine as wanted, from the first complete sync on: nothing that it holds is touched before."""
        await self._keep_alive_until(lambda: self._inputs.has_synced)
        self._compile_now()
        await self._keep_alive_until(lambda: self._inputs.has_synced_others)
        await self.task.run()

    async def _keep_alive_until(self, condition: Callable[[], bool]) -> None:
        """Tell the engine that this process is alive, though it has nothing to say yet: what the engine holds stays."""
        while not condition():
            if self._is_healthy():
                self.task.engine.beat()
            await until(condition, LOOK_EVERY_S)

    async def _write_statuses(self) -> None:
        for reflector in self._inputs.bgp_statuses.values():
            await reflector.has_synced.wait()
        await self.task.told.wait()
        await self._statuses.run()


async def until(predicate: Callable[[], bool], limit_s: float) -> bool:
    """Wait until something is true, at most for so long; tell whether it is."""
    end = time.monotonic() + limit_s
    while not predicate():
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(0.005)
    return True
