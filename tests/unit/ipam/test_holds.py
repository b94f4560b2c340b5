"""IPs that are held for Services that were deleted: who gets one, when, and what the others are told."""

import pytest

from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.configuration import Configuration, Quota
from baremetal_lb.model.net import Family, parse_address
from baremetal_lb.model.time import MINUTE, SECOND
from baremetal_lb.model.views import FamilyPolicy, HeldFor, LedgerEntry
from tests.support.ipam_world import World, allocation, key_of, pool, reservation, service

START = 1_000_000_000
PREFER = FamilyPolicy.PREFER_DUAL_STACK


def held(address, name, until, pool_name="p"):
    return LedgerEntry(parse_address(address), "us", pool_name, held_for=HeldFor(key_of(name), until))


def world_with(*pools, entries, **more):
    world = World(*pools, **more)
    world.entries = tuple(entries)
    return world


def test_what_is_free_in_a_later_pool_comes_before_what_is_held_in_an_earlier_one():
    pinned = pool("pinned", "198.51.100.0/32", allocation=allocation(priority=1))
    world = world_with(pinned, pool("rest", "203.0.113.0/32"), entries=[held("198.51.100.0", "gone", 2 * START)])
    world.put(service("s"), service("t"), service("u"))
    assert [world.ips(name) for name in "stu"] == ["203.0.113.0", "198.51.100.0", ""]
    assert world.reason("u") == "PoolExhausted"


def test_of_several_held_ips_the_one_whose_hold_ends_first_is_given_then_the_lowest_of_whatever_pool():
    entries = [
        held("198.51.100.0", "w", 5 * START, "a"),
        held("198.51.100.1", "x", 4 * START, "a"),
        held("203.0.113.0", "y", 3 * START, "b"),
        held("203.0.113.1", "z", 4 * START, "b"),
    ]
    world = world_with(pool("a", "198.51.100.0/31"), pool("b", "203.0.113.0/31"), entries=entries)
    world.put(*(service(f"s{number}") for number in range(4)))
    assert [world.ips(f"s{number}") for number in range(4)] == ["203.0.113.0", "198.51.100.1", "203.0.113.1", "198.51.100.0"]


@pytest.mark.parametrize("wish", [{"ips": "198.51.100.0"}, {"spec_load_balancer_ip": "198.51.100.0"}], ids=["annotation", "field"])
def test_a_wish_from_elsewhere_waits_until_the_hold_ends_and_is_told_when(wish):
    world = World(pool("p", "198.51.100.0/30", retain_for=2 * MINUTE))
    world.put(service("team/web", shares="k", ports="TCP/80")).delete("team/web")
    world.put(service("camper", shares="k", ports="TCP/81", **wish), service("team/other", shares="k", ports="TCP/82", **wish))
    for name in ("camper", "team/other"):
        assert (world.ips(name), world.reason(name)) == ("", "AddressHeld")
    message = world.services[key_of("camper")].condition.message
    assert message == (
        "The IP is held for a Service that was deleted a short while ago. 198.51.100.0 is held for team/web until 1970-01-01T00:02:01Z."
    )
    world.now += 2 * MINUTE - 1
    assert world.settle().ips("camper") == ""
    world.now += 1
    assert world.settle().ips("camper") == "198.51.100.0"


def test_a_wish_from_elsewhere_waits_though_the_pool_has_nothing_else():
    world = world_with(pool("p", "198.51.100.0/32"), entries=[held("198.51.100.0", "gone", 2 * START)])
    assert world.put(service("s", ips="198.51.100.0")).reason("s") == "AddressHeld"
    assert world.put(service("s", wants_pool="p")).ips("s") == "198.51.100.0", "a pool by name is no wish for this IP"


def test_the_service_made_anew_gets_its_own_before_an_older_one_that_would_take_it_for_want_of_another():
    world = world_with(pool("p", "198.51.100.0/32"), entries=[held("198.51.100.0", "back", 2 * START)])
    world.services[key_of("older")] = service("older", created_utc=1)
    world.put(service("back", uid="anew", created_utc=9))
    assert (world.ips("back"), world.ips("older"), world.reason("older")) == ("198.51.100.0", "", "PoolExhausted")


def test_who_has_an_ip_takes_none_that_is_held_for_somebody_else():
    entries = [held("203.0.113.0", "gone", 2 * START, "full"), held("2001:db8::", "gone", 2 * START)]
    pools = (pool("p", "198.51.100.0/31", "2001:db8::/128"), pool("full", "203.0.113.0/32", auto_assign=False))
    world = world_with(*pools, entries=entries)
    world.put(service("s"), service("pair", "46", policy=PREFER))
    world.put(service("s", wants_pool="full"))
    assert (world.ips("s"), world.reason("s")) == ("198.51.100.0", "PoolExhausted")
    assert world.ips("pair") == "198.51.100.1"


def test_who_is_content_with_one_family_takes_one_ip_from_others_and_who_needs_both_takes_two():
    entries = [held("198.51.100.0", "gone", 2 * START), held("2001:db8::", "gone", 2 * START)]
    pools = (pool("p", "198.51.100.0/32", "2001:db8::/128"),)
    assert world_with(*pools, entries=entries).put(service("s", "64", policy=PREFER)).ips("s") == "2001:db8::"
    assert world_with(*pools, entries=entries).put(service("s", "46")).ips("s") == "198.51.100.0 2001:db8::"


HELD = [held("198.51.100.0", "gone", 2 * START)]


@pytest.mark.parametrize(
    ("pools", "reservations"),
    [
        ((pool("p", "198.51.100.0/32", disabled=True),), ()),
        ((pool("p", "198.51.100.0/32", auto_assign=False),), ()),
        ((pool("p", "198.51.100.0/32", allocation=allocation(namespaces=frozenset({"x"}))),), ()),
        ((pool("p", "198.51.100.0/32", quotas=(Quota(0),)),), ()),
        ((pool("p", "198.51.100.0/31", excluded=["198.51.100.0/31"]),), ()),
        ((pool("p", "198.51.100.0/32", avoid_buggy_ips=True),), ()),
        ((pool("p", "198.51.100.0/32"),), (reservation("r", "198.51.100.0", namespace="x"),)),
    ],
    ids=["drained", "not automatic", "another namespace's", "quota", "excluded", "buggy", "reserved"],
)
def test_a_held_ip_that_would_not_be_given_if_it_were_free_is_not_given_while_it_is_held(pools, reservations):
    world = world_with(*pools, reservations=reservations, entries=HELD)
    assert world.put(service("s")).ips("s") == ""


def test_the_soonest_end_follows_the_entries():
    configuration = Configuration((pool("p", "198.51.100.0/30"),), (), (reservation("r", "198.51.100.3", namespace="x"),))
    mine, theirs = key_of("s"), key_of("x/s")
    ledger = Ledger(configuration, (held("198.51.100.3", "g", 1), held("198.51.100.1", "g", 9), held("198.51.100.2", "g", 8)), "us")
    assert str(ledger.soonest_held("p", Family.IPV4, mine)) == "198.51.100.2"
    assert str(ledger.soonest_held("p", Family.IPV4, theirs)) == "198.51.100.3"
    ledger.put(held("198.51.100.2", "g", 10 * SECOND))
    assert str(ledger.soonest_held("p", Family.IPV4, mine)) == "198.51.100.1"
    ledger.drop(parse_address("198.51.100.1"))
    ledger.drop(parse_address("198.51.100.2"))
    assert ledger.soonest_held("p", Family.IPV4, mine) is None
    assert ledger.soonest_held("other", Family.IPV4, mine) is None
