"""Controllers that come and go on one API server, and a person who makes and deletes Services."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import yaml

from baremetal_lb.api.crds import render
from baremetal_lb.kube.errors import ApiError
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.telemetry.metrics import Metrics
from controller.process import Controller, _State
from controller.settings import Settings
from tests.support.simulation.clock import Machine, VirtualLoop
from tests.support.simulation.laws import ENTRIES, Laws
from tests.support.simulation.network import Core, SimulatedTransport, Weather

HOME = BAREMETAL_LB.default_namespace
POOL = "203.0.113.0/29"
POOL_SIZE = 8
ANNOTATION = BAREMETAL_LB.prefix


class Process:
    """One controller: its task, what it runs on, and its way to the API server."""

    def __init__(self, core: Core, name: str, rng: random.Random, weather: Weather) -> None:
        self.transport = SimulatedTransport(core, name, rng, weather)
        self._stop = asyncio.Event()
        settings = Settings(metrics_port=0, health_port=0, lease_duration_s=15.0)
        self.machine = Machine(name)
        self.controller = self.machine.context.run(Controller, settings, self.transport, Metrics(BAREMETAL_LB), _State())
        self._loop = core.loop
        self._task = core.loop.create_task(self.controller.run(self._stop), context=self.machine.context)

    def resume(self) -> None:
        """Go on, if it was suspended."""
        if self.machine.is_suspended:
            self.machine.resume(self._loop)

    async def kill(self) -> None:
        """End it between two instructions: what it had sent has its effect, nothing more leaves."""
        self.transport.is_killed = True
        self.resume()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(60):
                await self._task

    async def terminate(self) -> None:
        self.resume()
        self._stop.set()
        await self._task

    def check(self) -> None:
        """Raise what ended it, if something did."""
        if self._task.done():
            self._task.result()
            raise AssertionError("a controller ended by itself")


class Cluster:
    """The history of one seed."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.rng = random.Random(seed)
        random.seed(seed)
        self.core = Core(loop, self.rng)
        self.laws = Laws(self.core.server)
        self.weather = Weather()
        self.processes: list[Process] = []
        self._names = 0
        self._install()
        self.core.after_write.append(self.laws.after_write)

    def _install(self) -> None:
        ask = self.core.ask
        for definition in render(BAREMETAL_LB):
            ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        ask("POST", "/api/v1/namespaces", {"metadata": {"name": HOME}})
        pool = yaml.safe_load(
            f"{{apiVersion: baremetal-lb.io/v1beta1, kind: IPAddressPool, metadata: {{name: p}}, spec: {{addresses: [{POOL}]}}}}"
        )
        ask("POST", f"/apis/baremetal-lb.io/v1beta1/namespaces/{HOME}/ipaddresspools", pool)

    # -- processes

    def start(self) -> None:
        self.processes.append(Process(self.core, f"c{self._next()}", random.Random(self.rng.random()), self.weather))

    def check(self) -> None:
        """Raise what went wrong, if something did."""
        if self.laws.broken is not None:
            raise self.laws.broken
        for process in self.processes:
            process.check()

    async def lose(self, *, gracefully: bool) -> None:
        if self.processes:
            process = self.processes.pop(self.rng.randrange(len(self.processes)))
            process.check()
            await (process.terminate() if gracefully else process.kill())

    def suspend(self, seconds: float) -> None:
        """Stop one of them for a while, as SIGSTOP and SIGCONT do: its Lease may run out, and what it had begun is continued later."""
        process = self.rng.choice(self.processes)
        process.machine.suspend()
        self.core.loop.call_later(seconds, process.resume)

    def resume_all(self) -> None:
        for process in self.processes:
            process.resume()

    async def end(self) -> None:
        while self.processes:
            await self.lose(gracefully=False)

    # -- a person

    def _next(self) -> int:
        self._names += 1
        return self._names

    def create_service(self) -> None:
        annotations = {f"{ANNOTATION}allow-shared-ip": "k"} if self.rng.random() < 0.3 else {}
        body: dict[str, Any] = {
            "metadata": {"name": f"s{self._next()}", "annotations": annotations},
            "spec": {
                "type": "LoadBalancer",
                "ports": [{"port": self.rng.randint(1, 60_000), "protocol": "TCP"}],
                "selector": {"app": "web"},
            },
        }
        self.core.ask("POST", "/api/v1/namespaces/default/services", body)

    def delete_service(self) -> None:
        services = self.laws.services()
        if services:
            name = self.rng.choice(services)["metadata"]["name"]
            self.core.ask("DELETE", f"/api/v1/namespaces/default/services/{name}")

    def replace_service(self) -> None:
        """Delete a Service and make another of the same name at once: only the uid tells them apart."""
        services = self.laws.services()
        if services:
            old = self.rng.choice(services)
            path = "/api/v1/namespaces/default/services"
            self.core.ask("DELETE", f"{path}/{old['metadata']['name']}")
            metadata = {"name": old["metadata"]["name"], "annotations": old["metadata"].get("annotations", {})}
            spec = {key: old["spec"][key] for key in ("type", "ports", "selector")}
            self.core.ask("POST", path, {"metadata": metadata, "spec": spec})

    def delete_entries(self) -> None:
        for key, _ in list(self.core.server.store.items(ENTRIES)):
            with suppress(ApiError):
                self.core.ask("DELETE", f"/apis/baremetal-lb.io/v1beta1/ipallocations/{key.name}")
