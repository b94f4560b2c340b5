"""Law of the queue: whatever is added whenever, each add is followed by a look that began after it, and no key is in two workers."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.kube.queue import WorkQueue

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, workers=st.integers(1, 3))
def test_no_add_is_lost_and_no_key_is_worked_on_twice_at_once(steps, workers):
    asyncio.run(_scenario(steps, workers))


async def _scenario(steps, workers):
    clock, added, looked, running = 0, {}, {}, set()
    queue = WorkQueue(base_s=0.0001, cap_s=0.0002, rng=random.Random(0))
    fails = {(key, turns) for key, turns, is_bad in steps if is_bad}

    async def reconcile(key):
        nonlocal clock
        assert key not in running
        running.add(key)
        clock += 1
        began = clock
        try:
            for _ in range(2):
                await asyncio.sleep(0)
            if any(k == key for k, _ in fails):
                fails.difference_update({f for f in fails if f[0] == key})
                raise ValueError(key)
        finally:
            running.discard(key)
        looked[key] = began

    tasks = [asyncio.create_task(queue.worker(reconcile)) for _ in range(workers)]
    for key, turns, _ in steps:
        clock += 1
        added[key] = clock
        queue.add(key)
        for _ in range(turns):
            await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while not queue.is_idle:
            await asyncio.sleep(0.0005)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    assert all(looked[key] > when for key, when in added.items())
