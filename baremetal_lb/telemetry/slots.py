"""Which connections a server keeps when there are too many: a decision without I/O.

A connection first *asks* (its request header is not complete), then is *answered*. Rules:

* There are at most ``limit``, and one more always gets a place, whatever the others do: that of the oldest which still asks; if none asks,
  of the one that has left its answer lying for longest; if every answer is being written at this moment, of the oldest. So a flood pushes
  itself out, and a kubelet that sends its request at once gets through. The last case takes as many as ``limit`` that ask between two
  turns of the event loop: an answer that the client takes is written within a few, so the oldest is the last that needs to be ended.
* At most ``stalled_limit`` may leave their answer lying; one more ends the oldest of them. What they do not take is memory of ours.
"""

from collections.abc import Hashable
from enum import Enum
from itertools import chain
from typing import Final, Generic, TypeVar

from baremetal_lb.model.reasons import Reason

CONNECTIONS_MAX: Final = 64
STALLED_MAX: Final = 4


class ConnectionReason(Reason):
    """Why a connection to the health or metrics server is closed before it has its answer."""

    TooManyConnections = (
        "There are more connections than the server keeps, and this one had not asked, left its answer lying or was oldest."
    )
    HeaderTimeout = "The request header was not complete in time."
    NoRequest = "It does not begin with the request line of HTTP/1."
    HeaderTooLong = "The request header is longer than any that a kubelet or Prometheus sends."
    AnswerTimeout = "The answer was not taken in time."
    TooManyStalled = "Too many clients leave their answers lying, and this one has done so for longest."


class Phase(Enum):
    """What a connection does."""

    ASKS = "asks"
    ANSWERED = "answered"


C = TypeVar("C", bound=Hashable)


class Slots(Generic[C]):
    """The connections of one server, oldest first."""

    def __init__(self, limit: int = CONNECTIONS_MAX, stalled_limit: int = STALLED_MAX) -> None:
        self._limit, self._stalled_limit = limit, stalled_limit
        self._phases: dict[C, Phase] = {}
        self._stalled: dict[C, None] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._phases)

    def all(self) -> tuple[C, ...]:
        """Return all there are, oldest first."""
        return tuple(self._phases)

    def admit(self, new: C) -> C | None:
        """Take a new one; return the one that has to go for it."""
        gone: C | None = None
        if len(self._phases) >= self._limit:
            asking = (one for one, phase in self._phases.items() if phase is Phase.ASKS)
            gone = next(chain(asking, self._stalled, self._phases))
            self.leave(gone)
        self._phases[new] = Phase.ASKS
        return gone

    def asked(self, one: C) -> None:
        """Take that the request header is complete."""
        if one in self._phases:
            self._phases[one] = Phase.ANSWERED

    def stalled(self, one: C) -> C | None:
        """Take that a client leaves its answer lying; return the one that has to go."""
        if one not in self._phases:
            return None  # it has to go already
        self._stalled[one] = None
        if len(self._stalled) <= self._stalled_limit:
            return None
        oldest = next(iter(self._stalled))
        self.leave(oldest)
        return oldest

    def flows(self, one: C) -> None:
        """Take that a client goes on taking its answer."""
        self._stalled.pop(one, None)

    def leave(self, one: C) -> None:
        """Take that a connection is gone."""
        self._phases.pop(one, None)
        self._stalled.pop(one, None)
