"""Figures of the controller on the real API server, beside the targets. Run: ``python -m tests.perf.controller [--services 100,1000]``.

16 clients create Services as fast as they are answered; a watch of their own tells when each has its IP (and the answer to its POST
when it was there). Client, API server, etcd and controller share this machine's cores, so times are upper bounds; counts, from the API
server's audit log, are exact. Nothing here is asserted.
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec

from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.rights import controller_rights
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.controllers import Install, running_install
from tests.support.kubeserver import running_server
from tests.support.wait import until

CLIENTS = 16
KINDS: dict[str, dict[str, Any]] = {"Cluster": {}, "Local": {"externalTrafficPolicy": "Local"}, "shared": {}}
BASELINE = {
    "Cluster": "MetalLB 2.1/2.8 s quiet, 2.1-8.5/3.4-11 s loaded; target p99 at most 0.2 of it",
    "Local": "MetalLB 7.5-15.8/11.3-26 s loaded; target p99 at most 0.2 of it",
    "shared": "MetalLB 5.8-13/8.3-18 s loaded; target p99 at most 0.2 of it",
}


class Event(msgspec.Struct):
    """A watch event of a Service, as far as it is read here."""

    type: str
    object: dict[str, Any]


async def watch_ips(transport: Transport, namespace: str, seen: dict[str, float], ready: asyncio.Event) -> None:
    """Note when each Service is first seen with an IP."""
    path = f"/api/v1/namespaces/{namespace}/services"
    version = msgspec.json.decode(await transport.request("GET", path))["metadata"]["resourceVersion"]
    query = [("watch", "true"), ("resourceVersion", version)]
    async with transport.open("GET", path, query, total_s=600) as response:
        ready.set()
        while line := await response.content.readline():
            item = msgspec.json.decode(line, type=Event).object
            if item["status"].get("loadBalancer", {}).get("ingress"):
                seen.setdefault(item["metadata"]["name"], time.monotonic())


def body(install: Install, kind: str, number: int) -> dict[str, Any]:
    """Return the Service of a kind; 10 at a time share an IP."""
    annotations = {"baremetal-lb.io/allow-shared-ip": f"key{number // 10}"} if kind == "shared" else {}
    spec = {"type": "LoadBalancer", "loadBalancerClass": install.lb_class, "allocateLoadBalancerNodePorts": False, "selector": {"a": "b"}}
    return {
        "metadata": {"name": f"s{number}", "annotations": annotations},
        "spec": {**spec, "ports": [{"port": 1000 + number % 10}], **KINDS[kind]},
    }


async def create_all(install: Install, kind: str, count: int) -> tuple[list[float], float, float]:
    """Create Services by 16 clients; return create-to-IP times, time from the last create to the last IP, and the rate of creates."""
    seen: dict[str, float] = {}
    created: dict[str, float] = {}
    async with Transport(install.server.kubeconfig("admin")) as transport:
        ready = asyncio.Event()
        watch = asyncio.create_task(watch_ips(transport, install.namespace, seen, ready))
        await ready.wait()
        numbers = iter(range(count))
        path = f"/api/v1/namespaces/{install.namespace}/services"

        async def client() -> None:
            for number in numbers:
                await transport.request("POST", path, body=body(install, kind, number))
                created[f"s{number}"] = time.monotonic()

        began = time.monotonic()
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        ended = time.monotonic()
        while len(seen) < count and time.monotonic() < ended + 120:
            await asyncio.sleep(0.01)
        watch.cancel()
    times = [max(0.0, seen[name] - created[name]) for name in seen]
    return times, max(seen.values()) - ended, count / (ended - began)


async def idle_create(install: Install, rounds: int = 20) -> list[float]:
    """Create Services one by one while nothing else happens; return create-to-IP times from before the POST."""
    seen: dict[str, float] = {}
    times = []
    async with Transport(install.server.kubeconfig("admin")) as transport:
        ready = asyncio.Event()
        watch = asyncio.create_task(watch_ips(transport, install.namespace, seen, ready))
        await ready.wait()
        path = f"/api/v1/namespaces/{install.namespace}/services"
        for number in range(rounds):
            item = body(install, "Cluster", 0)
            item["metadata"]["name"] = f"idle{number}"
            began = time.monotonic()
            await transport.request("POST", path, body=item)
            while f"idle{number}" not in seen:
                await asyncio.sleep(0.001)
            times.append(seen[f"idle{number}"] - began)
            await asyncio.sleep(0.05)
        watch.cancel()
    return times


async def delete_all(install: Install) -> None:
    """Delete all Services."""
    async with Transport(install.server.kubeconfig("admin")) as transport:
        names = iter(list(install.services()))

        async def client() -> None:
            for name in names:
                try:
                    await transport.request("DELETE", install.service_path(name))
                except ApiError as error:
                    if not error.is_not_found:
                        raise

        await asyncio.gather(*(client() for _ in range(CLIENTS)))


def quiet_mark(install: Install, quiet_s: float = 2.0) -> int:
    """Wait until nothing but Leases was written for a while; return the mark of the audit log."""
    last = [install.server.audit_mark(), time.monotonic()]

    def is_quiet() -> bool:
        if Counter(install.server.writes(user="controller", since=last[0])).keys() - {("update", "leases")}:
            last[:] = [install.server.audit_mark(), time.monotonic()]
        return time.monotonic() - last[1] > quiet_s

    until(is_quiet, 120)
    return install.server.audit_mark()


def per_service(writes: Counter[tuple[str, str]], count: int) -> str:
    """Return the writes for each Service, pool status apart."""
    pool = writes.pop(("patch", "ipaddresspools/status"), 0)
    writes.pop(("update", "leases"), None)
    parts = ", ".join(f"{verb} {resource} {n / count:.2f}" for (verb, resource), n in sorted(writes.items()))
    return f"{writes.total() / count:.2f} ({parts}); pool status {pool} in all"


def measure(install: Install, kind: str, count: int) -> None:
    """Print the figures of one kind and number of Services."""
    controller = install.controllers[-1]
    mark, cpu_s = quiet_mark(install), controller.cpu_s
    times, after_s, rate = asyncio.run(create_all(install, kind, count))
    cuts = quantiles(times, n=100)
    quiet_mark(install)
    print(f"\n{count} Services, {kind}, {CLIENTS} clients, {rate:.0f} creates/s")
    print(f"  create to IP p50 / p99      {cuts[49] * 1000:8.0f} / {cuts[98] * 1000:.0f} ms     ({BASELINE[kind]})")
    print(f"  last create to all have IPs {after_s * 1000:8.0f} ms           (target under 500)")
    print(f"  writes per Service          {per_service(install.server.writes(user='controller', since=mark), count)}")
    print(f"  CPU of the controller       {controller.cpu_s - cpu_s:8.2f} s            (MetalLB 3.7-6.0 for 1 000)")
    unfinished = Counter(line["error"][:60] for line in controller.lines("unfinished"))
    print(f"  work that was done again    {len(controller.lines('decided_again'))} superseded, {dict(unfinished)} unfinished")
    print(f"  RSS                         {controller.rss_mib:8.0f} MiB          (target 70 / 80 at 0 / 1 000)")


def restart_and_delete(install: Install) -> None:
    """Print the writes after a restart, and after one deletion, with the Services that are there."""
    count = len(install.services())
    mark = quiet_mark(install)
    print(f"\n{count} Services there: SIGTERM takes {install.controllers[-1].stop() * 1000:.0f} ms")
    began = time.monotonic()
    controller = install.start()
    began_s = time.monotonic() - began
    print(
        f"  started until the term began  {began_s:6.2f} s, {controller.cpu_s:.2f} s of CPU (target under 1.5 until a Service gets its IP)"
    )
    quiet_mark(install)
    print(f"  writes after the restart      {install.writes(mark).total():6}        (target 0)")
    print(f"  RSS after the restart         {controller.rss_mib:6.0f} MiB")
    times = sorted(asyncio.run(idle_create(install)))
    p50_ms, max_ms = times[len(times) // 2] * 1000, times[-1] * 1000
    print(f"  create to IP, idle: p50 / max {p50_ms:6.0f} / {max_ms:.0f} ms   (target under 50, from before the POST)")
    mark = quiet_mark(install)
    install.server.delete(install.service_path("s5"))
    quiet_mark(install)
    print(f"  writes after one deletion     {install.writes(mark).total():6}        (target at most 3: {dict(install.writes(mark))})")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", default="100,1000")
    parser.add_argument("--kinds", default=",".join(KINDS))
    arguments = parser.parse_args()
    counts = [int(text) for text in arguments.services.split(",")]
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "kube") as server:
        server.grant("controller", controller_rights(BAREMETAL_LB).everywhere)
        with running_install(server, Path(folder)) as install:
            install.pool("wide", "198.18.0.0/16", retainFor="0s")
            controller = install.start()
            quiet_mark(install)
            print(f"RSS at 0 Services: {controller.rss_mib:.0f} MiB")
            for kind in arguments.kinds.split(","):
                for count in counts:
                    measure(install, kind, count)
                    if kind == "Cluster" and count == max(counts):
                        restart_and_delete(install)
                    asyncio.run(delete_all(install))
                    until(lambda: not install.ledger(), 60)


if __name__ == "__main__":
    main()
