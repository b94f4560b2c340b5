"""Addresses without a request for one: from all pools or a named one, of one family or both."""

import pytest

from baremetal_lb.model.views import FamilyPolicy
from tests.support.ipam_world import World, allocation, pool, reservation, service

PREFER, REQUIRE, SINGLE = FamilyPolicy.PREFER_DUAL_STACK, FamilyPolicy.REQUIRE_DUAL_STACK, FamilyPolicy.SINGLE_STACK


def two_pools() -> World:
    return World(pool("one", "198.51.100.4/31", "2001:db8::4/127"), pool("two", "198.51.100.10/31", "2001:db8::10/127"))


@pytest.mark.parametrize("wants_pool", [None, "named"], ids=["from all pools", "from a named pool"])
@pytest.mark.parametrize("families", ["4", "6", "46", "64"])
def test_services_take_addresses_until_there_are_none_and_then_wait(families, wants_pool):
    world = World(pool("named", "198.51.100.4/31", "198.51.100.10/31", "2001:db8::/127", "2001:db8:1::/127"))
    if wants_pool:
        world = World(*world.configuration.pools, pool("other", "10.0.0.0/16", "fc00::1:0/112"))
    expected = {
        "4": ["198.51.100.4", "198.51.100.5", "198.51.100.10", "198.51.100.11"],
        "6": ["2001:db8::", "2001:db8::1", "2001:db8:1::", "2001:db8:1::1"],
    }
    expected["46"] = expected["64"] = [f"{four} {six}" for four, six in zip(expected["4"], expected["6"], strict=True)]
    for name in ("s1", "s2", "s3", "s4", "s5", "s6"):
        world.put(service(name, families, wants_pool=wants_pool))
    assert [world.ips(f"s{n}") for n in range(1, 5)] == expected[families]
    assert [(world.ips(name), world.reason(name)) for name in ("s5", "s6")] == [("", "PoolExhausted")] * 2
    world.delete("s1")
    assert (world.ips("s5"), world.ips("s6")) == (expected[families][0], "")
    world.delete("s5")
    world.put(service("s6", families, wants_pool=wants_pool, shares="k", ports="TCP/80"))
    world.put(service("s7", families, wants_pool=wants_pool, shares="k", ports="TCP/443"))
    world.put(service("s8", families, wants_pool=wants_pool))
    assert [world.ips(name) for name in ("s6", "s7", "s8")] == [expected[families][0]] * 2 + [""]


def test_pools_are_tried_by_name_and_ranges_as_declared():
    world = World(pool("b", "198.51.100.0/30"), pool("a", "203.0.113.8/31", "203.0.113.0/31"))
    for n in range(6):
        world.put(service(f"s{n}"))
    expected = ["203.0.113.8", "203.0.113.9", "203.0.113.0", "203.0.113.1", "198.51.100.0", "198.51.100.1"]
    assert [world.ips(f"s{n}") for n in range(6)] == expected


@pytest.mark.parametrize(
    ("families", "policy", "pools", "expected", "reason"),
    [
        ("46", REQUIRE, ["4:a", "6:b"], "", "PoolFamilyMissing"),
        ("46", REQUIRE, ["4:a", "46:b"], "b4 b6", None),
        ("46", SINGLE, ["4:a", "46:b"], "b4 b6", None),
        ("46", PREFER, ["4:a", "46:b"], "b4 b6", None),
        ("46", PREFER, ["4:b", "6:a"], "b4", None),
        ("64", PREFER, ["4:a", "6:b"], "b6", None),
        ("64", PREFER, ["4:a"], "a4", None),
        ("46", PREFER, ["6:a"], "a6", None),
        ("4", PREFER, ["46:a"], "a4", None),
        ("6", PREFER, ["46:a"], "a6", None),
        ("4", REQUIRE, ["46:a"], "", "NotEnoughClusterIPs"),
        ("4", SINGLE, ["6:a"], "", "PoolFamilyMissing"),
        ("6", SINGLE, ["4:a", "6:b"], "b6", None),
        ("", SINGLE, ["4:a"], "", "ClusterIPMissing"),
    ],
)
def test_families_come_from_cluster_ips_and_from_one_pool(families, policy, pools, expected, reason):
    addresses = {"a4": "198.51.100.0", "b4": "203.0.113.0", "a6": "2001:db8:a::", "b6": "2001:db8:b::"}
    bits = {"4": 31, "6": 127}
    world = World(
        *(pool(name, *(f"{addresses[name + f]}/{bits[f]}" for f in kinds)) for kinds, _, name in (p.partition(":") for p in pools))
    )
    world.put(service("s", families, policy=policy))
    assert (world.ips("s"), world.reason("s")) == (" ".join(addresses[text] for text in expected.split()), reason)


