"""The work queue keeps the promises of client-go's."""

import asyncio
import random

import pytest

from baremetal_lb.kube.errors import ApiError, Unreachable
from baremetal_lb.kube.queue import WorkQueue
from baremetal_lb.model.reasons import InvariantViolation
from tests.support.wait import auntil


class Pool:
    """Workers on one queue that note what they do."""

    def __init__(self, workers=4, **options):
        self.queue = WorkQueue(rng=random.Random(1), **options)
        self.done = []
        self.running = set()
        self.together = 0
        self.answers = {}
        self.gates = {}
        self._tasks = [asyncio.create_task(self.queue.worker(self._reconcile)) for _ in range(workers)]

    async def _reconcile(self, key):
        assert key not in self.running, "one key in two workers"
        self.running.add(key)
        self.together = max(self.together, len(self.running))
        try:
            if (gate := self.gates.get(key)) is not None:
                await gate.wait()
            self.done.append(key)
            answers = self.answers.get(key)
            answer = answers.pop(0) if answers else None
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.running.discard(key)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        self.ends = await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_a_thousand_adds_are_one_look():
    async with Pool() as pool:
        for _ in range(1000):
            pool.queue.add("a")
        await auntil(lambda: pool.queue.is_idle)
        assert pool.done == ["a"]


async def test_a_key_added_while_it_is_worked_on_is_looked_at_once_more_and_never_twice_at_once():
    async with Pool() as pool:
        pool.gates["a"] = asyncio.Event()
        pool.queue.add("a")
        await auntil(lambda: "a" in pool.running)
        for _ in range(10):
            pool.queue.add("a")
        assert (len(pool.queue), pool.queue.is_idle) == (1, False)
        pool.gates["a"].set()
        await auntil(lambda: pool.queue.is_idle)
        assert pool.done == ["a", "a"]


async def test_a_slow_key_does_not_hold_up_others():
    async with Pool(workers=2) as pool:
        pool.gates["slow"] = asyncio.Event()
        for key in ("slow", "b", "c", "d"):
            pool.queue.add(key)
        await auntil(lambda: pool.done == ["b", "c", "d"])
        pool.gates["slow"].set()
        await auntil(lambda: pool.queue.is_idle)
        assert pool.together == 2


async def test_failures_are_retried_and_forgotten_by_a_success():
    async with Pool(base_s=0.001) as pool:
        pool.answers["a"] = [ValueError("bug"), Unreachable("gone", was_sent=True), ApiError(500, "InternalError", "no")]
        pool.queue.add("a")
        await auntil(lambda: pool.queue.is_idle)
        assert (pool.done, pool.queue.retries, pool.queue.failures("a")) == (["a"] * 4, 3, 0)


async def test_the_wait_doubles_up_to_its_cap_and_honours_retry_after():
    queue = WorkQueue(base_s=1.0, cap_s=8.0, rng=random.Random(1))
    waits = [queue._failed("a", ValueError()) for _ in range(6)]
    assert all(0.75 * want <= wait <= 1.25 * want for wait, want in zip(waits, (1, 2, 4, 8, 8, 8), strict=True))
    assert queue._failed("b", ApiError(429, "TooManyRequests", "", 30.0)) == 30.0


async def test_a_key_may_ask_to_be_seen_again():
    async with Pool() as pool:
        pool.answers["a"] = [0.01]
        pool.queue.add("a")
        await auntil(lambda: pool.done == ["a", "a"] and pool.queue.is_idle)


async def test_the_shorter_of_two_delays_holds_and_an_add_beats_both():
    async with Pool() as pool:
        pool.queue.add_after("a", 60)
        pool.queue.add_after("a", 0.01)
        pool.queue.add_after("a", 30)
        await auntil(lambda: pool.done == ["a"])
        assert pool.queue.is_idle
        pool.queue.add_after("b", 60)
        assert not pool.queue.is_idle
        pool.queue.add("b")
        await auntil(lambda: pool.done == ["a", "b"])
        assert pool.queue.is_idle


async def test_a_broken_invariant_ends_the_worker():
    pool = Pool(workers=1)
    pool.answers["a"] = [InvariantViolation("we are wrong")]
    pool.queue.add("a")
    with pytest.raises(InvariantViolation):
        await asyncio.wait_for(pool._tasks[0], 5)


async def test_a_cancelled_worker_gives_its_key_up():
    async with Pool(workers=1) as pool:
        pool.gates["a"] = asyncio.Event()
        pool.queue.add("a")
        await auntil(lambda: "a" in pool.running)
    assert pool.running == set()
    assert all(isinstance(end, asyncio.CancelledError) for end in pool.ends)
    assert pool.queue.is_idle
