"""What every custom resource model stands on: field conventions, and the few types that several kinds share.

Mental model
------------
A model is the *schema source* first: its field descriptions, bounds and defaults become the CRD (``structural.py``), and the same
bounds are checked by pydantic when a manifest is read offline (``parse.py``), so that a file is judged as the API server would judge it.

Rules for models
* Attribute names are snake_case; the alias is the camelCase name of the API, spelled out only where an acronym needs it.
* JSON types are strict, as at the API server: ``"1"`` is no integer, ``1`` is no string, ``"yes"`` is no boolean.
* A field that may be absent is ``X | None = None``; ``null`` means absent (the API server prunes it).
* Every list, map and string that a CEL rule may read is bounded, or the API server rejects the rule for its estimated cost.
* Texts that the reference takes at schema level and judges later (addresses, selectors, communities) are plain strings here;
  ``compile`` judges them, so that a file gets every problem at once and not just the first.
* Texts that are copied into something else (``model/text.py``) have their alphabet as a pattern of the CRD, and are judged by
  ``compile`` too, with a sentence instead of the pattern.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic.alias_generators import to_camel

from baremetal_lb.model.text import INTERFACE_NAME, OBJECT_NAME, PASSWORD

NAME_MAX = 253
"""Longest name of a Kubernetes object (RFC 1123 subdomain)."""
LABEL_MAX = 63
"""Longest label value or namespace name (RFC 1123 label)."""
TEXT_MAX = 1024
"""Bound of free texts in specs."""
LIST_MAX = 256
"""Bound of most lists; far above what anybody was seen to write."""


class ApiModel(BaseModel):
    """Base of all models: camelCase aliases, strict JSON types, unknown fields ignored (``parse.py`` reports them)."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore", strict=True, frozen=True
    )

    @classmethod
    def read(cls, data: object, *, forbid_unknown: bool = False) -> Self:
        """Return the model of JSON data, whose keys are the API's names only.

        Raises:
            pydantic.ValidationError: with all faults, each with its place.
        """
        return cls.model_validate(data, by_alias=True, by_name=False, extra="forbid" if forbid_unknown else "ignore")


def validations(*rules: tuple[str, str]) -> dict[str, JsonValue]:
    """Return the ``x-kubernetes-validations`` extension of (CEL rule, message for people) pairs."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def with_rules(*rules: tuple[str, str]) -> ConfigDict:
    """Return a model configuration that puts CEL rules on the object; it is merged into the inherited one."""
    return ConfigDict(json_schema_extra=validations(*rules))


Name = Annotated[str, Field(max_length=NAME_MAX)]
NamespaceName = Annotated[str, Field(max_length=LABEL_MAX)]
Text = Annotated[str, Field(max_length=TEXT_MAX)]
InterfaceName = Annotated[str, Field(json_schema_extra={"maxLength": INTERFACE_NAME.longest, "pattern": INTERFACE_NAME.pattern})]
OptionalInterfaceName = Annotated[
    str, Field(json_schema_extra={"maxLength": INTERFACE_NAME.longest, "pattern": INTERFACE_NAME.optional_pattern})
]
"""Empty: none."""
_PASSWORD_RULE: JsonValue = {
    "rule": f"self.matches('{PASSWORD.optional_pattern}')",
    "message": PASSWORD.sentence.removesuffix("."),
    "reason": "FieldValueForbidden",
}
OptionalPassword = Annotated[str, Field(json_schema_extra={"maxLength": PASSWORD.longest, "x-kubernetes-validations": [_PASSWORD_RULE]})]
"""Empty: none. A rule with this reason and no pattern: of all that an API server can say of a text, only that does not quote it."""
OptionalName = Annotated[str, Field(json_schema_extra={"maxLength": OBJECT_NAME.longest, "pattern": OBJECT_NAME.optional_pattern})]
"""Name of an object that is looked up; empty: none."""
ADDRESS_PATTERN = "^[0-9A-Fa-f:.]*$"
"""Alphabet of addresses; whether it is one is said by a rule or by ``compile``."""
AddressText = Annotated[str, Field(max_length=64, json_schema_extra={"pattern": ADDRESS_PATTERN})]
Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC."""
Duration = Annotated[str, Field(max_length=64)]
"""A Go duration: ``90s``, ``1m30s``, ``0s``. Parsed by ``api.durations``; CEL rules read it with ``duration()``."""
IntOrString = Annotated[int | Annotated[str, Field(max_length=64)], WithJsonSchema({"x-kubernetes-int-or-string": True})]
"""An exact count: an integer up to 2**63-1, decimal digits as text above."""
SET: dict[str, JsonValue] = {"x-kubernetes-list-type": "set"}
"""Schema extension of lists whose values must differ."""
ATOMIC: dict[str, JsonValue] = {"x-kubernetes-list-type": "atomic"}
Names = Annotated[list[Name], Field(max_length=LIST_MAX, json_schema_extra=SET)]
ASN_MAX = 2**32 - 1
RANGE_RULE = (
    "self.contains('-') ? self.split('-').size() == 2 && isIP(self.split('-')[0].trim()) && isIP(self.split('-')[1].trim()) && "
    "ip(self.split('-')[0].trim()).family() == ip(self.split('-')[1].trim()).family() : isCIDR(self)"
)
RangeText = Annotated[
    str,
    Field(
        max_length=128,
        json_schema_extra=validations(
            (RANGE_RULE, "must be a CIDR (198.51.100.0/24) or a range of one family (198.51.100.1-198.51.100.9)")
        ),
    ),
]
"""CIDR or first-last."""
RangeOrAddressText = Annotated[
    str,
    Field(
        max_length=128,
        json_schema_extra=validations((f"isIP(self) || ({RANGE_RULE})", "must be an IP address, a CIDR or a range of one family")),
    ),
]
"""CIDR, first-last, or a single address."""
Count = Annotated[int, Field(ge=0, le=2**63 - 1), WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0})]
"""A number of things. The CRD has no maximum: the API server keeps bounds as floats, and 2**63 - 1 is none of them."""


