"""What is forgiven in a run of lanes of tests, by what they wrote (tests/support/lanes.py)."""

import json

import pytest

from tests.support.lanes import MOST_AGAIN, MOST_FLAKY, Again, Fault, Result, result, to_run_again, verdict

ODD = "tests/test_a.py::test_b[two words-[x]::y]"


def lines(end: int | None = 0, *, collected: int | None = None, **outcomes: str) -> list[str]:
    """Return what pytest writes of tests with these outcomes."""
    told: list[dict[str, object]] = [{"event": "collected", "count": len(outcomes) if collected is None else collected}]
    for test, outcome in outcomes.items():
        told.append({"event": "start", "id": test})
        told.append({"event": "report", "id": test, "outcome": outcome, "text": f"why {test}" * (outcome != "passed")})
        told.append({"event": "finish", "id": test})
    if end is not None:
        told.append({"event": "end", "code": end})
    return [json.dumps(each) for each in told]


def lane(code: int = 0, name: str = "one", *, forbid: bool = False, **outcomes: str) -> Result:
    return result(name, code, lines(code, **outcomes), are_skips_forbidden=forbid)


PASSED, FAILED = Again("output again", has_passed=True), Again("output again", has_passed=False)


def test_all_passed_is_green_and_says_only_how_many():
    judged = verdict([lane(a="passed", b="skipped"), lane(name="two", c="passed", d="xfailed")], {}, {})
    assert (judged.is_green, judged.text) == (True, "2 passed, 0 failed, 1 skipped, 1 xfailed")


def test_what_passes_the_second_time_is_forgiven_and_named_with_both_outputs_at_the_end():
    judged = verdict([lane(1, **{ODD: "failed", "b": "passed"})], {("one", ODD): PASSED}, {})
    assert judged.is_green
    assert judged.text.splitlines() == [
        f"FLAKY: {ODD}",
        "-- the first time it failed:",
        f"why {ODD}",
        "-- the second time, alone, it passed:",
        "output again",
        "2 passed, 0 failed",
    ]


@pytest.mark.parametrize(("count", "is_green"), [(MOST_FLAKY, True), (MOST_FLAKY + 1, False)])
def test_three_are_forgiven_over_all_lanes_and_not_four(count, is_green):
    results = [lane(1, f"lane{number}", **{f"t{number}": "failed"}) for number in range(count)]
    judged = verdict(results, {(each.lane, test): PASSED for each in results for test in each.failed}, {})
    assert judged.is_green == is_green
    assert judged.text.count("FLAKY: ") == count
    assert judged.text.splitlines()[-1] == (f"{count} passed, 0 failed" if is_green else f"{count} passed, 1 failed")


@pytest.mark.parametrize("again", [{("one", "a"): FAILED}, {}], ids=["failed again", "not run again"])
def test_what_does_not_pass_the_second_time_is_red(again):
    judged = verdict([lane(1, a="failed", b="passed")], again, {})
    assert not judged.is_green
    assert "FAILED: a\nwhy a" in judged.text
    assert judged.text.splitlines()[-1] == "1 passed, 1 failed"


@pytest.mark.parametrize(
    ("outcomes", "code", "forbid"),
    [({"a": "skipped"}, 0, False), ({"a": "skipped"}, 1, True), ({}, 5, False), ({"b": "passed"}, 0, False), ({"a": "passed"}, 70, False)],
    ids=["skipped", "skipped, which is forbidden", "not found", "another one", "surroundings not removed"],
)
def test_a_second_run_in_which_the_test_did_not_pass_is_none(outcomes, code, forbid):
    assert not lane(code, forbid=forbid, **outcomes).has_passed("a")
    assert lane(a="passed").has_passed("a")


@pytest.mark.parametrize(
    ("code", "written", "fault"),
    [
        (-11, lines(None, a="failed"), Fault.NO_END),
        (1, [], Fault.NO_END),
        (1, [*lines(1, a="failed")[:-1], '{"event": "en'], Fault.NO_END),
        (70, lines(1, a="failed"), Fault.OTHER_CODE),
        (2, lines(2, a="failed"), Fault.OTHER_CODE),
        (1, lines(1, collected=3, a="failed"), Fault.NOT_ALL_RUN),
        (1, lines(1, a="passed"), Fault.UNEXPLAINED),
        (77, lines(0, a="passed"), Fault.OTHER_CODE),
    ],
    ids=["crashed", "never begun", "cut off", "not removed", "interrupted", "stopped early", "no test failed", "77 of another lane"],
)
def test_a_lane_that_did_not_run_to_its_end_is_never_forgiven(code, written, fault):
    faulty = result("one", code, written, are_skips_forbidden=False)
    assert faulty.fault == fault
    assert to_run_again([faulty]) == {}
    judged = verdict([faulty, lane(name="two", c="passed")], {}, {"one": "its last words"})
    assert not judged.is_green
    assert f"test: failed: one as a whole: {fault}" in judged.text
    assert "its last words" in judged.text
    assert judged.text.splitlines()[-1].split(", ")[1] == "1 failed"


def test_the_test_during_which_the_process_ended_has_failed():
    written = [*lines(None, a="passed"), json.dumps({"event": "start", "id": "b"})]
    crashed = result("one", 1, written, are_skips_forbidden=False)
    assert (crashed.failed, crashed.fault) == (("b",), Fault.NO_END)


def test_a_failure_of_the_teardown_is_a_failure_of_the_test():
    written = lines(1, a="passed")
    written.insert(3, json.dumps({"event": "report", "id": "a", "outcome": "failed", "text": "in teardown"}))
    assert result("one", 1, written, are_skips_forbidden=False).failed == ("a",)


def test_a_skip_is_never_forgiven_where_it_is_forbidden():
    skipped = lane(1, forbid=True, a="skipped", b="failed")
    assert (skipped.fault, to_run_again([skipped])) == (Fault.SKIPPED, {})
    judged = verdict([skipped], {}, {})
    assert not judged.is_green
    assert "SKIPPED: a: why a" in judged.text


def test_a_lane_without_tests_or_without_a_machine_for_it_is_no_failure_but_nothing_at_all_is():
    none = lane(5, "none")
    impossible = result("kind", 77, [], are_skips_forbidden=True, may_be_impossible=True)
    judged = verdict([lane(a="passed"), none, impossible], {}, {"kind": "much\nDocker cannot work"})
    assert (judged.is_green, judged.text.splitlines()) == (True, ["test: NOT RUN: kind: Docker cannot work", "1 passed, 0 failed"])
    assert not verdict([none, impossible], {}, {}).is_green


def test_so_many_failures_that_the_run_is_red_anyway_are_not_run_again():
    most = {f"t{number}": "failed" for number in range(MOST_AGAIN)}
    assert to_run_again([lane(1, **most)]) == {"one": tuple(most)}
    assert to_run_again([lane(1, **most), lane(1, "two", a="failed")]) == {}
