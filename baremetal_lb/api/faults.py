"""A fault: a problem before it is known whose it is."""

from dataclasses import dataclass

from baremetal_lb.api.reasons import ConfigurationReason
from baremetal_lb.model.ids import ObjectRef
from baremetal_lb.model.problem import Problem


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one field; ``detail`` follows the reason's sentence."""

    field: str
    reason: ConfigurationReason
    detail: str = ""
    is_fatal: bool = True

    def of(self, ref: ObjectRef) -> Problem:
        """Return the problem of an object."""
        return Problem(ref, self.field, self.reason, self.message, self.is_fatal)

    @property
    def message(self) -> str:
        """The sentence for people, with particulars."""
        return f"{self.reason.sentence} {self.detail}".rstrip()


def is_fatal(faults: list[Fault]) -> bool:
    """Tell whether one of them is fatal."""
    return any(fault.is_fatal for fault in faults)
