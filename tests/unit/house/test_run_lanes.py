"""Lanes over trees of tests that were made for it, run as scripts/test runs ours (tests/support/run_lanes.py)."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.lanes import MOST_FLAKY
from tests.support.run_lanes import Course, Lane, Run, of_the_project

ROOT = Path(__file__).parents[3]
PYTEST = (sys.executable, "-m", "pytest", "-p", "tests.support.lane_report", "-p", "tests.support.skips", "-p", "no:cacheprovider")

FAILS_ONCE = """\
@pytest.mark.parametrize("what", {words})
def test_flaky(what):
    mark = Path(__file__).with_suffix("." + str(len(what)))
    if not mark.exists():
        mark.touch()
        assert what == "the first time"
    print("went well")
"""
PASSES = "def test_good(): pass\n"
FAILS = "def test_bad(): assert 1 == 2\n"
CRASHES = "def test_crash(): os._exit(1)\n"
SKIPPED_AFTERWARDS = """\
def test_unsure():
    mark = Path(__file__).with_suffix(".seen")
    if mark.exists():
        pytest.skip("no such tool")
    mark.touch()
    assert False
"""
FIXTURE = """\
@pytest.fixture(scope="session")
def made():
    mark = Path(__file__).with_suffix(".made")
    if not mark.exists():
        mark.touch()
        raise OSError("not yet")
def test_with_fixture(made): pass
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch, capfd):
    """Run a tree of one file a lane; return the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -q\n")
    (tmp_path / "kept").mkdir()

    def run(*texts: str, arguments: tuple[str, ...] = (), forbid: bool = False, is_costly: bool = False, again_within_s: float = 480):
        monkeypatch.setenv("BMLB_FORBID_SKIPS", "1" if forbid else "")
        lanes = []
        for number, text in enumerate(texts):
            (tmp_path / f"test_{number}.py").write_text("import os\nfrom pathlib import Path\nimport pytest\n" + text)
            lanes.append(Lane(f"lane{number}", (*PYTEST, f"test_{number}.py"), PYTEST, is_shown=number == 0, is_costly=is_costly))
        course = Course(beside=tuple((lane,) for lane in lanes[:-1]), alone=(lanes[-1],))
        code = Run(course, arguments, tmp_path / "kept", forbid, again_within_s)()
        return code, capfd.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize("is_costly", [False, True], ids=["one by one", "together"])
def test_what_fails_once_is_run_again_and_forgiven(run, is_costly):
    code, printed = run(PASSES, FAILS_ONCE.format(words=["two words", "a[b]::c"]), PASSES, is_costly=is_costly)
    assert (code, printed[-1]) == (0, "4 passed, 0 failed")
    flaky = [number for number, line in enumerate(printed) if line.startswith("FLAKY: ")]
    assert [printed[number] for number in flaky] == [f"FLAKY: test_1.py::test_flaky[{what}]" for what in ("two words", "a[b]::c")]
    told = printed[flaky[1] :]
    assert any("AssertionError" in line for line in told)
    assert any(re.match(r"[12] passed in", line) for line in told)
    took = [line for line in printed if re.fullmatch(r"test: lane\d took \d+ s", line)]
    assert len(took) == 3


def test_what_fails_always_is_red_and_the_flaky_beside_it_is_named(run):
    code, printed = run(FAILS + PASSES, FAILS_ONCE.format(words=["x"]))
    assert (code, printed[-1]) == (1, "2 passed, 1 failed")
    assert {"FAILED: test_0.py::test_bad", "FLAKY: test_1.py::test_flaky[x]"} <= set(printed)


def test_four_that_fail_once_are_too_many(run):
    words = ["x" * length for length in range(1, MOST_FLAKY + 2)]
    code, printed = run(PASSES, FAILS_ONCE.format(words=words))
    assert code == 1
    assert sum(line.startswith("FLAKY: ") for line in printed) == 4
    assert any(line.startswith("test: failed: 4 tests passed only the second time; 3 may") for line in printed)


def test_an_error_of_a_session_s_fixture_is_forgiven_like_a_failure(run):
    code, printed = run(FIXTURE)
    assert (code, printed[-1]) == (0, "1 passed, 0 failed")
    assert "FLAKY: test_0.py::test_with_fixture" in printed


@pytest.mark.parametrize(
    ("text", "said", "failed"),
    [
        (CRASHES + PASSES, "test: failed: lane1 as a whole: it ended before pytest did", 1),
        (FAILS_ONCE.format(words=["x"]) + CRASHES, "test: failed: lane1 as a whole: it ended before pytest did", 2),
        ("import no_such_thing\n", "test: failed: lane1 as a whole: tests could not be collected", 1),
    ],
    ids=["crash", "crash after a flaky one", "collection"],
)
def test_what_ends_a_lane_is_not_run_again(run, text, said, failed):
    code, printed = run(PASSES, text)
    assert code == 1
    assert any(line.startswith(said) for line in printed)
    assert not any(line.startswith(("FLAKY", "test: once more")) for line in printed)
    assert printed[-1] == f"1 passed, {failed} failed"


@pytest.mark.parametrize(("forbid", "code"), [(True, 1), (False, 0)])
def test_a_skip_fails_the_run_only_where_it_is_forbidden(run, forbid, code):
    got, printed = run(PASSES, "def test_a(): pytest.skip('no such tool')\n", forbid=forbid)
    assert got == code
    assert ("SKIPPED: test_1.py::test_a: Skipped: no such tool" in printed) == forbid
    assert printed[-1] == f"1 passed, {code} failed, 1 skipped"


@pytest.mark.parametrize("forbid", [True, False])
def test_what_is_skipped_the_second_time_has_not_passed(run, forbid):
    code, printed = run(SKIPPED_AFTERWARDS, forbid=forbid)
    assert (code, printed[-1]) == (1, "0 passed, 1 failed")


def test_no_second_run_begins_when_the_time_for_it_is_over(run):
    code, printed = run(FAILS_ONCE.format(words=["x"]), again_within_s=0)
    assert code == 1
    assert "-- it was not run again" in printed


def test_arguments_may_select_tests_of_one_lane_only(run):
    code, printed = run(PASSES, FAILS, arguments=("-k", "good"))
    assert (code, printed[-1]) == (0, "1 passed, 0 failed")
    assert run(PASSES, arguments=("-k", "nothing"))[0] == 1


def test_the_kind_cluster_is_a_lane_only_where_it_is_asked_for():
    names = [[lane.name for row in of_the_project(with_kind=flag).beside for lane in row] for flag in (False, True)]
    assert set(names[1]) - set(names[0]) == {"kind"}
