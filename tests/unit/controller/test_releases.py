"""Releases that fail half-way: whatever happened to the entry meanwhile, somebody still has the release to do."""

import asyncio
from dataclasses import replace

from baremetal_lb.ipam.changes import plan_gone
from baremetal_lb.kube.errors import Unreachable
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.settle.step import Verdict, judge
from controller.dirty import Dirty
from controller.effects import ServiceEffects
from controller.entry_writes import EntryWriter
from controller.outcome import Unfinished
from tests.unit.controller.test_entry_writes import ADDRESS, Table, entry

A, B = ObjectKey("shop", "a"), ObjectKey("shop", "b")


class Cut(Table):
    """After the first update the network is gone; no Service is there any more."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def update(self, wanted):
        if self.writes:
            raise Unreachable("the network is gone", was_sent=False)
        saved = await super().update(wanted)
        await self.may_answer.wait()
        return saved

    async def get(self, _key):
        return None


async def a_release_that_fails_behind_a_join(*, third: bool):
    api, dirty = Cut(), Dirty("us", "")
    writer = EntryWriter(dirty, api)
    effects = ServiceEffects(dirty, writer, api, None, lambda key: judge(dirty.world, key, identity=BAREMETAL_LB, now_utc=0))
    saved = api.store(entry("a"), "uid-0")
    dirty.world.confirm(saved)
    dirty.world.put(saved)
    gone = Verdict(A, gone=(plan_gone(A, "a", dirty.world.ledger, now_utc=0),))
    dirty.world.put(replace(entry("a", "b"), uid="uid-0", resource_version="1"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.write(ADDRESS))
        release = tasks.create_task(outcome(effects.carry_out(gone)))
        while dirty.world.ledger.entry(ADDRESS).has_service("a"):
            await asyncio.sleep(0)
        if third:
            meant = dirty.world.ledger.entry(ADDRESS)
            dirty.world.put(replace(meant, services=(*meant.services, *entry("c").services)))
        api.may_answer.set()
    assert isinstance(release.result(), Unfinished)
    return api, dirty


async def outcome(work):
    try:
        return await work
    except Unfinished as error:
        return error


async def test_a_release_that_fails_after_a_join_was_answered_is_found_again():
    api, dirty = await a_release_that_fails_behind_a_join(third=False)
    assert [user.uid for user in api.stored.services] == ["a", "b"]
    assert dirty.world.ledger.holders[A] == {"a": 1}
    assert dirty.world.ledger.entry(ADDRESS).resource_version == api.stored.resource_version


async def test_a_release_that_fails_when_another_has_joined_is_left_to_those_who_are_there():
    _api, dirty = await a_release_that_fails_behind_a_join(third=True)
    assert A not in dirty.world.ledger.holders
    assert not dirty.world.is_written(ADDRESS)
    assert {dirty.agenda.take(), dirty.agenda.take()} == {B, ObjectKey("shop", "c")}
