"""How every pool stands to one Service, beside the decision about it: why this one, and why none of the others."""

import pytest

from baremetal_lb.ipam.allocator import consider, decide
from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.ledger import Ledger
from tests.support.ipam_world import World, allocation, pool, service

A, B = pool("a", "198.51.100.0/30"), pool("b", "203.0.113.0/30")


def verdicts(world, view):
    """Return the reason of each pool, by name, for a Service on the ledger as it is."""
    ledger = Ledger(world.configuration, world.entries, "us")
    decision = decide(view, ledger, namespaces={}, now_utc=0)
    found = consider(view, ledger, decision, namespaces={}, now_utc=0)
    assert not isinstance(found, Refusal)
    return {each.pool: each.reason and each.reason.name for each in found}, decision


@pytest.mark.parametrize(
    ("pools", "view", "expected"),
    [
        ([A, B], service("s"), {"a": None, "b": "PoolTriedLater"}),
        ([A, B], service("s", wants_pool="b"), {"a": "PoolNotRequested", "b": None}),
        ([A, B], service("s", ips="203.0.113.2"), {"a": "PoolNotRequested", "b": None}),
        ([A, pool("b", "203.0.113.0/30", disabled=True)], service("s"), {"a": None, "b": "PoolDisabled"}),
        ([A, pool("b", "203.0.113.0/30", auto_assign=False)], service("s"), {"a": None, "b": "PoolNotAutoAssigned"}),
        (
            [A, pool("b", "203.0.113.0/30", allocation=allocation(namespaces=frozenset({"x"})))],
            service("s"),
            {"b": "PoolNamespaceMismatch"},
        ),
        ([A, B], service("s", "6"), {"a": "PoolFamilyMissing", "b": "PoolFamilyMissing"}),
        ([A, B], service("s", ips="192.0.2.1"), {"a": "PoolNotRequested", "b": "PoolNotRequested"}),
        ([pool("a", "198.51.100.0/30", excluded=["198.51.100.1"]), B], service("s", ips="198.51.100.1"), {"a": "AddressExcluded"}),
    ],
    ids=["first", "by pool", "by ip", "disabled", "on request", "another's namespace", "no family", "in no pool", "excluded"],
)
def test_the_pool_that_serves_has_no_reason_and_every_other_one_has(pools, view, expected):
    found, decision = verdicts(World(*pools), view)
    assert expected.items() <= found.items()
    assert {name for name, reason in found.items() if reason is None} == {decision.pool} - {None}


def test_a_service_that_has_an_ip_needs_no_other_pool():
    world = World(B).put(service("s"))
    world.configure(A, B)
    found, decision = verdicts(world, world.services["default", "s"])
    assert (decision.pool, found) == ("b", {"a": "PoolNotNeeded", "b": None})


def test_a_pool_is_refused_for_the_reason_that_the_decision_gives():
    world = World(pool("a", "198.51.100.0/32"), pool("b", "203.0.113.0/30", disabled=True)).put(service("first"))
    found, decision = verdicts(world, service("late"))
    assert found == {verdict.pool: verdict.reason.name for verdict in decision.considered} == {"a": "PoolExhausted", "b": "PoolDisabled"}
