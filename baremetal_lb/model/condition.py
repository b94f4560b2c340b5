"""A Kubernetes condition, as a value (KEP-1623)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition without its transition time: that is the writer's to fill, when the status changes."""

    type: str
    is_true: bool
    reason: str
    message: str
    observed_generation: int | None = None
