"""What each kind needs beyond the common rules: defaults, validation, and the two faces of Events.

``prepare`` is called with every object that is about to be stored (whole objects, whichever subresource is written), ``problems`` with
its result. Kinds that are not named here are stored as they come.
"""

import re
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address

from baremetal_lb.apiserver.definitions import definition_problems, established, prepare_definition
from baremetal_lb.apiserver.errors import Cause
from baremetal_lb.apiserver.resources import EVENTS_GROUP, EXTENSIONS_GROUP, Object, Resource
from baremetal_lb.apiserver.schema import problems as schema_problems
from baremetal_lb.apiserver.services import (
    ServiceNetworks,
    prepare_service,
    prepare_service_status,
    service_problems,
    service_status_problems,
)

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABELLED = ("namespaces", "services")
NODE_RELATED = "kubernetes.io/metadata.name"


def prepare(resource: Resource, new: Object, old: Object | None, *, networks: ServiceNetworks, used: Collection[str], time: str) -> Object:
    """Fill in defaults."""
    match resource.storage:
        case "", "services":
            return prepare_service_status(prepare_service(new, old, networks, used))
        case "", "namespaces":
            labels = {**(new["metadata"].get("labels") or {}), NODE_RELATED: new["metadata"]["name"]}
            finalizers = (new.get("spec") or {}).get("finalizers", ["kubernetes"])
            phase = "Terminating" if new["metadata"].get("deletionTimestamp") else "Active"
            status = {**(new.get("status") or {}), "phase": phase}
            return {**new, "metadata": {**new["metadata"], "labels": labels}, "spec": {"finalizers": finalizers}, "status": status}
        case "", "pods":
            spec = {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30, **(new.get("spec") or {})}
            return {**new, "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort", **(new.get("status") or {})}}
        case "", "nodes":
            return {**new, "spec": new.get("spec") or {}, "status": new.get("status") or {}}
        case "", "secrets":
            return _prepare_secret(new)
        case group, "customresourcedefinitions" if group == EXTENSIONS_GROUP:
            prepared = prepare_definition(new)
            return established(prepared, old, time) if not [*definition_problems(prepared)] else prepared
        case "discovery.k8s.io", "endpointslices":
            ports = [{"name": "", "protocol": "TCP", **port} for port in new.get("ports") or ()]
            return {**new, "ports": ports, "endpoints": new.get("endpoints") or []}
        case _:
            return new


def _prepare_secret(new: Object) -> Object:
    """Fold stringData, which is write-only, into data."""
    if not (texts := new.get("stringData")):
        return {"type": "Opaque", **new}
    data = {**(new.get("data") or {}), **{name: b64encode(text.encode()).decode() for name, text in texts.items()}}
    return {"type": "Opaque", **{name: value for name, value in new.items() if name != "stringData"}, "data": data}


def problems(resource: Resource, new: Object, old: Object | None, *, networks: ServiceNetworks, used: Collection[str]) -> Iterator[Cause]:
    """Yield what is wrong with a prepared object."""
    name = new["metadata"]["name"]
    is_label = resource.storage[1] in _LABELLED and not resource.is_custom
    if len(name) > (63 if is_label else 253) or not (_LABEL if is_label else _SUBDOMAIN).fullmatch(name):
        what = "label" if is_label else "subdomain"
        rule = "must consist of lower case alphanumeric characters, '-'" + ("" if is_label else " or '.'")
        yield Cause(
            "metadata.name",
            f'Invalid value: "{name}": a lowercase RFC 1123 {what} {rule}, and must start and end with an alphanumeric character',
        )
    for field in ("labels", "annotations"):
        for key, value in (new["metadata"].get(field) or {}).items():
            if not isinstance(value, str):
                yield Cause(f"metadata.{field}", f'Invalid value: "{key}": must be a string')
    if resource.schema is not None:
        yield from schema_problems(new, resource.schema)
    match resource.storage:
        case "", "services":
            yield from service_problems(new, old, networks, used)
            if old is None or old.get("status") != new.get("status"):
                yield from service_status_problems(new)
        case group, "customresourcedefinitions" if group == EXTENSIONS_GROUP:
            yield from definition_problems(new)
        case "discovery.k8s.io", "endpointslices":
            yield from _slice_problems(new)
        case _:
            pass


def _slice_problems(new: Object) -> Iterator[Cause]:
    kind = new.get("addressType")
    if kind not in ("IPv4", "IPv6", "FQDN"):
        yield Cause("addressType", f'Unsupported value: "{kind or ""}": supported values: "FQDN", "IPv4", "IPv6"', "FieldValueNotSupported")
        return
    for index, endpoint in enumerate(new["endpoints"]):
        addresses = endpoint.get("addresses") or []
        if not addresses:
            yield Cause(f"endpoints[{index}].addresses", "Required value: must contain at least 1 address", "FieldValueRequired")
        for place, text in enumerate(addresses):
            try:
                is_right = kind == "FQDN" or f"IPv{ip_address(text).version}" == kind
            except ValueError:
                is_right = False
            if not is_right:
                yield Cause(f"endpoints[{index}].addresses[{place}]", f'Invalid value: "{text}": must be a valid {kind} address')


_EVENT_NAMES: Mapping[str, str] = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}


def shown(resource: Resource, value: Object) -> Object:
    """Return a stored object as this version of its kind shows it."""
    if resource.storage == ("", "events") and resource.group == EVENTS_GROUP:
        value = {_EVENT_NAMES.get(name, name): item for name, item in value.items()}
    if value.get("apiVersion") == resource.api_version and value.get("kind") == resource.kind:
        return value
    return {**value, "apiVersion": resource.api_version, "kind": resource.kind}


def stored(resource: Resource, value: Object) -> Object:
    """Return an object as it is stored: core Events whatever the group; other kinds as they are."""
    if resource.storage == ("", "events") and resource.group == EVENTS_GROUP:
        names = {shown_as: name for name, shown_as in _EVENT_NAMES.items()}
        return {**{names.get(name, name): item for name, item in value.items()}, "apiVersion": "v1"}
    return value
