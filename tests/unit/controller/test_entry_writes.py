"""Writing entries while others write, and while answers get lost. The API is a dictionary that can lose, delay and be meddled with."""

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from baremetal_lb.kube.errors import ApiError, Unreachable
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.views import EntryService, LedgerEntry
from controller.dirty import Dirty
from controller.entry_writes import EntryWriter
from controller.outcome import Superseded, Unfinished
from controller.world import content

ADDRESS = IPv4Address("203.0.113.7")


def entry(*users: str) -> LedgerEntry:
    return LedgerEntry(ADDRESS, "us", "pool", tuple(EntryService(ObjectKey("shop", user), user) for user in users), "key")


class Table:
    """The four requests on one entry; ``after_write`` is called when a write took effect and its answer has not left yet."""

    def __init__(self) -> None:
        self.stored: LedgerEntry | None = None
        self.version = 0
        self.after_write = lambda _saved: None
        self.writes = 0

    def store(self, wanted: LedgerEntry, uid: str) -> LedgerEntry:
        self.version += 1
        self.stored = replace(wanted, uid=uid, resource_version=str(self.version))
        return self.stored

    async def _answer(self, saved: LedgerEntry) -> LedgerEntry:
        self.writes += 1
        await asyncio.sleep(0)
        self.after_write(saved)
        return saved

    async def create(self, wanted: LedgerEntry) -> LedgerEntry:
        if self.stored is not None:
            raise ApiError(409, "AlreadyExists", "there is one")
        return await self._answer(self.store(wanted, f"uid-{self.version}"))

    async def update(self, wanted: LedgerEntry) -> LedgerEntry:
        if self.stored is None or self.stored.resource_version != wanted.resource_version:
            raise ApiError(409, "Conflict", "it moved")
        return await self._answer(self.store(wanted, self.stored.uid))

    async def delete(self, known: LedgerEntry) -> None:
        if self.stored is None or self.stored.resource_version != known.resource_version:
            raise ApiError(409, "Conflict", "it moved")
        self.stored = None

    async def fetch(self, _address: IPv4Address) -> LedgerEntry | None:
        await asyncio.sleep(0)
        return self.stored


@pytest.fixture
def api() -> Table:
    return Table()


@pytest.fixture
def dirty() -> Dirty:
    return Dirty("us", "")


async def test_an_entry_that_is_deleted_before_the_answer_to_its_creation_is_created_again(api, dirty):
    writer = EntryWriter(dirty, api)
    dirty.world.put(entry("a"))

    def delete_once(saved):
        api.after_write = lambda _saved: None
        api.stored = None
        dirty.entry_lost(ADDRESS, saved.uid, is_being_written=writer.is_writing(ADDRESS), is_leading=True)

    api.after_write = delete_once
    await writer.write(ADDRESS)
    assert content(api.stored) == entry("a")
    assert dirty.world.is_written(ADDRESS)
    assert api.writes == 2


async def test_a_join_that_was_meant_while_an_answer_was_lost_is_written_and_not_forgotten(api, dirty):
    writer = EntryWriter(dirty, api)
    dirty.world.put(entry("a"))

    def join_and_lose(_saved):
        api.after_write = lambda _saved: None
        dirty.world.put(replace(dirty.world.ledger.entry(ADDRESS), services=entry("a", "b").services))
        raise Unreachable("reset", was_sent=True)

    api.after_write = join_and_lose
    await asyncio.gather(writer.write(ADDRESS), writer.write(ADDRESS))
    assert content(api.stored) == entry("a", "b")


