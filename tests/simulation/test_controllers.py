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
    for name, value in vars_of(Weather.storm()).items():
        setattr(cluster.weather, name, value)
    for _ in range(STEPS):
        await asyncio.sleep(cluster.rng.uniform(0.0, 1.5) ** 3)
        match cluster.rng.randrange(10):
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
            case _:
                await asyncio.sleep(cluster.rng.uniform(0.0, 20.0))
        for process in cluster.processes:
            process.check()


def vars_of(weather: Weather) -> dict[str, float]:
    return {name: getattr(weather, name) for name in weather.__slots__}


async def history(cluster: Cluster, *, deletes_entries: bool) -> int:
    """Live through a storm and its end; return the writes of the silence after it."""
    cluster.laws.may_lose_entries = deletes_entries
    cluster.start()
    cluster.start()
    await storm(cluster, deletes_entries=deletes_entries)
    for name, value in vars_of(Weather()).items():
        setattr(cluster.weather, name, value)
    await asyncio.sleep(700)  # longer than any back-off, and than the watch that a stale list left behind
    cluster.laws.settled(POOL_SIZE)
    before = sum(count for who, count in cluster.laws.writes.items() if who != "test")
    await asyncio.sleep(300)
    await cluster.lose(gracefully=True)
    cluster.start()
    await asyncio.sleep(300)
    cluster.laws.settled(POOL_SIZE)
    await cluster.end()
    return sum(count for who, count in cluster.laws.writes.items() if who != "test") - before


@pytest.mark.parametrize("deletes_entries", [False, True], ids=["entries-stay", "entries-deleted-by-hand"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_history_breaks_a_law(seed, deletes_entries):
    with virtual_time() as loop:
        cluster = loop.run_until_complete(_made(loop, seed))
        written = loop.run_until_complete(history(cluster, deletes_entries=deletes_entries))
    assert written == 0, f"a settled cluster was written to {written} times\n" + "\n".join(cluster.laws.history)


async def _made(loop, seed):
    return Cluster(loop, seed)