class LabelSelectorRequirement(ApiModel):
    """One requirement on one label (metav1.LabelSelectorRequirement)."""

    key: str = Field(max_length=NAME_MAX + 1 + LABEL_MAX, description="Label key that the requirement is about.")
    operator: str = Field(
        max_length=32,
        description="In, NotIn, Exists or DoesNotExist.",
        json_schema_extra={"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
    )
    values: list[Annotated[str, Field(max_length=TEXT_MAX)]] | None = Field(
        None, max_length=LIST_MAX, description="Values for In and NotIn (at least one); absent for Exists and DoesNotExist."
    )


class LabelSelector(ApiModel):
    """A label selector (metav1.LabelSelector): all requirements must hold; an empty one matches everything."""

    match_labels: dict[str, Annotated[str, Field(max_length=TEXT_MAX)]] | None = Field(
        None, max_length=LIST_MAX, description="Labels that must have exactly these values."
    )
    match_expressions: list[LabelSelectorRequirement] | None = Field(
        None, max_length=LIST_MAX, description="Further requirements; all must hold."
    )


Selectors = Annotated[list[LabelSelector], Field(max_length=64)]


class ConditionModel(ApiModel):
    """A condition of ``status.conditions`` (metav1.Condition)."""

    type: str = Field(
        max_length=316,
        description="Accepted (True: the spec as it stands is in force) or Degraded (True: in force, but less than was asked for).",
    )
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    observed_generation: Count | None = Field(None, description="metadata.generation that the condition speaks of.")
    last_transition_time: Timestamp = Field(description="When status changed last.")
    reason: str = Field(max_length=TEXT_MAX, description="Reason token in CamelCase.")
    message: str = Field(max_length=32768, description="The reason in words, with particulars.")


class LastAccepted(ApiModel):
    """The spec that is in force while the present one has faults; written by the controller only."""

    generation: Count | None = Field(None, description="metadata.generation of the recorded spec.")
    spec: dict[str, Any] | None = Field(None, description="The spec that was accepted last, as it was written.")


class StatusModel(ApiModel):
    """Status that every configuration kind has."""

    conditions: list[ConditionModel] | None = Field(
        None,
        max_length=16,
        description="Accepted and Degraded, each for an observedGeneration.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    last_accepted: LastAccepted | None = Field(
        None, description="Spec in force while the present one has faults, so that a mistake does not undo what works."
    )
