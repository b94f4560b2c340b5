"""Who set which field (``metadata.managedFields``), and server-side apply on top of it (KEP-555).

A path is a tuple of elements as FieldsV1 spells them: ``f:spec``, ``k:{"type":"Ready"}`` (item of a keyed list), ``v:"x"`` (member
of a set). ``leaves`` maps an object to its paths; a manager owns a set of paths.

    update   the writer gets what it added or changed; everybody loses what was changed under them or is gone
    apply    the applier's set becomes exactly what it applied: what it owned before and applies no more is removed, unless
             somebody else owns it too; what others own with another value is a conflict (409), or is taken over with ``force``

Not implemented: the "." member that the real server writes for maps, and conversion of managed fields between versions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from baremetal_lb.apiserver.errors import Cause, bad_request
from baremetal_lb.apiserver.resources import ATOMIC, SET, Object, Shape

Path = tuple[str, ...]
_SYSTEM = {
    "name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "managedFields", "selfLink",
}  # fmt: skip
_KEY_DEFAULTS = {"protocol": "TCP"}
_PRESENT = object()
"""Value of the path of a list item itself."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: field manager, operation (``Update`` or ``Apply``) and subresource ("" or ``status``)."""

    manager: str
    operation: str
    subresource: str
    api_version: str
    time: str

    def is_author(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether an entry of managedFields is this writer's."""
        return (entry.get("manager"), entry.get("operation"), entry.get("subresource", "")) == (
            self.manager,
            self.operation,
            self.subresource,
        )


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _item_element(item: Any, keys: tuple[str, ...], path: str) -> str:
    found = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in keys} if isinstance(item, dict) else {}
    if not found or None in found.values():
        raise bad_request(f"{path}: element has no value for its key fields {', '.join(keys)}")
    return f"k:{_json(found)}"


def leaves(value: Object, shape: Shape) -> dict[Path, Any]:
    """Return all paths of an object with their values, system metadata left out."""
    found: dict[Path, Any] = {}
    for name, item in value.items():
        if name == "metadata":
            for key, member in item.items():
                if key not in _SYSTEM:
                    _walk(member, ("f:metadata", f"f:{key}"), f"metadata.{key}", shape, found)
        elif name not in ("apiVersion", "kind"):
            _walk(item, (f"f:{name}",), name, shape, found)
    return found


def _walk(value: Any, path: Path, dotted: str, shape: Shape, found: dict[Path, Any]) -> None:
    kind = shape.get(dotted)
    if isinstance(value, dict) and value and kind != ATOMIC:
        for name, item in value.items():
            _walk(item, (*path, f"f:{name}"), f"{dotted}.{name}", shape, found)
    elif isinstance(value, list) and value and kind == SET:
        found.update({(*path, f"v:{_json(item)}"): item for item in value})
    elif isinstance(value, list) and value and isinstance(kind, tuple):
        for item in value:
            below = (*path, _item_element(item, kind, dotted))
            found[below] = _PRESENT
            for name, member in item.items():
                _walk(member, (*below, f"f:{name}"), f"{dotted}.{name}", shape, found)
    else:
        found[path] = value


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """Write a set of paths as FieldsV1."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        if path[-1].startswith("k:"):
            node.setdefault(".", {})
    return root


def decode(fields: Any) -> set[Path]:
    """Read FieldsV1; anything malformed in it is left out."""
    found: set[Path] = set()

    def walk(node: Any, path: Path) -> None:
        if not isinstance(node, dict) or not node or "." in node:
            found.add(path)
        if isinstance(node, dict):
            for element, below in node.items():
                if element != ".":
                    walk(below, (*path, element))

    walk(fields, ())
    return found - {()}


def after_update(before: Object | None, after: Object, writer: Writer, shape: Shape, ignored: str) -> list[dict[str, Any]]:
    """Return the managedFields of an object that an ordinary write has changed (``before`` None: created)."""
    old, new = leaves(before, shape) if before else {}, leaves(after, shape)
    changed = {path for path, value in new.items() if path[0] != f"f:{ignored}" and (path not in old or old[path] != value)}
    entries = (before or {}).get("metadata", {}).get("managedFields") or []
    mine = changed.union(*(decode(entry.get("fieldsV1")) for entry in entries if writer.is_author(entry)))
    return _entries(entries, writer, mine, taken=changed, existing=set(new))


def _entries(
    entries: Iterable[Mapping[str, Any]], writer: Writer, mine: set[Path], *, taken: set[Path], existing: set[Path]
) -> list[dict[str, Any]]:
    kept, time = [], writer.time
    for entry in entries:
        owned = decode(entry.get("fieldsV1"))
        if writer.is_author(entry):
            time = entry["time"] if owned & existing == mine & existing else time
        elif left := (owned - taken) & existing:
            kept.append({**entry, "fieldsV1": encode(left)} if left != owned else dict(entry))
    if own := mine & existing:
        kept.append(
            {
                "manager": writer.manager,
                "operation": writer.operation,
                "apiVersion": writer.api_version,
                "time": time,
                "fieldsType": "FieldsV1",
                "fieldsV1": encode(own),
                **({"subresource": writer.subresource} if writer.subresource else {}),
            }
        )
    return sorted(kept, key=lambda entry: (entry["operation"], entry["time"], entry["manager"]))


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply makes of an object, before defaults, and what is then known of its fields."""

    value: Object
    mine: set[Path]
    taken: set[Path]
    conflicts: tuple[Cause, ...]

    def managed_fields(self, before: Object | None, after: Object, writer: Writer, shape: Shape) -> list[dict[str, Any]]:
        """Return the managedFields of the stored object."""
        existing = set(leaves(after, shape))
        entries = (before or {}).get("metadata", {}).get("managedFields") or []
        return _entries(entries, writer, self.mine, taken=self.taken, existing=existing)


