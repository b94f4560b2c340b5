"""Timestamps and durations."""

import pytest

from baremetal_lb.api.times import format_timestamp, parse_duration, parse_timestamp
from baremetal_lb.model.time import HOUR, MILLISECOND, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2026-11-24T23:45:15.123456789Z", 1_795_563_915_123_456_789),
        ("1969-12-31T23:59:59Z", -SECOND),
    ],
)
def test_timestamps_are_read_to_the_nanosecond(text, ns):
    assert parse_timestamp(text) == ns
    assert parse_timestamp(format_timestamp(ns)) == ns


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-24", "2026-13-01T00:00:00Z", "2026-11-24T00:00:00", "2026-11-24T00:00:60Z", "2026-11-24T00:00:00+99:00"],
)
def test_other_texts_are_no_timestamps(text):
    with pytest.raises(ValueError):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("0s", 0),
        ("90s", 90 * SECOND),
        ("1m30s", 90 * SECOND),
        ("1.5h", 90 * MINUTE),
        ("-2h", -2 * HOUR),
        ("500ms", 500 * MILLISECOND),
        (".5s", SECOND // 2),
    ],
)
def test_durations_are_read_as_go_reads_them(text, ns):
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "90", "s", "1d", "1 s", "1s ", "--1s", "1e3s", "999999999h", "1" * 100 + "s", "\u0661s"])
def test_other_texts_are_no_durations(text):
    with pytest.raises(ValueError):
        parse_duration(text)
