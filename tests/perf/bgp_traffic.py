"""Packets lost through a router with ECMP over three nodes, at 200 a second: ``python -m tests.perf.bgp_traffic``.

A client, a router (FRR, BIRD) and three nodes with our engine, in namespaces; each node answers at the IP. The first rows are what must
lose nothing (tests/integration/bgp/test_traffic.py holds them to it); a lost node is noticed by the hold time (9 s here), or by BFD.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from baremetal_lb.lab.routers import RouterKind
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.time import MILLISECOND
from tests.integration.bgp.test_traffic import (
    a_pod_that_is_told_to_go_and_whose_speaker_is_dead,
    a_pod_that_is_told_to_go_with_notice,
    a_speaker_that_dies_and_returns,
    an_exabgp_that_is_killed,
)
from tests.support.ecmp import Ecmp
from tests.support.flows import PATIENCE_S
from tests.support.wait import auntil


async def a_node_that_is_cut_off(ecmp: Ecmp) -> None:
    """Pull the cable of a node, and wait until the router has noticed."""
    ecmp.hosts[0].cut()
    await ecmp.until_gateways(1, 2, deadline_s=60)


EVENTS: tuple[tuple[str, Callable[[Ecmp], Awaitable[None]], str], ...] = (
    ("speaker killed, started again", a_speaker_that_dies_and_returns, "0"),
    ("ExaBGP killed (graceful restart)", an_exabgp_that_is_killed, "0"),
    ("Pod stopped, with notice", a_pod_that_is_told_to_go_with_notice, "0"),
    ("Pod stopped, speaker dead", a_pod_that_is_told_to_go_and_whose_speaker_is_dead, "0"),
    ("node cut off, hold time 9 s", a_node_that_is_cut_off, "a third for the hold time"),
    ("node cut off, BFD 300 ms x3", a_node_that_is_cut_off, "a third for 1 s: 67"),
    ("node cut off, BFD 50 ms x3", a_node_that_is_cut_off, "a third for 250 ms: 17"),
)


def bfd_of(what: str) -> BFDProfile | None:
    """Return the profile that a row names."""
    _, found, interval = what.partition("BFD ")
    every = int(interval.partition(" ")[0]) * MILLISECOND if found else 0
    return BFDProfile("fast", required_min_rx=every, desired_min_tx=every) if found else None


async def measure() -> None:
    """Print the table."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors at the start; 200 packets/s over 32 flows, 3 next hops")
    print(f"{'':<36}{'router':<8}{'sent':>7}{'lost':>7}{'longest gap, ms':>17}   target of lost")
    for what, event, target in EVENTS:
        for kind in (RouterKind.FRR, RouterKind.BIRD):
            with tempfile.TemporaryDirectory() as work:
                async with Ecmp(kind, Path(work), bfd=bfd_of(what)) as ecmp:
                    await ecmp.advertise()
                    with ecmp.flows() as flows:
                        await auntil(lambda ecmp=ecmp: all(server.answered > 20 for server in ecmp.servers), 20)
                        begun = flows.mark()
                        await event(ecmp)
                        ended = flows.mark()
                        await auntil(lambda flows=flows, ended=ended: flows.mark() > ended + 2 * PATIENCE_S)
                        lost, sent = flows.lost(begun)
                        gap_ms = flows.longest_gap_s(begun, ended) * 1e3
                        print(f"{what:<36}{kind.value:<8}{sent:>7}{lost:>7}{gap_ms:>17.0f}   {target}")


if __name__ == "__main__":
    asyncio.run(measure())
