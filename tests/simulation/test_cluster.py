"""Speakers and controllers on one link, for many seeds: the laws of who answers hold through faults, and afterwards all comes to rest."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from tests.support.simulation.clock import virtual_time
from tests.support.simulation.cluster import POOL_SIZE
from tests.support.simulation.network import Weather
from tests.support.simulation.whole import WholeCluster

SEEDS = int(os.environ.get("BMLB_SIMULATION_SEEDS", "5"))
FIRST = int(os.environ.get("BMLB_SIMULATION_FIRST", "0"))
SCENES = 4
REST_S = 90
Scene = Callable[[WholeCluster], Awaitable[None]]


async def pause(cluster: WholeCluster, seconds: float) -> None:
    """Let time pass, with an eye on the laws."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 1e-6:
        await asyncio.sleep(min(0.25, left))
        cluster.link_laws.look()
        cluster.check()


async def calm_day(cluster: WholeCluster) -> None:
    """A person works, and one thing breaks at a time."""
    rng = cluster.rng
    for _ in range(8):
        await pause(cluster, rng.uniform(0.0, 3.0) ** 2)
        if rng.random() < 0.7:
            cluster.act()
            continue
        node = cluster.a_node()
        kind = rng.choice(["kill", "leave", "suspend", "cable", "controller"])
        cluster.link_laws.disturb(f"{kind} {node.name}")
        if kind == "kill":
            await node.kill()
        elif kind == "leave":
            await node.terminate()
        elif kind == "suspend":
            node.suspend()
        elif kind == "cable":
            cluster.wire.plug(node.name, is_in=False)
        else:
            await cluster.lose(gracefully=rng.random() < 0.5)
            cluster.start()
        await pause(cluster, rng.choice([0.3, 2.0, 6.0, 20.0]))
        cluster.heal()


async def outage(cluster: WholeCluster) -> None:
    """The API server goes away for minutes, and nothing changes: not even for a speaker that is killed and started again."""
    rng = cluster.rng
    await rest(cluster)
    before = cluster.wire.answering()
    cluster.link_laws.disturb("the API server is away")
    cluster.all_weathers(Weather(away=1.0))
    cluster.link_laws.must_stand = dict(before)
    await pause(cluster, rng.uniform(5.0, 120.0))
    for _ in range(2):
        node = cluster.a_node()
        cluster.link_laws.disturb(f"kill {node.name}, start it again")
        cluster.link_laws.must_stand = {ip: nodes for ip, nodes in before.items() if node.name not in nodes}
        await node.kill()
        await pause(cluster, rng.uniform(0.0, 5.0))
        node.start()
        await pause(cluster, 12.0)
        cluster.link_laws.must_stand = dict(before)
        await pause(cluster, rng.uniform(1.0, 40.0))
    cluster.heal()
    await pause(cluster, 40.0)
    cluster.link_laws.must_stand = {}


async def empty_lists(cluster: WholeCluster) -> None:
    """Watches break, versions are too old, lists come back empty: nothing changes."""
    await rest(cluster)
    cluster.link_laws.disturb("empty lists")
    cluster.link_laws.must_stand = cluster.wire.answering()
    cluster.all_weathers(Weather(expired=0.3, empty_list=0.5, watch_cut_s=5.0))
    await pause(cluster, 40.0)
    cluster.heal()
    await pause(cluster, 40.0)
    cluster.link_laws.must_stand = {}


async def forgeries(cluster: WholeCluster) -> None:
    """The API server is away, and somebody on the link announces IPs in the names of nodes: nobody falls silent."""
    rng = cluster.rng
    await rest(cluster)
    before = cluster.wire.answering()
    assert before
    cluster.link_laws.disturb("forgeries")
    cluster.all_weathers(Weather(away=1.0))
    cluster.link_laws.must_stand = dict(before)
    await pause(cluster, 15.0)  # all are cut off, and no claim is new
    for _ in range(60):
        ip = rng.choice(sorted(before, key=str))
        for port in cluster.wire.ports.values():
            cluster.wire.forge(port, ip)
        await pause(cluster, rng.uniform(0.0, 1.0))
    await pause(cluster, 15.0)
    cluster.heal()
    await pause(cluster, 40.0)
    cluster.link_laws.must_stand = {}


async def storm(cluster: WholeCluster) -> None:
    """Everything at once."""
    rng = cluster.rng
    cluster.link_laws.disturb("storm")
    cluster.all_weathers(Weather.storm())
    for _ in range(15):
        await pause(cluster, rng.uniform(0.0, 1.7) ** 3)
        node = cluster.a_node()
        chance = rng.randrange(14)
        cluster.link_laws.note(f"storm: {chance} {node.name}")
        if chance == 0:
            await node.kill()
        elif chance == 1:
            await node.terminate()
        elif chance == 2:
            node.suspend()
        elif chance == 3:
            node.resume()
        elif chance == 4:
            cluster.wire.plug(node.name, is_in=rng.random() < 0.5)
        elif chance == 5:
            cluster.weather_at(node, Weather(away=1.0))
        elif chance == 6:
            await cluster.lose(gracefully=rng.random() < 0.3)
            cluster.start()
        elif chance == 7:
            for other in cluster.nodes.values():
                if not other.is_started:
                    other.start()
        else:
            cluster.act()
    cluster.heal()


async def rest(cluster: WholeCluster) -> None:
    """Come to rest, as it must be."""
    cluster.heal()
    await pause(cluster, REST_S)
    cluster.laws.settled(POOL_SIZE)
    cluster.settled_link()


async def history(cluster: WholeCluster, scenes: tuple[Scene, ...] = ()) -> int:
    """Live through these scenes, or as chance has it; return the writes of the silence after them."""
    cluster.start()
    cluster.start()
    for node in cluster.nodes.values():
        node.start()
    for _ in range(5):
        cluster.act()
    for scene in scenes or cluster.rng.choices([calm_day, calm_day, outage, empty_lists, storm], k=SCENES):
        cluster.link_laws.note(f"scene: {scene.__name__}")
        await scene(cluster)
    await rest(cluster)
    await pause(cluster, 100)
    before = _written(cluster)
    await pause(cluster, 120)
    await cluster.lose(gracefully=True)
    cluster.start()
    await pause(cluster, 120)
    cluster.settled_link()
    written = _written(cluster) - before
    await cluster.end()
    return written


def _written(cluster: WholeCluster) -> int:
    return sum(count for who, count in cluster.laws.writes.items() if who != "test")


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_no_history_breaks_a_law_of_the_link(seed, tmp_path):
    _live(seed, tmp_path)


@pytest.mark.parametrize("scene", [empty_lists, outage, forgeries], ids=["empty-lists", "outage", "forgeries"])
def test_an_api_server_that_was_away_or_wrong_leaves_nothing_behind(scene, tmp_path):
    _live(7, tmp_path, (scene,))


def _live(seed, directory, scenes=()):
    with virtual_time() as loop:
        cluster = loop.run_until_complete(_made(loop, seed, directory))
        with cluster.on_the_wire():
            written = loop.run_until_complete(history(cluster, scenes))
    assert written == 0, f"a settled cluster was written to {written} times\n" + "\n".join(cluster.link_laws.log)


async def _made(loop, seed, directory):
    return WholeCluster(loop, seed, directory, nodes=4)
