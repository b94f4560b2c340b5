"""The reference of our resources, from the schemas that the API server gets."""

from collections.abc import Iterator, Mapping
from typing import Any

from baremetal_lb.api.crds import render
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.reference_markdown import cell

Schema = Mapping[str, Any]


def crds_lines() -> list[str]:
    """Return the page, without its head."""
    lines = [
        "# Resources",
        "",
        "Under the identity `metallb` those that MetalLB has are in the group `metallb.io`, with the same fields. What MetalLB does",
        "not have stands in [migration](../migration.md).",
    ]
    for crd in sorted(render(BAREMETAL_LB), key=lambda each: str(each["spec"]["names"]["kind"])):
        lines += _kind(crd)
    return lines


def _kind(crd: Schema) -> list[str]:
    spec = crd["spec"]
    version = next(each for each in spec["versions"] if each["storage"])
    schema = version["schema"]["openAPIV3Schema"]
    short = ", ".join(f"`{name}`" for name in spec["names"].get("shortNames", ()))
    scope = "Cluster-scoped." if spec["scope"] == "Cluster" else "In the namespace of the install."
    lines = ["", f"## {spec['names']['kind']}", "", schema.get("description", ""), ""]
    lines += [f"`{spec['group']}/{version['name']}`{f', short {short}' if short else ''}. {scope}"]
    for part in ("spec", "status"):
        fields = list(_fields(schema["properties"].get(part, {}), part))
        if fields:
            lines += ["", "| field | type | default | |", "|---|---|---|---|", *fields]
    return lines


def _fields(schema: Schema, path: str) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        inner = field.get("items", field) if field.get("type") == "array" else field
        default = f"`{field['default']}`" if "default" in field else "required" if name in required else ""
        yield f"| `{place}` | {_type(field)} | {default} | {cell(' '.join(field.get('description', '').split()))} |"
        if inner.get("properties") and not place.endswith(("lastAccepted.spec", "conditions")):
            yield from _fields(inner, f"{place}[]" if field.get("type") == "array" else place)


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or text"
    if field.get("enum"):
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return {"string": "text", "boolean": "true or false", "object": "object", "integer": "integer"}.get(str(field.get("type")), "any")
