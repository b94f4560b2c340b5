"""From a write to the API until a router's kernel follows: ``python -m tests.perf.bgp_services``. Run as root.

A lab of three nodes behind a router (BIRD) on the real kube-apiserver, with two controllers, three speakers and three engines, as people
run it. A Service is created, gets an IP and a route; it is deleted; and the last usable endpoint of a node goes, under policy Local. Times
are from just before the request to the event of the router's kernel; FRR adds about 60 ms of its own to a route.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from baremetal_lb.kube.resources import SERVICES, Resource
from baremetal_lb.kube.transport import Transport
from baremetal_lb.lab import cluster
from baremetal_lb.lab.build import find_or_build
from baremetal_lb.lab.layout import CLUSTER_ASN
from baremetal_lb.lab.state import SYSTEM_NAMESPACE
from tests.support.lab import LabUnderTest, lab_up
from tests.support.netns import BorrowedNamespace
from tests.support.route_monitor import RouteEvent, RouteMonitor
from tests.support.wait import auntil

SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
NODES = ("node1", "node2", "node3")


def ours(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> dict[str, Any]:
    """Return one of our resources."""
    metadata = {"name": name, "namespace": SYSTEM_NAMESPACE}
    return {"apiVersion": f"baremetal-lb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


class Bench:
    """An open connection to the lab's API server, and the router's kernel."""

    def __init__(self, opened: cluster.Cluster, monitor: RouteMonitor) -> None:
        self.api, self.monitor = opened, monitor
        self.times: dict[str, list[float]] = defaultdict(list)

    async def slice(self, name: str, ready: tuple[str, ...]) -> None:
        """Write the endpoints of a Service: one on each node, ready on these."""
        endpoints = [
            {"addresses": [f"10.244.9.{number}"], "nodeName": node, "conditions": {"ready": node in ready}}
            for number, node in enumerate(NODES, start=1)
        ]
        labels = {"kubernetes.io/service-name": name}
        body = {"metadata": {"name": name, "labels": labels}, "addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 8080}]}
        await self.api.transport.request("POST", SLICES.path("default"), body=body)

    async def service(self, name: str, policy: str = "Cluster") -> None:
        """Write a Service."""
        spec = {"type": "LoadBalancer", "externalTrafficPolicy": policy, "ports": [{"port": 80}]}
        await self.api.transport.request("POST", SERVICES.path("default"), body={"metadata": {"name": name}, "spec": spec})

    async def endpoint(self, name: str, number: int, *, is_ready: bool) -> None:
        """Change one endpoint."""
        patch = [{"op": "replace", "path": f"/endpoints/{number}/conditions/ready", "value": is_ready}]
        path = SLICES.path("default", name)
        await self.api.transport.request("PATCH", path, body=patch, content_type="application/json-patch+json")

    async def took(self, what: str, begun: int, is_it: Callable[[RouteEvent], bool]) -> RouteEvent:
        """Wait for an event, and note how long after ``begun`` it was."""

        def look() -> RouteEvent | None:
            return next((event for event in self.monitor.events() if is_it(event)), None)

        event = await auntil(look, 30, self.monitor.events)
        assert event is not None
        self.times[what].append((event.at - begun) / 1e6)
        return event

    async def is_quiet(self) -> None:
        """Wait until nothing happens any more, and forget what did."""
        while True:
            before = len(self.monitor.events())
            await asyncio.sleep(0.3)
            if len(self.monitor.events()) == before:
                self.monitor.clear()
                return


async def one_round(bench: Bench, number: int) -> None:
    """Create a Service, take an endpoint from it and give it back, and delete it."""
    name = f"s{number}"
    await bench.slice(name, NODES)
    await bench.is_quiet()
    begun = time.monotonic_ns()
    await bench.service(name, "Local")
    first = await bench.took("Service created: first next hop", begun, lambda event: not event.is_removal)
    await bench.took("Service created: third next hop", begun, lambda event: len(event.gateways) == 3)
    await bench.is_quiet()
    begun = time.monotonic_ns()
    await bench.endpoint(name, 0, is_ready=False)
    await bench.took("last local endpoint not ready: out", begun, lambda event: len(event.gateways) == 2)
    await bench.is_quiet()
    begun = time.monotonic_ns()
    await bench.endpoint(name, 0, is_ready=True)
    await bench.took("local endpoint ready again: in", begun, lambda event: len(event.gateways) == 3)
    await bench.is_quiet()
    begun = time.monotonic_ns()
    await bench.api.transport.request("DELETE", SERVICES.path("default", name))
    await bench.took("Service deleted: first next hop gone", begun, lambda event: event.is_removal or len(event.gateways) < 3)
    await auntil(lambda: [event.is_removal for event in bench.monitor.events(first.prefix)][-1:] == [True], 30)
    await asyncio.sleep(0.3)
    bench.times["Service deleted: route gone"].append((bench.monitor.events(first.prefix)[-1].at - begun) / 1e6)
    await bench.api.transport.request("DELETE", SLICES.path("default", name))


async def measure(lab: LabUnderTest, rounds: int) -> None:
    """Print the table."""
    router = lab.status()["routers"][0]
    async with Transport(lab.directory.kubeconfig) as transport:
        opened = cluster.Cluster(transport)
        await opened.apply(ours("IPAddressPool", "routed", addresses=["203.0.113.0/24"]))
        await opened.apply(ours("BGPAdvertisement", "all"))
        asns = {"myASN": CLUSTER_ASN, "peerASN": router["asn"]}
        await opened.apply(ours("BGPPeer", "tor", "v1beta2", peerAddress=router["ips"][0], enableGracefulRestart=True, **asns))
        with RouteMonitor(BorrowedNamespace(f"/run/netns/{lab.state.layout.namespace(router['name'])}")) as monitor:
            bench = Bench(opened, monitor)
            for number in range(rounds + 1):
                await one_round(bench, number)
                if number == 0:
                    bench.times.clear()  # sessions came up in it
    print(f"\n{'ms':<40}{'p50':>8}{'p99':>8}{'max':>8}   MetalLB native, and target")
    for what, times in bench.times.items():
        ordered = sorted(times)
        row = f"{median(times):>8.1f}{ordered[int(len(ordered) * 0.99)]:>8.1f}{ordered[-1]:>8.1f}"
        print(f"{what:<40}{row}   {TARGETS[what]}")


TARGETS = {
    "Service created: first next hop": "35-53; under 60",
    "Service created: third next hop": "39-56; under 60",
    "last local endpoint not ready: out": "not measured; under 1 000",
    "local endpoint ready again: in": "not measured",
    "Service deleted: first next hop gone": "25-35; under 50",
    "Service deleted: route gone": "28-44; under 50",
}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--router", choices=("bird", "frr", "gobgp"), default="bird")
    arguments = parser.parse_args()
    find_or_build(print)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work, lab_up(Path(work), "--api", "kube", "--routers", arguments.router) as lab:
        print(f"load {load:.1f} on {os.cpu_count()} processors at the start; router {arguments.router}; {arguments.rounds} rounds")
        asyncio.run(measure(lab, arguments.rounds))


if __name__ == "__main__":
    main()
