"""The process: everything wired together, from the kubeconfig to the exit code.

    Transport -> version check -> reflectors (always) + Elector -> Loop.lead (only while leading) -> Lease released at the end

Exit codes: 0 told to stop, 1 another controller of the same identity is there, 2 settings, 3 the API server cannot be used.
"""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from baremetal_lb.kube.errors import ApiError, KubeconfigError, KubeError, UnsupportedServer
from baremetal_lb.kube.events import EventRecorder, Regarding
from baremetal_lb.kube.lease import Elector
from baremetal_lb.kube.memory import tune_collector
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import METALLB, Identity, ObjectRef
from baremetal_lb.model.time import SECOND
from baremetal_lb.telemetry.health import Health, serve
from baremetal_lb.telemetry.metrics import Metrics
from controller.api import Api
from controller.dirty import Dirty
from controller.garbage import Garbage
from controller.loop import Loop
from controller.measures import Measures
from controller.observe import Knowledge, Observation
from controller.report import Report
from controller.resources import Resources
from controller.roster import SpeakerRoster
from controller.settings import Settings

log = structlog.get_logger(__name__)

EVENT_RATE_PER_S, EVENT_BURST = 50.0, 1_000
RETRY_S = 2.0
OK, IN_THE_WAY, USAGE, API_ERROR = 0, 1, 2, 3


class OtherController(Exception):
    """The reference implementation's own controller is still there, and would fight us for every Service."""


@dataclass(slots=True)
class _Events:
    """Events over the recorder, for the report."""

    recorder: EventRecorder

    def record(self, ref: ObjectRef, api_version: str, uid: str, *, is_warning: bool, reason: str, note: str) -> None:
        self.recorder.record(Regarding(ref, api_version, uid), reason=reason, message=note, action="Reconcile", is_warning=is_warning)


@dataclass(slots=True)
class _State:
    """What readiness tells while there is no Loop yet."""

    complaint: str | None = "the API server has not answered yet"
    observation: Observation | None = field(default=None)

    def tell(self) -> str | None:
        return self.complaint if self.observation is None else self.observation.complaint()


async def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics, health, state = Metrics(settings.names), Health(), _State()
    health.readiness["kubernetes"] = state.tell
    health.liveness["process"] = lambda: None
    try:
        async with serve(
            health, metrics, addresses=settings.addresses, health_port=settings.health_port, metrics_port=settings.metrics_port
        ):
            return await _run(settings, metrics, state, stop)
    except (KubeconfigError, UnsupportedServer, OtherController, OSError) as error:
        log.critical("cannot_run", kind=type(error).__name__, error=str(error))
        return {UnsupportedServer: API_ERROR, OtherController: IN_THE_WAY}.get(type(error), USAGE)


async def _run(settings: Settings, metrics: Metrics, state: _State, stop: asyncio.Event) -> int:
    async with Transport(settings.kubeconfig or None, user_agent="baremetal-lb-controller") as transport:
        if not await _until_usable(transport, settings, state, stop):
            return OK
        await Controller(settings, transport, metrics, state).run(stop)
    return OK


async def _until_usable(transport: Transport, settings: Settings, state: _State, stop: asyncio.Event) -> bool:
    """Wait for an API server that we can work with; False when told to stop before.

    Raises:
        UnsupportedServer: it is too old.
        OtherController: identity metallb, and MetalLB is there.
    """
    while not stop.is_set():
        try:
            version = await transport.check_version()
            if settings.names is METALLB:
                await refuse_beside_metallb(transport, settings.home)
        except UnsupportedServer:
            raise
        except KubeError as error:
            state.complaint = f"the API server cannot be used: {error}"
            log.warning("api_server_unusable", error=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_S)
        else:
            log.info("api_server", version=version.text, host=transport.host)
            return True
    return False


async def refuse_beside_metallb(transport: Transport, namespace: str) -> None:
    """Look for MetalLB's own controller and webhooks; what we may not look at, or is not there, is no obstacle.

    Raises:
        OtherController: with what was found.
    """
    webhook = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/metallb-webhook-configuration"
    deployments = [f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}" for name in ("controller", "metallb-controller")]
    for path in (webhook, *deployments):
        try:
            await transport.request("GET", path)
        except ApiError as error:
            if error.is_not_found or error.status == 403:
                continue
            raise
        raise OtherController(
            f"MetalLB is still installed ({path.rsplit('/', 2)[-2]}/{path.rsplit('/', 1)[-1]}); remove it first, then start again"
        )


class Controller:
    """One controller process on an API server that can be used."""

    def __init__(self, settings: Settings, transport: Transport, metrics: Metrics, state: _State) -> None:
        identity: Identity = settings.names
        holder = f"{socket.gethostname()}_{os.getpid()}_{random.getrandbits(32):08x}"
        self._elector = Elector(
            transport,
            settings.home,
            settings.lease_name,
            holder,
            lease_duration_s=settings.lease_duration_s,
            renew_deadline_s=settings.renew_deadline_s,
            retry_period_s=settings.retry_period_s,
        )
        self._recorder = EventRecorder(transport, "baremetal-lb-controller", holder, rate_per_s=EVENT_RATE_PER_S, burst=EVENT_BURST)
        report = Report(_Events(self._recorder), metrics)
        dirty = Dirty(settings.install, settings.lb_class, ignore_exclude_lb=settings.ignore_exclude_lb, clock=time.monotonic_ns)
        echo_limit = int(max(2.5 * settings.retry_period_s, settings.retry_period_s + 1.5) * SECOND)
        knowledge = Knowledge(
            dirty,
            Resources(identity, settings.home),
            SpeakerRoster(identity, settings.lease_name, holder, echo_limit=echo_limit),
            Garbage(int(settings.leftover_grace_s * SECOND)),
        )
        api = Api(transport, identity, lambda: self._elector.is_leading, report.writes)
        self._loop = Loop(settings, transport, knowledge, api, report)
        self._observation = Observation(
            transport,
            identity,
            settings.home,
            knowledge,
            on_change=self._loop.poke,
            on_entry_lost=self._loop.entry_lost,
            on_entry_seen=self._loop.entry_seen,
        )
        measures = Measures(
            metrics,
            knowledge,
            leading=self._elector,
            term=self._loop,
            transport=transport,
            observation=self._observation,
            recorder=self._recorder,
        )
        metrics.read_at_scrape(measures.read)
        state.observation = self._observation

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; the Lease is given back at the end."""
        ready = asyncio.Event()

        async def tell_when_synced() -> None:
            await self._observation.synced()
            tune_collector()
            ready.set()

        async with _ended_by(stop, self._loop.close) as group:
            group.create_task(self._observation.run())
            group.create_task(self._recorder.run())
            group.create_task(tell_when_synced())
            group.create_task(self._elector.run(lambda: self._loop.lead(ready)))
        log.info("stopped")


class _Stopped(Exception):
    """Ends the task group."""


@asynccontextmanager
async def _ended_by(stop: asyncio.Event, close: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.TaskGroup]:
    """Yield a task group that ends when ``stop`` is set, after ``close`` has run."""

    async def end() -> None:
        await stop.wait()
        log.info("stopping")
        await close()
        raise _Stopped

    with suppress(_Stopped):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(end())
                yield group
        except* _Stopped:
            pass
