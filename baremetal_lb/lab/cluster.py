"""The objects that a lab puts into its cluster: what kubelets and installers do elsewhere.

Nodes with their addresses, Pods with their status, the namespace of the product and its CRDs. Pools, advertisements and Services are
people's to apply; the demo applies its own from ``manifests/``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from baremetal_lb.api.crds import render
from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.resources import LEASES, NAMESPACES, NODES, SERVICES, Resource
from baremetal_lb.kube.rights import RBAC_GROUP, controller_rights, speaker_rights
from baremetal_lb.kube.transport import MERGE_PATCH, Transport
from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.layout import POD_LABELS, POD_NAMESPACE, POD_PORT, Layout, Node, Pod
from baremetal_lb.lab.state import SYSTEM_NAMESPACE
from baremetal_lb.model.ids import BAREMETAL_LB

T = TypeVar("T")
PODS = Resource("", "v1", "pods")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", is_namespaced=False)
ROLES = Resource(RBAC_GROUP, "v1", "clusterroles", is_namespaced=False)
BINDINGS = Resource(RBAC_GROUP, "v1", "clusterrolebindings", is_namespaced=False)
_ROLE_PREFIX = "lab-"
_RESOURCES = {
    "Namespace": NAMESPACES,
    "Node": NODES,
    "Pod": PODS,
    "Service": SERVICES,
    "CustomResourceDefinition": CRDS,
    "ClusterRole": ROLES,
    "ClusterRoleBinding": BINDINGS,
}
_RETRY_S = 0.1
Object = dict[str, Any]


class Cluster:
    """The API server of a lab, as its administrator sees it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def get(self, path: str) -> Object | None:
        """Return an object or list; None when it is not there.

        Raises:
            KubeError: no answer, or another no.
        """
        try:
            answer: Object = json.loads(await self.transport.request("GET", path))
        except ApiError as error:
            if error.is_not_found:
                return None
            raise
        return answer

    async def items(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Return all objects of a kind.

        Raises:
            KubeError: no answer, or no such kind.
        """
        return list(json.loads(await self.transport.request("GET", resource.path(namespace)))["items"])

    async def merge(self, path: str, patch: Mapping[str, Any]) -> Object:
        """Send a merge patch, and return the object.

        Raises:
            KubeError: no answer, or a no.
        """
        return dict(json.loads(await self.transport.request("PATCH", path, body=dict(patch), content_type=MERGE_PATCH)))

    async def apply(self, manifest: Object) -> None:
        """Create the object, or change it to what is written here.

        Raises:
            KubeError: no answer, or a no.
        """
        resource, metadata = resource_of(manifest), manifest["metadata"]
        namespace = metadata.get("namespace", POD_NAMESPACE) if resource.is_namespaced else ""
        try:
            await self.transport.request("POST", resource.path(namespace), body=manifest, content_type="application/json")
        except ApiError as error:
            if not error.already_exists:
                raise
            await self.merge(resource.path(namespace, metadata["name"]), manifest)


def resource_of(manifest: Object) -> Resource:
    """Return where objects of this kind are kept: the lab's few built-in kinds, or ours, whose plurals are regular."""
    kind = manifest["kind"]
    if kind in _RESOURCES:
        return _RESOURCES[kind]
    group, _, version = manifest["apiVersion"].rpartition("/")
    plural = kind.lower() + ("es" if kind.endswith("s") else "s")
    return Resource(group, version, plural, is_namespaced=kind not in ("IPAllocation", "IPReservation"))


def run(kubeconfig: Path, do: Callable[[Cluster], Awaitable[T]]) -> T:
    """Open the API server, do something with it and close it again, from a program without an event loop.

    Raises:
        LabError: no answer, or a no.
    """

    async def main() -> T:
        async with Transport(kubeconfig, user_agent="bmlb-lab") as transport:
            return await do(Cluster(transport))

    try:
        return asyncio.run(main())
    except KubeError as error:
        raise LabError(f"the API server of the lab: {error}") from None


async def install(cluster: Cluster, layout: Layout, *, users: Sequence[str] = (), deadline_s: float = 60) -> None:
    """Put in what a lab's cluster has when it comes up: CRDs, namespaces, rights, nodes, Pods.

    Raises:
        LabError: something was not taken before the deadline.
    """
    async with _deadline(deadline_s, "the lab's objects were not taken by the API server"):
        crds = render(BAREMETAL_LB)
        for crd in crds:
            await cluster.apply(crd)
        for name in (POD_NAMESPACE, SYSTEM_NAMESPACE):
            await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for manifest in (*_roles(), *map(_binding, users)) if users else ():
            await cluster.apply(manifest)
        await asyncio.gather(*(_put_node(cluster, node) for node in layout.nodes))
        await asyncio.gather(*(_put_pod(cluster, pod) for pod in layout.pods))
        await _until_established(cluster, crds)


async def set_ready(cluster: Cluster, pod: Pod, *, is_ready: bool) -> None:
    """Write what a kubelet writes when a readiness probe succeeds or fails.

    Raises:
        KubeError: no answer, or a no.
    """
    await cluster.merge(PODS.path(POD_NAMESPACE, pod.name, "status"), {"status": _pod_status(pod, is_ready=is_ready)})


async def lease_holder(cluster: Cluster, name: str) -> str | None:
    """Return who holds a Lease of the product's namespace; None when nobody does.

    Raises:
        KubeError: no answer.
    """
    lease = await cluster.get(LEASES.path(SYSTEM_NAMESPACE, name))
    return (lease or {}).get("spec", {}).get("holderIdentity") or None


async def serving_speakers(cluster: Cluster) -> set[str]:
    """Return the nodes whose speakers say that they serve.

    Raises:
        KubeError: no answer.
    """
    found = set()
    for lease in await cluster.items(LEASES, SYSTEM_NAMESPACE):
        member = lease["metadata"].get("annotations", {}).get(BAREMETAL_LB.prefix + "member")
        if member and json.loads(member).get("serving"):
            found.add(lease["spec"].get("holderIdentity") or lease["metadata"]["name"].removeprefix("speaker-"))
    return found


async def _put_node(cluster: Cluster, node: Node) -> None:
    labels = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
    spec = {"podCIDR": node.pod_networks[0], "podCIDRs": list(node.pod_networks)}
    await cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": labels}, "spec": spec})
    addresses = [{"type": "InternalIP", "address": str(ip)} for ip in node.ips] + [{"type": "Hostname", "address": node.name}]
    ready = {"type": "Ready", "status": "True", "reason": "Lab", "message": "The lab says so."}
    await cluster.merge(NODES.path("", node.name, "status"), {"status": {"addresses": addresses, "conditions": [ready]}})


async def _put_pod(cluster: Cluster, pod: Pod) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": POD_NAMESPACE, "labels": dict(POD_LABELS)},
        "spec": {
            "nodeName": pod.node,
            "automountServiceAccountToken": False,
            "containers": [{"name": "web", "image": "lab/web", "ports": [{"name": "http", "containerPort": POD_PORT}]}],
        },
    }
    while True:
        try:
            await cluster.apply(manifest)
            break
        except ApiError as error:
            # The real API server takes no Pod before kube-controller-manager has made the namespace's ServiceAccount.
            if "serviceaccount" not in error.message:
                raise
            await asyncio.sleep(_RETRY_S)
    await set_ready(cluster, pod, is_ready=True)


