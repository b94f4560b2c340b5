r"""Kubernetes objects as they come from the API server or from a file, and the views that decisions see.

A *record* (``structs``) names the fields of a kind that we read. It lives for one call: the *view* (``model.views``) made of it
is what is kept. Kubernetes defaults are applied here, so a manifest written by hand and the object that the API server makes of it
give the same view.

    bytes --decode--> record --\
                                >-- view function --> view
    dict  --convert-> record --/

Rules: a field of the wrong type, or an enumeration value that Kubernetes does not have, makes the whole object a `DecodeError`
that names object and field; nothing else is judged here. Texts that people wrote stay texts. Names are interned: 10 000
EndpointSlices name the same few nodes and namespaces, and their endpoints take the same few values.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from baremetal_lb.kube.annotations import Annotations
from baremetal_lb.kube.structs import (
    BaseRecord,
    ConditionRecord,
    EndpointConditions,
    EndpointSliceRecord,
    EntryRecord,
    LeaseRecord,
    LeaseSpec,
    Metadata,
    NamespaceRecord,
    NodeRecord,
    NodeStatus,
    PortRecord,
    ServiceRecord,
    ServiceSpec,
    ServiceStatus,
)
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from baremetal_lb.model.json_text import UNDECODABLE
from baremetal_lb.model.net import Family, IPAddress, parse_address
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import (
    ConditionView,
    EndpointSliceView,
    EndpointView,
    EntryService,
    FamilyPolicy,
    HeldFor,
    IngressView,
    LeaseView,
    LedgerEntry,
    NamespaceView,
    NodeView,
    Port,
    ServiceView,
    TrafficPolicy,
)

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""Label of an EndpointSlice that names its Service."""
CONDITION_NAME = "Satisfied"
"""Our condition on a Service is ``<prefix>Satisfied``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class DecodeError(ValueError):
    """One object that cannot be read: somebody else's fault, told by object and field."""

    def __init__(self, ref: ObjectRef, field: str, message: str) -> None:
        super().__init__(f"{ref}: {field}: {message}" if field else f"{ref}: {message}")
        self.ref = ref
        self.field = field
        """``spec.ports[0].port``, "" for the whole object."""
        self.message = message


