"""Manifests by kind and name, and lists of them with one more or less. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_lb.model.ids import ObjectKey, ObjectRef

Object = Mapping[str, Any]
CLUSTER_SCOPED = frozenset({"IPAllocation", "IPReservation", "Node", "Namespace", "ServiceCIDR"})
"""Of the kinds that we read. A manifest may name a namespace there all the same; it means nothing."""


def with_object(objects: Iterable[Object], changed: Object) -> list[Object]:
    """Return the objects with one in the place of the one of its kind and name, or added."""
    return [*without_object(objects, ref_of(changed)), changed]


def without_object(objects: Iterable[Object], ref: ObjectRef) -> list[Object]:
    """Return the objects without one."""
    return [item for item in objects if ref_of(item) != ref]


def ref_of(manifest: Object) -> ObjectRef:
    """Return kind and name of a manifest as problems name it: cluster-scoped kinds of ours without namespace."""
    kind, metadata = str(manifest.get("kind", "")), manifest.get("metadata") or {}
    namespace = "" if kind in CLUSTER_SCOPED else metadata.get("namespace") or ""
    return ObjectRef(kind, ObjectKey(namespace, metadata.get("name") or ""))
