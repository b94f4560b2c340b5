"""Commands that ExaBGP has not answered yet.

It answers in order, one line each, so the oldest entry is what an answer is about. (Commands that ExaBGP carries out at once overtake
those that it queues: the driver sends such a command, `reload`, only while nothing else is under way.)
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from baremetal_lb.bgp.driver_config import Probe
from baremetal_lb.bgp.exabgp_text import Phrase
from baremetal_lb.bgp.session import Attributes, Prefix
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import SECOND

MOST_COMMANDS = 8
MOST_NLRI = 800
ANSWER_LIMIT = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Routes:
    """Announced with these attributes to these peers, or withdrawn."""

    remotes: tuple[IPAddress, ...]
    routes: tuple[tuple[Prefix, Attributes | None], ...]


@dataclass(frozen=True, slots=True)
class EndOfRib:
    """The peer was told that these are all."""

    remote: IPAddress


class Question(Enum):
    """Commands about ExaBGP as a whole."""

    NEIGHBORS = Phrase("show", "neighbor", "summary", "json")
    ROUTES = Phrase("show", "adj-rib", "out", "extensive")
    RELOAD = Phrase("reload")
    SHUTDOWN = Phrase("shutdown")
    """The hub starts it again."""


Sent = Routes | EndOfRib | Probe | Question


class Flight:
    """What is under way, oldest first."""

    def __init__(self) -> None:
        self._sent: deque[tuple[Sent, int]] = deque()
        self._nlri = 0

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, sent: Sent, *, now: int) -> None:
        """A command was sent."""
        self._sent.append((sent, now))
        self._nlri += _nlri(sent)

    def pop(self) -> Sent | None:
        """Return what an answer is about, None if nothing was asked."""
        if not self._sent:
            return None
        sent, _at = self._sent.popleft()
        self._nlri -= _nlri(sent)
        return sent

    def clear(self) -> None:
        """The connection is gone, and with it the answers."""
        self._sent.clear()
        self._nlri = 0

    @property
    def room(self) -> int:
        """How many prefixes may be sent now."""
        return max(0, MOST_NLRI - self._nlri) if len(self._sent) < MOST_COMMANDS else 0

    @property
    def overdue_at(self) -> int | None:
        """When the oldest answer is late."""
        return self._sent[0][1] + ANSWER_LIMIT if self._sent else None


def _nlri(sent: Sent) -> int:
    return len(sent.routes) if isinstance(sent, Routes) else 0
