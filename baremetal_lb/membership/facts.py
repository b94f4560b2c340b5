"""A member's facts as they travel: compact JSON, the same in a Lease's annotation and in a snapshot file.

    {"serving":true,"incarnation":1764028800123,
     "interfaces":[{"name":"eth0","carrier":true,"families":["IPv4","IPv6"],"mac":"02:00:00:00:00:01"}]}

Unknown keys are ignored, so that a newer speaker may say more; what is missing or of the wrong type or size makes the whole unreadable.
``parse(encode(x)) == x``, and ``encode`` gives equal facts equal texts, so an unchanged text means nothing to write.
"""

import json
from dataclasses import dataclass
from typing import Any

from baremetal_lb.model.json_text import NotJSON, decode_json
from baremetal_lb.model.net import Family, Mac
from baremetal_lb.model.roster import InterfaceFacts

MAX_OCTETS = 64 * 1024
MAX_INTERFACES = 512


class MalformedFacts(ValueError):
    """Somebody else's text is no member's facts; the message says where."""


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What a speaker says of itself."""

    is_serving: bool
    incarnation: int
    interfaces: tuple[InterfaceFacts, ...] = ()
    """By name."""


def encode(facts: MemberFacts) -> str:
    """Return the text, with no space and keys in a fixed order."""
    interfaces = [_described(facts) for facts in sorted(facts.interfaces, key=lambda facts: facts.name)]
    value = {"serving": facts.is_serving, "incarnation": facts.incarnation, "interfaces": interfaces}
    return json.dumps(value, separators=(",", ":"))


def _described(facts: InterfaceFacts) -> dict[str, Any]:
    families = sorted(family.value for family in facts.families)
    described: dict[str, Any] = {"name": facts.name, "carrier": facts.has_carrier, "families": families}
    return described if facts.mac is None else described | {"mac": str(facts.mac)}


def parse(text: str) -> MemberFacts:
    """Read the text.

    Raises:
        MalformedFacts: it is too long, is no JSON, or a value is missing or of the wrong type.
    """
    if len(text) > MAX_OCTETS:
        raise MalformedFacts(f"longer than {MAX_OCTETS} characters")
    try:
        value = decode_json(text, longest=MAX_OCTETS)
    except NotJSON:
        raise MalformedFacts("no JSON") from None
    interfaces = _typed(value, "interfaces", list)
    if len(interfaces) > MAX_INTERFACES:
        raise MalformedFacts(f"more than {MAX_INTERFACES} interfaces")
    incarnation = _typed(value, "incarnation", int)
    if not 0 <= incarnation < 2**63:
        raise MalformedFacts("incarnation has more than 63 bit")
    return MemberFacts(
        is_serving=_typed(value, "serving", bool),
        incarnation=incarnation,
        interfaces=tuple(sorted((_interface(item) for item in interfaces), key=lambda facts: facts.name)),
    )


def _interface(value: Any) -> InterfaceFacts:
    families = _typed(value, "families", list)
    known = frozenset(family for family in Family if family.value in families)
    mac = None
    if value.get("mac") is not None:
        try:
            mac = Mac.parse(_typed(value, "mac", str))
        except ValueError:
            raise MalformedFacts("mac is no hardware address") from None
    return InterfaceFacts(_typed(value, "name", str), _typed(value, "carrier", bool), known, mac)


def _typed(value: Any, key: str, expected: type) -> Any:
    item = value.get(key) if isinstance(value, dict) else None
    if type(item) is not expected:
        raise MalformedFacts(f"{key} is missing or no {expected.__name__}")
    return item
