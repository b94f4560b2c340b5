"""Label selectors (``metav1.LabelSelector``), compiled.

An empty selector matches everything; no selector at all is the caller's business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Operator(Enum):
    """Operators of matchExpressions, as Kubernetes spells them."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """One requirement on one label; ``values`` is sorted, and empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels meet it. NotIn holds also where the label is absent, as in Kubernetes."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold; matchLabels are In requirements with one value.

    Requirements are sorted, so equal selectors compare equal.
    """

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels meet all requirements."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def matches_any(selectors: Iterable[LabelSelector], labels: Mapping[str, str]) -> bool:
    """Tell whether one of the selectors matches (lists of selectors are alternatives); False when there is none."""
    return any(selector.matches(labels) for selector in selectors)
