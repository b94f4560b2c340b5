"""What the status of our resources should be: conditions, the accepted spec, counters; and that nothing changes twice."""

from dataclasses import asdict

import pytest

from baremetal_lb.api.reasons import ConfigurationReason
from baremetal_lb.ipam.utilization import FamilyUsage
from baremetal_lb.model.ids import ObjectKey, ObjectRef
from baremetal_lb.model.net import Family
from baremetal_lb.model.problem import Problem
from controller.plan import MESSAGE_MAX, conditions_of, pool_counters, status_patch

REF = ObjectRef("IPAddressPool", ObjectKey("lb", "blue"))


def problem(reason=ConfigurationReason.OverlapsOtherPool, *, is_fatal=True, field="spec.addresses[0]"):
    return Problem(REF, field, reason, reason.sentence, is_fatal=is_fatal)


def applied(manifest, patch):
    """Apply a merge patch (RFC 7396)."""
    result = dict(manifest) if isinstance(manifest, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = applied(result.get(key), value)
        else:
            result[key] = value
    return result


@pytest.mark.parametrize(
    ("problems", "uses_last", "accepted", "degraded"),
    [
        ([], False, (True, "Valid"), (False, "AsSpecified")),
        ([problem()], False, (False, "OverlapsOtherPool"), (True, "OverlapsOtherPool")),
        ([problem()], True, (False, "OverlapsOtherPool"), (True, "OverlapsOtherPool")),
        ([problem(ConfigurationReason.SelectsNoPool, is_fatal=False)], False, (True, "Valid"), (True, "SelectsNoPool")),
        (
            [problem(ConfigurationReason.SelectsNoPool, is_fatal=False), problem()],
            False,
            (False, "OverlapsOtherPool"),
            (True, "OverlapsOtherPool"),
        ),
    ],
    ids=["good", "bad", "bad-with-last-accepted", "partly-without-effect", "fatal-goes-first"],
)
def test_conditions_say_what_is_in_force_and_why(problems, uses_last, accepted, degraded):
    first, second = conditions_of(problems, generation=3, uses_last_accepted=uses_last)
    assert (first.type, first.is_true, first.reason, first.observed_generation) == ("Accepted", *accepted, 3)
    assert (second.type, second.is_true, second.reason, second.observed_generation) == ("Degraded", *degraded, 3)
    assert ("last accepted spec stays" in second.message) is uses_last


def test_a_message_is_bounded_however_many_faults_there_are():
    first, second = conditions_of([problem() for _ in range(2000)], generation=1, uses_last_accepted=True)
    assert max(len(first.message), len(second.message)) <= MESSAGE_MAX


def test_a_patch_applied_leaves_nothing_to_patch_and_others_conditions_alone():
    foreign = {"type": "Foreign", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    manifest = {"status": {"conditions": [foreign], "ipv4": {"capacity": 9, "odd": 1}, "lastAccepted": {"spec": {"old": 1}}}}
    usage = {Family.IPV4: {"capacity": 2**64, "allocated": 1, "held": 0, "reserved": 0, "available": 2**64 - 1}}
    arguments = {"last_accepted": {"generation": 2, "spec": {"new": [1]}}, "counters": pool_counters(usage)}
    conditions = conditions_of([], generation=2, uses_last_accepted=False)
    status = applied(manifest["status"], status_patch(manifest, conditions, **arguments, now_utc=10**18))
    assert status["conditions"][0] == foreign
    assert status["lastAccepted"] == arguments["last_accepted"]
    assert status["ipv4"] == {"capacity": str(2**64), "allocated": 1, "held": 0, "reserved": 0, "available": str(2**64 - 1)}
    assert (status["assignedIPv4"], status["availableIPv4"], status["assignedIPv6"]) == (1, 2**63 - 1, 0)
    assert status_patch({"status": status}, conditions, **arguments, now_utc=2 * 10**18) == {}


def test_the_transition_time_moves_only_with_the_status():
    manifest = {"status": {}}
    good, bad = ([], [problem()])
    for problems, now_s, expected in ((good, 1, 1), (good, 2, 1), (bad, 3, 3), (bad, 4, 3)):
        conditions = conditions_of(problems, generation=now_s, uses_last_accepted=False)
        patch = status_patch(manifest, conditions, now_utc=now_s * 10**9)
        manifest = {"status": applied(manifest["status"], patch)}
        accepted = next(c for c in manifest["status"]["conditions"] if c["type"] == "Accepted")
        assert accepted["lastTransitionTime"] == f"1970-01-01T00:00:0{expected}Z"
        assert accepted["observedGeneration"] == now_s


@pytest.mark.parametrize("status", [None, [], "text", {"conditions": None}, {"conditions": ["x"]}, {"lastAccepted": 3}], ids=repr)
def test_a_status_that_is_no_status_is_replaced(status):
    patch = status_patch({"status": status}, conditions_of([], generation=1, uses_last_accepted=False), now_utc=1)
    assert [condition["type"] for condition in patch["conditions"]] == ["Accepted", "Degraded"]


def test_the_counters_are_those_that_utilization_has():
    assert {"capacity", "allocated", "held", "reserved", "available"} <= asdict(FamilyUsage(1, 0, 0, 0, 0, 1)).keys()