class _FieldError(ValueError):
    """A value that the record admits and Kubernetes does not."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def nanoseconds(moment: datetime | None) -> int:
    """Return ns since the epoch; 0 for None; a time without zone is UTC."""
    if moment is None:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND * 1_000


EnumT = TypeVar("EnumT", bound=Enum)


def _member(members: type[EnumT], text: str | None, field: str, default: EnumT) -> EnumT:
    """Return the member of this value; the default where the field is absent or empty."""
    if not text:
        return default
    try:
        return members(text)
    except ValueError:
        raise _FieldError(field, f"{text!r} is none of {', '.join(str(m.value) for m in members)}") from None


def _address(text: str | None) -> IPAddress | None:
    """Return the address, or None where the text is none."""
    try:
        return parse_address(text) if text else None
    except ValueError:
        return None


def _labels(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    return {sys.intern(k): sys.intern(v) for k, v in labels.items()} if labels else {}


def service_view(record: ServiceRecord, identity: Identity) -> ServiceView:
    """Return what decisions read of a Service.

    Raises:
        DecodeError: an enumeration has a value that Kubernetes does not have.
    """
    meta, spec, status = record.metadata, record.spec or ServiceSpec(), record.status or ServiceStatus()
    annotations = Annotations(meta.annotations, identity)
    condition_type = identity.prefix + CONDITION_NAME
    ingress = (status.load_balancer.ingress if status.load_balancer else None) or ()
    with _naming("Service", meta):
        return ServiceView(
            key=meta.key,
            uid=meta.uid or "",
            type=sys.intern(spec.type or "ClusterIP"),
            created_utc=nanoseconds(meta.creation_timestamp),
            generation=meta.generation or 0,
            resource_version=meta.resource_version or "",
            labels=_labels(meta.labels),
            load_balancer_class=spec.load_balancer_class or None,
            cluster_ips=tuple(spec.cluster_ips or ([spec.cluster_ip] if spec.cluster_ip else ())),
            families=tuple(_families(spec.ip_families or ())),
            family_policy=_member(FamilyPolicy, spec.ip_family_policy, "spec.ipFamilyPolicy", FamilyPolicy.SINGLE_STACK),
            ports=tuple(port.view for port in spec.ports or ()),
            traffic_policy=_member(TrafficPolicy, spec.external_traffic_policy, "spec.externalTrafficPolicy", TrafficPolicy.CLUSTER),
            selector=tuple(sorted((spec.selector or {}).items())),
            requested_ips=annotations.get("loadBalancerIPs"),
            spec_load_balancer_ip=spec.load_balancer_ip or None,
            requested_pool=annotations.get("address-pool"),
            sharing_key=annotations.get("allow-shared-ip"),
            wanted_announcer=annotations.get("announcer"),
            external_ips=tuple(spec.external_ips or ()),
            ingress=tuple(IngressView(_address(i.ip), i.ip or i.hostname or "", i.ip_mode) for i in ingress),
            allocated_from_pool=annotations.get("ip-allocated-from-pool"),
            deprecated_annotations=tuple(annotations.deprecated),
            condition=_condition(status.conditions, condition_type),
            is_deleting=meta.deletion_timestamp is not None,
            finalizers=tuple(meta.finalizers or ()),
        )


def _families(texts: Iterable[str]) -> Iterable[Family]:
    return (_member(Family, text, f"spec.ipFamilies[{i}]", Family.IPV4) for i, text in enumerate(texts))


def _condition(conditions: Iterable[ConditionRecord] | None, condition_type: str) -> ConditionView | None:
    for c in conditions or ():
        if c.type == condition_type:
            return ConditionView(c.status, c.reason or "", c.message or "", c.observed_generation, nanoseconds(c.last_transition_time))
    return None


_endpoint = lru_cache(maxsize=8192)(EndpointView)
"""Endpoint values are few (nodes times conditions) however many slices there are: equal ones are one object."""
_ABSENT = EndpointConditions()


def endpoint_slice_view(record: EndpointSliceRecord, identity: Identity | None = None) -> EndpointSliceView:  # noqa: ARG001 - one signature for all
    """Return what decisions read of an EndpointSlice. A slice without the label belongs to no Service: its service has no name."""
    meta = record.metadata
    family = {"IPv4": Family.IPV4, "IPv6": Family.IPV6}.get(record.address_type or "")
    service = (meta.labels or {}).get(SERVICE_NAME_LABEL, "")
    endpoints = []
    for e in record.endpoints or ():
        c = e.conditions or _ABSENT
        node = sys.intern(e.node_name) if e.node_name else None
        endpoints.append(_endpoint(node, family, bool(e.addresses), c.ready, c.serving, c.terminating))
    key = meta.key
    return EndpointSliceView(key, ObjectKey(key.namespace, sys.intern(service)), tuple(endpoints))


def node_view(record: NodeRecord, identity: Identity) -> NodeView:
    """Return what decisions read of a Node."""
    status = record.status or NodeStatus()
    drain = Annotations(record.metadata.annotations, identity).get("drain")
    internal = (_address(a.address) for a in status.addresses or () if a.type == "InternalIP")
    return NodeView(
        name=sys.intern(record.metadata.name),
        labels=_labels(record.metadata.labels),
        is_network_unavailable=any(c.type == "NetworkUnavailable" and c.status == "True" for c in status.conditions or ()),
        is_draining=drain is not None and drain != "false",
        internal_ips=tuple(a for a in internal if a is not None),
    )


def namespace_view(record: NamespaceRecord, identity: Identity | None = None) -> NamespaceView:  # noqa: ARG001 - one signature for all
    """Return what decisions read of a Namespace."""
    return NamespaceView(sys.intern(record.metadata.name), _labels(record.metadata.labels))


def ledger_entry(record: EntryRecord, identity: Identity | None = None) -> LedgerEntry:  # noqa: ARG001 - one signature for all
    """Return the ledger entry that an IPAllocation is.

    Raises:
        DecodeError: its address or a port is none.
    """
    meta, spec = record.metadata, record.spec
    with _naming("IPAllocation", meta):
        address = _address(spec.address)
        if address is None:
            raise _FieldError("spec.address", f"{spec.address!r} is no IP address")
        held = spec.held_for
        return LedgerEntry(
            address=address,
            owner=sys.intern(spec.owner or ""),
            pool=sys.intern(spec.pool or ""),
            services=tuple(
                EntryService(
                    ObjectKey(sys.intern(s.namespace), sys.intern(s.name)),
                    s.uid or "",
                    tuple(_entry_port(p, f"spec.services[{i}].ports[{j}]") for j, p in enumerate(s.ports or ())),
                )
                for i, s in enumerate(spec.services or ())
            ),
            sharing_key=spec.sharing_key or "",
            backend_key=spec.backend_key or "",
            announcer=sys.intern(spec.announcer) if spec.announcer else None,
            since_utc=nanoseconds(spec.since),
            held_for=HeldFor(ObjectKey(held.namespace, held.name), nanoseconds(held.until)) if held else None,
            uid=meta.uid or "",
            resource_version=meta.resource_version or "",
        )


def _entry_port(port: str | PortRecord, field: str) -> Port:
    if isinstance(port, PortRecord):
        return port.view
    protocol, _, number = port.partition("/")
    if not number.isascii() or not number.isdecimal():
        raise _FieldError(field, f"{port!r} is no port like TCP/80")
    return Port(sys.intern(protocol), int(number))


def lease_view(record: LeaseRecord, identity: Identity | None = None) -> LeaseView:  # noqa: ARG001 - one signature for all
    """Return what is read of a Lease."""
    meta, spec = record.metadata, record.spec or LeaseSpec()
    return LeaseView(
        key=meta.key,
        holder=spec.holder_identity or "",
        duration=(spec.lease_duration_seconds or 0) * SECOND,
        renewed_utc=nanoseconds(spec.renew_time),
        acquired_utc=nanoseconds(spec.acquire_time),
        transitions=spec.lease_transitions or 0,
        labels=_labels(meta.labels),
        annotations=dict(meta.annotations or {}),
        uid=meta.uid or "",
        resource_version=meta.resource_version or "",
    )


class _naming:  # noqa: N801 - reads as a with statement, not as a type
    """Turns a _FieldError raised inside into a DecodeError that names the object."""

    __slots__ = ("_kind", "_meta")

    def __init__(self, kind: str, meta: Metadata) -> None:
        self._kind, self._meta = kind, meta

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, _FieldError):
            raise DecodeError(ObjectRef(self._kind, self._meta.key), error.field, str(error)) from None


R = TypeVar("R", bound=msgspec.Struct)
V = TypeVar("V")
_PLACE = re.compile(r"^(.*) - at (?:`key` in )?`\$\.?(.*)`$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Kind(Generic[R, V]):
    """How objects of one kind are read, from payloads and from manifests."""

    name: str
    record: type[R]
    view: Callable[[R, Identity], V]

    def decoder(self, identity: Identity) -> Callable[[bytes], V]:
        """Return a function from the JSON of one object to its view; it raises DecodeError and nothing else."""
        decode = msgspec.json.Decoder(self.record).decode
        view = self.view

        def read(data: bytes) -> V:
            try:
                record = decode(data)
            except UNDECODABLE as error:
                raise self._error(error, _metadata_of(data)) from None
            return view(record, identity)

        return read

    def from_manifest(self, manifest: Mapping[str, Any], identity: Identity) -> V:
        """Return the view of an object that was read from YAML or JSON.

        Raises:
            DecodeError: with object and field.
        """
        try:
            record = msgspec.convert(manifest, self.record)
        except UNDECODABLE as error:
            metadata = manifest.get("metadata")
            raise self._error(error, metadata if isinstance(metadata, Mapping) else {}) from None
        return self.view(record, identity)

    def _error(self, error: Exception, metadata: Mapping[str, Any]) -> DecodeError:
        namespace, name = metadata.get("namespace"), metadata.get("name")
        key = ObjectKey(namespace if isinstance(namespace, str) else "", name if isinstance(name, str) else "")
        place = _PLACE.match(str(error))
        field, message = (place[2], place[1]) if place else ("", str(error))
        return DecodeError(ObjectRef(self.name, key), field, message)


class _AnyMetadata(BaseRecord):
    metadata: Any = None


def _metadata_of(data: bytes) -> Mapping[str, Any]:
    """Return the metadata of an object that is wrong somewhere, as far as there is any."""
    try:
        metadata = msgspec.json.decode(data, type=_AnyMetadata).metadata
    except UNDECODABLE:
        return {}
    return metadata if isinstance(metadata, dict) else {}


SERVICE = Kind("Service", ServiceRecord, service_view)
ENDPOINT_SLICE = Kind("EndpointSlice", EndpointSliceRecord, endpoint_slice_view)
NODE = Kind("Node", NodeRecord, node_view)
NAMESPACE = Kind("Namespace", NamespaceRecord, namespace_view)
IP_ALLOCATION = Kind("IPAllocation", EntryRecord, ledger_entry)
LEASE = Kind("Lease", LeaseRecord, lease_view)
KINDS: Mapping[str, Kind[Any, Any]] = {kind.name: kind for kind in (SERVICE, ENDPOINT_SLICE, NODE, NAMESPACE, IP_ALLOCATION, LEASE)}

View = ServiceView | EndpointSliceView | NodeView | NamespaceView | LedgerEntry | LeaseView


def from_manifest(kind: str, manifest: Mapping[str, Any], identity: Identity) -> View:
    """Return the view of an object of one of KINDS that was read from a file.

    Raises:
        DecodeError: with object and field.
        KeyError: the kind is none of KINDS.
    """
    view: View = KINDS[kind].from_manifest(manifest, identity)
    return view


def raw_object(data: bytes) -> dict[str, Any]:
    """Return an object as plain dicts and lists, less ``metadata.managedFields`` (for ``api.compile``).

    Raises:
        DecodeError: it is no JSON object with metadata.
    """
    try:
        value = msgspec.json.decode(data)
    except UNDECODABLE as error:
        raise DecodeError(ObjectRef("", ObjectKey("", "")), "", str(error)) from None
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        raise DecodeError(ObjectRef("", ObjectKey("", "")), "metadata", "this is no Kubernetes object")
    metadata.pop("managedFields", None)
    return dict(value)
