"""Requested IPs, one Service after the other in one world: who may have which IP, alone and together."""

import pytest

from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.configuration import SharingScope
from tests.support.ipam_world import World, key_of, pool, service

# (name, IPs asked for, ports, sharing key, selector of a Local Service, IPs in the end, reason of what was not honoured)
STEPS = [
    ("s1", "198.51.100.4", "", None, None, "198.51.100.4", None),
    ("s1", "198.51.100.4", "", None, None, "198.51.100.4", None),
    ("s2", "198.51.100.4", "", None, None, "", "AddressInUse"),
    ("s2", "198.51.100.5", "", None, None, "198.51.100.5", None),
    ("s1", "198.51.100.5", "", None, None, "198.51.100.4", "AddressInUse"),
    ("s3", "203.0.113.0", "", None, None, "", "AddressBuggy"),
    ("s3", "203.0.113.255", "", None, None, "", "AddressBuggy"),
    ("s3", "203.0.113.254", "", None, None, "203.0.113.254", None),
    ("s4", "203.0.113.3", "TCP/80", "sharing", None, "203.0.113.3", None),
    ("s4", "203.0.113.3", "TCP/80", "share", None, "203.0.113.3", None),
    ("s3", "203.0.113.3", "TCP/80", "share", None, "203.0.113.254", "PortsClash"),
    ("s3", "203.0.113.3", "TCP/443", "other", None, "203.0.113.254", "SharingKeyDiffers"),
    ("s3", "203.0.113.3", "TCP/443", "share", "app=web", "203.0.113.254", "BackendsIncompatible"),
    ("s3", "203.0.113.3", "TCP/443", "", None, "203.0.113.254", "AddressInUse"),
    ("s3", "203.0.113.3", "TCP/443", "share", None, "203.0.113.3", None),
    ("s3", "203.0.113.3", "UDP/80", "share", None, "203.0.113.3", None),
    ("s5", "203.0.113.3", "TCP/8080", "share", None, "203.0.113.3", None),
    ("s4", "203.0.113.254", "", None, None, "203.0.113.254", None),
    ("s6", "10.9.9.9", "", None, None, "", "AddressNotInPool"),
    ("s6", "198.51.100.4,2001:db8::4", "", None, None, "", "RequestFamilyMismatch"),
    ("s6", "2001:db8::4", "", None, None, "", "RequestFamilyMismatch"),
    ("s6", "198.51.100.6,198.51.100.7", "", None, None, "", "RequestMalformed"),
    ("s6", "give me one", "", None, None, "", "RequestMalformed"),
    ("s6", "198.51.100.6,", "", None, None, "", "RequestMalformed"),
    ("s6", " 198.51.100.6 ", "", None, None, "198.51.100.6", None),
    ("s6", "give me one", "", None, None, "198.51.100.6", "RequestMalformed"),
    ("s6", None, "", None, None, "198.51.100.6", None),
]


def test_each_step_of_the_table_ends_as_it_says():
    world = World(
        pool("a", "198.51.100.4/30", "2001:db8::4/127"),
        pool("b", "203.0.113.0/24", "2001:db8::4:0/120", avoid_buggy_ips=True),
    )
    for number, (name, ips, ports, key, selector, expected, reason) in enumerate(STEPS):
        world.put(service(name, ips=ips, ports=ports, shares=key, local=selector))
        assert (number, world.ips(name), world.reason(name)) == (number, expected, reason)


LOCAL = [
    ("equal selectors", "app=web,tier=1", "tier=1,app=web", None),
    ("different selectors", "app=web", "app=db", "BackendsIncompatible"),
    ("Cluster beside Local", None, "app=web", "BackendsIncompatible"),
    ("Local beside Cluster", "app=web", None, "BackendsIncompatible"),
    ("empty selectors", "", "", "AddressInUse"),
    ("an empty selector beside Cluster", None, "", "BackendsIncompatible"),
]


@pytest.mark.parametrize(("first", "second", "reason"), [row[1:] for row in LOCAL], ids=[row[0] for row in LOCAL])
def test_local_services_share_only_with_equal_selectors(first, second, reason):
    world = World(pool("a", "198.51.100.0/24"))
    world.put(service("s1", ips="198.51.100.7", shares="k", ports="TCP/80", local=first))
    world.put(service("s2", ips="198.51.100.7", shares="k", ports="TCP/81", local=second))
    assert world.reason("s2") == reason
    assert world.ips("s2") == ("198.51.100.7" if reason is None else "")
    assert world.ips("s1") == "198.51.100.7"


