"""Durations as Go writes them."""

import pytest

from baremetal_lb.api.durations import parse_duration
from baremetal_lb.model.time import HOUR, MILLISECOND, MINUTE, SECOND


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
