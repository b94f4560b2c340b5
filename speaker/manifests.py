"""Views as Kubernetes objects again: what a state file consists of, so that ``bmlb plan -f`` and people can read it too.

Only what a speaker reads is written. ``view(manifest(view)) == view`` for what decisions look at.
"""

from collections.abc import Mapping
from typing import Any

from baremetal_lb.kube.records import SERVICE_NAME_LABEL
from baremetal_lb.kube.resources import ours
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.net import Family
from baremetal_lb.model.rfc3339 import format_microtime
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import EndpointSliceView, EndpointView, LeaseView, LedgerEntry, NodeView, ServiceView

Manifest = dict[str, Any]
_PLACEHOLDER = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}  # noqa: S104 - stands for the address of an endpoint, which no view keeps


def _metadata(key: ObjectKey, **fields: Any) -> Manifest:
    named = {"name": key.name, **({"namespace": key.namespace} if key.namespace else {})}
    return named | {name: value for name, value in fields.items() if value}


def _present(values: Mapping[str, Any]) -> Manifest:
    return {name: value for name, value in values.items() if value is not None}


def service_manifest(view: ServiceView, identity: Identity) -> Manifest:
    """Return a Service of type LoadBalancer."""
    annotations = _present({identity.prefix + "allow-shared-ip": view.sharing_key, identity.prefix + "announcer": view.wanted_announcer})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(view.key, uid=view.uid, labels=dict(view.labels), annotations=annotations),
        "spec": _present(
            {
                "type": view.type,
                "loadBalancerClass": view.load_balancer_class,
                "externalTrafficPolicy": view.traffic_policy.value,
                "ipFamilies": [family.value for family in view.families] or None,
                "clusterIPs": list(view.cluster_ips) or None,
                "ports": [{"protocol": port.protocol, "port": port.number} for port in view.ports] or None,
            }
        ),
        "status": {"loadBalancer": {"ingress": [{"ip": entry.text} for entry in view.ingress if entry.ip is not None]}},
    }


def slice_manifest(view: EndpointSliceView) -> Manifest:
    """Return an EndpointSlice; its endpoints have one family, which the slice's addressType says."""
    families = {endpoint.family for endpoint in view.endpoints}
    family = next(iter(families)) if len(families) == 1 else None
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata(view.key, labels={SERVICE_NAME_LABEL: view.service.name}),
        "addressType": family.value if family is not None else "FQDN",
        "endpoints": [_endpoint(endpoint) for endpoint in view.endpoints],
    }


def _endpoint(view: EndpointView) -> Manifest:
    conditions = _present({"ready": view.ready, "serving": view.serving, "terminating": view.terminating})
    addresses = [_PLACEHOLDER[view.family] if view.family else "backend.invalid"] if view.has_address else []
    return {"addresses": addresses, "conditions": conditions, **({"nodeName": view.node} if view.node is not None else {})}


def node_manifest(view: NodeView, identity: Identity) -> Manifest:
    """Return a Node."""
    annotations = {identity.prefix + "drain": "true"} if view.is_draining else {}
    conditions = [{"type": "NetworkUnavailable", "status": "True"}] if view.is_network_unavailable else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _metadata(ObjectKey("", view.name), labels=dict(view.labels), annotations=annotations),
        "status": {
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": str(address)} for address in view.internal_ips],
        },
    }


def entry_manifest(entry: LedgerEntry, name: str, identity: Identity) -> Manifest:
    """Return an IPAllocation, as far as a speaker reads it."""
    users = [{"namespace": user.key.namespace, "name": user.key.name, "uid": user.uid} for user in entry.services]
    return {
        "apiVersion": ours(identity, "ipallocations").api_version,
        "kind": "IPAllocation",
        "metadata": {"name": name},
        "spec": _present(
            {"address": str(entry.address), "owner": entry.owner, "pool": entry.pool, "services": users, "announcer": entry.announcer}
        ),
    }


def lease_manifest(view: LeaseView) -> Manifest:
    """Return a Lease with its facts."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": _metadata(view.key, labels=dict(view.labels), annotations=dict(view.annotations)),
        "spec": {
            "holderIdentity": view.holder,
            "leaseDurationSeconds": view.duration // SECOND,
            "renewTime": format_microtime(view.renewed_utc),
        },
    }
