"""Lines that strangers cause are few, and none goes untold."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baremetal_lb.model.time import SECOND
from baremetal_lb.telemetry.event_table import FROM_STRANGERS, TABLE
from baremetal_lb.telemetry.logging import Limiter, configure_logging
from baremetal_lb.telemetry.rate_limit import KEYS_MAX, LINE_BURST, LINE_INTERVAL, RateLimit, TokenBucket


def test_a_burst_passes_then_one_each_interval() -> None:
    limit = RateLimit(burst=2, interval=10 * SECOND)
    at = [0, 0, 0, 9, 10, 11, 20, 1000, 1000, 1000]
    assert [limit.take("x", now=t * SECOND) for t in at] == [0, 0, None, None, 2, None, 1, 0, 0, None]


def test_each_key_has_a_bucket_of_its_own() -> None:
    limit = RateLimit(burst=1, interval=SECOND)
    assert [limit.take(key, now=0) for key in "aabb"] == [0, None, 0, None]


def test_keys_beyond_the_bound_share_one_bucket() -> None:
    limit = RateLimit(burst=1, interval=SECOND)
    passed = [limit.take(f"key {number}", now=0) for number in range(10 * KEYS_MAX)]
    assert sum(taken is not None for taken in passed) == KEYS_MAX + 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 5),
    st.integers(1, 50),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=80),
)
def test_in_no_time_more_pass_than_the_burst_and_one_each_interval_and_all_others_are_told(
    burst: int, interval: int, asked: list[tuple[str, int]]
) -> None:
    limit, now = RateLimit(burst, interval), 0
    passed: dict[str, list[int]] = {"a": [], "b": []}
    told, held_back = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    for key, pause in asked:
        now += pause
        suppressed = limit.take(key, now=now)
        if suppressed is None:
            held_back[key] += 1
        else:
            passed[key].append(now)
            told[key] += suppressed
            assert told[key] == held_back[key]
    for times in passed.values():
        for first, begin in enumerate(times):
            for count, end in enumerate(times[first:], 1):
                assert count <= burst + (end - begin) // interval + 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 5), st.integers(1, 50), st.integers(0, 1000))
def test_a_bucket_that_rests_is_full_and_no_fuller(burst: int, interval: int, rest: int) -> None:
    bucket = TokenBucket(burst, interval, now=0)
    for _ in range(burst):
        assert bucket.take(now=0)
    expected = min(burst, rest // interval)
    assert [bucket.take(now=rest) for _ in range(burst + 1)] == [True] * expected + [False] * (burst + 1 - expected)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1, 10, now=100)
    assert [bucket.take(now=t) for t in (100, 50, 109, 110)] == [True, False, False, True]


def test_what_is_limited_are_events_that_there_are() -> None:
    assert {event.name for event in TABLE} >= FROM_STRANGERS


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines_of(out: io.StringIO, event: str) -> list[dict[str, object]]:
    return [line for line in map(json.loads, out.getvalue().splitlines()) if line["event"] == event]


def test_a_stranger_cannot_fill_the_log_nor_drown_what_others_say(out: io.StringIO) -> None:
    configure_logging(stream=out)
    log = structlog.get_logger("x")
    for number in range(10 * LINE_BURST):
        log.warning("address_claimed_by_stranger", ip=f"203.0.113.{number % 200}")
        log.info("address_announced", ip="203.0.113.7")
        logging.getLogger("aiohttp.server").error("Error handling request from 203.0.113.9")
    logging.getLogger("asyncio").error("something else")
    assert LINE_BURST <= len(lines_of(out, "address_claimed_by_stranger")) < 2 * LINE_BURST
    assert len(lines_of(out, "address_announced")) == 10 * LINE_BURST
    assert lines_of(out, "library_message")[-1]["text"] == "something else"
    assert len(lines_of(out, "library_message")) < 2 * LINE_BURST


def test_the_next_line_tells_how_many_were_held_back() -> None:
    now = [0]
    limiter = Limiter(RateLimit(), lambda: now[0])

    def written() -> dict[str, object] | None:
        try:
            return dict(limiter(None, "info", {"event": "session_changed"}))
        except structlog.DropEvent:
            return None

    assert [written() for _ in range(LINE_BURST + 3)] == [{"event": "session_changed"}] * LINE_BURST + [None] * 3
    now[0] += LINE_INTERVAL
    assert written() == {"event": "session_changed", "suppressed": 3}
