"""A Service that is gone and one that has its name now: what the one had is handed to the other, or held, and nothing is forgotten."""

import asyncio
from dataclasses import replace

import pytest

from baremetal_lb.kube.errors import Unreachable
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import parse_address
from baremetal_lb.model.views import EntryService, LedgerEntry
from baremetal_lb.settle.step import judge
from controller.dirty import Dirty
from controller.effects import ServiceEffects
from controller.entry_writes import EntryWriter
from controller.outcome import Unfinished
from tests.support.ipam_world import key_of, pool, service

V4, V6 = parse_address("198.51.100.0"), parse_address("2001:db8::")
A, B = key_of("a"), key_of("b")


class Cluster:
    """A full pool, whose addresses a Service of the name ``a`` had that is gone; the API is a dictionary."""

    def __init__(self, *addresses, retain_for=60):
        self.stored, self.written, self.during_update, self.failures = {}, [], lambda: None, set()
        self.dirty = Dirty("us", "")
        self.world = self.dirty.world
        self.dirty.configuration_changed(Configuration((pool("p", "198.51.100.0/32", "2001:db8::/128", retain_for=retain_for),)))
        for address in addresses:
            self.keep(LedgerEntry(address, "us", "p", (EntryService(A, "old"),)), "1")
            self.world.confirm(self.stored[address])
            self.world.put(self.stored[address])
        self.effects = ServiceEffects(self.dirty, EntryWriter(self.dirty, self), self, None, self.judge)

    def keep(self, entry, version):
        self.stored[entry.address] = replace(entry, uid=f"uid-{entry.address}", resource_version=version)

    def judge(self, key):
        return judge(self.world, key, identity=BAREMETAL_LB, now_utc=1)

    async def get(self, key):
        return self.world.services.get(key)

    async def update(self, wanted):
        await asyncio.sleep(0)
        self.during_update()
        if wanted.address in self.failures:
            raise Unreachable("the network is gone", was_sent=False)
        self.keep(wanted, str(int(wanted.resource_version) + 1))
        self.written.append(tuple(user.uid for user in wanted.services))
        return self.stored[wanted.address]

    def decide_all_others(self):
        """Decide whoever is marked, as the loop does while a write is under way."""
        while (key := self.dirty.agenda.take()) is not None:
            if (changes := self.judge(key).changes) is not None:
                self.dirty.world.reserve(changes)
            self.dirty.agenda.done(key)


@pytest.mark.parametrize("retain_for", [60, 0], ids=["held", "held for nobody"])
async def test_in_a_full_pool_the_ip_is_handed_over_in_one_write_whoever_waits_for_it(retain_for):
    cluster = Cluster(V4, retain_for=retain_for)
    cluster.world.see_service(service("b", created_utc=1))
    cluster.world.see_service(service("a", uid="new", created_utc=9))
    cluster.dirty.waiting.put(B, cluster.judge(B).wait)
    cluster.dirty.agenda.mark(A)
    assert cluster.dirty.agenda.take() == A
    cluster.during_update = cluster.decide_all_others
    await cluster.effects.carry_out(cluster.judge(A))
    cluster.dirty.agenda.done(A)
    assert cluster.written == [("new",)]
    assert cluster.dirty.agenda.take() == A, "its status is still to be written"
    assert cluster.judge(B).decision.reason.name == "PoolExhausted"


@pytest.mark.parametrize("is_back", [False, True], ids=["gone", "made anew"])
async def test_a_release_that_fails_leaves_none_of_the_rest_behind(is_back):
    cluster = Cluster(V4, V6)
    if is_back:
        cluster.world.see_service(service("a", "46", uid="new", ips="192.0.2.1,2001:db8:1::"))
    cluster.failures = {V4}
    with pytest.raises(Unfinished):
        await cluster.effects.carry_out(cluster.judge(A))
    assert (cluster.world.ledger.holders, cluster.written) == ({A: {"old": 2}}, [])
    cluster.failures = set()
    await cluster.effects.carry_out(cluster.judge(A))
    assert cluster.written == [(), ()]
    assert {entry.held_for.key for entry in cluster.stored.values()} == {A}
    assert not cluster.world.ledger.holders


async def test_what_a_person_has_released_meanwhile_is_not_held_again():
    cluster = Cluster(V4)
    verdict = cluster.judge(A)
    entry = cluster.stored.pop(V4)
    cluster.dirty.entry_lost(V4, entry.uid, is_being_written=False, is_leading=True)
    await cluster.effects.carry_out(verdict)
    assert (cluster.stored, len(cluster.world.ledger)) == ({}, 0)


async def test_of_two_that_share_and_go_together_the_last_one_leaves_the_ip_held():
    cluster = Cluster(V4)
    cluster.world.put(replace(cluster.stored[V4], services=(EntryService(A, "old"), EntryService(B, "gone")), sharing_key="k"))
    cluster.stored[V4] = cluster.world.ledger.entry(V4)
    cluster.world.confirmed[V4] = cluster.stored[V4]
    verdicts = [cluster.judge(key) for key in (A, B)]
    for verdict in verdicts:
        await cluster.effects.carry_out(verdict)
    assert (cluster.stored[V4].services, cluster.stored[V4].held_for.key) == ((), B)


async def test_a_successor_that_only_the_look_at_the_gone_one_finds_takes_the_ip_over():
    cluster = Cluster(V4)
    cluster.world.see_service(service("b", created_utc=1))
    cluster.dirty.waiting.put(B, cluster.judge(B).wait)
    verdict = cluster.judge(A)
    successor = service("a", uid="new", created_utc=9, resource_version="7")

    async def get(_key):
        return successor

    cluster.get = get
    cluster.during_update = cluster.decide_all_others
    cluster.dirty.agenda.mark(A)
    while cluster.dirty.agenda.take() != A:
        pass
    await cluster.effects.carry_out(verdict)
    assert cluster.written == [("new",)]
    assert cluster.judge(B).decision.reason.name == "PoolExhausted"


async def test_a_fault_while_a_release_is_decided_leaves_it_to_be_done():
    cluster = Cluster(V4)
    verdict, judged = cluster.judge(A), []

    def breaks(key):
        judged.append(key)
        if len(judged) == 2:
            raise ZeroDivisionError
        return cluster.judge(key)

    cluster.effects._judge = breaks
    with pytest.raises(ZeroDivisionError):
        await cluster.effects.carry_out(verdict)
    assert (cluster.world.ledger.holders, cluster.written) == ({A: {"old": 1}}, [])


def test_who_is_waited_for_is_decided_before_an_older_one_that_has_nothing():
    cluster = Cluster(V4)
    for step in cluster.judge(A).gone[0].steps:
        cluster.world.put(step.entry)
    cluster.dirty.agenda.begin_term([])
    cluster.world.see_service(service("b", created_utc=1))
    cluster.world.see_service(service("a", uid="new", created_utc=9))
    cluster.dirty.agenda.mark_all([B, A])
    assert cluster.dirty.agenda.take() == A
