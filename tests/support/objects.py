"""Objects of a cluster as manifests, for whoever reads manifests: as small as they can be."""

from typing import Any

HOME = "baremetal-lb-system"
Object = dict[str, Any]


def pool(name: str, *addresses: str, **spec: Any) -> Object:
    """Return an IPAddressPool."""
    metadata = {"name": name, "namespace": HOME}
    return {
        "apiVersion": "baremetal-lb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": metadata,
        "spec": {"addresses": list(addresses), **spec},
    }


def service(name: str, ip: str | None = None, pool: str | None = None, *, lb_class: str | None = None) -> Object:
    """Return a Service of type LoadBalancer, with an IP in its status if one is given."""
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": name,
        "annotations": {"baremetal-lb.io/ip-allocated-from-pool": pool} if pool else {},
    }
    status = {"loadBalancer": {"ingress": [{"ip": ip}]}} if ip else {}
    spec: Object = {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]}
    spec |= {"loadBalancerClass": lb_class} if lb_class else {}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": status}


def entry(ip: str, *users: str, owner: str = f"baremetal-lb/{HOME}", **spec: Any) -> Object:
    """Return an IPAllocation of Services by name."""
    services = [{"namespace": "shop", "name": name, "uid": name, "ports": ["TCP/80"]} for name in users]
    return {
        "apiVersion": "baremetal-lb.io/v1beta1",
        "kind": "IPAllocation",
        "metadata": {"name": ip, "uid": ip, "resourceVersion": "1"},
        "spec": {"address": ip, "owner": owner, **({"services": services} if services else {}), **spec},
    }
