"""Three of the four patch formats: JSON merge patch (RFC 7386), JSON patch (RFC 6902), strategic merge patch (Kubernetes).

Strategic merge patch as far as kubectl sends it: maps merge, null deletes, lists of objects that ``Shape`` names merge by their first
key with ``$patch: delete|replace``, lists of scalars that it names as sets merge, ``$deleteFromPrimitiveList/`` deletes from them,
``$setElementOrder/`` orders, ``$retainKeys`` retains; every other list is replaced. Patches never change their input.
"""

from collections.abc import Sequence
from typing import Any

from baremetal_lb.apiserver.errors import Cause, Refusal, bad_request, invalid
from baremetal_lb.apiserver.resources import ATOMIC, SET, Shape


def merge_patch(value: Any, patch: Any) -> Any:
    """Apply an RFC 7386 patch."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), change)
    return merged


def strategic_merge_patch(value: Any, patch: Any, shape: Shape, path: str = "") -> Any:
    """Apply a strategic merge patch to a map; ``path`` is where it stands, without indexes."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: item for name, item in patch.items() if name != "$patch"}
    merged = dict(value) if isinstance(value, dict) else {}
    if (retained := patch.get("$retainKeys")) is not None:
        merged = {name: item for name, item in merged.items() if name in retained}
    for name, change in patch.items():
        directive, _, target = name.partition("/")
        below = f"{path}.{target or name}" if path else target or name
        if directive == "$deleteFromPrimitiveList":
            merged[target] = [item for item in merged.get(target) or [] if item not in change]
        elif name.startswith("$"):
            continue
        elif change is None:
            merged.pop(name, None)
        elif isinstance(change, list):
            merged[name] = _merge_list(merged.get(name), change, shape, below)
        else:
            merged[name] = strategic_merge_patch(merged.get(name), change, shape, below)
    for name, order in patch.items():
        directive, _, target = name.partition("/")
        if directive == "$setElementOrder" and isinstance(merged.get(target), list):
            merged[target] = _ordered(merged[target], order, shape.get(f"{path}.{target}" if path else target))
    return merged


def _merge_list(value: Any, patch: list[Any], shape: Shape, path: str) -> list[Any]:
    keys = shape.get(path)
    present = value if isinstance(value, list) else []
    if keys == SET:
        return [*present, *(item for item in patch if item not in present)]
    if keys is None or keys == ATOMIC:
        return patch
    key, merged = keys[0], list(present)
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    for change in patch:
        if not isinstance(change, dict) or key not in change:
            raise bad_request(f"map: {change!r} does not contain declared merge key: {key}")
        at = next((index for index, item in enumerate(merged) if item.get(key) == change[key]), None)
        if change.get("$patch") == "delete":
            merged = [item for item in merged if item.get(key) != change[key]]
        elif at is None:
            merged.append(change)
        else:
            merged[at] = strategic_merge_patch(merged[at], change, shape, path)
    return merged


def _ordered(items: list[Any], order: Sequence[Any], keys: tuple[str, ...] | str | None) -> list[Any]:
    def name(item: Any) -> Any:
        return item.get(keys[0]) if isinstance(item, dict) and keys else item

    rank = {repr(name(item)): index for index, item in enumerate(order)}
    return sorted(items, key=lambda item: rank.get(repr(name(item)), len(rank)))


def json_patch(value: Any, operations: Any) -> Any:
    """Apply an RFC 6902 patch.

    Raises:
        Refusal: 400 for a malformed patch, 422 when an operation cannot be applied or a test fails.
    """
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    for operation in operations:
        try:
            value = _operate(value, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _inapplicable(operation) from error
    return value


def _inapplicable(operation: Any) -> Refusal:
    return invalid("", "", "", [Cause("patch", f"the operation {operation!r} cannot be applied")])


def _operate(value: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    match kind:
        case "test":
            if _look(value, path) != operation.get("value"):
                raise ValueError("test failed")
            return value
        case "add":
            return _set(value, path, operation["value"], inserts=True)
        case "replace":
            _look(value, path)
            return _set(value, path, operation["value"], inserts=False)
        case "remove":
            return _unset(value, path)
        case "copy" | "move":
            source = _pointer(operation["from"])
            moved = _look(value, source)
            return _set(value if kind == "copy" else _unset(value, source), path, moved, inserts=True)
        case _:
            raise ValueError(kind)


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _look(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _set(value: Any, path: Sequence[str], new: Any, *, inserts: bool) -> Any:
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        index = len(value) if head == "-" else int(head)
        if not rest:
            if not 0 <= index <= len(value):
                raise IndexError(head)
            return [*value[:index], new, *value[index + (not inserts) :]]
        return [*value[:index], _set(value[index], rest, new, inserts=inserts), *value[index + 1 :]]
    return {**value, head: _set(value[head] if rest else None, rest, new, inserts=inserts)}


def _unset(value: Any, path: Sequence[str]) -> Any:
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        index = int(head)
        return [*value[:index], *([_unset(value[index], rest)] if rest else []), *value[index + 1 :]]
    if rest:
        return {**value, head: _unset(value[head], rest)}
    _ = value[head]  # a path that is not there is an error
    return {name: item for name, item in value.items() if name != head}