async def test_a_write_in_doubt_is_forgotten_with_the_list_that_begins_the_next_term(api, dirty):
    writer = EntryWriter(dirty, api)
    dirty.world.put(entry("a"))
    fetch = api.fetch

    def lose(*_):
        raise Unreachable("reset", was_sent=True)

    api.after_write = api.fetch = lose
    with pytest.raises(Unfinished):
        await writer.write(ADDRESS)
    api.after_write, api.fetch = (lambda _saved: None), fetch
    listed = api.store(entry("x"), "theirs")
    assert writer.start_over() == ()
    dirty.start_over([listed])
    dirty.world.put(replace(listed, services=entry("x", "a").services))
    await writer.write(ADDRESS)
    assert content(api.stored) == entry("x", "a")


async def test_what_somebody_else_wrote_is_taken_in_and_whom_it_concerns_is_decided_again(api, dirty):
    writer = EntryWriter(dirty, api)
    api.store(entry("x"), "theirs")
    dirty.world.put(entry("a"))
    with pytest.raises(Superseded):
        await writer.write(ADDRESS)
    assert content(dirty.world.ledger.entry(ADDRESS)) == entry("x")
    assert {dirty.agenda.take(), dirty.agenda.take()} == {ObjectKey("shop", "a"), ObjectKey("shop", "x")}


async def test_a_change_that_somebody_made_to_our_entry_before_the_answer_is_not_written_over(api, dirty):
    writer = EntryWriter(dirty, api)
    dirty.world.put(entry("a"))

    def meddle(saved):
        api.after_write = lambda _saved: None
        dirty.entry_observed(api.store(entry("a", "x"), saved.uid), is_being_written=writer.is_writing(ADDRESS))

    api.after_write = meddle
    with pytest.raises(Superseded):
        await writer.write(ADDRESS)
    assert content(api.stored) == entry("a", "x") == content(dirty.world.ledger.entry(ADDRESS))


async def test_an_entry_that_another_controller_made_while_ours_was_on_its_way_is_never_written_over(api, dirty):
    """Its watch event comes before the refusal of our creation, so that its resourceVersion is known when the next write is made."""
    writer = EntryWriter(dirty, api)
    dirty.world.put(entry("a"))
    create = api.create

    async def too_late(wanted):
        dirty.entry_observed(api.store(entry("x"), "theirs"), is_being_written=writer.is_writing(ADDRESS))
        return await create(wanted)

    api.create = too_late
    with pytest.raises(Superseded):
        await writer.write(ADDRESS)
    assert content(api.stored) == entry("x") == content(dirty.world.ledger.entry(ADDRESS))
    assert api.writes == 0


async def test_an_entry_that_another_controller_made_while_ours_waited_for_its_turn_is_never_written_over(api, dirty):
    writer = EntryWriter(dirty, api)
    dirty.world.put(entry("a"))

    def meddle(_saved):
        """While the first write is answered, the entry goes and another controller makes it; the second write still waits."""
        api.after_write = lambda _saved: None
        dirty.world.put(replace(dirty.world.ledger.entry(ADDRESS), services=entry("a", "b").services))
        dirty.entry_observed(api.store(entry("x"), "theirs"), is_being_written=writer.is_writing(ADDRESS))

    api.after_write = meddle
    results = await asyncio.gather(writer.write(ADDRESS), writer.write(ADDRESS), return_exceptions=True)
    assert any(isinstance(result, Superseded) for result in results)
    assert content(api.stored) == entry("x") == content(dirty.world.ledger.entry(ADDRESS))


async def test_an_entry_that_another_controller_made_in_place_of_ours_is_not_deleted_for_it(api, dirty):
    writer = EntryWriter(dirty, api)
    dirty.world.put(entry("a"))
    await writer.write(ADDRESS)
    dirty.world.drop(ADDRESS)
    delete = api.delete

    async def too_late(known):
        dirty.entry_observed(api.store(entry("x"), "theirs"), is_being_written=writer.is_writing(ADDRESS))
        await delete(known)

    api.delete = too_late
    with pytest.raises(Superseded):
        await writer.write(ADDRESS)
    assert content(api.stored) == entry("x") == content(dirty.world.ledger.entry(ADDRESS))