def test_whoever_changes_its_mind_leaves_and_the_other_stays():
    world = World(pool("a", "198.51.100.0/24"))
    world.put(service("old", shares="k", ports="TCP/80"))
    world.put(service("new", shares="k", ports="TCP/81"))
    assert world.ips("new") == world.ips("old") == "198.51.100.0"
    world.put(service("old", shares="other", ports="TCP/80"))
    assert (world.ips("old"), world.ips("new")) == ("198.51.100.1", "198.51.100.0")
    world.put(service("old", shares="k", ports="TCP/80"))
    assert world.ips("old") == "198.51.100.1", "a valid IP stays, also when a shared one could be had"


def test_a_port_that_is_added_and_clashes_costs_only_the_one_that_added_it():
    world = World(pool("a", "198.51.100.0/24"))
    world.put(service("old", shares="k", ports="TCP/80"), service("new", shares="k", ports="TCP/81"))
    world.put(service("old", shares="k", ports="TCP/80 TCP/81"))
    assert (world.ips("old"), world.ips("new")) == ("198.51.100.1", "198.51.100.0")


def test_a_sharing_service_prefers_the_ip_of_its_key_to_a_free_one():
    world = World(pool("a", "198.51.100.0/24"), pool("b", "203.0.113.0/24"))
    world.put(service("s1", shares="k", ports="TCP/80", wants_pool="b"))
    world.put(service("s2", shares="k", ports="TCP/81"))
    world.put(service("s3", shares="k", ports="TCP/80"))
    assert [world.ips(name) for name in ("s1", "s2", "s3")] == ["203.0.113.0", "203.0.113.0", "198.51.100.0"]


@pytest.mark.parametrize(("scope", "second"), [(SharingScope.CLUSTER, "198.51.100.0"), (SharingScope.NAMESPACE, "198.51.100.1")])
def test_services_of_different_namespaces_share_where_the_pool_says_so(scope, second):
    world = World(pool("a", "198.51.100.0/24", sharing=scope))
    world.put(service("one/s", shares="k", ports="TCP/80"), service("two/s", shares="k", ports="TCP/81"))
    assert (world.ips("one/s"), world.ips("two/s")) == ("198.51.100.0", second)
    world.put(service("one/t", shares="k", ports="TCP/82"))
    assert world.ips("one/t") == "198.51.100.0"


@pytest.mark.parametrize("key", ["s3cret", "guess"])
def test_in_a_pool_of_single_namespaces_a_stranger_does_not_learn_whether_a_key_is_right(key):
    world = World(pool("a", "198.51.100.0/24"))
    world.put(service("one/s", shares="s3cret", ports="TCP/80"))
    world.put(service("two/s", ips="198.51.100.0", shares=key, ports="TCP/80"))
    decision = world.outcomes[key_of("two/s")].decision
    what = "The IP is in use in another namespace, and its pool lets only Services of one namespace share an IP."
    assert decision.message == f"{what} 198.51.100.0 belongs to one/s."


def test_a_wrong_key_is_refused_without_a_word_of_the_right_one():
    world = World(pool("a", "198.51.100.0/24", sharing=SharingScope.CLUSTER))
    world.put(service("one/s", shares="s3cret", ports="TCP/80"))
    world.put(service("two/s", ips="198.51.100.0", shares="guess", ports="TCP/81"))
    decision = world.outcomes[key_of("two/s")].decision
    assert (decision.reason, decision.message) == (
        AllocationReason.SharingKeyDiffers,
        "The IP is shared under another sharing key. 198.51.100.0 belongs to one/s.",
    )


def test_policy_local_is_shared_in_one_namespace_only_since_the_same_selector_means_other_pods_elsewhere():
    world = World(pool("a", "198.51.100.0/24", sharing=SharingScope.CLUSTER))
    world.put(service("one/s", shares="k", ports="TCP/80", local="app=web"))
    world.put(service("two/s", ips="198.51.100.0", shares="k", ports="TCP/81", local="app=web"))
    world.put(service("one/t", ips="198.51.100.0", shares="k", ports="TCP/82", local="app=web"))
    assert [(world.ips(name), world.reason(name)) for name in ("one/s", "two/s", "one/t")] == [
        ("198.51.100.0", None),
        ("", "BackendsIncompatible"),
        ("198.51.100.0", None),
    ]


