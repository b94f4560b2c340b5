"""Which kinds are served, and what sets them apart: the table that the rest of the server is driven by.

A ``Resource`` is one served version of one kind. Several may share a storage (group, plural): core Events and events.k8s.io
Events are two views of the same objects, as are the versions of a custom resource.

``shape`` says which lists and maps are merged by what, by field path without indexes, as `x-kubernetes-list-type` does:
a tuple of keys (list of objects), SET (list of scalars), ATOMIC (a map that is replaced whole). A list that is not named is atomic.
Server-side apply and strategic merge patch both read it (the latter by the first key only).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Object = dict[str, Any]
SET, ATOMIC = "set", "atomic"
Shape = Mapping[str, tuple[str, ...] | str]
METADATA_SHAPE: Shape = {"metadata.finalizers": SET, "metadata.ownerReferences": ("uid",)}


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of Table responses (``additionalPrinterColumns``); priority above 0 is shown with ``-o wide`` only."""

    name: str
    type: str
    json_path: str
    priority: int = 0
    format: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One served version of one kind."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    is_namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    storage: tuple[str, str] = ("", "")
    has_generation: bool = False
    """Whether changes of the spec count up ``metadata.generation``."""
    allows_unconditional_update: bool = True
    is_status_dropped_at_create: bool = True
    shape: Shape = field(default_factory=lambda: METADATA_SHAPE)
    schema: Mapping[str, Any] | None = None
    """Structural schema; None for the kinds of Kubernetes itself, which are not checked against one."""
    columns: tuple[PrinterColumn, ...] | None = None
    """None: the printer of this kind in ``tables``."""

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def is_custom(self) -> bool:
        """Whether a CustomResourceDefinition defines it."""
        return self.schema is not None

    @property
    def list_kind(self) -> str:
        """Kind of a list of these."""
        return f"{self.kind}List"


_CONDITIONS: Shape = {"status.conditions": ("type",)}
_POD_SHAPE: Shape = {
    **_CONDITIONS,
    "spec.containers": ("name",),
    "spec.initContainers": ("name",),
    "spec.containers.env": ("name",),
    "spec.containers.ports": ("containerPort", "protocol"),
    "spec.containers.volumeMounts": ("mountPath",),
    "spec.volumes": ("name",),
    "spec.imagePullSecrets": ("name",),
    "spec.nodeSelector": ATOMIC,
    "status.podIPs": ("ip",),
    "status.hostIPs": ("ip",),
}
_SERVICE_SHAPE: Shape = {**_CONDITIONS, "spec.ports": ("port", "protocol"), "spec.selector": ATOMIC}
_NODE_SHAPE: Shape = {**_CONDITIONS, "status.addresses": ("type",), "spec.podCIDRs": SET}


def _builtin(
    group: str,
    kind: str,
    plural: str,
    *,
    short: str = "",
    categories: tuple[str, ...] = (),
    shape: Shape = MappingProxyType({}),
    **more: Any,
) -> Resource:
    return Resource(
        group=group,
        version="v1",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=tuple(short.split()),
        categories=categories,
        storage=more.pop("storage", (group, plural)),
        shape={**METADATA_SHAPE, **shape},
        **more,
    )


EVENTS_GROUP = "events.k8s.io"
EXTENSIONS_GROUP = "apiextensions.k8s.io"
BUILTINS: tuple[Resource, ...] = (
    _builtin("", "ConfigMap", "configmaps", short="cm"),
    _builtin("", "Event", "events", short="ev"),
    _builtin("", "Namespace", "namespaces", short="ns", is_namespaced=False, has_status=True, shape=_CONDITIONS),
    _builtin("", "Node", "nodes", short="no", is_namespaced=False, has_status=True, is_status_dropped_at_create=False, shape=_NODE_SHAPE),
    _builtin("", "Pod", "pods", short="po", categories=("all",), has_status=True, has_generation=True, shape=_POD_SHAPE),
    _builtin("", "Secret", "secrets"),
    _builtin("", "Service", "services", short="svc", categories=("all",), has_status=True, shape=_SERVICE_SHAPE),
    _builtin("", "ServiceAccount", "serviceaccounts", short="sa"),
    _builtin(
        EXTENSIONS_GROUP,
        "CustomResourceDefinition",
        "customresourcedefinitions",
        short="crd crds",
        categories=("api-extensions",),
        is_namespaced=False,
        has_status=True,
        has_generation=True,
        allows_unconditional_update=False,
        shape=_CONDITIONS,
    ),
    _builtin("coordination.k8s.io", "Lease", "leases", allows_unconditional_update=False),
    _builtin("discovery.k8s.io", "EndpointSlice", "endpointslices", has_generation=True),
    _builtin(EVENTS_GROUP, "Event", "events", short="ev", storage=("", "events")),
)
