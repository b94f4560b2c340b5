"""The roster: who is alive and serving, with what each node can do. A value; ``membership`` makes it, ``election`` reads it.

Election reads only what members published, a speaker's own facts included, so that all speakers with the same roster elect the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from baremetal_lb.model.net import Family, Mac

BOTH_FAMILIES = frozenset(Family)


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """One interface as its node publishes it; ``families`` are those that it can answer for (ARP, NDP)."""

    name: str
    has_carrier: bool = True
    families: frozenset[Family] = BOTH_FAMILIES
    mac: Mac | None = None
    """By this others know whose announcement they hear."""

    def can_answer(self, family: Family) -> bool:
        """Tell whether a question for an IP of this family would be heard and answered here."""
        return self.has_carrier and family in self.families


@dataclass(frozen=True, slots=True)
class Member:
    """One speaker. ``incarnation`` grows with each start of its process."""

    node: str
    is_alive: bool = True
    is_serving: bool = True
    """All caches synced, sockets attached, not leaving."""
    incarnation: int = 0
    interfaces: tuple[InterfaceFacts, ...] | None = None
    """By name; None: not known, which counts as every interface there could be (offline plans only)."""


@dataclass(frozen=True, slots=True)
class Roster:
    """All members, by node name."""

    members: Mapping[str, Member] = field(default_factory=dict)

    @classmethod
    def of_nodes(cls, nodes: Iterable[str]) -> Self:
        """Return the roster in which each of these nodes is alive and serving, with every interface."""
        return cls({node: Member(node) for node in sorted(nodes)})
