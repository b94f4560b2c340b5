"""From JSON data to a model, with every fault at its place and unknown fields told apart.

A file is judged as the API server would: ``null`` is absent, types are strict, unknown fields are dropped (and reported, not fatal).

Where some fields have faults the others still deserve their own problems: the top-level fields at fault are taken out and what is left
is read again, so that ``compile`` can look at it. Such a partial model is never put in force.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from baremetal_lb.api.base import ApiModel
from baremetal_lb.api.faults import Fault, is_fatal
from baremetal_lb.api.fields import field_path
from baremetal_lb.api.nesting import nests_deeper
from baremetal_lb.api.reasons import ConfigurationReason as Why

M = TypeVar("M", bound=ApiModel)
DEPTH_MAX = 64
"""Nesting that any of our objects can need, several times over."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """What was read: ``model`` is None where nothing could be, and partial where a fault is fatal."""

    model: M | None
    faults: list[Fault]


def read(model: type[M], data: object, at: str = "spec") -> Reading[M]:
    """Read data that stands at a field path as a model."""
    if not isinstance(data, Mapping):
        what = "is missing" if data is None else f"is {json_type(data)}, not an object"
        reason = Why.MissingField if data is None else Why.WrongType
        return Reading(None, [Fault(at, reason, f"{at} {what}.")])
    if nests_deeper(data, DEPTH_MAX):
        return Reading(None, [Fault(at, Why.TooDeep)])
    present = without_nulls(data)
    try:
        return Reading(model.read(present, forbid_unknown=True), [])
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True, include_input=True)
    faults = [_fault(detail, at) for detail in details]
    at_fault = (
        {detail["loc"][0] for detail in details if detail["type"] != "extra_forbidden" and detail["loc"]} if is_fatal(faults) else set()
    )
    try:
        return Reading(model.read({key: value for key, value in present.items() if key not in at_fault}), faults)
    except ValidationError:
        return Reading(None, faults)


def without_nulls(data: Any) -> Any:
    """Return the data without null fields of objects, as the API server prunes them. Nulls in lists stay."""
    if isinstance(data, Mapping):
        return {str(key): without_nulls(value) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        return [without_nulls(item) for item in data]
    return data


def json_type(value: object) -> str:
    """Name the JSON type of a value, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


_TYPE_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "a boolean",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "float_type": "a number",
}


def _fault(detail: ErrorDetails, at: str) -> Fault:
    """Translate one of pydantic's errors; values are never quoted, since one of them may be a password."""
    parts = [part for part in detail["loc"] if part != "[key]"]
    field = at + ("" if not parts else (text if (text := field_path(parts)).startswith("[") else f".{text}"))
    context = detail.get("ctx", {})
    name = str(parts[-1]) if parts else at
    kind = detail["type"]
    if kind == "missing":
        return Fault(field, Why.MissingField, f"{name} is required.")
    if kind == "extra_forbidden":
        return Fault(field, Why.UnknownField, f"{name} is unknown here.", is_fatal=False)
    if kind in _TYPE_WANTED:
        return Fault(field, Why.WrongType, f"{name} is {json_type(detail['input'])}, not {_TYPE_WANTED[kind]}.")
    match kind:
        case "greater_than_equal":
            return Fault(field, Why.OutOfRange, f"{name} must be at least {context['ge']}.")
        case "less_than_equal":
            return Fault(field, Why.OutOfRange, f"{name} must be at most {context['le']}.")
        case "literal_error":
            return Fault(field, Why.NotAllowed, f"{name} must be {context['expected']}.")
        case "string_too_long":
            return Fault(field, Why.TooLong, f"{name} may have {context['max_length']} characters.")
        case "too_long":
            return Fault(field, Why.TooLong, f"{name} may have {context['max_length']} items.")
        case "too_short" | "string_too_short":
            return Fault(field, Why.TooFew, f"{name} must have at least {context['min_length']}.")
        case "string_pattern_mismatch":
            return Fault(field, Why.InvalidFormat, f"{name} must match {context['pattern']}.")
        case _:
            return Fault(field, Why.InvalidFormat, f"{name}: {detail['msg']}.")
