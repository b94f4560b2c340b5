"""A term may end at any step: whatever it had in hand, the next term of the same process finds, and does."""

import asyncio
from dataclasses import replace

import pytest

import controller.loop
from baremetal_lb.model.ids import ObjectKey
from tests.support.simulation.clock import virtual_time
from tests.support.simulation.laws import ips_of
from tests.support.simulation.terms import SmallWorld, Terms, ended

SERVICES = 5
SUSPENDED_S = 20.0
"""Longer than the Lease."""
SUSPENSIONS = range(0, 180, 25)
"""After how many steps of its process a leader is suspended. All that is to be done takes about so many."""


@pytest.fixture
def _short_breath(monkeypatch):
    """Have the dispatcher breathe so often that it does in this small world what it does in a large one."""
    monkeypatch.setattr(controller.loop, "YIELD_EVERY", 2)


@pytest.mark.usefixtures("_short_breath")
def test_whatever_step_a_term_ends_at_the_next_one_leaves_nothing_undone_and_nothing_stuck():
    async def live(world):
        steps, is_cut = 0, True
        async with asyncio.TaskGroup() as group:
            parts = await world.observe(group)
            await world.whole_term()
            while is_cut:
                world.change()
                is_cut = await world.cut_term(steps)
                await world.whole_term()
                steps += 1
            for part in parts:
                part.cancel()
        return steps

    steps = simulate(Terms, live)
    assert steps > 50, "terms were whole before they were cut"


@pytest.mark.usefixtures("_short_breath")
@pytest.mark.parametrize("controllers", [1, 2])
def test_whatever_step_a_leader_is_suspended_at_past_its_lease_nothing_is_undone_or_stuck_afterwards(controllers):
    async def live(world):
        for _ in range(controllers):
            world.start()
        await world.settle()
        for steps in SUSPENSIONS:
            leader = next(process for process in world.processes if process.controller._elector.is_leading)
            terms = sum(process.controller._elector.terms for process in world.processes)
            leader.machine.break_after(steps, leader.machine.suspend)
            world.change()
            await asyncio.sleep(SUSPENDED_S)
            assert leader.machine.is_suspended
            world.change()
            leader.resume()
            await world.settle()
            await asyncio.sleep(5)
            assert sum(process.controller._elector.terms for process in world.processes) == terms + 1
            assert all(not process.controller._loop._agenda.is_busy for process in world.processes)
        await world.end()

    simulate(SmallWorld, live)


def test_a_service_that_cannot_be_decided_is_let_go_of_and_holds_up_nobody():
    async def live(world):
        async with asyncio.TaskGroup() as group:
            parts = await world.observe(group)
            await world.whole_term()
            term, _ = world.begin_term()
            await world.settle()
            key = ObjectKey("default", "s001")
            known = world.loop._world.services[key]
            world.loop._world.services[key] = replace(known, requested_ips=7)  # as a fault of ours might have it
            world.agenda.mark(key)
            world.create_service()
            await asyncio.sleep(5)
            seen = (term.done(), world.agenda.is_busy, [len(ips_of(service)) for service in world.laws.services()])
            world.loop._world.services[key] = known
            await asyncio.sleep(40)
            is_given_up = key in world.loop._failures
            await ended(term)
            for part in parts:
                part.cancel()
        return seen, is_given_up

    seen, is_given_up = simulate(Terms, live)
    assert seen == (False, False, [2] * (SERVICES + 1))
    assert not is_given_up, "it was not decided again"


def simulate(kind, live):
    async def made(loop):
        return kind(loop, SERVICES)

    with virtual_time() as loop:
        world = loop.run_until_complete(made(loop))
        return loop.run_until_complete(live(world))