@pytest.mark.parametrize(
    ("cluster_ips", "reason"),
    [
        (("None",), "Headless"),
        (("10.0.0.1", "10.0.0.2"), "ClusterIPsMalformed"),
        (("rubbish",), "ClusterIPsMalformed"),
        (("10.0.0.1", "fd00::1", "10.0.0.2"), "ClusterIPsMalformed"),
    ],
)
def test_cluster_ips_that_make_no_sense_get_no_ip(cluster_ips, reason):
    world = World(pool("a", "198.51.100.0/24")).put(service("s", cluster_ips=cluster_ips))
    assert (world.ips("s"), world.reason("s")) == ("", reason)


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "ExternalName"])
def test_other_types_get_nothing_and_a_change_of_type_gives_the_ip_back(kind):
    world = World(pool("a", "198.51.100.0/32")).put(service("s"), service("waiting"))
    assert world.ips("waiting") == ""
    world.put(service("s", type=kind))
    assert (world.ips("s"), world.reason("s"), world.ips("waiting")) == ("", "NotLoadBalancer", "198.51.100.0")


def test_a_single_that_prefers_two_gains_the_other_family_from_its_own_pool_only():
    world = World(pool("a", "198.51.100.0/31"))
    world.put(service("s", "46", policy=PREFER))
    assert (world.ips("s"), world.reason("s")) == ("198.51.100.0", None)
    world.configure(pool("a", "198.51.100.0/31"), pool("b", "203.0.113.0/31", "2001:db8::/127"))
    assert world.ips("s") == "198.51.100.0"
    world.configure(pool("a", "198.51.100.0/31", "2001:db8:a::/127"), pool("b", "203.0.113.0/31", "2001:db8::/127"))
    assert world.ips("s") == "198.51.100.0 2001:db8:a::"


def test_a_change_of_families_keeps_the_half_that_still_serves():
    world = World(pool("a", "198.51.100.0/31", "2001:db8::/127"))
    world.put(service("s", "46"))
    world.put(service("s", "6"))
    assert world.ips("s") == "2001:db8::"
    world.put(service("s", "46"))
    assert world.ips("s") == "198.51.100.0 2001:db8::"
    world.put(service("s", "4"))
    assert (world.ips("s"), len(world.entries)) == ("198.51.100.0", 1)


def test_buggy_addresses_are_skipped():
    world = World(
        pool("a", "198.51.100.0/31"),
        pool("b", "198.51.100.254/31"),
        pool("c", "203.0.113.0/31", avoid_buggy_ips=True),
        pool("d", "203.0.113.254/31", avoid_buggy_ips=True),
    )
    for n in range(7):
        world.put(service(f"s{n}"))
    expected = ["198.51.100.0", "198.51.100.1", "198.51.100.254", "198.51.100.255", "203.0.113.1", "203.0.113.254", ""]
    assert [world.ips(f"s{n}") for n in range(7)] == expected


def test_pools_without_auto_assign_are_for_those_who_ask():
    world = World(pool("a", "198.51.100.4/31", auto_assign=False), pool("b", "198.51.100.10/31"))
    for n in range(3):
        world.put(service(f"s{n}"))
    assert [world.ips(f"s{n}") for n in range(3)] == ["198.51.100.10", "198.51.100.11", ""]
    world.put(service("s2", wants_pool="a"))
    assert world.ips("s2") == "198.51.100.4"


PINNED = [
    ("one", {}, "p-12"),
    ("two", {}, "p-9"),
    ("other", {}, "a-open"),
    ("other", {"team": "x"}, "p-10"),
    ("one", {"team": "x"}, "p-5-both"),
]


@pytest.mark.parametrize(("namespace", "labels", "expected"), PINNED)
def test_pinned_pools_come_first_by_priority(namespace, labels, expected):
    team = ({"team": "x"},)
    selectors = tuple(_selector(s) for s in team)
    world = World(
        pool("a-open", "198.51.100.0/28"),
        pool("p-12", "198.51.100.16/28", allocation=allocation(priority=12, namespaces=frozenset({"one"}))),
        pool("p-13", "198.51.100.32/28", allocation=allocation(priority=13, namespaces=frozenset({"one"}))),
        pool("p-10", "198.51.100.48/28", allocation=allocation(priority=10, service_selectors=selectors)),
        pool("p-11", "198.51.100.64/28", allocation=allocation(priority=11, service_selectors=selectors)),
        pool("p-9", "198.51.100.80/28", allocation=allocation(namespaces=frozenset({"two"}))),
        pool("p-5-both", "198.51.100.96/28", allocation=allocation(priority=5, namespaces=frozenset({"one"}), service_selectors=selectors)),
    )
    world.put(service(f"{namespace}/s", labels=labels))
    assert world.services.popitem()[1].allocated_from_pool == expected


def _selector(labels):
    from baremetal_lb.model.labels import LabelSelector, Operator, Requirement  # noqa: PLC0415 - used here only

    return LabelSelector(tuple(Requirement(key, Operator.IN, (value,)) for key, value in labels.items()))


def test_a_priority_of_zero_comes_last_among_the_pinned_and_full_pools_overflow():
    everybody = frozenset({"default"})
    world = World(
        pool("a", "198.51.100.0/32", allocation=allocation(namespaces=everybody)),
        pool("b", "198.51.100.1/32", allocation=allocation(priority=1000, namespaces=everybody)),
        pool("c", "198.51.100.2/32", allocation=allocation(priority=-1)),
        pool("0", "198.51.100.3/32"),
    )
    for n in range(5):
        world.put(service(f"s{n}"))
    assert [world.ips(f"s{n}") for n in range(5)] == ["198.51.100.1", "198.51.100.0", "198.51.100.2", "198.51.100.3", ""]


