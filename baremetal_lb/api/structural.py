"""From pydantic models to structural schemas, the subset of OpenAPI v3.0 that the API server takes in a CRD.

What pydantic writes breaks these rules in known ways, each undone here: ``$ref``/``$defs`` are inlined, ``anyOf [X, null]`` becomes X
(absent instead of null), ``title``, ``const`` and ``default: null`` go, an enumeration names its type, and an open map that is meant to
take anything says so with ``x-kubernetes-preserve-unknown-fields``.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema

from baremetal_lb.api.base import ApiModel

VERBATIM = frozenset({"default", "enum", "example", "x-kubernetes-validations", "required"})
"""Keywords whose values are data, not schemas."""


class _AbsentInsteadOfNull(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def generate(self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        document = super().generate(schema, mode)
        return _Normalizer(document.pop("$defs", {})).of(document)


class _Normalizer:
    """Rewrites one schema document; ``definitions`` are what ``$ref`` may name."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions

    def of(self, schema: dict[str, Any], inside: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the structural form of a schema; ``inside`` are the definitions being inlined."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            if name in inside:
                raise ValueError(f"{name} contains itself, which no structural schema can say")
            here = {key: value for key, value in schema.items() if key != "$ref"}
            schema, inside = {**self._definitions[name], **here}, (*inside, name)
        result: dict[str, Any] = {}
        for key, value in schema.items():
            result.update(self._keyword(key, value, inside))
        if len(result.get("allOf", ())) == 1:
            result = {**result.pop("allOf")[0], **result}
        if "enum" in result:
            result.setdefault("type", "string")
        return result

    def _keyword(self, key: str, value: Any, inside: tuple[str, ...]) -> dict[str, Any]:
        match key:
            case "title" if isinstance(value, str):
                return {}
            case "default" if value is None:
                return {}
            case "const":
                return {"enum": [value]}
            case "additionalProperties" if isinstance(value, bool):
                return {"x-kubernetes-preserve-unknown-fields": True} if value else {}
            case "properties":
                return {key: {name: self.of(schema, inside) for name, schema in value.items()}}
            case _ if key in VERBATIM:
                return {key: value}
            case _ if isinstance(value, dict):
                return {key: self.of(value, inside)}
            case _ if isinstance(value, list):
                return {key: [self.of(item, inside) if isinstance(item, dict) else item for item in value]}
            case _:
                return {key: value}


def structural_schema(model: type[ApiModel]) -> dict[str, Any]:
    """Return the structural schema of a model.

    Raises:
        ValueError: the model contains itself.
    """
    return model.model_json_schema(by_alias=True, schema_generator=_AbsentInsteadOfNull)
