"""Agenda, waiting, contests, garbage and the world: the controller's bookkeeping, one rule each."""

from dataclasses import replace
from ipaddress import ip_address

from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.net import Family
from baremetal_lb.model.time import MINUTE, SECOND
from baremetal_lb.model.views import EntryService, HeldFor, LedgerEntry, ServiceView
from baremetal_lb.settle.agenda import Agenda
from baremetal_lb.settle.waiting import Wait, Waiting
from baremetal_lb.telemetry.metrics import Metrics
from controller import contest
from controller.contest import WINDOW, Contests
from controller.dirty import Dirty
from controller.garbage import Garbage, status_record
from controller.report import Report
from controller.world import World, is_newer
from tests.support.ipam_world import pool

A, B, C = (ObjectKey("ns", name) for name in "abc")
IP = ip_address("198.51.100.1")
GRACE = 30 * SECOND


def entry(*users, **fields):
    services = tuple(EntryService(key, uid) for key, uid in users)
    return LedgerEntry(IP, "us", "blue", services, **{"uid": "e1", "resource_version": "5", **fields})


def test_keys_are_taken_in_the_order_of_allocation_and_once():
    ranks = {A: (True, False, 2, A), B: (False, False, 9, B), C: (True, False, 1, C)}
    agenda = Agenda(ranks.__getitem__)
    agenda.mark_all([A, B, C, A])
    assert [agenda.take(), agenda.take(), agenda.take(), agenda.take()] == [B, C, A, None]


def test_a_key_that_is_busy_comes_again_only_when_it_is_done():
    woken = []
    agenda = Agenda(lambda key: (False, False, 0, key), lambda: woken.append(1))
    agenda.mark(A)
    assert agenda.take() == A
    agenda.mark(A)
    assert agenda.take() is None
    agenda.done(A)
    assert (agenda.take(), len(woken)) == (A, 2)
    agenda.done(A)
    assert agenda.is_idle


def test_a_term_begins_with_nothing_busy_and_tells_what_was():
    agenda = Agenda(lambda key: (False, False, 0, key))
    agenda.mark_all([A, B])
    assert agenda.take() == A
    agenda.mark(A)
    assert agenda.begin_term([A, C]) == (A,)
    assert not agenda.is_busy
    assert [agenda.take(), agenda.take(), agenda.take()] == [A, C, None]
    agenda.done(A)
    agenda.done(C)
    assert (agenda.is_idle, agenda.begin_term([])) == (True, ())


def test_the_age_of_what_is_under_way_is_that_of_the_key_taken_first():
    times = iter([2 * SECOND, 5 * SECOND])
    agenda = Agenda(lambda key: (False, False, 0, key), clock=lambda: next(times))
    agenda.mark_all([A, B])
    assert agenda.busy_for(now=SECOND) == 0
    first, second = agenda.take(), agenda.take()
    assert agenda.busy_for(now=9 * SECOND) == 7 * SECOND
    agenda.done(first)
    assert agenda.busy_for(now=9 * SECOND) == 4 * SECOND
    agenda.done(second)
    assert agenda.busy_for(now=9 * SECOND) == 0


def test_a_term_begins_with_nobody_waiting_and_no_pool_exhausted():
    dirty = Dirty("us", "")
    dirty.configuration_changed(Configuration((pool("blue", "198.51.100.1/32"),)))
    dirty.world.put(entry((A, "u"), uid="", resource_version=""))
    dirty.waiting.put(B, Wait(frozenset({("blue", Family.IPV4)})))
    dirty.start_over([])
    assert (len(dirty.waiting), dirty.world.ledger.entry(IP), dirty.world.ledger.holders) == (0, None, {})
    dirty.agenda.begin_term([])
    dirty.waiting.put(B, Wait(frozenset({("blue", Family.IPV4)})))
    dirty.world.put(entry((A, "u")))
    assert dirty.agenda.take() == B, "whoever waits is to say that the pool is exhausted now"


def test_waiting_services_are_found_by_what_they_wait_for_and_forgotten_wholly():
    waiting = Waiting()
    waiting.put(A, Wait(frozenset({("blue", Family.IPV4)}), frozenset({IP}), "k"))
    waiting.put(B, Wait(frozenset({("blue", Family.IPV4)})))
    assert waiting.for_pool("blue", Family.IPV4) == {A, B}
    assert (waiting.for_address(IP), waiting.for_sharing_key("k")) == ({A}, {A})
    waiting.put(A, Wait(frozenset({("green", Family.IPV6)})))
    assert (waiting.for_pool("blue", Family.IPV4), waiting.for_address(IP), waiting.for_sharing_key("k")) == ({B}, set(), set())
    waiting.discard(A)
    waiting.discard(B)
    assert (len(waiting), waiting._pools._members, waiting._addresses._members, waiting._sharing_keys._members) == (0, {}, {}, {})