@pytest.mark.parametrize(("namespace", "admitted"), [("blue", True), ("red", False), ("listed", True), ("unknown", False)], ids=str)
def test_namespace_selectors_admit_whom_they_match_and_nobody_else(namespace, admitted):
    world = World(
        pool(
            "p", "198.51.100.0/24", allocation=allocation(namespaces=frozenset({"listed"}), namespace_selectors=(_selector({"c": "blue"}),))
        ),
        namespaces={"blue": {"c": "blue"}, "red": {"c": "red"}},
    )
    for wish in ({}, {"wants_pool": "p"}, {"ips": "198.51.100.7"}):
        world.put(service(f"{namespace}/s", **wish))
        assert (world.ips(f"{namespace}/s") != "") is admitted
        assert world.reason(f"{namespace}/s") == (None if admitted else "PoolNamespaceMismatch")


def test_selectors_that_match_no_namespace_admit_nobody():
    world = World(pool("p", "198.51.100.0/24", allocation=allocation(namespace_selectors=(_selector({"c": "blue"}),))))
    world.put(service("s"))
    assert (world.ips("s"), world.reason("s")) == ("", "PoolNamespaceMismatch")


def test_excluded_addresses_are_not_handed_out_but_stay_with_who_has_them():
    world = World(pool("p", "198.51.100.0/29"))
    world.put(service("old"))
    world.configure(pool("p", "198.51.100.0/29", excluded=["198.51.100.0/30", "198.51.100.5"]))
    world.put(service("a"), service("b"), service("c", ips="198.51.100.2"))
    assert [world.ips(name) for name in ("old", "a", "b", "c")] == ["198.51.100.0", "198.51.100.4", "198.51.100.6", ""]
    assert world.reason("c") == "AddressExcluded"


def test_a_disabled_pool_keeps_what_it_has_given_and_gives_nothing_new():
    world = World(pool("p", "198.51.100.0/24")).put(service("old", shares="k", ports="TCP/1"))
    world.configure(pool("p", "198.51.100.0/24", disabled=True))
    world.put(service("new"), service("asks", ips="198.51.100.9"), service("joins", shares="k", ports="TCP/2"))
    assert (world.ips("old"), world.reason("old")) == ("198.51.100.0", None)
    assert [(world.ips(n), world.reason(n)) for n in ("new", "asks", "joins")] == [("", "PoolDisabled")] * 3


def test_reserved_addresses_go_to_those_they_are_for():
    mine = reservation("mine", "198.51.100.0-198.51.100.1", namespace="team")
    byname = reservation("byname", "198.51.100.4", namespace="team", service="db")
    world = World(pool("p", "198.51.100.0/29"), reservations=(mine, byname))
    world.put(service("other/s"), service("other/asks", ips="198.51.100.1"))
    world.put(service("team/a"), service("team/db"), service("team/asks", ips="198.51.100.4"))
    expected = {"other/s": "198.51.100.2", "other/asks": "", "team/a": "198.51.100.0", "team/db": "198.51.100.4", "team/asks": ""}
    assert {name: world.ips(name) for name in expected} == expected
    assert world.reason("other/asks") == world.reason("team/asks") == "AddressReserved"


def test_quotas_count_addresses_of_a_namespace_once_each():
    from baremetal_lb.model.configuration import Quota  # noqa: PLC0415 - used here only

    world = World(pool("p", "198.51.100.0/24", quotas=(Quota(2, frozenset({"team"})), Quota(5))))
    world.put(service("team/a", shares="k", ports="TCP/1"), service("team/b", shares="k", ports="TCP/2"), service("team/c"))
    world.put(service("team/d"), service("free/e"))
    assert (world.ips("team/d"), world.reason("team/d"), world.ips("free/e")) == ("", "QuotaExceeded", "198.51.100.2")
    world.put(service("team/c", ips="198.51.100.77"))
    assert (world.ips("team/c"), world.reason("team/c")) == ("198.51.100.77", None)
    world.configure(pool("p", "198.51.100.0/24", quotas=(Quota(1, frozenset({"team"})),)))
    assert world.ips("team/c") == "198.51.100.77", "a quota that shrinks takes nothing away"


def test_an_ip_of_a_deleted_service_is_held_for_one_of_the_same_name():
    world = World(pool("p", "198.51.100.0/30", retain_for=1000))
    world.put(service("s"), service("t"))
    world.delete("s")
    world.put(service("u"), service("asks", ips="198.51.100.0"))
    assert (world.ips("u"), world.reason("asks")) == ("198.51.100.2", "AddressHeld")
    world.put(service("s", uid="another"))
    assert (world.ips("s"), world.entries[0].held_for) == ("198.51.100.0", None)
    world.delete("s")
    world.now += 1000
    world.settle()
    assert world.ips("asks") == "198.51.100.0"
