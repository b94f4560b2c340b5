"""Packets through a router with ECMP over three nodes, while speakers, ExaBGP and whole Pods go and come back: none is lost."""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from baremetal_lb.lab.routers import RouterKind
from tests.support.ecmp import LEAVING, ROUTES, Ecmp
from tests.support.flows import PATIENCE_S, Flows
from tests.support.wait import auntil

pytestmark = pytest.mark.netns
KINDS = pytest.mark.parametrize("kind", [RouterKind.FRR, RouterKind.BIRD], ids=lambda kind: kind.value)


async def a_speaker_that_dies_and_returns(ecmp: Ecmp) -> None:
    await ecmp.nodes[0].restart_speaker()
    ecmp.want(0, ROUTES)
    await auntil(ecmp.nodes[0].engine.is_settled, 20, ecmp.nodes[0].describe)
    await ecmp.until_gateways(0, 1, 2)


async def an_exabgp_that_is_killed(ecmp: Ecmp) -> None:
    engine = ecmp.nodes[0].engine
    epoch, pid = engine.epoch, engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await auntil(lambda: engine.epoch != epoch, 20, ecmp.nodes[0].describe)
    await auntil(engine.is_settled, 20, ecmp.nodes[0].describe)
    await auntil(lambda: ecmp.router.is_up("node0"), 20, ecmp.router.describe)


async def a_pod_that_is_told_to_go_with_notice(ecmp: Ecmp) -> None:
    """What the speaker does: first the community and a longer path, so that routers take another way; then the end."""
    ecmp.want(0, LEAVING)
    await ecmp.until_gateways(1, 2)
    await ecmp.nodes[0].end_speaker()
    process = ecmp.nodes[0].process
    assert process is not None
    process.terminate()
    assert await ecmp.nodes[0].wait_process() == 0
    assert ecmp.gateways() == {str(address) for address in ecmp.addresses[1:]}


async def a_pod_that_is_told_to_go_and_whose_speaker_is_dead(ecmp: Ecmp) -> None:
    await ecmp.nodes[0].end_speaker()
    process = ecmp.nodes[0].process
    assert process is not None
    process.terminate()
    assert await ecmp.nodes[0].wait_process() == 0
    await ecmp.until_gateways(1, 2)


@KINDS
@pytest.mark.parametrize(
    "event",
    [
        a_speaker_that_dies_and_returns,
        an_exabgp_that_is_killed,
        a_pod_that_is_told_to_go_with_notice,
        a_pod_that_is_told_to_go_and_whose_speaker_is_dead,
    ],
    ids=lambda event: event.__name__,
)
async def test_no_packet_is_lost_while_another_next_hop_exists(kind: RouterKind, event: Callable[[Ecmp], Awaitable[None]], tmp_path: Path):
    async with Ecmp(kind, tmp_path) as ecmp:
        await ecmp.advertise()
        with ecmp.flows() as flows:
            await auntil(lambda: all(server.answered > 20 for server in ecmp.servers), 20, lambda: [s.answered for s in ecmp.servers])
            begun = flows.mark()
            await event(ecmp)
            await all_judged(flows)
            assert flows.lost(begun)[0] == 0
            assert flows.lost(begun)[1] > 100


async def all_judged(flows: Flows) -> None:
    """Wait until every request sent so far counts as answered or lost, and some more after the event were sent."""
    now = flows.mark()
    await auntil(lambda: flows.mark() > now + 2 * PATIENCE_S)
