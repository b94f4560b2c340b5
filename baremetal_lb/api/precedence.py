"""Who is right when objects contradict each other, decided from the objects alone.

Older objects are right before younger ones, and equally old ones by name; but an object that was accepted keeps its meaning:

    1. every object with an accepted spec (status.lastAccepted) takes what that spec says: those whose spec still is that one before
       those that have been edited since, and older first among each;
    2. then, older first, each object whose spec is new or changed tries to take what its spec says now. Where that contradicts what
       others have taken, it keeps its accepted spec, or means nothing if it has none, and the fault is its own.
       (Accepted specs contradict each other only where a controller died between recording two; a second try mends that.)
       While somebody has moved and so given something up, those who failed try again.

So the result depends neither on the order of the objects nor on which process computes it, and a restart changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from baremetal_lb.api.faults import Fault, is_fatal
from baremetal_lb.api.frame import Item

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(slots=True)
class Claimant(Generic[T]):
    """One object with what its spec and its accepted spec say. None: it cannot be compiled, or there is none."""

    item: Item
    current: T | None
    recorded: T | None = None
    is_unchanged: bool = False
    """The accepted spec is the spec, or means the same."""
    faults: list[Fault] = field(default_factory=list)
    """What is wrong with the spec by itself."""
    in_force: T | None = None
    """Result: what the object means."""
    is_accepted: bool = False
    """Result: it means what its spec says."""
    conflicts: list[Fault] = field(default_factory=list)
    """Result: what is wrong with the spec beside the others."""

    @property
    def all_faults(self) -> list[Fault]:
        """All faults of the spec."""
        return self.faults + self.conflicts


class Claims(Protocol[T_contra]):
    """What objects have taken so far."""

    def faults(self, item: Item, value: T_contra, *, is_incumbent: bool) -> list[Fault]:
        """Tell what speaks against adding this; nothing fatal: it can be added. An incumbent was accepted as it is."""
        ...

    def add(self, item: Item, value: T_contra) -> None:
        """Add what an object takes."""
        ...

    def remove(self, item: Item, value: T_contra) -> None:
        """Take out what was added."""
        ...


def decide(claimants: Iterable[Claimant[T]], claims: Claims[T]) -> list[Claimant[T]]:
    """Fill in the results of all claimants; returned in their order of precedence."""
    ordered = sorted(claimants, key=lambda claimant: claimant.item.order)
    edited_last = sorted(ordered, key=lambda claimant: not claimant.is_unchanged)
    settled = {id(claimant) for claimant in edited_last if _take_accepted(claimant, claims)}
    undecided = [claimant for claimant in ordered if id(claimant) not in settled]
    has_moved = True
    while undecided and has_moved:
        undecided, has_moved = _take_current(undecided, claims)
    return ordered


def _take_accepted(claimant: Claimant[T], claims: Claims[T]) -> bool:
    """Let it take what was accepted; True if its spec is that."""
    value = claimant.current if claimant.is_unchanged else claimant.recorded
    if value is None:
        return False
    faults = claims.faults(claimant.item, value, is_incumbent=True)
    if is_fatal(faults):
        return False
    claims.add(claimant.item, value)
    claimant.in_force = value
    claimant.is_accepted = claimant.is_unchanged
    claimant.conflicts = faults if claimant.is_unchanged else []
    return claimant.is_unchanged


def _take_current(undecided: Sequence[Claimant[T]], claims: Claims[T]) -> tuple[list[Claimant[T]], bool]:
    """Let each take what its spec says, or else what was accepted; return those who failed, and whether one moved."""
    failed: list[Claimant[T]] = []
    has_moved = False
    for claimant in undecided:
        before = claimant.in_force
        if before is not None:
            claims.remove(claimant.item, before)
        if claimant.current is not None:
            claimant.conflicts = claims.faults(claimant.item, claimant.current, is_incumbent=False)
            if not is_fatal(claimant.conflicts):
                claims.add(claimant.item, claimant.current)
                claimant.in_force, claimant.is_accepted = claimant.current, True
                has_moved = has_moved or before is not None
                continue
        failed.append(claimant)
        fallback = claimant.recorded if before is None else before
        if fallback is not None and (before is not None or not is_fatal(claims.faults(claimant.item, fallback, is_incumbent=True))):
            claims.add(claimant.item, fallback)
            claimant.in_force = fallback
    return failed, has_moved
