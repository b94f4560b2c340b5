"""What a Service keeps, and what moves or releases its IP."""

import pytest

from baremetal_lb.ipam.adoption import adopt
from baremetal_lb.model.views import FamilyPolicy, IngressView
from tests.support.ipam_world import World, allocation, pool, service

FOUR, SIX = ("198.51.100.0/30", "2001:db8::/126")
RELOADS = [
    ("the same pool", [pool("test", FOUR, SIX)], "test", "test"),
    ("a larger pool", [pool("test", "198.51.100.0/24", "2001:db8::/120")], "test", "test"),
    ("no IPv4 address of it any more", [pool("test", "198.51.100.2/31", SIX)], "moved", "test"),
    ("no IPv6 address of it any more", [pool("test", FOUR, "2001:db8::2/127")], "test", "moved"),
    ("another name", [pool("test2", FOUR, SIX)], "test2", "test2"),
    (
        "two halves",
        [pool("test", "198.51.100.0/31", "2001:db8::2/127"), pool("test2", "198.51.100.2/31", "2001:db8::/127")],
        "test",
        "test2",
    ),
    ("buggy addresses avoided", [pool("test2", "198.51.100.0/31", "2001:db8::/127", avoid_buggy_ips=True)], "moved", "test2"),
    ("no autoAssign", [pool("test", FOUR, SIX, auto_assign=False)], "test", "test"),
    ("disabled", [pool("test", FOUR, SIX, disabled=True)], "test", "test"),
    ("for somebody else", [pool("test", FOUR, SIX, allocation=allocation(namespaces=frozenset({"x"})))], "released", "released"),
    ("nothing at all", [], "released", "released"),
]


@pytest.mark.parametrize(("pools", "four", "six"), [row[1:] for row in RELOADS], ids=[row[0] for row in RELOADS])
def test_after_the_pools_change_an_ip_is_kept_moved_or_released(pools, four, six):
    world = World(pool("test", FOUR, SIX), pool("unused", "203.0.113.0/30"))
    world.put(service("s4"), service("s6", "6"))
    before = {"s4": "198.51.100.0", "s6": "2001:db8::"}
    assert {name: world.ips(name) for name in before} == before
    world.configure(*pools)
    for name, fate in (("s4", four), ("s6", six)):
        ips, recorded = world.ips(name), world.services[("default", name)].allocated_from_pool
        if fate == "released":
            assert (ips, recorded, world.reason(name) is not None) == ("", None, True)
        elif fate == "moved":
            assert ips not in ("", before[name])
        else:
            assert (ips, recorded, world.reason(name)) == (before[name], fate, None)
    assert sorted(str(entry.address) for entry in world.entries) == sorted(filter(None, (world.ips("s4"), world.ips("s6"))))


def test_a_service_deleted_beside_takes_nothing_from_others():
    world = World(pool("a", "198.51.100.0/30")).put(service("a"), service("b"), service("c"))
    world.delete("a")
    assert (world.ips("b"), world.ips("c")) == ("198.51.100.1", "198.51.100.2")


def test_a_lost_ledger_entry_costs_nobody_an_ip():
    world = World(pool("a", "198.51.100.0/30")).put(service("a"), service("b", "4", shares="k"))
    world.entries = tuple(entry for entry in world.entries if str(entry.address) != "198.51.100.0")
    world.put(service("thief", ips="198.51.100.0"))
    assert (world.ips("a"), world.ips("thief")) == ("198.51.100.0", "")


def test_a_foreign_ip_in_a_status_is_replaced_by_what_the_ledger_says():
    world = World(pool("a", "198.51.100.0/29")).put(service("a"), service("b"))
    patched = world.services[("default", "a")]
    from dataclasses import replace  # noqa: PLC0415 - used here only

    other = world.services[("default", "b")].status_ips[0]
    world.services[patched.key] = replace(patched, ingress=(IngressView(other, str(other)),))
    world.settle()
    assert (world.ips("a"), world.ips("b")) == ("198.51.100.0", "198.51.100.1")


