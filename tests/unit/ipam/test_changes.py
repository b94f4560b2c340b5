"""The order of steps, and that a crash between any two of them is healed by planning again."""

from dataclasses import replace

import pytest

from baremetal_lb.ipam.allocator import decide
from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, DeleteEntry, plan_expired, plan_gone, plan_service, status_after
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.views import FamilyPolicy
from tests.support.ipam_world import World, pool, service

POOLS = (pool("a", "198.51.100.0/30", "2001:db8::/126"), pool("b", "203.0.113.0/30"))


def step_names(changes):
    return [type(step).__name__ for step in changes.steps]


def plan(view, ledger, now=5):
    decision = decide(view, ledger, namespaces={}, now_utc=now)
    return plan_service(view, decision, ledger, identity=BAREMETAL_LB, now_utc=now, announcer="n1")


def apply(step, view, ledger):
    if isinstance(step, AssignStatus | ClearStatus):
        return status_after(view, step)
    if isinstance(step, DeleteEntry):
        ledger.drop(step.entry.address)
    else:
        ledger.put(step.entry)
    return view


def run(view, ledger):
    for step in plan(view, ledger).steps:
        view = apply(step, view, ledger)
    return view


def fresh():
    return Ledger(Configuration(POOLS), owner="us")


def test_an_allocation_is_written_before_the_status():
    ledger = fresh()
    view = service("s", "46")
    changes = plan(view, ledger)
    assert step_names(changes) == ["CreateEntry", "CreateEntry", "AssignStatus"]
    entry = changes.steps[0].entry
    assert (entry.owner, entry.pool, entry.announcer, entry.since_utc) == ("us", "a", "n1", 5)
    assert not plan(run(view, ledger), ledger)


def test_a_move_takes_the_new_ip_before_it_gives_up_the_old_one():
    ledger = fresh()
    view = run(service("s"), ledger)
    assert step_names(plan(replace(view, requested_pool="b"), ledger)) == ["CreateEntry", "AssignStatus", "DeleteEntry"]


def test_a_release_clears_the_status_first():
    ledger = fresh()
    view = run(service("s"), ledger)
    assert step_names(plan(replace(view, type="ClusterIP"), ledger)) == ["ClearStatus", "DeleteEntry"]


def test_a_release_from_a_shared_ip_leaves_the_entry_to_the_others():
    ledger = fresh()
    one, two = run(service("s1", shares="k", ports="TCP/1"), ledger), service("s2", shares="k", ports="TCP/2")
    joins = plan(two, ledger)
    assert step_names(joins) == ["UpdateEntry", "AssignStatus"]
    assert not joins.steps[0].is_release
    run(two, ledger)
    changes = plan(replace(one, type="NodePort"), ledger)
    assert step_names(changes) == ["ClearStatus", "UpdateEntry"]
    assert changes.steps[1].is_release
    assert [user.uid for user in changes.steps[1].entry.services] == ["uid-default/s2"]


def test_updates_carry_the_preconditions_of_the_entry_they_replace():
    ledger = fresh()
    view = run(service("s"), ledger)
    (entry,) = ledger.entries()
    ledger.put(replace(entry, uid="e1", resource_version="77"))
    (step, _) = plan(replace(view, ports=service("s", ports="TCP/9").ports, ingress=()), ledger).steps
    assert (step.entry.uid, step.entry.resource_version, [str(p) for p in step.entry.services[0].ports]) == ("e1", "77", ["TCP/9"])


def test_a_gone_service_is_held_for_or_deleted_as_its_pool_says():
    for retain, names in ((0, ["DeleteEntry"]), (100, ["HoldEntry"])):
        ledger = Ledger(Configuration((pool("a", "198.51.100.0/30", retain_for=retain),)), owner="us")
        view = run(service("s"), ledger)
        changes = plan_gone(view.key, view.uid, ledger, now_utc=1000)
        assert step_names(changes) == names
        for step in changes.steps:
            apply(step, view, ledger)
        assert len(plan_expired(ledger, now_utc=1099)) == 0
        assert len(plan_expired(ledger, now_utc=1100)) == (1 if retain else 0)


def test_a_pending_service_is_told_once():
    ledger = Ledger(Configuration((pool("a", "198.51.100.0/32"),)), owner="us")
    run(service("first"), ledger)
    view = service("second")
    changes = plan(view, ledger)
    assert step_names(changes) == ["ClearStatus"]
    assert (changes.steps[0].condition.reason, changes.steps[0].condition.is_true) == ("PoolExhausted", False)
    assert not plan(run(view, ledger), ledger)


SCENARIOS = {
    "allocation": (service("s", "46"), {}),
    "move to another pool": (service("s"), {"requested_pool": "b"}),
    "move to another IP": (service("s", "46"), {"requested_ips": "198.51.100.3,2001:db8::3"}),
    "second family": (service("s"), {"cluster_ips": ("10.0.0.1", "fd00::1"), "family_policy": FamilyPolicy.PREFER_DUAL_STACK}),
    "one family less": (service("s", "46"), {"cluster_ips": ("10.0.0.1",), "family_policy": FamilyPolicy.SINGLE_STACK}),
    "type change": (service("s", "46"), {"type": "ClusterIP"}),
    "starts to share": (service("s"), {"sharing_key": "k"}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_after_any_step_is_healed_by_planning_again(name):
    before, edits = SCENARIOS[name]

    def at_start():
        ledger = fresh()
        return replace(run(before, ledger), **edits), ledger

    view, ledger = at_start()
    steps = plan(view, ledger).steps
    settled = run(view, ledger)
    expected = settled.status_ips, ledger.entries()
    for done in range(len(steps) + 1):
        view, ledger = at_start()
        for step in steps[:done]:
            view = apply(step, view, ledger)
            assert set(view.status_ips) <= {entry.address for entry in ledger.entries()}, "no status names an IP without entry"
        view = run(view, ledger)
        assert (view.status_ips, ledger.entries()) == expected
        assert not plan(view, ledger)


def test_settling_twice_changes_nothing():
    world = World(*POOLS).put(service("a", "46"), service("b", shares="k", ports="TCP/1"), service("c", ips="10.9.9.9"))
    before = world.services, world.entries
    world.settle()
    assert (world.services, world.entries) == before
