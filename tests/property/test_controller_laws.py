"""Laws of the controller's decisions: what is decided by events alone is what deciding everything anew would give.

The world is driven by random events; after each, only the marked Services are decided and their steps applied in memory. Then every
Service is decided, and none of them may find anything to do.
"""

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, CreateEntry, DeleteEntry, HoldEntry, UpdateEntry, is_release
from baremetal_lb.model.configuration import Configuration, Pool, Quota, Reservation, ServiceAllocation
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import AddressRange, Family
from baremetal_lb.model.views import ConditionView, FamilyPolicy, IngressView, Port, ServiceView, TrafficPolicy
from baremetal_lb.settle.step import judge
from controller.dirty import Dirty

NAMES = [ObjectKey(namespace, name) for namespace in ("a", "b") for name in ("one", "two", "three")]
SMALL = (AddressRange.parse("198.51.100.0-198.51.100.1"), AddressRange.parse("2001:db8::-2001:db8::1"))
OTHER = (AddressRange.parse("203.0.113.0-203.0.113.2"),)
GOLD = LabelSelector((Requirement("tier", Operator.IN, ("gold",)),))
POOLS = st.lists(
    st.sampled_from([
        Pool("blue", SMALL),
        Pool("blue", SMALL, retain_for=9),
        Pool("blue", SMALL[:1], retain_for=9),
        Pool("blue", SMALL[:1], disabled=True),
        Pool("blue", SMALL[:1], quotas=(Quota(1),)),
        Pool("green", OTHER, auto_assign=False),
        Pool("green", OTHER, allocation=ServiceAllocation(1, namespace_selectors=(GOLD,))),
        Pool("green", OTHER),
        Pool("green", OTHER, retain_for=9),
    ]),
    max_size=2,
    unique_by=lambda pool: pool.name,
)  # fmt: skip
RESERVATIONS = st.sampled_from([(), (Reservation("r", (AddressRange.of(ip_address("198.51.100.0")),), "b"),)])
CONFIGURATIONS = st.builds(
    lambda pools, reservations: Configuration(tuple(sorted(pools, key=lambda p: p.name)), (), reservations), POOLS, RESERVATIONS
)
FAMILIES = {
    "v4": (("10.96.0.1",), (Family.IPV4,), FamilyPolicy.SINGLE_STACK),
    "v6": (("fd00::1",), (Family.IPV6,), FamilyPolicy.SINGLE_STACK),
    "prefer": (("10.96.0.1", "fd00::1"), (Family.IPV4, Family.IPV6), FamilyPolicy.PREFER_DUAL_STACK),
    "require": (("10.96.0.1", "fd00::1"), (Family.IPV4, Family.IPV6), FamilyPolicy.REQUIRE_DUAL_STACK),
}


@st.composite
def wishes(draw):
    cluster_ips, families, policy = FAMILIES[draw(st.sampled_from(["v4", "v4", "v4", *sorted(FAMILIES)]))]
    return {
        "type": draw(st.sampled_from(["LoadBalancer"] * 5 + ["ClusterIP"])),
        "cluster_ips": cluster_ips,
        "families": families,
        "family_policy": policy,
        "ports": (Port("TCP", draw(st.sampled_from([80, 443]))),),
        "sharing_key": draw(st.sampled_from([None] * 4 + ["k"])),
        "requested_pool": draw(st.sampled_from([None] * 6 + ["green"])),
        "requested_ips": draw(st.sampled_from([None] * 8 + ["198.51.100.1", "203.0.113.9", "rubbish"])),
        "traffic_policy": draw(st.sampled_from(TrafficPolicy)),
        "selector": (("app", "x"),),
        "load_balancer_class": draw(st.sampled_from([None] * 6 + ["other"])),
    }