def test_a_status_is_restored_three_times_in_ten_minutes():
    contests = Contests()
    for minute in range(3):
        assert contests.may_restore(A, "u", now=minute * MINUTE)
        contests.restored(A, "u", now=minute * MINUTE)
    assert not contests.may_restore(A, "u", now=3 * MINUTE)
    assert contests.opens_in(A, "u", now=3 * MINUTE) == 7 * MINUTE
    assert contests.may_restore(A, "other uid", now=3 * MINUTE)
    assert contests.may_restore(A, "u", now=10 * MINUTE)


def test_restorations_of_services_that_are_gone_are_forgotten_by_time_and_by_number(monkeypatch):
    contests = Contests()
    for number in range(100):
        assert contests.may_restore(ObjectKey("ns", f"s{number}"), "u", now=number * SECOND)
        contests.restored(ObjectKey("ns", f"s{number}"), "u", now=number * SECOND)
    contests.restored(A, "u", now=99 * SECOND + WINDOW)
    assert list(contests._restored) == [(A, "u")]
    monkeypatch.setattr(contest, "REMEMBERED_MAX", 2)
    for key in (B, C):
        contests.restored(key, "u", now=99 * SECOND + WINDOW)
    assert list(contests._restored) == [(B, "u"), (C, "u")]


def test_a_question_about_restorations_remembers_nothing():
    contests = Contests()
    assert contests.may_restore(A, "u", now=0)
    assert (contests.opens_in(A, "u", now=0), len(contests._restored)) == (0, 0)


def test_a_namespace_is_forgotten_with_its_last_service():
    dirty = Dirty("us", "")
    view = ServiceView(A, "u", resource_version="1")
    dirty.service_changed(None, view)
    assert dirty._in_namespace == {"ns": {A}}
    dirty.service_changed(view, None)
    assert dirty._in_namespace == {}
    dirty.service_changed(None, ServiceView(B, "u", type="ClusterIP", resource_version="2"))
    assert dirty._in_namespace == {}


def test_a_node_that_no_entry_prefers_any_more_has_no_load_and_no_place_in_memory():
    world = World("us")
    world.put(entry((A, "u"), announcer="n1"))
    assert world.ledger.load == {"n1": 1}
    world.put(entry((A, "u"), announcer="n2"))
    assert dict(world.ledger.load) == {"n2": 1}


def test_garbage_is_looked_at_once_and_after_the_speakers_turn():
    garbage = Garbage(GRACE)
    text = b'{"metadata":{"name":"l2-1","namespace":"lb","uid":"u"},"status":{"node":"n1","serviceName":"a","serviceNamespace":"ns"}}'
    record = status_record(text)
    garbage.status_changed(None, record)
    assert garbage.due(now=0) == ()
    assert garbage.due(now=GRACE) == (record,)
    assert garbage.due(now=GRACE) == (record,), "whoever was to look at it may have been stopped"
    garbage.looked_at(record)
    assert garbage.due(now=2 * GRACE) == ()
    garbage.node_gone("n1")
    assert garbage.due(now=3 * GRACE) == ()
    assert garbage.due(now=4 * GRACE) == (record,)
    garbage.service_gone(A)
    garbage.status_changed(record, None)
    assert garbage.due(now=9 * GRACE) == ()


def test_versions_are_numbers_that_grow():
    assert is_newer("10", "9")
    assert not is_newer("9", "10")
    assert not is_newer("10", "10")
    assert is_newer("b", "a")


def test_late_events_of_our_own_writes_are_no_news():
    world = World("us")
    assert world.confirm(entry((A, "u"), resource_version="7"))
    assert not world.confirm(entry((A, "u"), resource_version="5"))
    assert world.bury(IP, "e1")
    assert not world.confirm(entry((A, "u"), resource_version="6"))
    assert not world.bury(IP, "e1")
    assert world.confirm(entry((A, "u"), uid="e2", resource_version="6"))
    assert not world.bury(IP, "e1")


