"""What a run of several lanes of tests comes to: pure, from what each lane wrote about its tests to the verdict and its text.

A lane is one run of pytest. A test that failed in it is run once more, alone. If it passes then it is *flaky*, and is forgiven as
long as at most three are. A lane may also be *faulty*: it ended otherwise than by running all its tests to an end. Nothing of a faulty
lane is forgiven, since nobody knows what the tests that were not run would have said.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

MOST_FLAKY = 3
# Of more nobody asks whether they are flaky: the run has failed whatever a second run says.
MOST_AGAIN = 10
_NO_TESTS = 5  # pytest's code for arguments that select no test
_NOT_POSSIBLE = 77  # of scripts/kind-e2e
_SHOWN_LINES = 40


class Fault(StrEnum):
    """Why a lane has failed as a whole; each value is what is printed."""

    NO_END = "it ended before pytest did: crashed, killed, or never begun"
    OTHER_CODE = "it ended with a code that no test has caused"
    COLLECTION = "tests could not be collected"
    NOT_ALL_RUN = "not all of its tests were run"
    SKIPPED = "tests were skipped, which BMLB_FORBID_SKIPS=1 forbids"
    UNEXPLAINED = "it failed, and no test of it did"


@dataclass(frozen=True, slots=True)
class Result:
    """What a lane came to. `outcomes` is by test id, each of passed, failed, skipped, xfailed; `texts` why it was not passed."""

    lane: str
    code: int
    outcomes: Mapping[str, str]
    texts: Mapping[str, str]
    uncollected: tuple[str, ...] = ()
    fault: Fault | None = None

    @property
    def is_impossible(self) -> bool:
        """Whether it was not tried because the machine cannot."""
        return self.code == _NOT_POSSIBLE and self.fault is None

    @property
    def failed(self) -> tuple[str, ...]:
        """The ids of tests that failed, in the order in which they ran."""
        return tuple(test for test, outcome in self.outcomes.items() if outcome == "failed")

    def has_passed(self, test: str) -> bool:
        """Whether this test passed here, and the lane was run as it should be."""
        return self.fault is None and self.outcomes.get(test) == "passed"


def result(lane: str, code: int, lines: Iterable[str], *, are_skips_forbidden: bool, may_be_impossible: bool = False) -> Result:
    """Judge a lane by the exit code of its command and by the lines that tests/support/lane_report.py wrote; the last may be cut off."""
    seen = _Seen()
    for line in lines:
        try:
            seen.take(json.loads(line))
        except json.JSONDecodeError:
            break  # the process ended while it wrote
    for test in seen.running:
        seen.outcomes[test] = "failed"
        seen.texts.setdefault(test, "the process ended while this test ran")
    fault = None if may_be_impossible and code == _NOT_POSSIBLE else _fault(code, seen, are_skips_forbidden=are_skips_forbidden)
    frozen = (MappingProxyType(seen.outcomes), MappingProxyType(seen.texts))
    return Result(lane, code, *frozen, tuple(seen.uncollected), fault)


@dataclass(slots=True)
class _Seen:
    outcomes: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    running: dict[str, None] = field(default_factory=dict)
    uncollected: list[str] = field(default_factory=list)
    collected: int = 0
    finished: int = 0
    ended: int | None = None

    def take(self, line: Mapping[str, str | int]) -> None:
        match line:
            case {"event": "collected", "count": int(count)}:
                self.collected = count
            case {"event": "end", "code": int(code)}:
                self.ended = code
            case {"event": "start", "id": str(test)}:
                self.running[test] = None
            case {"event": "finish", "id": str(test)}:
                self.running.pop(test, None)
                self.finished += 1
            case {"event": "collection", "id": str(test), "outcome": "failed", "text": str(text)}:
                self.uncollected.append(test)
                self.texts[test] = text
            case {"event": "report" | "collection", "id": str(test), "outcome": str(outcome), "text": str(text)}:
                self._report(test, outcome, text)

    def _report(self, test: str, outcome: str, text: str) -> None:
        """A test reports its call and what went wrong before and after it: it failed if one of them did."""
        if self.outcomes.get(test) != "failed":
            self.outcomes[test] = outcome
        if text:
            self.texts[test] = "\n".join(filter(None, (self.texts.get(test), text)))


def _fault(code: int, seen: _Seen, *, are_skips_forbidden: bool) -> Fault | None:
    has_failed = "failed" in seen.outcomes.values()
    if seen.uncollected:
        return Fault.COLLECTION
    if are_skips_forbidden and "skipped" in seen.outcomes.values():
        return Fault.SKIPPED
    if seen.ended is None or seen.running:
        return Fault.NO_END
    if code not in (0, 1, _NO_TESTS) or code != seen.ended:
        return Fault.OTHER_CODE
    if code == 1 and not has_failed:
        return Fault.UNEXPLAINED
    if has_failed and seen.collected > seen.finished:
        return Fault.NOT_ALL_RUN
    return None


@dataclass(frozen=True, slots=True)
class Again:
    """The second run of a failed test: what it printed, and whether the test passed."""

    output: str
    has_passed: bool


def to_run_again(results: Sequence[Result]) -> dict[str, tuple[str, ...]]:
    """Return the failed tests that may be forgiven, by lane; none if they are more than :data:`MOST_AGAIN`."""
    wanted = {each.lane: each.failed for each in results if each.failed and each.fault is None}
    return wanted if sum(map(len, wanted.values())) <= MOST_AGAIN else {}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the run is green, and what is printed about it."""

    is_green: bool
    text: str


