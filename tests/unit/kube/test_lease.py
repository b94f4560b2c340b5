"""The end of a term, by the clock that runs while the machine is suspended and by the loop's own, which does not."""

import asyncio
import random

from baremetal_lb.kube.lease import Elector
from tests.support.simulation.clock import virtual_time
from tests.support.simulation.cluster import HOME, Cluster
from tests.support.simulation.network import SimulatedTransport, Weather


def test_a_term_that_was_over_once_ends_though_the_lease_can_still_be_renewed():
    """Whoever wrote in between was refused, and only the next term makes up for that."""
    asleep_s, log = 0.0, []

    async def live(loop):
        nonlocal asleep_s
        transport = SimulatedTransport(Cluster(loop, 1).core, "a", random.Random(1), Weather())
        elector = Elector(transport, HOME, "boss", "a", clock=lambda: loop.time() + asleep_s, rng=random.Random(1))

        async def lead():
            log.append("begun")
            try:
                await asyncio.Event().wait()
            finally:
                log.append("ended")

        standing = asyncio.create_task(elector.run(lead))
        await asyncio.sleep(5)
        assert (elector.is_leading, log) == (True, ["begun"])
        asleep_s = 60.0
        assert not elector.is_leading
        await asyncio.sleep(5)
        assert (elector.is_leading, elector.terms) == (True, 2)
        standing.cancel()
        await asyncio.wait({standing})

    with virtual_time() as loop:
        loop.run_until_complete(live(loop))
    assert log == ["begun", "ended", "begun", "ended"]
