"""Label selectors, as in the Kubernetes documentation."""

import pytest

from baremetal_lb.model.labels import LabelSelector, Operator, Requirement, matches_any

LABELS = {"rack": "r1", "tier": "front"}


@pytest.mark.parametrize(
    ("requirement", "holds"),
    [
        (Requirement("rack", Operator.IN, ("r1", "r2")), True),
        (Requirement("rack", Operator.IN, ("r2",)), False),
        (Requirement("absent", Operator.IN, ("r2",)), False),
        (Requirement("rack", Operator.NOT_IN, ("r1",)), False),
        (Requirement("rack", Operator.NOT_IN, ("r2",)), True),
        (Requirement("absent", Operator.NOT_IN, ("r2",)), True),
        (Requirement("rack", Operator.EXISTS), True),
        (Requirement("absent", Operator.EXISTS), False),
        (Requirement("rack", Operator.DOES_NOT_EXIST), False),
        (Requirement("absent", Operator.DOES_NOT_EXIST), True),
    ],
    ids=str,
)
def test_each_operator_means_what_kubernetes_means(requirement, holds):
    assert requirement.matches(LABELS) is holds


def test_an_empty_selector_matches_everything_and_no_selector_nothing():
    assert LabelSelector().matches({})
    assert matches_any([LabelSelector()], {})
    assert not matches_any([], LABELS)


def test_requirements_are_joined_by_and_selectors_by_or():
    both = LabelSelector((Requirement("rack", Operator.IN, ("r1",)), Requirement("tier", Operator.IN, ("back",))))
    assert not both.matches(LABELS)
    assert matches_any([both, LabelSelector((Requirement("tier", Operator.IN, ("front",)),))], LABELS)