def verdict(results: Sequence[Result], again: Mapping[tuple[str, str], Again], outputs: Mapping[str, str]) -> Verdict:
    """Judge the whole run by what its lanes came to, the second runs by (lane, test), and what the lanes printed."""
    flaky = [key for key, second in again.items() if second.has_passed]
    first = {each.lane: each for each in results}
    failed = [(each.lane, test) for each in results for test in each.failed if (each.lane, test) not in flaky]
    faulty = [each for each in results if each.fault is not None]
    has_run = any(each.code != _NO_TESTS and not each.is_impossible for each in results)
    is_green = has_run and not (failed or faulty) and len(flaky) <= MOST_FLAKY
    said = [f"test: NOT RUN: {each.lane}: {_clipped(outputs.get(each.lane, ''), 1)}" for each in results if each.is_impossible]
    said += [line for each in faulty for line in _told_fault(each, outputs.get(each.lane, ""))]
    for lane, test in failed:
        said += [f"FAILED: {test}", _clipped(first[lane].texts.get(test, ""))]
        said += ["-- and the second time:", _clipped(again[lane, test].output)] if (lane, test) in again else ["-- it was not run again"]
    for lane, test in flaky:
        said += [f"FLAKY: {test}", "-- the first time it failed:", _clipped(first[lane].texts.get(test, ""))]
        said += ["-- the second time, alone, it passed:", _clipped(again[lane, test].output)]
    if len(flaky) > MOST_FLAKY:
        said.append(
            f"test: failed: {len(flaky)} tests passed only the second time; {MOST_FLAKY} may: {', '.join(test for _, test in flaky)}"
        )
    if not has_run:
        said.append("test: failed: no test was run")
    return Verdict(is_green, "\n".join([*said, _closing(results, flaky, failed, is_green=is_green)]))


def _told_fault(faulty: Result, output: str) -> Iterable[str]:
    yield f"test: failed: {faulty.lane} as a whole: {faulty.fault} (exit code {faulty.code}); none of it is run again"
    for test in faulty.uncollected:
        yield f"ERROR: {test}\n{_clipped(faulty.texts.get(test, ''))}"
    if faulty.fault is Fault.SKIPPED:
        yield from (f"SKIPPED: {test}: {faulty.texts.get(test)}" for test, outcome in faulty.outcomes.items() if outcome == "skipped")
    elif not faulty.uncollected:
        yield _clipped(output)


def _closing(results: Sequence[Result], flaky: Sequence[object], failed: Sequence[object], *, is_green: bool) -> str:
    """Return the line of the true totals. What failed without a failed test, counts as one: no red run says "0 failed"."""
    counted = Counter(outcome for each in results for outcome in each.outcomes.values())
    faults = sum(len(each.uncollected) or not each.failed for each in results if each.fault is not None)
    count = len(failed) + faults
    parts = [f"{counted['passed'] + len(flaky)} passed", f"{count if is_green else max(count, 1)} failed"]
    return ", ".join(parts + [f"{counted[name]} {name}" for name in ("skipped", "xfailed") if counted[name]])


def _clipped(text: str, most: int = _SHOWN_LINES) -> str:
    """The last lines of it: there stands why. The whole has been printed before."""
    return "\n".join(text.rstrip().splitlines()[-most:]) or "(nothing)"
