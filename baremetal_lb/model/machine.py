"""The protocol of sans-IO state machines: inputs and the time come in, effects and the next deadline come out."""

from typing import Protocol, TypeVar

Input = TypeVar("Input", contravariant=True)
Effect = TypeVar("Effect", covariant=True)


class Machine(Protocol[Input, Effect]):
    """A deterministic machine; the shell feeds it, carries out what it returns and calls it again at ``deadline()``."""

    def handle(self, event: Input, *, now: int) -> tuple[Effect, ...]:
        """Take one input at ``now`` (ns) and return what is to be done, in order."""
        ...

    def tick(self, *, now: int) -> tuple[Effect, ...]:
        """Let time pass up to ``now`` (ns)."""
        ...

    def deadline(self) -> int | None:
        """When ``tick`` wants to be called next (ns), or None when only an input can change anything."""
        ...
