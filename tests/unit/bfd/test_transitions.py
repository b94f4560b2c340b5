"""RFC 5880 §6.2 and §6.8.6: every cell of the state table, written down once more, by hand, from the procedures of the standard."""

import pytest

from baremetal_lb.bfd.transitions import TRANSITIONS, Event, diagnostic_of
from baremetal_lb.packet.bfd import Diagnostic, State

CELLS = """
    AdminDown  HEARD_ADMIN_DOWN  AdminDown    # "If bfd.SessionState is AdminDown, discard the packet"
    AdminDown  HEARD_DOWN        AdminDown
    AdminDown  HEARD_INIT        AdminDown
    AdminDown  HEARD_UP          AdminDown
    AdminDown  EXPIRED           AdminDown    # "If bfd.SessionState is Init or Up": not this one
    AdminDown  STOPPED           AdminDown
    Down       HEARD_ADMIN_DOWN  Down         # "If bfd.SessionState is not Down": it is
    Down       HEARD_DOWN        Init
    Down       HEARD_INIT        Up
    Down       HEARD_UP          Down         # a peer that still believes in the session before
    Down       EXPIRED           Down
    Down       STOPPED           AdminDown
    Init       HEARD_ADMIN_DOWN  Down
    Init       HEARD_DOWN        Init
    Init       HEARD_INIT        Up
    Init       HEARD_UP          Up
    Init       EXPIRED           Down
    Init       STOPPED           AdminDown
    Up         HEARD_ADMIN_DOWN  Down
    Up         HEARD_DOWN        Down
    Up         HEARD_INIT        Up
    Up         HEARD_UP          Up
    Up         EXPIRED           Down
    Up         STOPPED           AdminDown
"""
ROWS = [line.split("#")[0].split() for line in CELLS.strip().splitlines()]


@pytest.mark.parametrize(("before", "event", "after"), ROWS, ids=lambda value: value)
def test_every_cell(before: str, event: str, after: str):
    by_title = {state.title: state for state in State}
    assert TRANSITIONS[by_title[before], Event[event]] is by_title[after]


def test_there_are_no_other_cells():
    assert len(TRANSITIONS) == len(ROWS) == len(State) * len(Event)


def test_what_made_a_session_worse_is_said():
    assert {event.name: diagnostic_of(event) for event in Event} == {
        "HEARD_ADMIN_DOWN": Diagnostic.NEIGHBOR_SIGNALED_DOWN,
        "HEARD_DOWN": Diagnostic.NEIGHBOR_SIGNALED_DOWN,
        "HEARD_INIT": Diagnostic.NONE,
        "HEARD_UP": Diagnostic.NONE,
        "EXPIRED": Diagnostic.DETECTION_TIME_EXPIRED,
        "STOPPED": Diagnostic.ADMINISTRATIVELY_DOWN,
    }
