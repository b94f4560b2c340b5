"""What is wrong with somebody's object: a value, never an exception, so that all are told at once."""

from dataclasses import dataclass

from baremetal_lb.model.ids import ObjectRef
from baremetal_lb.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one object, with its field path (``spec.addresses[2]``, "" for the whole object).

    ``is_fatal``: the object means nothing while this stands (then its last accepted spec does); otherwise it works, less well.
    """

    object: ObjectRef
    field: str
    reason: Reason
    message: str
    is_fatal: bool = True
    source: str | None = None
    """``file:line`` where the object came from a file."""
