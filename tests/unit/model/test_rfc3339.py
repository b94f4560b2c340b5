"""RFC 3339 in and out, against the calendar of the standard library."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.model.rfc3339 import format_exact, format_microtime, format_time, parse_time, time_or_none
from baremetal_lb.model.time import SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFSETS = st.integers(-(23 * 60 + 59), 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.integers(parse_time("0001-01-01T00:00:00Z"), parse_time("9999-12-31T23:59:59.999999999Z"))


def ns_of(moment):
    return (moment - EPOCH) // timedelta(microseconds=1) * 1_000


@settings(max_examples=200, deadline=None)
@given(st.datetimes(timezones=OFFSETS).filter(lambda moment: 1 < moment.year < 9999))
def test_what_the_standard_library_writes_is_read_alike(moment):
    assert parse_time(moment.isoformat()) == ns_of(moment)


@settings(max_examples=200, deadline=None)
@given(TIMES)
def test_what_is_written_is_read_back_to_what_its_form_holds(ns):
    assert parse_time(format_exact(ns)) == ns
    assert parse_time(format_microtime(ns)) == ns // 1_000 * 1_000
    assert parse_time(format_time(ns)) == ns // SECOND * SECOND
    assert (len(format_time(ns)), len(format_microtime(ns))) == (20, 27)


DATE, CLOCK, OFFSET = r"[0-9]{4}-[01][0-9]-[0-3][0-9]", r"([01][0-9]|2[0-3]):[0-6][0-9]:[0-6][0-9]", r"(Z|[+-][0-2][0-9]:[0-5][0-9])"


@settings(max_examples=300, deadline=None)
@given(st.from_regex(rf"{DATE}T{CLOCK}(\.[0-9]{{1,6}})?{OFFSET}", fullmatch=True))
def test_the_same_texts_are_times_as_for_the_standard_library(text):
    try:
        expected = ns_of(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        expected = None
    assert time_or_none(text) == expected


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1_500_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2026-11-24T23:45:15.123456789Z", 1_795_563_915_123_456_789),
        ("2026-11-24T23:45:15.1234567899Z", 1_795_563_915_123_456_789),
        ("1969-12-31T23:59:59Z", -SECOND),
    ],
)
def test_times_are_read_to_the_nanosecond(text, ns):
    assert parse_time(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-11-24", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-24T00:00:00", "2026-11-24T00:00:60Z",
        "2026-11-24T24:00:00Z", "2026-11-24T00:00:00+99:00", "2026-11-24T00:00:00+01:60", "2026-11-24 00:00:00Z", " 2026-11-24T00:00:00Z",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "\u0662026-11-24T00:00:00Z", None, 3,
    ],
)  # fmt: skip
def test_other_values_are_no_times(text):
    assert time_or_none(text) is None
    if isinstance(text, str):
        with pytest.raises(ValueError, match="no RFC 3339 timestamp"):
            parse_time(text)


def test_a_time_beyond_the_calendar_is_said_to_be_so():
    with pytest.raises(OverflowError):
        format_time(parse_time("9999-12-31T23:59:59Z") + SECOND)
