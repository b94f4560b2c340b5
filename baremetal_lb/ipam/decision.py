"""What the allocator answers: values only."""

from dataclasses import dataclass

from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.condition import Condition
from baremetal_lb.model.ids import Identity
from baremetal_lb.model.net import IPAddress

MESSAGE_MAX = 1024
"""Characters of a condition's message: what people wrote into annotations is quoted, and that may be long."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A "no" with its particulars."""

    reason: AllocationReason
    detail: str = ""

    @property
    def message(self) -> str:
        """What people read: the sentence of the reason, then the particulars."""
        return f"{self.reason.sentence} {self.detail}" if self.detail else self.reason.sentence


@dataclass(frozen=True, slots=True)
class PoolVerdict:
    """One pool that was considered for a Service; ``reason`` is None for a pool that could serve it."""

    pool: str
    reason: AllocationReason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one Service should have. Nothing is applied yet.

    ``addresses`` empty: it is to have no IP (and ``reason`` says why). ``addresses`` together with a ``reason``: it keeps what it
    has, and the reason says which wish was not honoured. ``reason`` None: it has all that it asks for.
    """

    addresses: tuple[IPAddress, ...] = ()
    """IPv4 before IPv6; at most one of each, all of one pool."""
    pool: str | None = None
    reason: AllocationReason | None = None
    message: str = ""
    """A sentence with the particulars: what it has and from where, or why not."""
    considered: tuple[PoolVerdict, ...] = ()
    """Every pool, in the order in which they were tried; empty when nothing new was looked for."""
    keeps: bool = False
    """The Service has these addresses in the ledger already; nothing is allocated, perhaps something is released."""
    given_up: tuple[tuple[IPAddress, Refusal], ...] = ()
    """What it had and could not keep, with the reasons; for events. The message is no place for it: it must stay the same once applied."""

    @property
    def is_satisfied(self) -> bool:
        """Tell whether the Service has all that it asks for."""
        return self.reason is None

    def condition(self, identity: Identity, *, generation: int = 0) -> Condition:
        """Return the condition ``<prefix>Satisfied`` for the status of the Service."""
        return Condition(
            type=f"{identity.prefix}Satisfied",
            is_true=self.is_satisfied,
            reason="Satisfied" if self.reason is None else self.reason.name,
            message=self.message if len(self.message) <= MESSAGE_MAX else f"{self.message[: MESSAGE_MAX - 3]}...",
            observed_generation=generation or None,
        )