LATER = st.lists(
    st.one_of(
        st.tuples(st.just("service"), st.sampled_from(NAMES), wishes()),
        st.tuples(st.just("delete"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.just("replace"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.just("configuration"), CONFIGURATIONS, st.none()),
        st.tuples(st.just("labels"), st.sampled_from(["a", "b"]), st.sampled_from([{}, {"tier": "gold"}])),
    ),
    max_size=15,
)  # fmt: skip
EVENTS = st.builds(
    lambda configuration, services, later: [("configuration", configuration, None), *services, *later],
    st.one_of(st.just(Configuration((Pool("blue", SMALL),))), CONFIGURATIONS),
    st.lists(st.tuples(st.just("service"), st.sampled_from(NAMES), wishes()), min_size=5, max_size=9),
    LATER,
)  # more Services than addresses, so that some wait


class Cluster:
    """Applies events, and what is decided, in memory; the API server is a counter."""

    def __init__(self):
        self.dirty = Dirty("us", "")
        self.world = self.dirty.world
        self.clock = 0

    def tick(self):
        self.clock += 1
        return str(self.clock)

    def event(self, kind, first, second):
        if kind == "service":
            known = self.world.services.get(first)
            fresh = {"key": first, "uid": known.uid if known else f"uid-{self.tick()}", "created_utc": int(self.tick())}
            view = replace(known, **second) if known else ServiceView(**fresh, **second)
            self.dirty.service_changed(known, replace(view, resource_version=self.tick()))
        elif kind == "replace":
            known = self.world.services.get(first)
            if known is not None:
                changed = {"uid": f"uid-{self.tick()}", "created_utc": int(self.tick()), "resource_version": self.tick()}
                self.dirty.service_changed(known, replace(known, ingress=(), allocated_from_pool=None, condition=None, **changed))
        elif kind == "delete":
            self.dirty.service_changed(self.world.services.get(first), None)
        elif kind == "configuration":
            self.dirty.configuration_changed(first)
        else:
            self.dirty.namespace_changed(first, second)

    def judge(self, key):
        return judge(self.world, key, identity=BAREMETAL_LB, now_utc=1)

    def drain(self):
        for _ in range(500):
            key = self.dirty.agenda.take()
            if key is None:
                return
            self.apply(self.judge(key))
            self.dirty.agenda.done(key)
        raise AssertionError("events never settle")

    def apply(self, verdict):
        for changes in verdict.gone:
            for step in changes.steps:
                self.release(step, changes.uid)
        if verdict.gone and verdict.service is not None:
            successor = self.judge(verdict.key)
            if successor.changes is not None:
                self.dirty.world.reserve(successor.changes)
            self.dirty.agenda.mark(verdict.key)
        if verdict.wait is None:
            self.dirty.waiting.discard(verdict.key)
        else:
            self.dirty.waiting.put(verdict.key, verdict.wait)
        if verdict.changes is None:
            return
        self.dirty.world.reserve(verdict.changes)
        for step in verdict.changes.steps:
            if isinstance(step, AssignStatus | ClearStatus):
                self.write_status(step)
            elif is_release(step):
                self.release(step, verdict.changes.uid)

    def write_status(self, step):
        view = self.world.services[step.service]
        condition = step.condition
        told = None if condition is None else ConditionView("True" if condition.is_true else "False", condition.reason, condition.message)
        ips = step.addresses if isinstance(step, AssignStatus) else ()
        ingress = tuple(IngressView(ip, str(ip), "VIP") for ip in ips)
        pool = step.pool if isinstance(step, AssignStatus) else None
        self.world.see_service(
            replace(view, ingress=ingress, allocated_from_pool=pool, condition=told, resource_version=self.tick())
        )  # fmt: skip

    def release(self, step, uid):
        entry = self.world.ledger.entry(step.entry.address)
        users = tuple(user for user in entry.services if user.uid != uid)
        if users:
            self.world.put(replace(entry, services=users))
        elif isinstance(step, HoldEntry):
            self.world.put(step.entry)
        else:
            self.world.drop(entry.address)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_incremental_decisions_leave_nothing_to_do(events):
    cluster = Cluster()
    for event in events:
        cluster.event(*event)
        cluster.drain()
    for key in NAMES:
        verdict = cluster.judge(key)
        assert not verdict.gone
        assert not verdict.changes, (key, verdict.decision, verdict.changes.steps)


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_the_ledger_and_the_statuses_agree_and_nobody_shares_unasked(events):
    cluster = Cluster()
    for event in events:
        cluster.event(*event)
        cluster.drain()
    services = cluster.world.services
    in_ledger = {(user.uid, entry.address) for entry in cluster.world.ledger.entries() for user in entry.services}
    in_status = {(view.uid, ip) for view in services.values() for ip in view.status_ips}
    assert in_ledger == in_status
    for entry in cluster.world.ledger.entries():
        ports = [port for user in entry.services for port in user.ports]
        assert len(ports) == len(set(ports))
        assert len(entry.services) == 1 or entry.sharing_key or (not entry.services and entry.held_for)


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.sampled_from(NAMES))
def test_a_service_that_is_replaced_at_once_keeps_its_ips_whoever_waits(events, name):
    cluster = Cluster()
    configuration = Configuration((Pool("blue", SMALL, retain_for=9), Pool("green", OTHER[:1], retain_for=9)))
    for event in [("configuration", configuration, None), *(each for each in events if each[0] in ("service", "delete", "replace"))]:
        cluster.event(*event)
        cluster.drain()
    before = cluster.world.services.get(name)
    cluster.event("replace", name, None)
    cluster.drain()
    if before is not None and before.status_ips and before.condition.status == "True" and before.sharing_key is None:
        after = cluster.world.services[name]
        assert after.uid != before.uid
        assert set(before.status_ips) <= set(after.status_ips)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_a_restart_decides_nothing_in_whatever_order_objects_are_listed(events, chance):
    cluster = Cluster()
    for event in events:
        cluster.event(*event)
        cluster.drain()
    again = Cluster()
    again.clock = cluster.clock
    for name, labels in cluster.world.namespaces.items():
        again.dirty.namespace_changed(name, labels)
    again.dirty.configuration_changed(cluster.world.configuration)
    entries, views = list(cluster.world.ledger.entries()), list(cluster.world.services.values())
    chance.shuffle(entries)
    chance.shuffle(views)
    for entry in entries:
        again.world.put(entry)
    for view in views:
        again.dirty.service_changed(None, view)
    while (key := again.dirty.agenda.take()) is not None:
        verdict = again.judge(key)
        assert not verdict.gone
        assert not verdict.changes
        again.dirty.agenda.done(key)


def test_steps_that_only_gain_are_told_from_releases():
    entry = Cluster().world.ledger.entry(ip_address("198.51.100.0"))
    assert entry is None
    assert [is_release(step(None)) for step in (CreateEntry, UpdateEntry, HoldEntry, DeleteEntry)] == [False, False, True, True]
