"""Structural schemas of custom resources: prune, default, validate (OpenAPI v3 as apiextensions.k8s.io/v1 restricts it).

Checked: type, nullable, required, enum, minimum, maximum (and exclusive), multipleOf, length, pattern, items and properties counts,
additionalProperties, format (date-time, int32, ip families), int-or-string, list types map and set, allOf, anyOf, oneOf, not.
**Not evaluated: CEL (x-kubernetes-validations),** but for rules that are ``self.matches('...')`` as a whole, the form of a pattern whose
refusal does not quote the value. The real API server evaluates all; a test that needs another rule refused uses that one.
Patterns are RE2 and are run by Python's ``re``, which takes the same syntax for what CRDs use.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from baremetal_lb.apiserver.errors import Cause
from baremetal_lb.apiserver.resources import ATOMIC, METADATA_SHAPE, SET, Shape
from baremetal_lb.model.rfc3339 import time_or_none

Schema = Mapping[str, Any]
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
}  # fmt: skip

_MATCHES_RULE = re.compile(r"self\.matches\('([^'\\]*)'\)")


def shape_of(schema: Schema) -> Shape:
    """Return how lists and maps of this schema merge."""
    found: dict[str, tuple[str, ...] | str] = dict(METADATA_SHAPE)

    def walk(node: Schema, dotted: str) -> None:
        if node.get("x-kubernetes-list-type") == "map":
            found[dotted] = tuple(node.get("x-kubernetes-list-map-keys") or ())
        elif node.get("x-kubernetes-list-type") == "set":
            found[dotted] = SET
        elif node.get("x-kubernetes-map-type") == "atomic":
            found[dotted] = ATOMIC
        for name, below in (node.get("properties") or {}).items():
            walk(below, f"{dotted}.{name}" if dotted else name)
        if isinstance(items := node.get("items"), dict):
            walk(items, dotted)

    walk(schema, "")
    return found


def pruned(value: Any, schema: Schema, unknown: list[str], path: str = "") -> Any:
    """Drop what the schema does not know, naming each in ``unknown``, and nulls that may not be null."""
    if isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        keeps = (
            schema.get("x-kubernetes-preserve-unknown-fields") or additional is True or (not properties and schema.get("type") != "object")
        )
        kept = {}
        for name, item in value.items():
            below = f"{path}.{name}" if path else name
            if not path and name in ("apiVersion", "kind", "metadata"):
                kept[name] = item
            elif (child := properties.get(name) or (additional if isinstance(additional, dict) else None)) is not None:
                if item is not None or child.get("nullable") or "default" not in child:
                    kept[name] = pruned(item, child, unknown, below)
            elif keeps:
                kept[name] = item
            else:
                unknown.append(below)
        return kept
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        return [pruned(item, items, unknown, f"{path}[{index}]") for index, item in enumerate(value)]
    return value


def defaulted(value: Any, schema: Schema) -> Any:
    """Fill in defaults wherever the parent is present."""
    if isinstance(value, dict):
        filled = dict(value)
        for name, child in (schema.get("properties") or {}).items():
            if name not in filled and "default" in child:
                filled[name] = deepcopy(child["default"])
            if name in filled:
                filled[name] = defaulted(filled[name], child)
        if isinstance(additional := schema.get("additionalProperties"), dict):
            known = schema.get("properties") or {}
            filled = {name: item if name in known else defaulted(item, additional) for name, item in filled.items()}
        return filled
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        return [defaulted(item, items) for item in value]
    return value


def problems(value: Any, schema: Schema, path: str = "") -> Iterator[Cause]:
    """Yield everything that is wrong, with the sentences of the real server."""
    if value is None:
        if not schema.get("nullable"):
            yield _invalid(path, value, f'must be of type {schema.get("type", "object")}: "null"')
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield _invalid(path, value, "must be an integer or a string")
            return
    elif (wanted := schema.get("type")) and not _is_of_type(value, wanted):
        yield Cause(
            path,
            f"Invalid value: {_quoted(_type_of(value))}: {path} in body must be of type {wanted}: {_quoted(_type_of(value))}",
            "FieldValueTypeInvalid",
        )
        return
    if (allowed := schema.get("enum")) is not None and value not in allowed:
        listed = ", ".join(_quoted(item) for item in allowed)
        yield Cause(path, f"Unsupported value: {_quoted(value)}: supported values: {listed}", "FieldValueNotSupported")
    if isinstance(value, dict):
        yield from _of_map(value, schema, path)
    elif isinstance(value, list):
        yield from _of_list(value, schema, path)
    elif isinstance(value, str):
        yield from _of_text(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _of_number(value, schema, path)
    yield from _of_logic(value, schema, path)


def _of_map(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in schema.get("required") or ():
        if name not in value:
            yield Cause(f"{path}.{name}" if path else name, "Required value", "FieldValueRequired")
    if len(value) > schema.get("maxProperties", len(value)):
        yield _invalid(path, value, f"must have at most {schema['maxProperties']} items")
    if len(value) < schema.get("minProperties", 0):
        yield _invalid(path, value, f"should have at least {schema['minProperties']} properties")
    for name, item in value.items():
        child = properties.get(name) or (additional if isinstance(additional, dict) else None)
        if child is not None and (path or name != "metadata"):
            yield from problems(item, child, f"{path}.{name}" if path else name)


def _of_list(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxItems", len(value)):
        yield Cause(path, f"Too many: {len(value)}: must have at most {schema['maxItems']} items", "FieldValueTooMany")
        return
    if len(value) < schema.get("minItems", 0):
        yield _invalid(path, len(value), f"should have at least {schema['minItems']} items")
    seen: list[Any] = []
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    is_keyed = schema.get("x-kubernetes-list-type") in ("map", "set") or schema.get("uniqueItems")
    for index, item in enumerate(value):
        name = {key: item.get(key) for key in keys} if keys and isinstance(item, dict) else item
        if is_keyed and name in seen:
            yield Cause(f"{path}[{index}]", f"Duplicate value: {_quoted(name)}", "FieldValueDuplicate")
        seen.append(name)
        if isinstance(items := schema.get("items"), dict):
            yield from problems(item, items, f"{path}[{index}]")


def _of_text(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxLength", len(value)):
        yield Cause(path, f"Too long: may not be more than {schema['maxLength']} bytes", "FieldValueTooLong")
        return
    if len(value) < schema.get("minLength", 0):
        yield _invalid(path, value, f"should be at least {schema['minLength']} chars long")
    if (pattern := schema.get("pattern")) and not _matches(pattern, value):
        yield _invalid(path, value, f"should match '{pattern}'")
    for rule in schema.get("x-kubernetes-validations") or ():
        if (match := _MATCHES_RULE.fullmatch(rule["rule"])) and not _matches(match[1], value):
            message = rule.get("message") or "failed rule: " + rule["rule"]
            if rule.get("reason") == "FieldValueForbidden":
                yield Cause(path or "<nil>", f"Forbidden: {message}", "FieldValueForbidden")
            else:
                yield _invalid(path, value, message)
    if schema.get("format") == "date-time" and time_or_none(value) is None:
        yield _invalid(path, value, f"must be of type date-time: {_quoted(value)}")


def _matches(pattern: str, value: str) -> bool:
    """Search as RE2 does: classes are ASCII, and ``$`` is the very end, also where the text ends in a newline."""
    found = re.search(pattern, value, re.ASCII)
    return found is not None and (not value.endswith("\n") or re.search(pattern, value + "\n", re.ASCII) is not None)


def _of_number(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (value == low and schema.get("exclusiveMinimum"))):
        yield _invalid(path, value, f"should be greater than {'' if schema.get('exclusiveMinimum') else 'or equal to '}{low}")
    if high is not None and (value > high or (value == high and schema.get("exclusiveMaximum"))):
        yield _invalid(path, value, f"should be less than {'' if schema.get('exclusiveMaximum') else 'or equal to '}{high}")
    if (step := schema.get("multipleOf")) and value % step:
        yield _invalid(path, value, f"should be a multiple of {step}")
    if schema.get("format") == "int32" and not -(1 << 31) <= value < 1 << 31:
        yield _invalid(path, value, f"should be of type int32: {value}")


def _of_logic(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    for part in schema.get("allOf") or ():
        yield from problems(value, part, path)
    if (parts := schema.get("anyOf")) and not schema.get("x-kubernetes-int-or-string") and not any(_fits(value, part) for part in parts):
        yield _invalid(path, value, "must validate at least one schema (anyOf)")
    if (parts := schema.get("oneOf")) and sum(_fits(value, part) for part in parts) != 1:
        yield _invalid(path, value, "must validate one and only one schema (oneOf)")
    if (part := schema.get("not")) is not None and _fits(value, part):
        yield _invalid(path, value, "must not validate the schema (not)")


def _fits(value: Any, schema: Schema) -> bool:
    return next(problems(value, schema), None) is None


def _is_of_type(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(wanted, object))


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return next((name for name, type_ in _TYPES.items() if isinstance(value, type_)), "null")


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _invalid(path: str, value: Any, what: str) -> Cause:
    return Cause(path or "<nil>", f"Invalid value: {_quoted(value)}: {path} in body {what}")
