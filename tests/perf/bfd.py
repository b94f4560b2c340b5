"""How soon a router leaves a path that fails, and how evenly our BFD packets go: ``python -m tests.perf.bfd``. Run as root.

    node   ours (ExaBGP and `bmlb bfd`), or a BIRD that originates the route and has BFD itself: the baseline
    router FRR or BIRD, watched by netlink

The node's cable is pulled, many times, at moments that have nothing to do with the packets; the time is from there to the event of the
router's kernel. The Detection Time is three intervals, of which up to one has passed since the last packet and up to a quarter of it is
jitter: 150 and 900 ms are the limits, whoever sends. Then intervals between packets are taken from the wire, idle and with both
processors kept busy, with SCHED_FIFO and without.
"""

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Address, ip_network
from itertools import pairwise
from pathlib import Path
from statistics import median

from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bgp.session import Attributes, SessionSpec
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.net import Family
from baremetal_lb.model.time import MILLISECOND
from baremetal_lb.packet.bfd import State
from tests.support.bfd import Bfd
from tests.support.driving import Driving
from tests.support.netns import Host, Lab
from tests.support.route_monitor import RouteMonitor
from tests.support.routers import Router
from tests.support.wait import auntil

ROUTER, NODE = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.11")
PREFIX = ip_network("203.0.113.1/32")
V4 = frozenset({Family.IPV4})
ROUTES = {PREFIX: Attributes()}


def profile(interval_ms: int) -> BFDProfile:
    """Return the profile of both sides."""
    return BFDProfile("fast", required_min_rx=interval_ms * MILLISECOND, desired_min_tx=interval_ms * MILLISECOND)


def router_of(kind: RouterKind, bfd: BFDProfile) -> RouterSpec:
    """Return the router that is watched."""
    return RouterSpec(kind, 65001, ROUTER, (RouterSession("node", 65011, NODE, families=V4, bfd=bfd),))


@contextlib.asynccontextmanager
async def our_node(host: Host, work: Path, bfd: BFDProfile, *options: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run our node; yields what waits until its BFD is Up."""
    spec = BfdSpec("router", ROUTER, NODE, desired_min_tx=bfd.desired_min_tx, required_min_rx=bfd.required_min_rx)
    session = SessionSpec("router", ROUTER, 65011, NODE, peer_asn=65001, local=NODE, families=V4, hold_time_s=9, is_graceful_restart=True)
    async with Driving(host, work / "engine") as driving, Bfd(host, work / "bfd", *options) as process:
        driving.engine.want_sessions({"router": session})
        driving.engine.want_routes("router", ROUTES)
        process.client.want({"router": spec})
        yield lambda: process.until(State.UP)


@contextlib.asynccontextmanager
async def bird_node(host: Host, work: Path, bfd: BFDProfile) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run a BIRD as the node."""
    session = RouterSession("tor", 65001, ROUTER, families=V4, bfd=bfd, hold_time_s=9)
    with Router(host, RouterSpec(RouterKind.BIRD, 65011, NODE, (session,), networks=(PREFIX,)), work / "node") as bird:

        def is_up() -> bool:
            lines = bird.control("birdc", "show", "bfd", "sessions").splitlines()
            return any(line.startswith(str(ROUTER)) and " Up " in line for line in lines)

        async def wait() -> None:
            await auntil(is_up, 40, bird.describe)

        yield wait


async def cuts_ms(sender: Callable[..., object], kind: RouterKind, bfd: BFDProfile, rounds: int) -> list[float]:
    """Pull the cable many times; return how long the route stayed."""
    times: list[float] = []
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        at, host = lab.host(f"{ROUTER}/24"), lab.host(f"{NODE}/24")
        with Router(at, router_of(kind, bfd), work / "router") as router, RouteMonitor(at) as monitor:
            async with sender(host, work, bfd) as wait_up:  # type: ignore[attr-defined]
                for _ in range(rounds):
                    await auntil(lambda: str(PREFIX) in router.kernel_routes(), 60, router.describe)
                    await wait_up()
                    # Intervals are negotiated once it is Up.
                    await asyncio.sleep(2 + random.random())
                    monitor.clear()
                    cut_at = time.monotonic_ns()
                    host.cut()
                    await auntil(lambda: monitor.removals(str(PREFIX)), 30)
                    times.append((monitor.removals(str(PREFIX))[0].at - cut_at) / 1e6)
                    host.heal()
    return times


async def evenness(bfd: BFDProfile, *, seconds: float, busy: int, options: tuple[str, ...]) -> str:
    """Return a row on the intervals between our packets, from the router's end of the wire, and on changes of state."""
    interval_ms = bfd.desired_min_tx / MILLISECOND
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        at, host = lab.host(f"{ROUTER}/24"), lab.host(f"{NODE}/24")
        with Router(at, router_of(RouterKind.BIRD, bfd), work / "router"):
            async with our_node(host, work, bfd, *options) as wait_up:
                await wait_up()
                await asyncio.sleep(2)
                spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
                try:
                    out = await asyncio.to_thread(at.run, sys.executable, "-c", LISTEN, str(seconds))
                finally:
                    for spinner in spinners:
                        spinner.kill()
                        spinner.wait()
                stamps = [int(line) for line in out.split()]
                gaps = sorted((after - before) / 1e6 for before, after in pairwise(stamps))
                downs = (work / "bfd.log").read_text().count('"state": "Down"')
    late = sum(gap > interval_ms for gap in gaps)
    return f"{gaps[len(gaps) // 2]:>9.1f}{gaps[int(len(gaps) * 0.99)]:>8.1f}{gaps[-1]:>8.1f}{late / len(gaps) * 100:>9.1f} %{downs:>8}"


LISTEN = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x800))
s.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
end = time.monotonic() + float(sys.argv[1])
s.settimeout(1)
while time.monotonic() < end:
    frame, extra, _, _ = s.recvmsg(200, 64)
    if frame[23] == 17 and frame[36:38] == (3784).to_bytes(2, "big"):
        seconds, ns = int.from_bytes(extra[0][2][:8], "little"), int.from_bytes(extra[0][2][8:], "little")
        print(seconds * 10**9 + ns)
"""


async def measure(rounds: int, seconds: float) -> None:
    """Print both tables."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors at the start; {rounds} cuts for each row")
    print(f"\n{'cut to route gone, ms':<24}{'node':<8}{'router':<8}{'min':>8}{'p50':>8}{'max':>8}   target")
    for interval_ms, target in ((50, "under 250 (limit 150)"), (300, "under 1 000 (limit 900)")):
        for kind in (RouterKind.FRR, RouterKind.BIRD):
            for name, sender in (("ours", our_node), ("bird", bird_node)):
                times = sorted(await cuts_ms(sender, kind, profile(interval_ms), rounds))
                row = f"{times[0]:>8.0f}{median(times):>8.0f}{times[-1]:>8.0f}"
                print(f"{f'BFD {interval_ms} ms x3':<24}{name:<8}{kind.value:<8}{row}   {target}", flush=True)
    print(f"\n{'our packets, 50 ms':<34}{'p50, ms':>9}{'p99':>8}{'max':>8}{'> 50 ms':>11}{'downs':>8}")
    for what, busy, options in (
        ("idle", 0, ()),
        ("6 busy processes, SCHED_FIFO", 6, ()),
        ("6 busy processes, as others", 6, ("--realtime-priority", "0")),
    ):
        print(f"{what:<34}{await evenness(profile(50), seconds=seconds, busy=busy, options=options)}", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.rounds, arguments.seconds))


if __name__ == "__main__":
    main()
