"""EndpointSlices of Services with a selector, as kube-controller-manager keeps them (KEP-752), for the embedded API server.

``desired_slices`` is the pure core: a Service and its namespace's Pods in, one slice per family of the Service out (a lab has few Pods:
slices are never split). ``EndpointSlices.settle`` brings the server's objects there, in the process of the API server itself, right after
the write that caused it: there is no moment in which a client can see the new Pod and wait long for its endpoint.

A Pod counts when the selector matches, it has a node and an address, and it has not ended. ready: the Pod's Ready condition, unless it
is terminating; serving: the Ready condition; terminating: it has a deletionTimestamp.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from baremetal_lb.apiserver.errors import MALFORMED
from baremetal_lb.apiserver.messages import Request, Response
from baremetal_lb.apiserver.server import ApiServer
from baremetal_lb.model.ids import ObjectKey

Object = dict[str, Any]
MANAGED_BY = "endpointslice-controller.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"


def desired_slices(service: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Return the EndpointSlices that a Service should have, named ``SERVICE-ipv4`` and ``SERVICE-ipv6``; none without a selector."""
    spec, metadata = service["spec"], service["metadata"]
    selector = spec.get("selector") or {}
    if not selector or spec.get("type") == "ExternalName":
        return []
    selected = [pod for pod in pods if selector.items() <= (pod["metadata"].get("labels") or {}).items()]
    return [
        _slice(service, family, selected) for family in spec.get("ipFamilies") or ("IPv4",) if metadata.get("deletionTimestamp") is None
    ]


def _slice(service: Mapping[str, Any], family: str, pods: list[Mapping[str, Any]]) -> Object:
    metadata, ports = service["metadata"], service["spec"].get("ports") or []
    owner = {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-{family.lower()}",
            "namespace": metadata["namespace"],
            "labels": {SERVICE_LABEL: metadata["name"], "endpointslice.kubernetes.io/managed-by": MANAGED_BY},
            "ownerReferences": [owner],
        },
        "addressType": family,
        "endpoints": sorted(
            (endpoint for pod in pods for endpoint in _endpoints(pod, family)), key=lambda endpoint: str(endpoint["addresses"])
        ),
        "ports": [{"name": port.get("name") or "", "protocol": port.get("protocol", "TCP"), "port": _target(port, pods)} for port in ports],
    }


def _target(port: Mapping[str, Any], pods: list[Mapping[str, Any]]) -> int:
    """Return the number of a target port; a name is looked up in the containers of the first Pod that has it."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    containers = [container for pod in pods for container in pod["spec"].get("containers") or ()]
    named = (item["containerPort"] for container in containers for item in container.get("ports") or () if item.get("name") == target)
    return int(next(named, port["port"]))


def _endpoints(pod: Mapping[str, Any], family: str) -> Iterator[Object]:
    status, metadata = pod.get("status") or {}, pod["metadata"]
    node = pod["spec"].get("nodeName")
    texts = [entry.get("ip", "") for entry in status.get("podIPs") or ([{"ip": status["podIP"]}] if status.get("podIP") else [])]
    address = next((text for text in texts if _family(text) == family), None)
    if address is None or not node or status.get("phase") in ("Succeeded", "Failed"):
        return
    is_ready = any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in status.get("conditions") or ())
    is_terminating = metadata.get("deletionTimestamp") is not None
    yield {
        "addresses": [address],
        "conditions": {"ready": is_ready and not is_terminating, "serving": is_ready, "terminating": is_terminating},
        "nodeName": node,
        "targetRef": {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
    }


def _family(text: str) -> str | None:
    try:
        return f"IPv{ip_address(text).version}"
    except ValueError:
        return None


class EndpointSlices:
    """Keeps the slices of one embedded API server. ``settle`` after each write; it looks only at what was written since."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._seen = 0
        self.malformed = 0
        """Services that could not be looked after, since they or their Pods make no sense; their slices stay as they are."""

    def settle(self, *, now_utc: int) -> None:
        """Create, update and delete slices until they are as they should be."""
        store = self._server.store
        occurrences = store.since(max(self._seen, store.oldest))
        is_first, self._seen = self._seen == 0, store.revision
        dirty = {key for key, _ in store.items(("", "services"))} if is_first else set()
        for occurrence in occurrences:
            if occurrence.storage == ("", "services"):
                dirty.add(occurrence.key)
            elif occurrence.storage == ("", "pods"):
                dirty |= {key for key, _ in store.items(("", "services")) if key.namespace == occurrence.key.namespace}
            elif occurrence.storage == ("discovery.k8s.io", "endpointslices"):
                labels = occurrence.last["metadata"].get("labels") or {}
                dirty.add(ObjectKey(occurrence.key.namespace, labels.get(SERVICE_LABEL, "")))
        for key in sorted(dirty):
            try:
                self._settle_service(key, now_utc)
            except MALFORMED:
                self.malformed += 1
        self._seen = store.revision

    def _settle_service(self, key: ObjectKey, now_utc: int) -> None:
        store = self._server.store
        service = store.get(("", "services"), key)
        pods = [pod for at, pod in store.items(("", "pods")) if at.namespace == key.namespace]
        wanted = {value["metadata"]["name"]: value for value in (desired_slices(service, pods) if service else ())}
        at = (ObjectKey(key.namespace, f"{key.name}-{family}") for family in ("ipv4", "ipv6"))
        present = {name.name: store.get(("discovery.k8s.io", "endpointslices"), name) for name in at}
        ours = {name: value for name, value in present.items() if value is not None and _is_ours(value, key.name)}
        path = f"/apis/discovery.k8s.io/v1/namespaces/{key.namespace}/endpointslices"
        for name in sorted(ours.keys() - wanted.keys()):
            self._send("DELETE", f"{path}/{name}", None, now_utc)
        for name, value in wanted.items():
            if name not in ours:
                self._send("POST", path, value, now_utc)
            elif any(ours[name].get(field) != value[field] for field in ("endpoints", "ports")):
                self._send("PUT", f"{path}/{name}", value, now_utc)

    def _send(self, method: str, path: str, body: Object | None, now_utc: int) -> None:
        request = Request(method, path, body=msgspec.json.encode(body) if body else b"", user_agent="endpoint-slices/0")
        answer = self._server.handle(request, now_utc=now_utc, is_exempt=True)
        assert isinstance(answer, Response)


def _is_ours(value: Mapping[str, Any], service: str) -> bool:
    labels = value["metadata"].get("labels") or {}
    return labels.get(SERVICE_LABEL) == service and labels.get("endpointslice.kubernetes.io/managed-by") == MANAGED_BY
