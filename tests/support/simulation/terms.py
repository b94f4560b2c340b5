"""A small world with something to do, and one controller whose terms a test begins, and ends at any step of the loop."""

import asyncio
import random
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from baremetal_lb.kube.transport import MERGE_PATCH
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.telemetry.metrics import Metrics
from controller.process import Controller, _State
from controller.settings import Settings
from tests.support.simulation.clock import Machine, VirtualLoop
from tests.support.simulation.cluster import HOME, Cluster
from tests.support.simulation.laws import ips_of
from tests.support.simulation.network import SimulatedTransport

POOL = ("198.51.100.0/26", "2001:db8:1::/122")
SERVICES_PATH = "/api/v1/namespaces/default/services"
OURS = f"/apis/{BAREMETAL_LB.group}/v1beta1/namespaces/{HOME}"
STATUSES = (BAREMETAL_LB.group, "servicel2statuses")
PATIENCE_S = 60.0
"""How long it may take until all is as it should be; longer than any back-off, than a Lease, and than garbage is left alone."""


class SmallWorld(Cluster):
    """A few Services, and people who change something."""

    def __init__(self, loop: VirtualLoop, services: int) -> None:
        super().__init__(loop, seed=1)
        self.core.ask("PATCH", f"{OURS}/ipaddresspools/p", {"spec": {"addresses": list(POOL), "retainFor": "0s"}}, MERGE_PATCH)
        for _ in range(services):
            self.create_service()

    def create_service(self) -> None:
        """Create a Service of both families; every third shares its IPs."""
        number = self._next()
        annotations = {f"{BAREMETAL_LB.prefix}allow-shared-ip": "k"} if number % 3 == 0 else {}
        ports = [{"port": number, "protocol": "TCP"}]
        spec = {"type": "LoadBalancer", "ports": ports, "selector": {"app": "web"}, "ipFamilyPolicy": "RequireDualStack"}
        self.core.ask("POST", SERVICES_PATH, {"metadata": {"name": f"s{number:03}", "annotations": annotations}, "spec": spec})

    def change(self) -> None:
        """Delete the oldest Service, whose speakers left their status objects behind, and create another one."""
        oldest = min(self.laws.services(), key=lambda service: str(service["metadata"]["name"]))["metadata"]["name"]
        for node in ("n1", "n2"):
            name = f"l2-{oldest}-{node}"
            self.core.ask("POST", f"{OURS}/servicel2statuses", _object("ServiceL2Status", name))
            status = {"node": node, "serviceName": oldest, "serviceNamespace": "default"}
            self.core.ask("PATCH", f"{OURS}/servicel2statuses/{name}/status", {"status": status}, MERGE_PATCH)
        self.core.ask("DELETE", f"{SERVICES_PATH}/{oldest}")
        self.create_service()

    def complaints(self) -> list[str]:
        """Return what is not yet as it should be."""
        found = [f"{one['metadata']['name']} has no IP" for one in self.laws.services() if len(ips_of(one)) < 2]
        there = {one["metadata"]["uid"] for one in self.laws.services()}
        for entry in self.laws.entries():
            users = {user["uid"] for user in entry["spec"].get("services") or []}
            if not users or users - there:
                found.append(f"{entry['spec']['address']} is not released")
        found += [f"{key.name} is not removed" for key, _ in self.core.server.store.items(STATUSES)]
        return found

    async def settle(self) -> None:
        """Wait until everything is as it should be, and raise what is not when the time for that is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while self.complaints():
                    await asyncio.sleep(0.05)
        self.check()
        assert not self.complaints()
        self.laws.settled(pool_size=2**32)


class Terms(SmallWorld):
    """The small world, and one controller, which holds the Lease all the time."""

    def __init__(self, loop: VirtualLoop, services: int) -> None:
        super().__init__(loop, services)
        transport = SimulatedTransport(self.core, "c", random.Random(1), self.weather)
        settings = Settings(metrics_port=0, health_port=0, leftover_grace_s=0.0)
        self.controller = Controller(settings, transport, Metrics(BAREMETAL_LB), _State())
        self.loop = self.controller._loop
        self.agenda = self.loop._agenda
        self._ready = asyncio.Event()

    async def observe(self, group: asyncio.TaskGroup) -> list["asyncio.Task[None]"]:
        """Run all of the controller but its terms; return once it holds the Lease and has listed everything."""
        is_leading = asyncio.Event()

        async def hold() -> None:
            is_leading.set()
            await asyncio.Event().wait()

        parts = (self.controller._observation.run(), self.controller._recorder.run(), self.controller._elector.run(hold))
        tasks = [group.create_task(part) for part in parts]
        await self.controller._observation.synced()
        await is_leading.wait()
        self._ready.set()
        return tasks

    def begin_term(self) -> tuple["asyncio.Task[None]", Machine]:
        """Begin a term; its machine is that of the term's tasks and of nobody else."""
        machine = Machine("term")
        return self.core.loop.create_task(self.loop.lead(self._ready), context=machine.context), machine

    async def cut_term(self, steps: int) -> bool:
        """Run a term that ends after so many steps of its tasks; tell whether it was cut before it had everything done."""
        term, machine = self.begin_term()
        if steps:
            machine.break_after(steps, term.cancel)
        else:
            term.cancel()  # before its first step
        is_done = False
        while not (term.done() or is_done):
            await asyncio.sleep(0.05)
            is_done = not self.complaints() and not term.done()
        await ended(term)
        assert not self.agenda.is_busy, f"still busy after a term that ended at step {steps}"
        return not is_done

    async def whole_term(self) -> None:
        """Run a term until everything is as it should be, and nothing is in hand; raise what is not when its time is over."""
        term, _ = self.begin_term()
        await self.settle()
        assert not term.done()
        await ended(term)
        assert not self.agenda.is_busy

    def complaints(self) -> list[str]:
        """Return what is not yet as it should be, in the controller too."""
        writing = [name for name in (entry["spec"]["address"] for entry in self.laws.entries()) if self._is_writing(name)]
        return [
            *super().complaints(),
            *(f"{name} is being written" for name in writing),
            *(() if self.agenda.is_idle else ("something is queued, or busy",)),
        ]

    def _is_writing(self, address: str) -> bool:
        return self.loop.entries.is_writing(ip_address(address))


async def ended(term: "asyncio.Task[None]") -> None:
    """End a term and wait until it has ended; what it raised is raised."""
    term.cancel()
    with suppress(asyncio.CancelledError):
        await term


def _object(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": f"{BAREMETAL_LB.group}/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": {}}