def test_an_entry_is_written_when_the_api_server_says_what_is_meant():
    world = World("us")
    world.put(entry((A, "u"), uid="", resource_version=""))
    assert not world.is_written(IP)
    world.confirm(entry((A, "u")))
    assert world.is_written(IP)
    world.put(entry((A, "u"), (B, "v")))
    assert not world.is_written(IP)


def test_holders_load_and_holds_follow_the_ledger():
    world = World("us")
    ledger = world.ledger
    world.put(entry((A, "u"), (B, "v"), announcer="n1"))
    assert (ledger.holders, ledger.load["n1"], ledger.holds) == ({A: {"u": 1}, B: {"v": 1}}, 1, {})
    world.put(entry((B, "v"), announcer="n2"))
    assert (ledger.holders, ledger.load["n1"], ledger.load["n2"]) == ({B: {"v": 1}}, 0, 1)
    world.put(entry(held_for=HeldFor(B, 9 * SECOND)))
    assert (ledger.holders, ledger.holds) == ({}, {IP: 9 * SECOND})
    world.drop(IP)
    assert (ledger.holds, ledger.load) == ({}, {})
    world.put(replace(entry((A, "u")), owner="somebody"))
    assert ledger.holders == {}


def test_a_lost_entry_is_kept_in_mind_only_by_a_leader_and_only_for_its_users():
    for is_leading, kept in ((True, True), (False, False)):
        dirty = Dirty("us", "")
        dirty.entry_observed(entry((A, "u")), is_being_written=False)
        users = dirty.entry_lost(IP, "e1", is_being_written=False, is_leading=is_leading)
        assert (bool(users), dirty.world.ledger.entry(IP) is not None) == (kept, kept)
        assert dirty.agenda.take() == A


def test_a_service_seen_in_a_response_is_not_decided_again_when_its_event_comes():
    dirty = Dirty("us", "")
    view = ServiceView(A, "u", resource_version="4")
    dirty.service_changed(None, view)
    assert dirty.agenda.take() == A
    dirty.agenda.done(A)
    dirty.world.see_service(replace(view, allocated_from_pool="blue", resource_version="6"))
    dirty.service_changed(view, replace(view, resource_version="5", generation=2))
    dirty.service_changed(view, replace(view, allocated_from_pool="blue", resource_version="6"))
    assert dirty.agenda.take() is None


def test_a_shared_ip_is_looked_at_when_its_users_change_and_whenever_a_node_does():
    dirty = Dirty("us", "")
    for users, is_shared in ([((A, "a"),), False], [((A, "a"), (B, "b")), True], [((A, "a"),), True]):
        dirty.placements.clear()
        dirty.world.put(entry(*users))
        assert (IP in dirty.placements) is is_shared
    for users, is_shared in ([((A, "a"), (B, "b")), True], [((B, "b"),), False]):
        dirty.world.put(entry(*users))
        dirty.placements.clear()
        dirty.nodes_changed(["node-x"])
        assert (IP in dirty.placements) is is_shared


def test_who_is_left_out_of_a_shared_ip_is_told_once_and_so_are_those_who_are_not():
    told = []

    class Recorder:
        def record(self, ref, *_whose, is_warning, reason, **_more):
            told.append((ref.key, reason, is_warning))

    report = Report(Recorder(), Metrics(BAREMETAL_LB))
    old, young = ServiceView(A, "a"), ServiceView(B, "b")
    for _ in range(2):
        report.sharers_left_out(IP, [old], [young])
    assert told == [(B, "LeftOutOfSharedIP", True), (A, "SharerLeftOut", False)]
    report.sharers_left_out(IP, [old, young], [])
    assert len(told) == 2
    report.sharers_left_out(IP, [old], [young])
    assert len(told) == 4


def test_a_standby_does_not_keep_the_names_of_services_that_came_and_went():
    dirty = Dirty("us", "")
    for number in range(1000):
        view = ServiceView(ObjectKey("ns", f"s{number}"), f"u{number}", resource_version="1")
        dirty.service_changed(None, view)
        if number:
            dirty.service_changed(view, None)
    assert (len(dirty.agenda), len(dirty.agenda._heap) < 100) == (1, True)
    assert [dirty.agenda.take(), dirty.agenda.take()] == [ObjectKey("ns", "s0"), None]


def test_a_term_begins_with_no_ip_taken_for_shared():
    dirty = Dirty("us", "")
    dirty.world.put(entry((A, "a"), (B, "b")))
    dirty.start_over([entry((A, "a"))])
    dirty.placements.clear()
    dirty.nodes_changed(["node-x"])
    assert not dirty.placements