def _pod_status(pod: Pod, *, is_ready: bool) -> Object:
    kinds = {"PodScheduled": True, "Initialized": True, "ContainersReady": is_ready, "Ready": is_ready}
    return {
        "phase": "Running",
        "podIP": str(pod.ips[0]),
        "podIPs": [{"ip": str(ip)} for ip in pod.ips],
        "conditions": [{"type": kind, "status": str(value)} for kind, value in kinds.items()],
    }


def _roles() -> tuple[Object, ...]:
    """Return the rights of the product's processes: what they have in any cluster, and no more."""
    rules = {"controller": controller_rights(BAREMETAL_LB).everywhere, "speaker": speaker_rights(BAREMETAL_LB).everywhere}
    return tuple(
        {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": f"{_ROLE_PREFIX}{what}"}, "rules": granted}
        for what, granted in rules.items()
    )


def _binding(user: str) -> Object:
    """Bind a user to the role of what it is: ``speaker-node1`` to that of speakers."""
    what = next(what for what in ("kube-proxy", "controller", "speaker") if user.startswith(f"{what}-"))
    role = "system:node-proxier" if what == "kube-proxy" else f"{_ROLE_PREFIX}{what}"
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{_ROLE_PREFIX}{user}"},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": RBAC_GROUP, "name": user}],
    }


async def _until_established(cluster: Cluster, crds: Iterable[Object]) -> None:
    for crd in crds:
        while True:
            if _is_established(await cluster.get(CRDS.path("", crd["metadata"]["name"]))):
                break
            await asyncio.sleep(_RETRY_S)


def _is_established(crd: Object | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


@asynccontextmanager
async def _deadline(seconds: float, sentence: str) -> AsyncIterator[None]:
    """Bound what is done inside; the end of the time is a LabError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise LabError(f"{sentence} within {seconds:g} s") from None
