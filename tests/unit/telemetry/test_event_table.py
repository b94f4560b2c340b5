"""The table of log events is what the code logs."""

import re

import pytest

from baremetal_lb.telemetry.event_table import TABLE
from tests.support.log_events import written

WRITTEN = list(written())


def test_every_event_that_is_logged_is_in_the_table_and_no_other():
    assert {one.name for one in WRITTEN} == {event.name for event in TABLE}


@pytest.mark.parametrize("event", TABLE, ids=lambda event: event.name)
def test_an_event_has_the_levels_that_the_code_logs_it_at_and_a_meaning(event):
    assert {one.level for one in WRITTEN if one.name == event.name} == set(event.level.split(", "))
    assert event.meaning.endswith(".")
    assert re.fullmatch(r"[a-z0-9_]+", event.name)


def test_no_event_stands_in_the_table_twice():
    names = [event.name for event in TABLE]
    assert len(names) == len(set(names))