def test_a_pool_that_is_given_another_sharing_parts_nobody_and_lets_nobody_else_join():
    world = World(pool("a", "198.51.100.0/24", sharing=SharingScope.CLUSTER))
    world.put(service("one/s", shares="k", ports="TCP/80"), service("two/s", shares="k", ports="TCP/81"))
    world.configure(pool("a", "198.51.100.0/24"))
    world.put(service("three/s", shares="k", ports="TCP/82"))
    assert [world.ips(f"{name}/s") for name in ("one", "two", "three")] == ["198.51.100.0", "198.51.100.0", "198.51.100.1"]


def test_who_shares_across_namespaces_of_old_may_still_ask_for_what_it_has_and_more():
    world = World(pool("a", "198.51.100.0/24", "2001:db8::/64", sharing=SharingScope.CLUSTER))
    world.put(service("one/s", shares="k", ports="TCP/80"), service("two/s", shares="k", ports="TCP/81"))
    world.configure(pool("a", "198.51.100.0/24", "2001:db8::/64"))
    world.put(service("one/s", "46", ips="198.51.100.0,2001:db8::7", shares="k", ports="TCP/80"))
    assert (world.ips("one/s"), world.ips("two/s")) == ("198.51.100.0 2001:db8::7", "198.51.100.0")


def test_who_shared_across_namespaces_goes_on_doing_so_when_the_whole_ledger_was_lost():
    world = World(pool("a", "198.51.100.0/24", sharing=SharingScope.CLUSTER))
    world.put(service("one/s", shares="k", ports="TCP/80"), service("two/s", shares="k", ports="TCP/81"))
    world.configure(pool("a", "198.51.100.0/24"))
    world.entries = ()
    world.settle()
    assert (world.ips("one/s"), world.ips("two/s")) == ("198.51.100.0", "198.51.100.0")


def test_both_the_field_and_the_annotation_is_refused_and_costs_nothing():
    world = World(pool("a", "198.51.100.0/24"))
    world.put(service("s", ips="198.51.100.3", spec_load_balancer_ip="198.51.100.3"))
    assert (world.ips("s"), world.reason("s")) == ("", "RequestedTwice")
    world.put(service("s", ips="198.51.100.3"))
    world.put(service("s", ips="198.51.100.3", spec_load_balancer_ip="198.51.100.4"))
    assert (world.ips("s"), world.reason("s")) == ("198.51.100.3", "RequestedTwice")


@pytest.mark.parametrize(
    ("ips", "wants_pool", "expected", "reason"),
    [
        ("198.51.100.3", "b", "", "RequestedPoolMismatch"),
        ("198.51.100.3", "a", "198.51.100.3", None),
        (None, "nope", "", "UnknownPool"),
        (None, "b", "203.0.113.0", None),
        ("", "", "198.51.100.0", None),
        ("203.0.113.9", None, "203.0.113.9", None),
    ],
)
def test_pool_and_ip_requests_go_together(ips, wants_pool, expected, reason):
    world = World(pool("a", "198.51.100.0/24"), pool("b", "203.0.113.0/24", auto_assign=False))
    world.put(service("s", ips=ips, wants_pool=wants_pool))
    assert (world.ips("s"), world.reason("s")) == (expected, reason)


def test_a_failed_request_keeps_the_ip_and_a_good_one_moves_it():
    world = World(pool("a", "198.51.100.0/24"), pool("b", "203.0.113.0/31"))
    world.put(service("s"))
    for wish in ({"ips": "10.9.9.9"}, {"wants_pool": "nope"}, {"ips": "2001:db8::1"}, {"ips": "203.0.113.1", "wants_pool": "a"}):
        world.put(service("s", **wish))
        assert (world.ips("s"), world.reason("s") is not None) == ("198.51.100.0", True)
    world.put(service("s", wants_pool="b"))
    assert (world.ips("s"), len(world.entries)) == ("203.0.113.0", 1)
    world.put(service("s", ips="198.51.100.9"))
    assert (world.ips("s"), world.reason("s"), len(world.entries)) == ("198.51.100.9", None, 1)
