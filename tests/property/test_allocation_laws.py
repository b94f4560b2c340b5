"""The laws of allocation, over random worlds: pools of both families, sharing, requests, reservations, deletions, changing pools."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.ipam.allocator import consider, decide, pool_refusal
from baremetal_lb.ipam.changes import plan_gone, plan_service
from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.picking import Case, pick, quota_refusal
from baremetal_lb.ipam.requests import Request
from baremetal_lb.ipam.sharing import backend_key
from baremetal_lb.model.configuration import Configuration, Quota, SharingScope
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.net import Family, family_of, parse_address
from baremetal_lb.model.views import FamilyPolicy, HeldFor, LedgerEntry, TrafficPolicy
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


ADDRESSES = ["198.51.100.0", "198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.0", "203.0.113.1", "2001:db8:a::", "2001:db8:b::1"]
holds = st.lists(
    st.builds(
        lambda address, namespace, name, until: LedgerEntry(
            parse_address(address), "us", "", held_for=HeldFor(ObjectKey(namespace, f"s{name}"), OPTIONS.now_utc + until)
        ),
        st.sampled_from(ADDRESSES),
        st.sampled_from(["x", "y"]),
        st.integers(1, 9),
        st.integers(-1, 3),
    ),
    max_size=8,
    unique_by=lambda entry: entry.address,
)
"""For Services that are there and for others; two of five have ended."""


def is_held_for_another(entry, view):
    return entry is not None and not entry.services and entry.held_for.key != view.key and entry.held_for.until_utc > OPTIONS.now_utc


def settled(configuration, views, entries=()):
    outcomes, state = settle_addresses(ClusterObjects(configuration, tuple(views), tuple(entries)), OPTIONS)
    return tuple(outcome.service for outcome in outcomes), state.ledger


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
        if not entry.services:
            assert entry.held_for.until_utc > OPTIONS.now_utc
            assert entry.address not in holders
            continue
        assert entry.address in holders, "nothing leaks"
        assert {user.uid for user in entry.services} == {user.uid for user in holders[entry.address]}


@given(worlds, holds)
@settings(max_examples=150, deadline=None)
def test_no_ip_is_shared_by_services_that_may_not_and_nothing_leaks(world, held):
    views, ledger = settled(*world, held)
    check_laws(views, ledger)


@given(worlds, holds)
@settings(max_examples=100, deadline=None)
def test_settling_what_is_settled_changes_nothing_and_plans_nothing(world, held):
    configuration, _ = world
    views, ledger = settled(*world, held)
    again, ledger_again = settled(configuration, views, ledger.entries())
    assert (again, ledger_again.entries()) == (views, ledger.entries())
    for view in views:
        decision = decide(view, ledger, namespaces={}, now_utc=OPTIONS.now_utc)
        assert "s3cret" not in repr(decision), "sharing keys are told to nobody"
        assert plan_service(view, decision, ledger, identity=BAREMETAL_LB, now_utc=OPTIONS.now_utc).steps == ()


@given(worlds, holds, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_input_is_irrelevant(world, held, random):
    configuration, views = world
    shuffled, shuffled_holds = list(views), list(held)
    random.shuffle(shuffled)
    random.shuffle(shuffled_holds)
    one, ledger_one = settled(configuration, views, held)
    two, ledger_two = settled(configuration, shuffled, shuffled_holds)
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


@given(configurations, st.lists(services(names=6), max_size=10), holds)
@settings(max_examples=100, deadline=None)
def test_a_ledger_kept_up_to_date_equals_one_made_from_scratch(configuration, views, held):
    _, ledger = settled(configuration, unique(views), held)
    fresh = Ledger(configuration, ledger.entries(), "us")
    for pool_ in configuration.pools:
        for family in pool_.families:
            for count in (Ledger.free_count, Ledger.reserved_count):
                assert count(ledger, pool_.name, family) == count(fresh, pool_.name, family)
            for view in views:
                assert ledger.lowest_free(pool_.name, family, view.key) == fresh.lowest_free(pool_.name, family, view.key)
                assert ledger.soonest_held(pool_.name, family, view.key) == fresh.soonest_held(pool_.name, family, view.key)
    assert (ledger.used, ledger.held, ledger.foreign) == (fresh.used, fresh.held, fresh.foreign)


def held_world(configuration, views, held):
    """Return what is there before anything is decided, except that what has ended is given up."""
    return Ledger(configuration, [entry for entry in held if entry.held_for.until_utc > OPTIONS.now_utc], "us")


@given(worlds, holds)
@settings(max_examples=300, deadline=None)
def test_what_is_held_for_another_is_given_last_and_to_no_wish(world, held):
    configuration, views = world
    ledger = held_world(configuration, views, held)
    for view in views:
        decision = decide(view, ledger, namespaces={}, now_utc=OPTIONS.now_utc)
        taken = [address for address in decision.addresses if is_held_for_another(ledger.entry(address), view)]
        if not taken:
            continue
        assert not view.requested_ips
        assert view.family_policy is not FamilyPolicy.PREFER_DUAL_STACK or len(decision.addresses) == 1
        case = Case(
            view, ledger, {}, OPTIONS.now_utc, tuple(sorted(view.families, key=list(Family).index)), Request((), view.requested_pool)
        )
        for each in configuration.pools:
            if view.requested_pool in (None, each.name) and pool_refusal(case, each, is_automatic=view.requested_pool is None) is None:
                assert all(isinstance(pick(case, each, families), Refusal) for families in case.attempts)
        if len(view.families) == 1:
            could = [entry for entry in ledger.entries() if could_have(case, entry)]
            assert taken == [min(could, key=lambda entry: (entry.held_for.until_utc, int(entry.address))).address]


def could_have(case, entry):
    """Tell whether a Service could have a held address automatically if it were free."""
    segment = case.ledger.places.segment(entry.address)
    request = case.request.pool
    return (
        segment is not None
        and family_of(entry.address) in case.families
        and request in (None, segment.pool.name)
        and pool_refusal(case, segment.pool, is_automatic=request is None) is None
        and not (segment.is_excluded or segment.avoids(entry.address))
        and (segment.reservation is None or segment.reservation.admits(case.service.key))
        and quota_refusal(case, segment.pool, (entry.address,)) is None
    )


@given(worlds, holds)
@settings(max_examples=200, deadline=None)
def test_a_wish_from_elsewhere_never_gets_a_held_ip_and_its_own_service_does(world, held):
    configuration, views = world
    ledger = held_world(configuration, views, held)
    for view in views:
        for entry in ledger.entries():
            asking = replace(view, requested_ips=str(entry.address), spec_load_balancer_ip=None, requested_pool=None)
            decision = decide(asking, ledger, namespaces={}, now_utc=OPTIONS.now_utc)
            if entry.held_for.key != view.key:
                assert entry.address not in decision.addresses
                continue
            free = Ledger(configuration, [each for each in ledger.entries() if each is not entry], "us")
            assert decision.addresses == decide(asking, free, namespaces={}, now_utc=OPTIONS.now_utc).addresses


@given(worlds, st.data())
@settings(max_examples=200, deadline=None)
def test_a_service_that_is_made_anew_gets_its_own_ips_whoever_came_meanwhile(world, data):
    configuration, _ = world
    configuration = replace(configuration, pools=tuple(replace(each, retain_for=10) for each in configuration.pools))
    views, ledger = settled(configuration, world[1])
    served = [view for view in views if view.status_ips and view.sharing_key is None]
    newcomer = data.draw(services(names=99))
    if not served or any(view.key == newcomer.key for view in views):
        return
    gone = data.draw(st.sampled_from(served))
    anew = replace(gone, uid="anew", created_utc=90, ingress=(), allocated_from_pool=None, condition=None)
    for step in plan_gone(gone.key, gone.uid, ledger, now_utc=OPTIONS.now_utc).steps:
        ledger.put(step.entry)
    rest = tuple(view for view in views if view is not gone and view.status_ips)
    after, _ = settled(configuration, (*rest, anew, replace(newcomer, created_utc=60)), ledger.entries())
    assert {view.key: view.status_ips for view in after}[gone.key] == gone.status_ips


@given(worlds, holds)
@settings(max_examples=150, deadline=None)
def test_a_service_is_explained_as_it_is_decided(world, held):
    """One pool at most serves it, the one that the decision names; who is refused is refused by each pool for the reason that it says."""
    configuration, views = world
    after, ledger = settled(configuration, views, held)
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
