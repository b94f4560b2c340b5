"""What ``kubectl get`` shows: Table responses (meta.k8s.io/v1), with the columns of the real server.

A kind of Kubernetes itself has its own printer in ``_PRINTERS``; a custom one prints its additionalPrinterColumns, by the JSONPath
subset that those use: names, indexes, ``[*]`` and ``[?(@.name=="value")]`` (of several results the first counts, as on the real server).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from baremetal_lb.apiserver.age import format_age
from baremetal_lb.apiserver.errors import MALFORMED
from baremetal_lb.apiserver.resources import Object, PrinterColumn, Resource
from baremetal_lb.apiserver.selectors import value_at
from baremetal_lb.model.rfc3339 import time_or_none

_STEP = re.compile(r"""\.((?:[^.\[\\]|\\.)+)|\[(\d+|\*)\]|\[['"]([^'"]+)['"]\]|\[\?\(@\.([\w.]+)\s*==\s*(['"]?)(.*?)\5\)\]""")
_UNKNOWN = "<unknown>"
_NONE = "<none>"


def json_path(value: Any, path: str) -> list[Any]:
    """Return what a simple JSONPath finds; nothing when it is not understood."""
    found, at = [value], 0
    path = path.strip("{}")
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return []
        found = [item for value in found for item in _stepped(value, step)]
        at = step.end()
    return found


def _stepped(value: Any, step: re.Match[str]) -> Iterator[Any]:
    name, index, quoted, key, _, wanted = step.groups()
    if name := (name or quoted):
        name = name.replace("\\", "")
        if isinstance(value, dict) and name in value:
            yield value[name]
    elif isinstance(value, list):
        if index == "*":
            yield from value
        elif index is not None:
            yield from value[int(index) : int(index) + 1]
        else:
            yield from (item for item in value if str(value_at(item, key)) == wanted)


def _age(text: Any, now: int) -> str:
    moment = time_or_none(text)
    return _UNKNOWN if moment is None else format_age(now - moment)


def _custom_cell(value: Object, column: PrinterColumn, now: int) -> Any:
    found = json_path(value, column.json_path)
    if not found or found[0] is None:
        return None
    cell = found[0]
    if column.type == "date":
        return _age(cell, now)
    if column.type == "string" and not isinstance(cell, str):
        return msgspec.json.encode(cell).decode()
    return cell


def _of(value: Object, path: str, default: Any = "") -> Any:
    found = value_at(value, path)
    return default if found is None or found == "" else found


def _service(value: Object, now: int) -> list[Any]:
    kind = _of(value, "spec.type", "ClusterIP")
    outside = list(_of(value, "spec.externalIPs", []))
    if kind == "LoadBalancer":
        ingress = _of(value, "status.loadBalancer.ingress", [])
        outside = [*sorted({entry.get("ip") or entry.get("hostname", "") for entry in ingress}), *outside] or ["<pending>"]
    elif kind == "ExternalName":
        outside = [_of(value, "spec.externalName")]
    ports = [
        f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port.get('protocol', 'TCP')}"
        for port in _of(value, "spec.ports", [])
    ]
    selector = ",".join(f"{key}={item}" for key, item in sorted(_of(value, "spec.selector", {}).items()))
    return [
        kind,
        _of(value, "spec.clusterIP", _NONE),
        ",".join(outside) or _NONE,
        ",".join(ports) or _NONE,
        _created(value, now),
        selector or _NONE,
    ]


def _created(value: Object, now: int) -> str:
    return _age(value["metadata"].get("creationTimestamp"), now)


def _node(value: Object, now: int) -> list[Any]:
    ready = next((entry for entry in _of(value, "status.conditions", []) if entry.get("type") == "Ready"), None)
    state = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    if _of(value, "spec.unschedulable", default=False):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key[len(prefix) :] for key in value["metadata"].get("labels") or {} if key.startswith(prefix))
    ips = {
        kind: next((a["address"] for a in _of(value, "status.addresses", []) if a.get("type") == kind), _NONE)
        for kind in ("InternalIP", "ExternalIP")
    }
    info = [_of(value, f"status.nodeInfo.{name}", _UNKNOWN) for name in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [state, ",".join(roles) or _NONE, _created(value, now), _of(value, "status.nodeInfo.kubeletVersion"), *ips.values(), *info]


def _pod(value: Object, now: int) -> list[Any]:
    containers, statuses = _of(value, "spec.containers", []), _of(value, "status.containerStatuses", [])
    ready = sum(bool(status.get("ready")) for status in statuses)
    phase = "Terminating" if value["metadata"].get("deletionTimestamp") else _of(value, "status.reason") or _of(value, "status.phase")
    restarts = str(sum(status.get("restartCount", 0) for status in statuses))
    gates = str(len(_of(value, "spec.readinessGates", []))) if _of(value, "spec.readinessGates") else _NONE
    where = [_of(value, path, _NONE) for path in ("status.podIP", "spec.nodeName", "status.nominatedNodeName")]
    return [f"{ready}/{len(containers)}", phase, restarts, _created(value, now), *where, gates]


def _slice(value: Object, now: int) -> list[Any]:
    ports = [str(port.get("port") or "*") for port in value.get("ports") or ()]
    addresses = [address for endpoint in value.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [value.get("addressType", ""), _some(ports, "<unset>"), _some(addresses, "<unset>"), _created(value, now)]


def _some(items: list[str], nothing: str) -> str:
    more = f" + {len(items) - 3} more..." if len(items) > 3 else ""
    return ",".join(items[:3]) + more if items else nothing


def _event(value: Object, now: int) -> list[Any]:
    first = value.get("firstTimestamp") or value.get("eventTime")
    series = value.get("series") or {}
    last = series.get("lastObservedTime") or value.get("lastTimestamp") or first
    involved, source = value.get("involvedObject") or {}, value.get("source") or {}
    target = f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"
    origin = ", ".join(filter(None, [source.get("component") or value.get("reportingComponent") or "", source.get("host") or ""]))
    count = series.get("count") or value.get("count") or 1
    return [
        _age(last, now), value.get("type", ""), value.get("reason", ""), target, involved.get("fieldPath", ""), origin,
        (value.get("message") or "").strip(), _age(first, now), str(count), value["metadata"]["name"],
    ]  # fmt: skip


def _definition(value: Object, _now: int) -> list[Any]:
    spec = value["spec"]
    served = ",".join(version["name"] + "(storage)" * bool(version.get("storage")) for version in spec["versions"] if version.get("served"))
    is_established = any(
        entry.get("type") == "Established" and entry.get("status") == "True" for entry in _of(value, "status.conditions", [])
    )
    short = ",".join(spec["names"].get("shortNames") or ())
    return [spec["scope"], served, value["metadata"]["creationTimestamp"], spec["group"], spec["names"]["kind"], short, is_established]


def _aged(path: str) -> Callable[[Object, int], list[Any]]:
    return lambda value, now: [str(_of(value, path)), _created(value, now)]


def _data(value: Object) -> str:
    return str(len(value.get("data") or {}) + len(value.get("binaryData") or {}))


_PRINTERS: Mapping[tuple[str, str], tuple[str, Callable[[Object, int], list[Any]]]] = {
    ("", "services"): ("Type Cluster-IP External-IP Port(s) Age +Selector", _service),
    ("", "nodes"): ("Status Roles Age Version +Internal-IP +External-IP +OS-Image +Kernel-Version +Container-Runtime", _node),
    ("", "pods"): ("Ready Status Restarts Age +IP +Node +Nominated_Node +Readiness_Gates", _pod),
    ("", "namespaces"): ("Status Age", _aged("status.phase")),
    ("", "secrets"): ("Type Data Age", lambda value, now: [value.get("type", ""), _data(value), _created(value, now)]),
    ("", "configmaps"): ("Data Age", lambda value, now: [_data(value), _created(value, now)]),
    ("", "events"): ("Last_Seen Type Reason Object +Subobject +Source Message +First_Seen +Count +Name", _event),
    ("coordination.k8s.io", "leases"): ("Holder Age", _aged("spec.holderIdentity")),
    ("discovery.k8s.io", "endpointslices"): ("AddressType Ports Endpoints Age", _slice),
    ("apiextensions.k8s.io", "customresourcedefinitions"): ("Scope Versions Created_At +Group +Kind +ShortNames +Established", _definition),
}
_PLAIN = ("Age", lambda value, now: [_created(value, now)])
_NAME = {"name": "Name", "type": "string", "format": "name", "description": "Name of the object", "priority": 0}


def columns_of(resource: Resource) -> list[dict[str, Any]]:
    """Return the columnDefinitions of a kind."""
    if resource.columns is not None:
        return [
            _NAME,
            *(
                {"name": c.name, "type": c.type, "format": c.format, "description": c.description, "priority": c.priority}
                for c in resource.columns
            ),
        ]
    columns = []
    for word in _PRINTERS.get(resource.storage, _PLAIN)[0].split():
        name = word.lstrip("+").replace("_", " ")
        kind = {"Created At": "date", "Established": "boolean"}.get(name, "string")
        columns.append({"name": name, "type": kind, "format": "", "description": "", "priority": int(word[0] == "+")})
    if resource.storage == ("", "events"):
        return [*columns[:-1], {**_NAME, "priority": 1}]
    return [_NAME, *columns]


def cells_of(resource: Resource, value: Object, *, now: int) -> list[Any]:
    """Return the cells of one stored object."""
    name = value["metadata"]["name"]
    if resource.columns is not None:
        return [name, *(_custom_cell(value, column, now) for column in resource.columns)]
    try:
        cells = _PRINTERS.get(resource.storage, _PLAIN)[1](value, now)
    except MALFORMED:
        return [name, *["<malformed>"] * (len(columns_of(resource)) - 1)]
    return cells if resource.storage == ("", "events") else [name, *cells]
