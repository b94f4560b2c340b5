"""How fast routes get from a decision into a router's kernel, beside others in the same run: ``python -m tests.perf.bgp``.

Senders, each in a namespace of its own, all with a session to one BIRD whose namespace's kernel is watched by netlink:

    ours     our driver, the hub and ExaBGP, as the speaker uses them
    bird     a BIRD: its file of static routes is replaced and `configure` is given over its socket
    floor    a few lines of Python that write the UPDATE into the TCP connection, and nothing else

One prefix is announced and withdrawn many times, the senders taking turns; then 100, 1 000 and 10 000 prefixes at once. Times are from the
call to the event of the router's kernel; whatever else runs on the machine is in them, so compare the rows.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_network
from pathlib import Path
from statistics import median

from baremetal_lb.bgp.session import Attributes, SessionSpec
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.net import Family
from tests.support.bgp_peer import ScriptedPeer
from tests.support.bgp_wire import announce, prefix, update
from tests.support.driving import Driving
from tests.support.netns import Host, Lab
from tests.support.route_monitor import RouteMonitor
from tests.support.routers import Router
from tests.support.wait import auntil

SINK, OURS, BIRD, FLOOR = (IPv4Address(f"198.51.100.{last}") for last in (1, 11, 12, 13))
V4 = frozenset({Family.IPV4})
PER_UPDATE = 700
TARGETS = {
    "one": "Service created to route in the router's kernel under 60 ms, of which this is a part (seen: ExaBGP 1.6, floor 0.2 ms)",
    "bulk": "1 000 / 10 000 routes within 4x / 8x of BIRD's `configure`",
}
Routes = frozenset[IPv4Network]
Sender = Callable[[Routes, Routes], Awaitable[None]]
"""Takes what is to be announced now, and what was before."""


class Bench:
    """The router, its monitor and the senders."""

    def __init__(self, router: Router, monitor: RouteMonitor, senders: dict[str, Sender]) -> None:
        self.router, self.monitor, self.senders = router, monitor, senders

    async def change_s(self, sender: Sender, wanted: Routes, before: Routes) -> float:
        """Change from one set of routes to the other; return the time until the kernel has seen all of it."""
        self.monitor.clear()
        expected = {(str(each), False) for each in wanted - before} | {(str(each), True) for each in before - wanted}
        begun = time.monotonic_ns()
        await sender(wanted, before)
        await auntil(lambda: len(self.monitor.events()) >= len(expected), 120)
        events = self.monitor.events()
        assert {(event.prefix, event.is_removal) for event in events} == expected
        return (max(event.at for event in events) - begun) / 1e9


def prefixes(count: int) -> Routes:
    """Return that many prefixes."""
    return frozenset(ip_network((int(IPv4Address("10.0.0.0")) + number, 32)) for number in range(count))


def bird_sender(bird: Router) -> Sender:
    """Return what replaces the file of static routes and says ``configure`` over the control socket."""
    path, control = bird.directory / "routes.conf", bird.directory / "bird.ctl"

    async def send(wanted: Routes, _before: Routes) -> None:
        lines = "".join(f"route {each} blackhole;\n" for each in sorted(wanted))
        path.write_text("protocol static many_routes {\n ipv4;\n" + lines + "}\n")
        with socket.socket(socket.AF_UNIX) as talking:
            talking.connect(str(control))
            talking.recv(1 << 16)
            talking.sendall(b"configure\n")
            talking.recv(1 << 16)

    return send


def floor_sender(peer: ScriptedPeer) -> Sender:
    """Return what writes UPDATEs."""

    async def send(wanted: Routes, before: Routes) -> None:
        conversation = peer.established[-1]
        added, gone = sorted(wanted - before), sorted(before - wanted)
        for chunk in _chunks(added):
            conversation.send(announce([65013], str(FLOOR), *map(str, chunk)))
        for chunk in _chunks(gone):
            conversation.send(update(withdrawn=b"".join(prefix(str(each)) for each in chunk)))

    return send


def our_sender(driving: Driving) -> Sender:
    """Return what the speaker does."""

    async def send(wanted: Routes, _before: Routes) -> None:
        driving.engine.want_routes("sink", dict.fromkeys(wanted, Attributes()))

    return send


def _chunks(items: Sequence[IPv4Network]) -> Iterator[Sequence[IPv4Network]]:
    for start in range(0, len(items), PER_UPDATE):
        yield items[start : start + PER_UPDATE]


@contextlib.asynccontextmanager
async def bench(lab: Lab, work: Path):
    """Build everything, and wait until all sessions are up."""
    hosts: dict[IPv4Address, Host] = {address: lab.host(f"{address}/24") for address in (SINK, OURS, BIRD, FLOOR)}
    sessions = tuple(
        RouterSession(name, asn, address, families=V4, is_passive=True)
        for name, asn, address in (("s1", 65011, OURS), ("s2", 65012, BIRD), ("s3", 65013, FLOOR))
    )
    sink_spec = RouterSpec(RouterKind.BIRD, 65001, SINK, sessions)
    bird_spec = RouterSpec(RouterKind.BIRD, 65012, BIRD, (RouterSession("sink", 65001, SINK, families=V4),))
    with Router(hosts[SINK], sink_spec, work / "sink") as sink, Router(hosts[BIRD], bird_spec, work / "bird") as bird:
        _let_bird_read_routes(bird)
        with ScriptedPeer(hosts[FLOOR], asn=65013, router_id=str(FLOOR), hold_time_s=90) as floor, RouteMonitor(hosts[SINK]) as monitor:
            floor.dial(str(SINK))
            async with Driving(hosts[OURS], work / "engine") as driving:
                session = SessionSpec("sink", SINK, 65011, OURS, peer_asn=65001, local=OURS, families=V4)
                driving.engine.want_sessions({"sink": session})
                driving.engine.want_routes("sink", {})
                await auntil(sink.is_up, 30, lambda: (driving.describe(), sink.describe()))
                yield Bench(sink, monitor, {"ours": our_sender(driving), "bird": bird_sender(bird), "floor": floor_sender(floor)})


def _let_bird_read_routes(bird: Router) -> None:
    """Have the sending BIRD read a file of static routes, which it exports."""
    (bird.directory / "routes.conf").write_text("protocol static many_routes { ipv4; }\n")
    with (bird.directory / "bird.conf").open("a") as config:
        config.write(f'include "{bird.directory}/routes.conf";\n')
    bird.control("birdc", "configure")


async def measure(rounds: int, sizes: Sequence[int]) -> None:
    """Print all tables."""
    load = os.getloadavg()[0]
    print(f"load {load:.1f} on {os.cpu_count()} processors at the start; router: BIRD; {rounds} rounds, senders taking turns")
    with Lab() as lab, tempfile.TemporaryDirectory() as work:
        async with bench(lab, Path(work)) as built:
            one, none = prefixes(1), frozenset()
            times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in built.senders}
            for _ in range(rounds):
                for name, sender in built.senders.items():
                    times[name][0].append(await built.change_s(sender, one, none))
                    times[name][1].append(await built.change_s(sender, none, one))
            print(f"\n{'one prefix, ms':<16}{'announce p50':>14}{'p99':>8}{'withdraw p50':>14}{'p99':>8}{'ratio p50':>11}")
            for name, (announced, withdrawn) in times.items():
                ratio = median(announced) / median(times["floor"][0])
                cells = (median(announced), _p99(announced), median(withdrawn), _p99(withdrawn))
                print(
                    f"{name:<16}"
                    + "".join(f"{cell * 1e3:>{width}.2f}" for cell, width in zip(cells, (14, 8, 14, 8), strict=True))
                    + f"{ratio:>10.1f}x"
                )
            print(f"target: {TARGETS['one']}")
            print(f"\n{'many prefixes, s':<16}" + "".join(f"{f'{size:,} add':>14}{'withdraw':>10}{'of BIRD':>9}" for size in sizes))
            table = {name: [await _bulk(built, sender, size) for size in sizes] for name, sender in built.senders.items()}
            for name, row in table.items():
                cells = "".join(
                    f"{added:>14.3f}{gone:>10.3f}{added / theirs:>8.1f}x"
                    for (added, gone), (theirs, _) in zip(row, table["bird"], strict=True)
                )
                print(f"{name:<16}{cells}")
            print(f"target: {TARGETS['bulk']}")


async def _bulk(built: Bench, sender: Sender, size: int) -> tuple[float, float]:
    """Return the median of three rounds."""
    many, none = prefixes(size), frozenset()
    pairs = [(await built.change_s(sender, many, none), await built.change_s(sender, none, many)) for _ in range(3)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1000, 10000])
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.rounds, arguments.sizes))


if __name__ == "__main__":
    main()
