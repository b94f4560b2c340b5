"""The laws of allocation, over random worlds: pools of both families, sharing, requests, reservations, deletions, changing pools."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.ipam.allocator import consider, decide
from baremetal_lb.ipam.changes import plan_service
from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.sharing import backend_key
from baremetal_lb.model.configuration import Configuration, Quota, SharingScope
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import family_of
from baremetal_lb.model.views import FamilyPolicy, TrafficPolicy
from baremetal_lb.settle.addresses import settle_addresses
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from tests.support.ipam_world import World, allocation, pool, reservation, service

OPTIONS = SettleOptions(owner="us", now_utc=10**9)

KEYS = ["s3cret-k", "s3cret-l"]
POOLS = [
    [pool("a", "198.51.100.0/30", "2001:db8:a::/126")],
    [pool("a", "198.51.100.0/31", sharing=SharingScope.CLUSTER), pool("b", "203.0.113.0/30", "2001:db8:b::/127")],
    [pool("b", "198.51.100.0/30", avoid_buggy_ips=True), pool("c", "2001:db8:c::/126", auto_assign=False)],
    [pool("a", "198.51.100.0/29", excluded=["198.51.100.1"], quotas=(Quota(2),)), pool("d", "203.0.113.0/30", disabled=True)],
    [pool("a", "198.51.100.0/30", "2001:db8:a::/126", allocation=allocation(namespaces=frozenset({"x"}))), pool("z", "203.0.113.0/31")],
    [],
]
configurations = st.builds(
    lambda pools, reserved: Configuration(
        tuple(sorted(pools, key=lambda p: p.name)),
        reservations=(reservation("r", "198.51.100.0/31", namespace="x", service="s1"),) if reserved else (),
    ),
    st.sampled_from(POOLS),
    st.booleans(),
)


@st.composite
def services(draw, names=8):
    name = f"{draw(st.sampled_from(['x', 'y']))}/s{draw(st.integers(1, names))}"
    families = draw(st.sampled_from(["4", "4", "6", "46", "64"]))
    policy = draw(st.sampled_from(list(FamilyPolicy))) if len(families) == 2 else FamilyPolicy.SINGLE_STACK
    return service(
        name,
        families,
        policy=policy,
        ips=draw(st.sampled_from([None, None, None, "198.51.100.1", "203.0.113.1", "198.51.100.2,2001:db8:a::1", "rubbish"])),
        wants_pool=draw(st.sampled_from([None, None, None, "a", "b", "nope"])),
        shares=draw(st.sampled_from([None, None, *KEYS])),
        ports=draw(st.sampled_from(["TCP/80", "TCP/81", "TCP/80 UDP/80"])),
        local=draw(st.sampled_from([None, None, "app=web", "app=db", ""])),
        created_utc=draw(st.integers(1, 50)),
        type=draw(st.sampled_from(["LoadBalancer"] * 9 + ["ClusterIP"])),
    )


def unique(views):
    return tuple({view.key: view for view in views}.values())


worlds = st.builds(lambda configuration, views: (configuration, unique(views)), configurations, st.lists(services(), max_size=8))


def settled(configuration, views, entries=()):
    outcomes, ledger = settle_addresses(ClusterObjects(configuration, tuple(views), tuple(entries)), OPTIONS)
    return tuple(outcome.service for outcome in outcomes), ledger


def check_laws(views, ledger):
    holders = {}
    for view in views:
        assert len({family_of(ip) for ip in view.status_ips}) == len(view.status_ips) <= 2
        for ip in view.status_ips:
            holders.setdefault(ip, []).append(view)
            assert ledger.entry(ip).has_service(view.uid)
            assert ledger.places.segment(ip) is not None
    for ip, users in holders.items():
        ports = [port for user in users for port in set(user.ports)]
        if len(users) > 1:
            assert len({user.sharing_key for user in users}) == 1
            assert users[0].sharing_key
            assert len({backend_key(user) for user in users}) == 1
            assert backend_key(users[0]) is not None
            assert len(ports) == len(set(ports)), ip
            if len({user.key.namespace for user in users}) > 1:
                assert ledger.places.segment(ip).pool.sharing is SharingScope.CLUSTER
                assert all(user.traffic_policy is TrafficPolicy.CLUSTER for user in users)
    for entry in ledger.entries():
        assert entry.address in holders, "nothing leaks"
        assert {user.uid for user in entry.services} == {user.uid for user in holders[entry.address]}


@given(worlds)
@settings(max_examples=150, deadline=None)
def test_no_ip_is_shared_by_services_that_may_not_and_nothing_leaks(world):
    views, ledger = settled(*world)
    check_laws(views, ledger)


@given(worlds)
@settings(max_examples=100, deadline=None)
def test_settling_what_is_settled_changes_nothing_and_plans_nothing(world):
    configuration, _ = world
    views, ledger = settled(*world)
    again, ledger_again = settled(configuration, views, ledger.entries())
    assert (again, ledger_again.entries()) == (views, ledger.entries())
    for view in views:
        decision = decide(view, ledger, namespaces={}, now_utc=OPTIONS.now_utc)
        assert "s3cret" not in repr(decision), "sharing keys are told to nobody"
        assert plan_service(view, decision, ledger, identity=BAREMETAL_LB, now_utc=OPTIONS.now_utc).steps == ()


@given(worlds, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_input_is_irrelevant(world, random):
    configuration, views = world
    shuffled = list(views)
    random.shuffle(shuffled)
    one, ledger_one = settled(configuration, views)
    two, ledger_two = settled(configuration, shuffled)
    assert (one, ledger_one.entries()) == (two, ledger_two.entries())


@given(worlds, services())
@settings(max_examples=150, deadline=None)
def test_a_service_that_comes_moves_no_other(world, newcomer):
    configuration, _ = world
    views, ledger = settled(*world)
    if any(view.key == newcomer.key for view in views):
        return
    after, _ = settled(configuration, (*views, replace(newcomer, created_utc=99)), ledger.entries())
    ips = {view.key: view.status_ips for view in after}
    assert all(ips[view.key] == view.status_ips for view in views)


@given(worlds, st.data())
@settings(max_examples=150, deadline=None)
def test_a_service_that_goes_costs_nobody_an_ip(world, data):
    configuration, _ = world
    views, ledger = settled(*world)
    if not views:
        return
    gone = data.draw(st.sampled_from(views))
    after, _ = settled(configuration, (view for view in views if view is not gone), ledger.entries())
    ips = {view.key: view.status_ips for view in after}
    assert all(set(view.status_ips) <= set(ips[view.key]) for view in views if view is not gone)


@given(configurations, st.lists(st.tuples(services(names=5), st.booleans()), max_size=14), configurations)
@settings(max_examples=150, deadline=None)
def test_a_history_keeps_the_laws_and_every_intermediate_ledger_agrees_with_a_fresh_one(configuration, history, later):
    world = World(*configuration.pools, reservations=configuration.reservations)
    for view, is_deletion in history:
        if is_deletion and view.key in world.services:
            world.delete(str(view.key))
        else:
            world.put(view)
        ledger = Ledger(world.configuration, world.entries, "us")
        check_laws(world.services.values(), ledger)
    world.configure(*later.pools, reservations=later.reservations)
    check_laws(world.services.values(), Ledger(world.configuration, world.entries, "us"))


@given(configurations, st.lists(services(names=6), max_size=10))
@settings(max_examples=100, deadline=None)
def test_a_ledger_kept_up_to_date_equals_one_made_from_scratch(configuration, views):
    _, ledger = settled(configuration, unique(views))
    fresh = Ledger(configuration, ledger.entries(), "us")
    for pool_ in configuration.pools:
        for family in pool_.families:
            for count in (Ledger.free_count, Ledger.reserved_count):
                assert count(ledger, pool_.name, family) == count(fresh, pool_.name, family)
            for view in views:
                assert ledger.lowest_free(pool_.name, family, view.key) == fresh.lowest_free(pool_.name, family, view.key)
    assert (ledger.used, ledger.held, ledger.foreign) == (fresh.used, fresh.held, fresh.foreign)


@given(worlds)
@settings(max_examples=150, deadline=None)
def test_a_service_is_explained_as_it_is_decided(world):
    """One pool at most serves it, the one that the decision names; who is refused is refused by each pool for the reason that it says."""
    configuration, views = world
    after, ledger = settled(configuration, views)
    for view in after:
        decision = decide(view, ledger, namespaces={}, now_utc=OPTIONS.now_utc)
        found = consider(view, ledger, decision, namespaces={}, now_utc=OPTIONS.now_utc)
        if isinstance(found, Refusal):
            assert decision.reason is not None
        elif decision.addresses:
            assert [each.pool for each in found if each.reason is None] == [decision.pool]
        else:
            reasons = {each.pool: each.reason for each in found}
            assert {each.pool: each.reason for each in decision.considered}.items() <= reasons.items()
