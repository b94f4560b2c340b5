"""What the status of our resources should be, as a merge patch against what it is; an empty patch: nothing is to be written. Pure.

    compiled, and found good                     Accepted=True   Degraded=False
    good, but part of it has no effect           Accepted=True   Degraded=True   reason of the first such problem
    bad, its last accepted spec is in force      Accepted=False  Degraded=True   both with the reason of the first fault
    bad, nothing is in force                     Accepted=False  Degraded=True

``status.lastAccepted`` is what compile() says to record (D5); the counters of a pool are exact, those that a JSON integer cannot hold are
texts. ``plan(x after its patch) == {}``.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from baremetal_lb.model.condition import Condition
from baremetal_lb.model.net import Family
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.rfc3339 import format_exact

Manifest = Mapping[str, Any]
JSON_INTEGER_MAX: Final = 2**63 - 1
MESSAGE_MAX: Final = 4096
"""Characters of a condition's message; with hundreds of faults in one object the first ones are what helps."""


def conditions_of(problems: Iterable[Problem], *, generation: int, uses_last_accepted: bool) -> tuple[Condition, Condition]:
    """Return Accepted and Degraded for an object with these problems."""
    listed = list(problems)
    fatal = [problem for problem in listed if problem.is_fatal]
    text = _text(fatal or listed)
    if fatal:
        effect = "The last accepted spec stays in force." if uses_last_accepted else "Nothing of the object is in force."
        reason = fatal[0].reason.name
        return (
            Condition("Accepted", False, reason, text, generation),
            Condition("Degraded", True, reason, f"{effect} {text}"[:MESSAGE_MAX], generation),
        )
    degraded = (
        Condition("Degraded", True, listed[0].reason.name, text, generation)
        if listed
        else Condition("Degraded", False, "AsSpecified", "Everything that the spec asks for is in force.", generation)
    )
    return Condition("Accepted", True, "Valid", "The spec is in force.", generation), degraded


def _text(problems: list[Problem]) -> str:
    lines = [f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in problems]
    return " ".join(lines)[:MESSAGE_MAX]


def merged_conditions(status: Manifest, wanted: Iterable[Condition], *, now_utc: int) -> list[dict[str, Any]] | None:
    """Return the list of conditions to write, those of others kept as they are; None when nothing changes.

    The transition time moves only when a condition's status does.
    """
    present = [dict(condition) for condition in status.get("conditions") or () if isinstance(condition, Mapping)]
    result, is_changed = list(present), False
    for condition in wanted:
        place = next((i for i, old in enumerate(result) if old.get("type") == condition.type), None)
        new: dict[str, Any] = {
            "type": condition.type,
            "status": "True" if condition.is_true else "False",
            "reason": condition.reason,
            "message": condition.message,
        }
        if condition.observed_generation:
            new["observedGeneration"] = condition.observed_generation
        old = result[place] if place is not None else {}
        if all(old.get(key) == new.get(key) for key in ("status", "reason", "message", "observedGeneration")):
            continue
        is_changed = True
        same_status = old.get("status") == new["status"] and old.get("lastTransitionTime")
        new["lastTransitionTime"] = old["lastTransitionTime"] if same_status else format_exact(now_utc)
        if place is None:
            result.append(new)
        else:
            result[place] = new
    return result if is_changed else None


def status_patch(
    manifest: Manifest,
    conditions: Iterable[Condition],
    *,
    last_accepted: Mapping[str, Any] | None = None,
    counters: Mapping[str, Any] | None = None,
    now_utc: int,
) -> dict[str, Any]:
    """Return the ``status`` of the merge patch for one object; {} when it says all that already.

    ``last_accepted`` is ``{generation, spec}`` to record, None to leave what is recorded.
    """
    status = manifest.get("status")
    status = status if isinstance(status, Mapping) else {}
    patch: dict[str, Any] = {}
    merged = merged_conditions(status, conditions, now_utc=now_utc)
    if merged is not None:
        patch["conditions"] = merged
    if last_accepted is not None and status.get("lastAccepted") != last_accepted:
        patch["lastAccepted"] = _replacement(status.get("lastAccepted"), last_accepted)
    for name, value in (counters or {}).items():
        if status.get(name) != value:
            patch[name] = _replacement(status.get(name), value) if value is not None else None
    return {name: value for name, value in patch.items() if value is not None or name in status}


def _replacement(old: object, new: Any) -> Any:
    """Return a merge patch (RFC 7396) that leaves exactly ``new``: what is there and not meant any more is named with null."""
    if not isinstance(new, Mapping):
        return new
    known = old if isinstance(old, Mapping) else {}
    gone = {key: None for key in known if key not in new}
    return gone | {key: _replacement(known.get(key), value) for key, value in new.items()}


def exact(number: int) -> int | str:
    """Return a count as JSON can hold it exactly: an integer, or its digits."""
    return number if number <= JSON_INTEGER_MAX else str(number)


def pool_counters(counts: Mapping[Family, Mapping[str, int]]) -> dict[str, Any]:
    """Return the counters of a pool's status, from capacity, allocated, held, reserved and available of each family that it has.

    The reference's four fields are always there; they saturate where it does.
    """
    counters: dict[str, Any] = {}
    for family in Family:
        numbers = counts.get(family)
        suffix = family.value
        counters[f"assigned{suffix}"] = numbers["allocated"] if numbers else 0
        counters[f"available{suffix}"] = min(JSON_INTEGER_MAX, numbers["available"]) if numbers else 0
        counters[suffix.lower()] = {name: exact(number) for name, number in numbers.items()} if numbers else None
    return counters
