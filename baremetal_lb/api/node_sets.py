"""Which nodes two objects have in common, as far as nodes are known.

A set of nodes is an integer with one bit for each, so that comparing the choices of hundreds of peers costs an AND for each pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from baremetal_lb.model.labels import LabelSelector, matches_any
from baremetal_lb.model.views import NodeView


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """The nodes that selectors choose (none: all); ``members`` is None where no nodes are known."""

    selectors: tuple[LabelSelector, ...]
    members: int | None

    def may_meet(self, other: "NodeChoice") -> bool:
        """Tell whether a node can be in both; unknown nodes might be."""
        return self.members is None or other.members is None or self.members & other.members != 0

    def surely_meets(self, other: "NodeChoice") -> bool:
        """Tell whether a node is in both; of unknown nodes this is sure only where one choice is of all or both are equal."""
        if self.members is not None and other.members is not None:
            return self.members & other.members != 0
        return not self.selectors or not other.selectors or self.selectors == other.selectors


def node_choice(selectors: tuple[LabelSelector, ...], nodes: Sequence[NodeView]) -> NodeChoice:
    """Evaluate selectors on the known nodes."""
    if not nodes:
        return NodeChoice(selectors, None)
    if not selectors:
        return NodeChoice((), (1 << len(nodes)) - 1)
    members = 0
    for position, node in enumerate(nodes):
        if matches_any(selectors, node.labels):
            members |= 1 << position
    return NodeChoice(selectors, members)
