"""Runs all tests in lanes, and what failed once more: ``python -m tests.support.run_lanes [ARGUMENTS OF PYTEST]``, by scripts/test.

1. lanes beside each other, about equally long, for two cores:
   cluster:   speakers and controllers on the real API server, shown as it runs
   wire:      what waits for packets and timers and hardly computes; then (api) what asks API servers
   computing: what computes, niced; then (BMLB_KIND=1) the kind cluster
2. labs: whole labs, alone: they are clusters of two dozen processes, and promise times
3. each test that failed, alone: tests/support/lanes.py says what is forgiven
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.lanes import Again, Result, result, to_run_again, verdict
from tests.support.skips import VARIABLE as FORBID_SKIPS

PYTEST = (".venv/bin/python", "-m", "pytest", "-p", "tests.support.lane_report")
ISOLATED = ("scripts/isolated", *PYTEST)
# No second run begins later than this after the first one began, so that what is broken for good cannot make a run endless.
AGAIN_WITHIN_S = 480


@dataclass(frozen=True, slots=True)
class Lane:
    """One run of pytest. `command` takes pytest's arguments at its end; `again` takes ids of tests and runs only them."""

    name: str
    command: tuple[str, ...]
    again: tuple[str, ...]
    is_shown: bool = False  # as it runs, and not when all have ended
    # Where the surroundings take minutes to make, so that all its failed tests are run again within the same.
    is_costly: bool = False
    may_be_impossible: bool = False  # by exit code 77


@dataclass(frozen=True, slots=True)
class Course:
    """Rows of lanes beside each other, in a row one after the other; then the lanes that want to be alone."""

    beside: tuple[tuple[Lane, ...], ...]
    alone: tuple[Lane, ...] = ()


def of_the_project(*, with_kind: bool) -> Course:
    """Return the lanes of this project."""

    def isolated(name: str, marks: str, *, is_shown: bool = False) -> Lane:
        return Lane(name, (*ISOLATED, "-m", marks), ISOLATED, is_shown)

    computing = Lane("computing", ("nice", "-n", "5", *PYTEST, "-m", "not (netns or kube or lab or kind or api)"), PYTEST)
    kind = ("scripts/kind-e2e", "-p", "tests.support.lane_report")
    on_kind = Lane("kind", ("nice", "-n", "2", *kind), ("scripts/kind-e2e", "--only", *kind[1:]), is_costly=True, may_be_impossible=True)
    return Course(
        beside=(
            (isolated("cluster", "kube and not (lab or api)", is_shown=True),),
            (isolated("wire", "netns and not (kube or lab or api)"), Lane("api", (*PYTEST, "-m", "api"), PYTEST)),
            (computing, on_kind) if with_kind else (computing,),
        ),
        alone=(isolated("labs", "lab", is_shown=True),),
    )


@dataclass(slots=True)
class Run:
    """A run of all lanes: `arguments` go to pytest, what is printed meanwhile and the reports are kept in `folder`."""

    course: Course
    arguments: Sequence[str]
    folder: Path
    are_skips_forbidden: bool
    again_within_s: float = AGAIN_WITHIN_S
    _results: dict[str, Result] = field(default_factory=dict)
    _took_s: dict[str, float] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> int:
        """Run all; return the exit code."""
        rows = [threading.Thread(target=self._row, args=(row,)) for row in self.course.beside]
        for row in rows:
            row.start()
        try:
            for row in rows:
                row.join()
        except KeyboardInterrupt:  # who is at the terminal has interrupted the lanes as well
            self._stopping.set()
            raise
        for lane in (lane for row in self.course.beside for lane in row if not lane.is_shown):
            _say(f"test: {lane.name}\n{self._output(lane)}")
        self._row(self.course.alone)
        return self._judge()

    def _row(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            if not self._stopping.is_set():
                begun = time.monotonic()
                self._results[lane.name] = self._pytest(lane, lane.name, (*lane.command, *self.arguments), is_shown=lane.is_shown)
                self._took_s[lane.name] = time.monotonic() - begun

    def _pytest(self, lane: Lane, name: str, command: Sequence[str], *, is_shown: bool) -> Result:
        report, output = self.folder / f"{name}.report", self.folder / name
        if is_shown:
            _say(f"test: {name}")
        with output.open("wb") as kept:
            process = subprocess.Popen([*command, f"--lane-report={report}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                if is_shown:
                    sys.stdout.buffer.write(line)
                    sys.stdout.flush()
            code = process.wait()
        lines = report.read_text("utf-8").splitlines() if report.exists() else []
        return result(lane.name, code, lines, are_skips_forbidden=self.are_skips_forbidden, may_be_impossible=lane.may_be_impossible)

    def _output(self, lane: Lane, name: str | None = None) -> str:
        return (self.folder / (name or lane.name)).read_text("utf-8", errors="replace")

    def _judge(self) -> int:
        lanes = {lane.name: lane for lane in (*(lane for row in self.course.beside for lane in row), *self.course.alone)}
        results = [self._results[name] for name in lanes]
        again = self._run_again([(lanes[name], tests) for name, tests in to_run_again(results).items()])
        for name in lanes:
            _say(f"test: {name} took {self._took_s[name]:.0f} s")
        judged = verdict(results, again, {name: self._output(lane) for name, lane in lanes.items()})
        _say(judged.text)
        return 0 if judged.is_green else 1

    def _run_again(self, failed: Sequence[tuple[Lane, tuple[str, ...]]]) -> dict[tuple[str, str], Again]:
        """Run what failed again, the costly last, a test at a time where that costs little."""
        until = time.monotonic() + self.again_within_s
        bundles: list[tuple[Lane, tuple[str, ...]]] = [(lane, (test,)) for lane, tests in failed if not lane.is_costly for test in tests]
        bundles += [(lane, tests) for lane, tests in failed if lane.is_costly]
        done = {}
        for number, (lane, tests) in enumerate(bundles):
            if time.monotonic() >= until:
                break
            _say(f"test: once more, alone: {', '.join(tests)}")
            name = f"again-{number}"
            second = self._pytest(lane, name, (*lane.again, *tests), is_shown=False)
            for test in tests:
                done[lane.name, test] = Again(self._output(lane, name), second.has_passed(test))
        return done


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Run the tests of the project."""
    course = of_the_project(with_kind=bool(os.environ.get("BMLB_KIND")))
    with tempfile.TemporaryDirectory() as folder:
        return Run(course, sys.argv[1:], Path(folder), os.environ.get(FORBID_SKIPS) == "1")()


if __name__ == "__main__":
    sys.exit(main())
