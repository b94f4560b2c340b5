"""How a piece of work can end other than well; each says what is to happen next."""

from enum import Enum


class Result(Enum):
    """How taking up a Service ended, for the metrics."""

    UNCHANGED = "unchanged"
    """All was as it should be; nothing was written."""
    WRITTEN = "written"
    SUPERSEDED = "superseded"
    """The world moved meanwhile; decided anew."""
    UNFINISHED = "unfinished"
    """The API server failed; tried again after a while."""
    WITHHELD = "withheld"
    """This process does not lead any more."""
    FAILED = "failed"
    """A fault of ours; tried again after a while."""


class Unfinished(Exception):
    """The environment failed (no answer, 429, 5xx): the same again, after a while. Nothing is assumed of what was sent."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """What the server asked for; 0 when it did not say."""


class Superseded(Exception):
    """The world is not what was decided upon: what was found has been taken in, decide anew."""


class NotLeading(Exception):
    """Another process may lead: nothing is written any more."""
