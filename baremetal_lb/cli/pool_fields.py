"""A pool's spec from options, and the difference of two specs as people read it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from baremetal_lb.model.net import AddressRange, RangeError

Spec = dict[str, Any]


class BadOption(ValueError):
    """An option that cannot be meant; the text says which and why."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """What the options of `pool create` and `pool edit` say; None and empty: nothing."""

    add_addresses: tuple[str, ...] = ()
    remove_addresses: tuple[str, ...] = ()
    add_excluded: tuple[str, ...] = ()
    remove_excluded: tuple[str, ...] = ()
    auto_assign: bool | None = None
    avoid_buggy_ips: bool | None = None
    priority: int | None = None
    namespaces: tuple[str, ...] = ()
    namespace_labels: str | None = None
    service_labels: str | None = None
    quota: int | None = None
    retain_for: str | None = None
    sharing: str | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether no option was given."""
        return self == PoolOptions()


def apply_options(spec: Spec, options: PoolOptions) -> Spec:
    """Return the spec with what the options say.

    Raises:
        BadOption: an option makes no sense for this spec.
    """
    changed = dict(spec)
    changed["addresses"] = _added_and_removed(spec.get("addresses") or [], options.add_addresses, options.remove_addresses, "--addresses")
    excluded = _added_and_removed(spec.get("excluded") or [], options.add_excluded, options.remove_excluded, "--exclude")
    asked = {
        "excluded": excluded or None,
        "autoAssign": options.auto_assign,
        "avoidBuggyIPs": options.avoid_buggy_ips,
        "retainFor": options.retain_for,
        "sharing": options.sharing,
        "quotas": None if options.quota is None else [{"addresses": options.quota}],
        "serviceAllocation": _allocation(spec.get("serviceAllocation") or {}, options),
    }
    changed |= {field: value for field, value in asked.items() if value is not None}
    if not excluded:
        changed.pop("excluded", None)
    return changed


def difference(before: Spec, after: Spec) -> list[str]:
    """Return one line for each field that differs."""
    fields = [field for field in dict.fromkeys([*before, *after]) if before.get(field) != after.get(field)]
    return [f"{field}: {_shown(before.get(field))} -> {_shown(after.get(field))}" for field in fields]


def labels_of(text: str) -> dict[str, Any]:
    """Return the selector that ``a=b,c=d`` means.

    Raises:
        BadOption: it means none.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        raise BadOption(f"{text!r} is no list of labels; write a=b,c=d")
    return {"matchLabels": {name.strip(): value.strip() for name, _, value in pairs}}


def _allocation(before: Spec, options: PoolOptions) -> Spec | None:
    changed = dict(before)
    if options.priority is not None:
        changed["priority"] = options.priority
    if options.namespaces:
        changed["namespaces"] = list(options.namespaces)
    if options.namespace_labels is not None:
        changed["namespaceSelectors"] = [labels_of(options.namespace_labels)]
    if options.service_labels is not None:
        changed["serviceSelectors"] = [labels_of(options.service_labels)]
    return changed if changed != before else None


def _added_and_removed(texts: Sequence[str], added: Iterable[str], removed: Iterable[str], option: str) -> list[str]:
    """Return the list with what is added behind, without what is removed: an element is cut where only a part of it is removed."""
    kept = list(texts)
    for text in removed:
        hole = _parsed(text, option)
        if not any(_parsed(each, option).overlaps(hole) for each in kept):
            raise BadOption(f"{text} cannot be removed: nothing of it is in {', '.join(kept) or 'the list'}")
        kept = [part for each in kept for part in _without(each, hole, option)]
    new = [text for text in added if text not in kept]
    for text in new:
        _parsed(text, option)
    return [*kept, *new]


def _without(text: str, hole: AddressRange, option: str) -> list[str]:
    span = _parsed(text, option)
    if not span.overlaps(hole):
        return [text]
    return [f"{part}/{part.family.bits}" if part.size == 1 else str(part) for part in span.minus([hole])]


def _parsed(text: str, option: str) -> AddressRange:
    try:
        return AddressRange.parse(text, allow_single=True)
    except RangeError as error:
        raise BadOption(f"{option}: {error}") from error


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list) and all(isinstance(each, str) for each in value) else str(value)
