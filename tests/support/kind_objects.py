"""Objects that tests apply to the kind cluster: backends, Services, pools and peers."""

from typing import Any

from baremetal_lb.model.ids import BAREMETAL_LB
from kind_cluster.images import PROJECT
from kind_cluster.places import NETWORK
from tests.support.kind import BGP_POOL, NAMESPACE, NODE_ASN, ROUTER_ASN, Kind
from tests.support.kind_outside import Outside

Object = dict[str, Any]
BACKEND = "/opt/baremetal-lb/lib/python3.11/site-packages/baremetal_lb/lab/backend.py"
L2_LABELS = {"reach": "link"}


def backends() -> list[Object]:
    """Return a web server on each node, and one on a single node that can be moved (`one`, by its nodeSelector)."""
    everywhere = deployment("web", replicas=3)
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
        "matchLabelKeys": ["pod-template-hash"],
        "nodeTaintsPolicy": "Honor",
    }
    everywhere["spec"]["template"]["spec"]["topologySpreadConstraints"] = [spread]
    return [everywhere]


def deployment(name: str, *, replicas: int = 1, node: str = "") -> Object:
    """Return a web server that says which Pod it is, and goes on serving for a moment when it is told to stop."""
    environment = [
        {"name": variable, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for variable, path in (("NODE", "spec.nodeName"), ("POD", "metadata.name"))
    ]
    container = {
        "name": "web",
        "image": PROJECT,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-I", "-S", BACKEND, "$(NODE)", "$(POD)", "8080"],
        "env": environment,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        # Until kube-proxy has heard that the Pod goes: on a busy machine requests were still sent to it after 5 s.
        "lifecycle": {"preStop": {"sleep": {"seconds": 15}}},
    }
    spec: Object = {"containers": [container], "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]}
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def service(name: str, *, app: str = "web", policy: str = "Cluster", port: int = 80, pool: str = "link", **spec: Any) -> Object:
    """Return a LoadBalancer Service of the pool ``link`` or ``routed``; ``annotations`` are added to its own."""
    annotations = {f"{BAREMETAL_LB.prefix}address-pool": pool, **spec.pop("annotations", {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": app},
            "externalTrafficPolicy": policy,
            "ports": [{"port": port, "targetPort": 8080}],
            "allocateLoadBalancerNodePorts": False,
            **spec,
        },
    }


def ours(kind: str, name: str, version: str = "v1beta1", **spec: Any) -> Object:
    """Return one of our resources."""
    api_version = f"{BAREMETAL_LB.group}/{version}"
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def link_pool(kind: Kind) -> list[str]:
    """Return addresses out of the nodes' own networks that Docker does not give away: it begins at the other end."""
    v4, v6 = kind.subnets
    ranges = [f"{v4[-256]}-{v4[-200]}"]
    if v6 is not None and kind.has_ipv6:
        ranges.append(f"{v6[0xF000]}-{v6[0xF03F]}")
    return ranges


def configuration(kind: Kind, router: Outside) -> list[Object]:
    """Return pools for both modes, the router as a peer with BFD, and both advertisements."""
    routed = [BGP_POOL[0], *([BGP_POOL[1]] if kind.has_ipv6 else [])]
    return [
        ours("IPAddressPool", "link", addresses=link_pool(kind)),
        ours("IPAddressPool", "routed", addresses=routed, autoAssign=False),
        ours("L2Advertisement", "link", ipAddressPools=["link"]),
        # 3 s: far less than the router's hold time, and longer than a busy machine keeps a process waiting that is not realtime.
        ours("BFDProfile", "fast", receiveInterval=500, transmitInterval=500, detectMultiplier=6),
        ours(
            "BGPPeer",
            "router",
            "v1beta2",
            peerAddress=router.address(NETWORK),
            peerASN=ROUTER_ASN,
            myASN=NODE_ASN,
            bfdProfile="fast",
            enableGracefulRestart=True,
            **({"dualStackAddressFamily": True} if kind.has_ipv6 else {}),
        ),
        ours("BGPAdvertisement", "routed", ipAddressPools=["routed"]),
    ]
