"""Controllers under every fault at once, for many seeds: safety after each write, then liveness when the network heals, then silence."""

import asyncio
import os

import pytest

from tests.support.simulation.clock import virtual_time
from tests.support.simulation.cluster import POOL_SIZE, Cluster
from tests.support.simulation.network import Weather

SEEDS = int(os.environ.get("BMLB_SIMULATION_SEEDS", "20"))
STEPS = 40


async def storm(cluster: Cluster, *, deletes_entries: bool) -> None:
    cluster.weather.become(Weather.storm())
    cluster.core.stir()
    for _ in range(STEPS):
        await asyncio.sleep(cluster.rng.uniform(0.0, 1.5) ** 3)
        match cluster.rng.randrange(11):
            case 0 | 1 | 2 | 3:
                cluster.create_service()
            case 4 | 5:
                cluster.delete_service()
            case 6:
                cluster.replace_service()
            case 7 if deletes_entries:
                cluster.delete_entries()
            case 8:
                await cluster.lose(gracefully=cluster.rng.random() < 0.3)
                cluster.start()
            case 9:
                cluster.suspend(cluster.rng.uniform(1.0, 40.0))
            case _:
                await asyncio.sleep(cluster.rng.uniform(0.0, 20.0))
        cluster.check()


async def history(cluster: Cluster, *, deletes_entries: bool) -> int:
    """Live through a storm and its end; return the writes of the silence after it."""
    cluster.laws.may_lose_entries = deletes_entries
    cluster.start()
    cluster.start()
    await storm(cluster, deletes_entries=deletes_entries)
    cluster.weather.become(Weather())
    cluster.resume_all()
    cluster.core.stir()
    await asyncio.sleep(700)  # longer than any back-off, and than the watch that a stale list left behind
    cluster.laws.settled(POOL_SIZE)
    before = sum(count for who, count in cluster.laws.writes.items() if who != "test")
    await asyncio.sleep(300)
    await cluster.lose(gracefully=True)
    cluster.start()
    await asyncio.sleep(300)
    cluster.laws.settled(POOL_SIZE)
    cluster.check()
    await cluster.end()
    return sum(count for who, count in cluster.laws.writes.items() if who != "test") - before


@pytest.mark.parametrize("deletes_entries", [False, True], ids=["entries-stay", "entries-deleted-by-hand"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_history_breaks_a_law(seed, deletes_entries):
    with virtual_time() as loop:
        cluster = loop.run_until_complete(_made(loop, seed))
        written = loop.run_until_complete(history(cluster, deletes_entries=deletes_entries))
    assert written == 0, f"a settled cluster was written to {written} times\n" + "\n".join(cluster.laws.history)


def test_an_empty_list_takes_no_ip_away():
    async def live(cluster):
        cluster.start()
        for _ in range(3):
            cluster.create_service()
        await asyncio.sleep(10)
        before = sorted(map(str, cluster.laws.entries()))
        cluster.weather.become(Weather(expired=0.9, empty_list=0.9, watch_cut_s=2.0))
        cluster.core.stir()
        await asyncio.sleep(40)
        after = sorted(map(str, cluster.laws.entries()))
        cluster.check()
        await cluster.end()
        return before, after

    with virtual_time() as loop:
        cluster = loop.run_until_complete(_made(loop, 1))
        before, after = loop.run_until_complete(live(cluster))
    assert before == after


async def _made(loop, seed):
    return Cluster(loop, seed)
