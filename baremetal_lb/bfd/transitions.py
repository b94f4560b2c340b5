"""The state machine of RFC 5880 §6.2 and §6.8.6 as a table: every state and event has its cell.

                    received                                   nothing heard for     told to
                    AdminDown   Down        Init        Up     the Detection Time    stop
    AdminDown       AdminDown   AdminDown   AdminDown   AdminDown   AdminDown        AdminDown
    Down            Down        Init        Up          Down        Down             AdminDown
    Init            Down        Init        Up          Up          Down             AdminDown
    Up              Down        Down        Up          Up          Down             AdminDown

AdminDown is left by a new session only. A session is never Up before it has heard Init or Up: of the peer's hearing it.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from baremetal_lb.packet.bfd import Diagnostic, State


class Event(Enum):
    """What can happen to a session: the peer's state in a packet, and two more."""

    HEARD_ADMIN_DOWN = "received AdminDown"
    HEARD_DOWN = "received Down"
    HEARD_INIT = "received Init"
    HEARD_UP = "received Up"
    EXPIRED = "nothing received for the Detection Time"
    STOPPED = "told to stop"


HEARD: Mapping[State, Event] = MappingProxyType(
    {
        State.ADMIN_DOWN: Event.HEARD_ADMIN_DOWN,
        State.DOWN: Event.HEARD_DOWN,
        State.INIT: Event.HEARD_INIT,
        State.UP: Event.HEARD_UP,
    }
)
_ROWS = {
    State.ADMIN_DOWN: (State.ADMIN_DOWN,) * 6,
    State.DOWN: (State.DOWN, State.INIT, State.UP, State.DOWN, State.DOWN, State.ADMIN_DOWN),
    State.INIT: (State.DOWN, State.INIT, State.UP, State.UP, State.DOWN, State.ADMIN_DOWN),
    State.UP: (State.DOWN, State.DOWN, State.UP, State.UP, State.DOWN, State.ADMIN_DOWN),
}
TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {(state, event): after for state, row in _ROWS.items() for event, after in zip(Event, row, strict=True)}
)

_CAUSES = {
    Event.HEARD_ADMIN_DOWN: Diagnostic.NEIGHBOR_SIGNALED_DOWN,
    Event.HEARD_DOWN: Diagnostic.NEIGHBOR_SIGNALED_DOWN,
    Event.EXPIRED: Diagnostic.DETECTION_TIME_EXPIRED,
    Event.STOPPED: Diagnostic.ADMINISTRATIVELY_DOWN,
}


def diagnostic_of(event: Event) -> Diagnostic:
    """Return what a session says of a change that this event made: NONE if it made no worse."""
    return _CAUSES.get(event, Diagnostic.NONE)
