"""RFC 3339 in and out, against the calendar of the standard library."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.apiserver.timestamps import format_age, parse_time
from baremetal_lb.model.time import HOUR, MICROSECOND, MINUTE, SECOND, format_time

DAY = 24 * HOUR


@settings(max_examples=100)
@given(st.datetimes())
def test_times_are_those_of_the_calendar(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    ns = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * MICROSECOND
    assert parse_time(f"{moment:%H:%M:%S.%f}Z".join([f"{moment.year:04}-{moment:%m-%d}T", ""])) == ns
    assert parse_time(format_time(ns)) == ns // SECOND * SECOND


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.5Z", SECOND // 2),
        ("1970-01-01", None),
        ("1970-13-01T00:00:00Z", None),
        ("", None),
        (3, None),
        (None, None),
    ],
)
def test_what_is_no_time_is_none(text: object, ns: int | None) -> None:
    assert parse_time(text) == ns


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (-SECOND, "0s"),
        (119 * SECOND, "119s"),
        (2 * MINUTE, "2m"),
        (3 * MINUTE + 5 * SECOND, "3m5s"),
        (45 * MINUTE, "45m"),
        (3 * HOUR + 20 * MINUTE, "3h20m"),
        (30 * HOUR, "30h"),
        (3 * DAY + 4 * HOUR, "3d4h"),
        (40 * DAY, "40d"),
        (800 * DAY, "2y70d"),
    ],
)
def test_ages_are_written_as_kubectl_does(age: int, text: str) -> None:
    assert format_age(age) == text