@pytest.mark.parametrize(
    ("families", "status", "expected"),
    [
        ("4", "198.51.100.2", "198.51.100.2"),
        ("4", "10.9.9.9", "198.51.100.0"),
        ("4", "2001:db8::1", "198.51.100.0"),
        ("6", "198.51.100.1", "2001:db8::"),
        ("46", "198.51.100.1", "198.51.100.1 2001:db8::"),
        ("46", "2001:db8::3 198.51.100.3", "198.51.100.3 2001:db8::3"),
        ("4", "198.51.100.0 198.51.100.1 198.51.100.2", "198.51.100.0"),
        ("4", "198.51.100.2 2001:db8::1", "198.51.100.2"),
    ],
)
def test_a_status_is_adopted_as_far_as_it_is_valid(families, status, expected):
    world = World(pool("a", "198.51.100.0/30", "2001:db8::/126")).put(service("s", families, status=status))
    assert world.ips("s") == expected
    assert " ".join(str(entry.address) for entry in world.entries) == expected


def test_a_hostname_in_a_status_is_replaced():
    world = World(pool("a", "198.51.100.0/30"))
    world.put(service("s", ingress=(IngressView(None, "foo.example"),)))
    assert world.services[("default", "s")].ingress == (IngressView(world.entries[0].address, "198.51.100.0", "VIP"),)


def test_of_two_statuses_with_one_ip_the_older_service_keeps_it():
    world = World(pool("a", "198.51.100.0/30"))
    world.put(service("young", status="198.51.100.1", created_utc=9), service("old", status="198.51.100.1", created_utc=5))
    assert (world.ips("old"), world.ips("young")) == ("198.51.100.1", "198.51.100.0")


def test_services_that_may_share_are_adopted_together():
    pools = World(pool("a", "198.51.100.0/30")).configuration
    views = [service(name, status="198.51.100.1", shares="k", ports=port) for name, port in (("a", "TCP/1"), ("b", "TCP/2"))]
    (entry,) = adopt(views, pools, owner="us", now_utc=7)
    assert [str(user.key) for user in entry.services] == ["default/a", "default/b"]
    assert (entry.owner, entry.pool, entry.sharing_key, entry.since_utc) == ("us", "a", "k", 7)


def test_an_adopted_ip_outside_every_pool_has_an_entry_without_pool():
    (entry,) = adopt([service("a", status="10.9.9.9")], World(pool("a", "198.51.100.0/30")).configuration, owner="us", now_utc=7)
    assert (str(entry.address), entry.pool) == ("10.9.9.9", "")


def test_half_a_pair_is_given_back_when_no_pool_can_complete_it():
    world = World(pool("a", "198.51.100.0/30")).put(service("s"))
    world.put(service("s", "46", policy=FamilyPolicy.REQUIRE_DUAL_STACK))
    assert (world.ips("s"), world.entries, world.reason("s")) == ("", (), "PoolFamilyMissing")
    world.configure(pool("a", "198.51.100.0/30"), pool("b", "203.0.113.0/30", "2001:db8::/126"))
    assert world.ips("s") == "203.0.113.0 2001:db8::"


def test_a_service_that_is_being_deleted_keeps_its_ip_and_gets_no_new_one():
    world = World(pool("a", "198.51.100.0/30")).put(service("has"))
    world.put(service("has", is_deleting=True), service("wants", is_deleting=True))
    assert (world.ips("has"), world.ips("wants"), world.reason("wants")) == ("198.51.100.0", "", "BeingDeleted")


def test_an_entry_of_another_install_is_an_obstacle_and_nothing_else():
    from baremetal_lb.model.views import LedgerEntry  # noqa: PLC0415 - used here only

    world = World(pool("a", "198.51.100.0/30"))
    foreign = LedgerEntry(next(iter(world.put(service("x")).entries)).address, "them", "p")
    world.delete("x")
    world.entries = (foreign,)
    world.put(service("s"), service("asks", ips=str(foreign.address)))
    assert (world.ips("s"), world.reason("asks")) == ("198.51.100.1", "AddressForeign")
    assert foreign in world.entries
