"""The frame of an object: whose kind it is, what it is called, how old it is, and what was accepted of it before.

Which objects count: those of our kinds in the API group of the identity, in a version that is served, in the namespace of the install
(cluster-scoped kinds anywhere), with a name. A namespaced object without a namespace is taken to be meant for ours, as in a file that is
applied with ``-n``.

Age: creationTimestamp; an object without one (in a file) is not made yet, hence the youngest. Equal ages are ordered by name.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from baremetal_lb.api.faults import Fault
from baremetal_lb.api.kinds import KIND_BY_NAME, Kind, Version
from baremetal_lb.api.nesting import nests_deeper
from baremetal_lb.api.parse import DEPTH_MAX, json_type, without_nulls
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.selectors import is_subdomain
from baremetal_lb.model.ids import IDENTITIES, Identity, ObjectKey, ObjectRef
from baremetal_lb.model.rfc3339 import parse_time

Order = tuple[int, int, str, str]
KNOWN_FIELDS = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


@dataclass(frozen=True, slots=True)
class Item:
    """One object of ours. ``spec`` is as it was written, less nulls."""

    index: int
    """Place among the objects given."""
    ref: ObjectRef
    kind: Kind
    version: Version
    order: Order
    """Older first, then by name."""
    generation: int
    spec: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    recorded: Mapping[str, Any] | None = None
    """``status.lastAccepted.spec``."""
    recorded_generation: int | None = None

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.ref.key.name


@dataclass(slots=True)
class Frames:
    """All objects of ours, and what is wrong with frames: (index, whose, fault)."""

    items: list[Item] = field(default_factory=list)
    faults: list[tuple[int, ObjectRef, Fault]] = field(default_factory=list)

    def of(self, kind: str) -> list[Item]:
        """Return the objects of a kind, older first, then by name."""
        return [item for item in self.items if item.kind.name == kind]


def read_frames(objects: Iterable[Mapping[str, Any]], identity: Identity, namespace: str) -> Frames:
    """Read the frames of all objects; objects of other kinds are ignored. Items come in their order."""
    frames = Frames()
    for index, manifest in enumerate(objects):
        _read_frame(frames, index, manifest, identity, namespace)
    frames.items.sort(key=lambda item: (item.order, item.kind.name))
    _part_namesakes(frames)
    return frames


def _read_frame(frames: Frames, index: int, manifest: object, identity: Identity, namespace: str) -> None:
    kind = _kind_of(manifest)
    if kind is None or not isinstance(manifest, Mapping):
        return
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = metadata.get("name")
    name = name if isinstance(name, str) else ""
    where = "" if kind.is_cluster_scoped else _namespace(metadata, namespace)
    ref = ObjectRef(kind.name, ObjectKey(where, name))
    group, _, version_name = str(manifest.get("apiVersion")).rpartition("/")
    version = next((version for version in kind.served(identity) if version.name == version_name), None)
    faults = list(_frame_faults(manifest, kind, identity, namespace, where, name, group, version))
    frames.faults += [(index, ref, fault) for fault in faults]
    if version is None or any(fault.is_fatal and fault.reason is not Why.MissingName for fault in faults):
        return
    if any(fault.reason is Why.OtherGroup for fault in faults):
        return
    recorded, recorded_generation = _recorded(manifest.get("status"))
    frames.items.append(
        Item(
            index,
            ref,
            kind,
            version,
            (*_age(metadata), name, ""),
            _integer(metadata.get("generation")) or 0,
            without_nulls(manifest.get("spec")),
            _labels(metadata),
            recorded,
            recorded_generation,
        )
    )


def _kind_of(manifest: object) -> Kind | None:
    """Return the kind of an object of ours, be it in this identity's group or in another's."""
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("kind"), str) or not isinstance(manifest.get("apiVersion"), str):
        return None
    kind = KIND_BY_NAME.get(manifest["kind"])
    group = manifest["apiVersion"].rpartition("/")[0]
    return kind if kind is not None and group in {kind.group(identity) for identity in IDENTITIES.values()} else None


def _frame_faults(  # noqa: PLR0917  # the parts of one frame, read once
    manifest: Mapping[str, Any],
    kind: Kind,
    identity: Identity,
    namespace: str,
    where: str,
    name: str,
    group: str,
    version: Version | None,
) -> Iterable[Fault]:
    if group != kind.group(identity):
        yield Fault("apiVersion", Why.OtherGroup, f"This install reads {kind.group(identity)}.", is_fatal=False)
        return
    if version is None:
        served = ", ".join(version.name for version in kind.served(identity))
        yield Fault("apiVersion", Why.UnknownVersion, f"{kind.name} of {group} is served as {served}.")
    if not name:
        yield Fault("metadata.name", Why.MissingName)
    elif not is_subdomain(name):
        yield Fault("metadata.name", Why.InvalidName, "Lower-case letters, digits, - and . are allowed.", is_fatal=False)
    if not kind.is_cluster_scoped and where != namespace:
        yield Fault("metadata.namespace", Why.OtherNamespace, f"resource must be created in {namespace} namespace.")
    metadata = manifest.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        yield Fault("metadata", Why.WrongType, f"metadata is {json_type(metadata)}, not an object.")
    elif metadata is not None:
        yield from _label_faults(metadata.get("labels"))
    for key in manifest:
        if key not in KNOWN_FIELDS:
            yield Fault(str(key), Why.UnknownField, f"{key} is unknown here.", is_fatal=False)
    if nests_deeper(manifest, DEPTH_MAX):
        yield Fault("", Why.TooDeep)


def _label_faults(labels: object) -> Iterable[Fault]:
    if labels is None:
        return
    if not isinstance(labels, Mapping):
        yield Fault("metadata.labels", Why.WrongType, f"labels is {json_type(labels)}, not an object.")
    elif not all(isinstance(key, str) and isinstance(value, str) for key, value in labels.items()):
        yield Fault("metadata.labels", Why.WrongType, "Labels are strings.")


def _namespace(metadata: Mapping[str, Any], namespace: str) -> str:
    where = metadata.get("namespace")
    return where if isinstance(where, str) and where else namespace


def _labels(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    labels = metadata.get("labels")
    return dict(sorted(labels.items())) if isinstance(labels, Mapping) else {}


def _age(metadata: Mapping[str, Any]) -> tuple[int, int]:
    created = metadata.get("creationTimestamp")
    try:
        return (0, parse_time(created)) if isinstance(created, str) else (1, 0)
    except ValueError:
        return (1, 0)


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _recorded(status: object) -> tuple[Mapping[str, Any] | None, int | None]:
    last = status.get("lastAccepted") if isinstance(status, Mapping) else None
    if not isinstance(last, Mapping) or not isinstance(last.get("spec"), Mapping):
        return None, None
    return without_nulls(last["spec"]), _integer(last.get("generation"))


def _part_namesakes(frames: Frames) -> None:
    """Keep one of objects with the same name: files can have several, an API server cannot."""
    groups: dict[ObjectRef, list[Item]] = {}
    for item in frames.items:
        if item.name:
            groups.setdefault(item.ref, []).append(item)
    dropped: set[int] = set()
    for ref, items in groups.items():
        if len(items) > 1:
            items.sort(key=lambda item: (item.order, _canonical(item)))
            dropped |= {item.index for item in items[1:]}
            frames.faults += [
                (item.index, ref, Fault("metadata.name", Why.DuplicateObject, "(duplicate definition)")) for item in items[1:]
            ]
    frames.items = [item for item in frames.items if item.index not in dropped]


def _canonical(item: Item) -> str:
    return json.dumps([item.spec, dict(item.labels), item.recorded], sort_keys=True, default=str)
