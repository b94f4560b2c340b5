"""Going away with notice: first the same routes made so little wanted that routers take every other way, then none. Pure.

    staying --wants to go--> notice (for ``wait``) --> gone
       ^---------- wants to stay ----------------------'

A node that is drained goes this way and comes back when the annotation does; a Pod that is being stopped goes for good.
"""

from enum import Enum


class Phase(Enum):
    """How far it is."""

    STAYING = "staying"
    NOTICE = "notice"
    GONE = "gone"


class Leaving:
    """The machine; times are ns, monotonic."""

    def __init__(self, wait: int) -> None:
        self._wait = wait
        self._since: int | None = None

    def want(self, *, is_leaving: bool, now: int) -> None:
        """Say whether the node is to go."""
        if not is_leaving:
            self._since = None
        elif self._since is None:
            self._since = now

    def phase(self, *, now: int) -> Phase:
        """Return how far it is."""
        if self._since is None:
            return Phase.STAYING
        return Phase.NOTICE if now < self._since + self._wait else Phase.GONE

    def deadline(self, *, now: int) -> int | None:
        """When the phase changes by itself."""
        if self._since is None or now >= self._since + self._wait:
            return None
        return self._since + self._wait
