"""Label selectors as people write them, compiled to ``model.labels``.

Implements ``LabelSelectorAsSelector`` of apimachinery: which operators there are, which need values, and which texts are keys and values
of labels. Lists of selectors are alternatives; the same selector twice in a list, or the same value or expression twice in a selector,
is a fault, as in the reference (which compares texts: ``matchLabels`` is never equal to ``matchExpressions``).
"""

import re
from collections.abc import Sequence

from baremetal_lb.api.base import LABEL_MAX
from baremetal_lb.api.base import LabelSelector as SelectorModel
from baremetal_lb.api.base import LabelSelectorRequirement as RequirementModel
from baremetal_lb.api.faults import Fault
from baremetal_lb.api.fields import field_path
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.text import OBJECT_NAME

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)
_OPERATORS = {operator.value: operator for operator in Operator}
_WITH_VALUES = frozenset({Operator.IN, Operator.NOT_IN})
Form = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str, tuple[str, ...]], ...]]


def is_subdomain(text: str) -> bool:
    """Tell whether the text can be the name of an object (RFC 1123 subdomain)."""
    return OBJECT_NAME.admits(text)


def is_label_key(text: str) -> bool:
    """Tell whether the text is a qualified name: ``name`` or ``prefix/name``."""
    prefix, slash, name = text.rpartition("/")
    return (is_subdomain(prefix) if slash else True) and len(name) <= LABEL_MAX and _NAME.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """Tell whether the text can be the value of a label."""
    return not text or (len(text) <= LABEL_MAX and _NAME.fullmatch(text) is not None)


def compile_selectors(models: Sequence[SelectorModel] | None, field: str) -> tuple[tuple[LabelSelector, ...], list[Fault]]:
    """Compile a list of alternatives, which must differ."""
    faults: list[Fault] = []
    compiled: list[LabelSelector] = []
    seen: dict[Form, int] = {}
    for index, model in enumerate(models or ()):
        at = f"{field}[{index}]"
        selector, found = compile_selector(model, at)
        faults += found + _repetitions(model, at)
        earlier = seen.setdefault(_form(model), index)
        if earlier != index:
            faults.append(Fault(at, Why.DuplicateSelector, f"It is the same as {field}[{earlier}]."))
        compiled.append(selector)
    return tuple(compiled), faults


def compile_selector(model: SelectorModel, field: str) -> tuple[LabelSelector, list[Fault]]:
    """Compile one selector."""
    faults: list[Fault] = []
    requirements: set[Requirement] = set()
    for key, value in sorted((model.match_labels or {}).items()):
        at = f"{field}.{field_path(('matchLabels', key))}"
        if not is_label_key(key):
            faults.append(Fault(at, Why.InvalidSelector, f"{key!r} is no label key."))
        elif not is_label_value(value):
            faults.append(Fault(at, Why.InvalidSelector, f"{value!r} is no label value."))
        requirements.add(Requirement(key, Operator.IN, (value,)))
    for index, expression in enumerate(model.match_expressions or ()):
        requirement, found = _requirement(expression, f"{field}.matchExpressions[{index}]")
        faults += found
        if requirement is not None:
            requirements.add(requirement)
    return LabelSelector(tuple(sorted(requirements, key=lambda r: (r.key, r.operator.value, r.values)))), faults


def _requirement(model: RequirementModel, field: str) -> tuple[Requirement | None, list[Fault]]:
    operator = _OPERATORS.get(model.operator)
    values = tuple(model.values or ())
    faults = [] if is_label_key(model.key) else [Fault(f"{field}.key", Why.InvalidSelector, f"{model.key!r} is no label key.")]
    if operator is None:
        named = ", ".join(_OPERATORS)
        return None, [*faults, Fault(f"{field}.operator", Why.InvalidSelector, f"{model.operator!r} is none of {named}.")]
    if operator in _WITH_VALUES and not values:
        faults.append(Fault(f"{field}.values", Why.InvalidSelector, f"{operator.value} needs a value."))
    if operator not in _WITH_VALUES and values:
        faults.append(Fault(f"{field}.values", Why.InvalidSelector, f"{operator.value} takes no values."))
    faults += [
        Fault(f"{field}.values[{index}]", Why.InvalidSelector, f"{value!r} is no label value.")
        for index, value in enumerate(values)
        if not is_label_value(value)
    ]
    return Requirement(model.key, operator, tuple(sorted(set(values)))), faults


def _repetitions(model: SelectorModel, field: str) -> list[Fault]:
    faults: list[Fault] = []
    seen: dict[tuple[str, str, tuple[str, ...]], int] = {}
    for index, (expression, form) in enumerate(zip(model.match_expressions or (), _form(model)[1], strict=True)):
        at = f"{field}.matchExpressions[{index}]"
        faults += duplicates(expression.values, f"{at}.values")
        if seen.setdefault(form, index) != index:
            faults.append(Fault(at, Why.DuplicateSelector, f"It is the same as {field}.matchExpressions[{seen[form]}]."))
    return faults


def _form(model: SelectorModel) -> Form:
    """Return what the reference compares: labels sorted, expressions in their order, their values sorted."""
    expressions = model.match_expressions or ()
    return tuple(sorted((model.match_labels or {}).items())), tuple((e.key, e.operator, tuple(sorted(e.values or ()))) for e in expressions)


def duplicates(values: Sequence[str] | None, field: str) -> list[Fault]:
    """Return a fault for each value that stands earlier in the list already."""
    seen: dict[str, int] = {}
    return [
        Fault(f"{field}[{index}]", Why.DuplicateValue, f"{value!r} is {field}[{seen[value]}] already (duplicate definition).")
        for index, value in enumerate(values or ())
        if seen.setdefault(value, index) != index
    ]
