"""CustomResourceDefinitions: what creating one means, as ``Resource`` values.

A definition is accepted when its name, versions and schemas make sense; it is Established at once. Versions convert by their
apiVersion alone (conversion None). Schemas are structural or are refused as far as the mistakes that people make: no schema, no
storage version, a name that is not ``plural.group``.
"""

import re
from collections.abc import Iterator
from typing import Any

from baremetal_lb.apiserver.errors import MALFORMED, Cause
from baremetal_lb.apiserver.resources import Object, PrinterColumn, Resource
from baremetal_lb.apiserver.schema import shape_of

_AGE = PrinterColumn("Age", "date", ".metadata.creationTimestamp")


def prepare_definition(new: Object) -> Object:
    """Fill in the names that follow from the kind."""
    spec = dict(new.get("spec") or {})
    names = dict(spec.get("names") or {})
    if isinstance(kind := names.get("kind"), str):
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    return {**new, "spec": {**spec, "names": names}}


def established(definition: Object, old: Object | None, time: str) -> Object:
    """Return the definition with the status that says it is served."""
    former = ((old or {}).get("status") or {}).get("conditions") or []
    since = next((entry["lastTransitionTime"] for entry in former if entry["type"] == "Established"), time)
    stored = next(version["name"] for version in definition["spec"]["versions"] if version.get("storage"))
    kept = [name for name in ((old or {}).get("status") or {}).get("storedVersions") or [] if name != stored]
    conditions = [
        {"type": "NamesAccepted", "status": "True", "lastTransitionTime": since, "reason": "NoConflicts", "message": "no conflicts found"},
        {
            "type": "Established",
            "status": "True",
            "lastTransitionTime": since,
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
        },
    ]
    status = {"conditions": conditions, "acceptedNames": definition["spec"]["names"], "storedVersions": [*kept, stored]}
    return {**definition, "status": status}


def definition_problems(new: Object) -> Iterator[Cause]:
    """Yield what is wrong with a prepared definition."""
    spec = new["spec"]
    names, versions = spec["names"], spec.get("versions") or []
    if new["metadata"]["name"] != f"{names.get('plural')}.{spec.get('group')}":
        wanted = f"{names.get('plural')}.{spec.get('group')}"
        yield Cause("metadata.name", f'Invalid value: "{new["metadata"]["name"]}": must be spec.names.plural+"."+spec.group ({wanted})')
    for name in ("plural", "kind"):
        if not names.get(name):
            yield Cause(f"spec.names.{name}", "Required value", "FieldValueRequired")
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        known = 'supported values: "Cluster", "Namespaced"'
        yield Cause("spec.scope", f'Unsupported value: "{spec.get("scope")}": {known}', "FieldValueNotSupported")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield Cause("spec.versions", "Invalid value: must have exactly one version marked as storage version")
    for index, version in enumerate(versions):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        field = f"spec.versions[{index}].schema.openAPIV3Schema"
        if not isinstance(schema, dict):
            yield Cause(field, "Required value: schemas are required", "FieldValueRequired")
        elif schema.get("type") != "object":
            yield Cause(f"{field}.type", f'Invalid value: "{schema.get("type") or ""}": must be object at the root')
        else:
            yield from _pattern_problems(schema, field)
    try:
        tuple(served_by(new))
    except MALFORMED as error:
        yield Cause("spec", f"Invalid value: it cannot be served: {type(error).__name__}: {error}")


def _pattern_problems(schema: Any, field: str) -> Iterator[Cause]:
    """Yield the patterns that are no regular expressions, wherever they stand in a schema."""
    if isinstance(pattern := schema.get("pattern"), str):
        try:
            re.compile(pattern)
        except re.error as error:
            yield Cause(f"{field}.pattern", f'Invalid value: "{pattern}": must be a valid regular expression, but is not: {error}')
    below = {f"properties[{name}]": child for name, child in (schema.get("properties") or {}).items()}
    for name, child in {**below, "items": schema.get("items"), "additionalProperties": schema.get("additionalProperties")}.items():
        if isinstance(child, dict):
            yield from _pattern_problems(child, f"{field}.{name}")


def served_by(definition: Object) -> Iterator[Resource]:
    """Yield one Resource per served version of a definition, the storage version first."""
    spec = definition["spec"]
    names = spec["names"]
    for version in sorted(spec["versions"], key=lambda version: not version.get("storage")):
        if version.get("served"):
            schema = version["schema"]["openAPIV3Schema"]
            yield Resource(
                group=spec["group"],
                version=version["name"],
                kind=names["kind"],
                plural=names["plural"],
                singular=names["singular"],
                is_namespaced=spec["scope"] == "Namespaced",
                short_names=tuple(names.get("shortNames") or ()),
                categories=tuple(names.get("categories") or ()),
                has_status="status" in (version.get("subresources") or {}),
                storage=(spec["group"], names["plural"]),
                has_generation=True,
                allows_unconditional_update=False,
                shape=shape_of(schema),
                schema=schema,
                columns=tuple(_columns(version.get("additionalPrinterColumns"))),
            )


def _columns(written: list[dict[str, Any]] | None) -> Iterator[PrinterColumn]:
    for column in written or ():
        yield PrinterColumn(
            column["name"],
            column["type"],
            column["jsonPath"],
            column.get("priority", 0),
            column.get("format", ""),
            column.get("description", ""),
        )
    if not written:
        yield _AGE