def apply(live: Object, configuration: Object, writer: Writer, shape: Shape, ignored: str) -> Applied:
    """Apply a configuration to the live object. ``ignored`` is the top-level field that this (sub)resource never changes."""
    configuration = {name: item for name, item in configuration.items() if name != ignored}
    wanted, present = leaves(configuration, shape), leaves(live, shape)
    entries = live["metadata"].get("managedFields") or []
    previous: set[Path] = set().union(*(decode(entry.get("fieldsV1")) for entry in entries if writer.is_author(entry)))
    different = {path for path, value in wanted.items() if path in present and present[path] != value}
    conflicts, foreign = [], set[Path]()
    for entry in entries:
        if not writer.is_author(entry):
            owned = decode(entry.get("fieldsV1"))
            foreign |= owned
            conflicts += [
                Cause(_dotted(path), f'conflict with "{entry.get("manager")}" using {entry.get("apiVersion")}', "FieldManagerConflict")
                for path in sorted(owned & different)
            ]
    removed = {path for path in previous - set(wanted) if not any(other[: len(path)] == path for other in foreign)}
    value = _without(_merged(live, configuration, shape, ""), encode_plain(removed), shape, "")
    return Applied(value, set(wanted), different, tuple(conflicts))


def encode_plain(paths: Iterable[Path]) -> dict[str, Any]:
    """Return a trie of the paths; the end of each is marked by the key ""."""
    root: dict[str, Any] = {}
    for path in paths:
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node[""] = True
    return root


def _dotted(path: Path) -> str:
    return "".join(f"[{element[2:]}]" if element[0] == "k" else f".{element[2:]}" for element in path)


def _merged(live: Any, wanted: Any, shape: Shape, dotted: str) -> Any:
    kind = shape.get(dotted)
    if isinstance(wanted, dict) and isinstance(live, dict) and kind != ATOMIC:
        merged = dict(live)
        for name, item in wanted.items():
            if dotted != "metadata" or name not in _SYSTEM:
                merged[name] = _merged(live.get(name), item, shape, f"{dotted}.{name}" if dotted else name)
        return merged
    if isinstance(wanted, list) and isinstance(live, list):
        if kind == SET:
            return [*live, *(item for item in wanted if item not in live)]
        if isinstance(kind, tuple):
            by_key = {_item_element(item, kind, dotted): item for item in live}
            for item in wanted:
                element = _item_element(item, kind, dotted)
                by_key[element] = _merged(by_key.get(element), item, shape, dotted)
            return list(by_key.values())
    return wanted


def _without(value: Any, removed: Mapping[str, Any], shape: Shape, dotted: str) -> Any:
    """Take the removed paths out; a map or list that becomes empty so goes as well (None)."""
    if not removed:
        return value
    kind = shape.get(dotted)
    if isinstance(value, dict):
        kept = {}
        for name, item in value.items():
            below = removed.get(f"f:{name}", {})
            left = None if "" in below else _without(item, below, shape, f"{dotted}.{name}" if dotted else name)
            if left is not None or (item is None and not below):
                kept[name] = left
        return kept or None
    if isinstance(value, list):
        left_items = []
        for item in value:
            element = f"v:{_json(item)}" if kind == SET else _item_element(item, kind, dotted) if isinstance(kind, tuple) else ""
            below = removed.get(element, {}) if element else {}
            left = None if "" in below else _without(item, below, shape, dotted)
            if left is not None:
                left_items.append(left)
        return left_items or None
    return value
