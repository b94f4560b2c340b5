"""A real API server, and both processes with the ServiceAccounts, rules and admission policies that an installation has: nothing more."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest
import yaml

from baremetal_lb.install import SPEAKER, objects
from baremetal_lb.lab.servers import find_or_build, free_port
from baremetal_lb.model.ids import BAREMETAL_LB
from kind_cluster.commands import run
from speaker.status import label_value
from tests.support.controllers import GROUP, Install
from tests.support.kubeserver import KubeServer
from tests.support.speakers import Speakers, install_crds
from tests.support.wait import until

pytestmark = [pytest.mark.kube, pytest.mark.netns]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONTROLLER = SPEAKER.replace("speaker", "controller")
IP = "198.51.100.128"


class Installed:
    """An installation's objects on the API server, with processes that run as its ServiceAccounts."""

    def __init__(self, server: KubeServer, work: Path, speakers: Speakers) -> None:
        self.server, self.work, self.speakers = server, work, speakers
        self.namespace = speakers.namespace
        self.install = Install(server, work, self.namespace, speakers.users)
        kinds = {"Deployment", "DaemonSet", "PodDisruptionBudget", "NetworkPolicy"}
        self.objects = [each for each in objects(BAREMETAL_LB, "l2", namespace=self.namespace) if each["kind"] not in kinds]

    def apply(self) -> None:
        """Apply all but the workloads."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(self.objects))

    def remove(self) -> None:
        """Remove what is not in the namespace, the policies first."""
        cluster_wide = sorted(
            (o for o in self.objects if "namespace" not in o["metadata"] and o["kind"] != "Namespace"), key=_policies_first
        )
        self.kubectl("delete", "--ignore-not-found", "-f", "-", text=yaml.safe_dump_all(cluster_wide))

    def kubectl(self, *arguments: str, text: str) -> str:
        """Run kubectl as the administrator."""
        return run(find_or_build(print) / "kubectl", "--kubeconfig", self.server.kubeconfig("admin"), *arguments, text=text)

    def token(self, account: str, node: str = "") -> str:
        """Return a token of a ServiceAccount, as the kubelet of a node asks for one."""
        spec: dict[str, object] = {}
        if node:
            pods = f"/api/v1/namespaces/{self.namespace}/pods"
            container = {"name": "c", "image": "none"}
            pod = self.server.create(pods, {
                "metadata": {"name": f"on-{node}"},
                "spec": {"serviceAccountName": account, "nodeName": node, "containers": [container], "automountServiceAccountToken": False},
            })  # fmt: skip
            spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": f"on-{node}", "uid": pod["metadata"]["uid"]}
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": None, **spec}}
        return str(json.loads(self.server.call("POST", path, request))["status"]["token"])

    def kubeconfig(self, token: str, name: str) -> Path:
        """Write a kubeconfig with a token."""
        config = yaml.safe_load(self.server.kubeconfig("admin").read_text())
        config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
        path = self.work / f"{name}.account.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def start_speaker(self, name: str = "node1"):
        """Start a speaker as the ServiceAccount, with its node in the token."""
        node = self.speakers.node(name, start=False)
        node.kubeconfig = self.kubeconfig(self.token(SPEAKER, name), name)
        node.start("--lb-class", self.install.lb_class)
        return node


@pytest.fixture
def installed(kube_server: KubeServer, tmp_path: Path) -> Iterator[Installed]:
    install_crds(kube_server, BAREMETAL_LB)
    with Speakers(kube_server, tmp_path) as speakers:
        made = Installed(kube_server, tmp_path, speakers)
        try:
            yield made
        finally:
            made.install.close()
            made.remove()


def test_everything_works_with_exactly_these_rights(installed: Installed):
    installed.apply()
    began = installed.server.audit_mark()
    controller = installed.install.start(kubeconfig=installed.kubeconfig(installed.token(CONTROLLER), "controller"))
    node = installed.start_speaker()
    node.until_ready()
    installed.speakers.configure()
    installed.install.service("web", allocateLoadBalancerNodePorts=False)
    installed.speakers.endpoints("web", {"node1": True})
    until(lambda: installed.install.ips("web") == [IP], 20, lambda: controller.log.read_text()[-2000:])
    installed.speakers.until_answered(IP, by=node)
    until(lambda: installed.speakers.statuses().get("web@node1", {}).get("node") == "node1", 20)
    pool = f"/apis/{installed.speakers.identity.group}/v1beta1/namespaces/{installed.speakers.namespace}/ipaddresspools/blue"
    installed.server.merge(pool, {"spec": {"retainFor": "1s"}})
    until(lambda: installed.server.get(pool)["status"]["conditions"][0]["observedGeneration"] == 2, 20)
    installed.server.delete(installed.install.service_path("web"))
    until(lambda: installed.server.get(installed.speakers.entry_path(IP)) is None, 20)
    until(lambda: not installed.speakers.statuses(), 20)
    assert node.terminate() < 10
    controller.stop()
    asked = [e for e in installed.server.audit(since=began) if e.user.startswith(f"system:serviceaccount:{installed.namespace}:")]
    assert {e.user.rpartition(":")[2] for e in asked} == {CONTROLLER, SPEAKER}
    assert {(e.user, e.verb, e.resource, e.name) for e in asked if e.code == 403} == set()


@pytest.mark.parametrize(
    ("account", "resource"),
    [
        (SPEAKER, "endpointslices"), (SPEAKER, "ipallocations"), (SPEAKER, "l2advertisements"),
        (CONTROLLER, "services"), (CONTROLLER, "ipaddresspools"),
    ],
)  # fmt: skip
def test_a_right_that_is_missing_is_named(installed: Installed, account: str, resource: str):
    for item in installed.objects:
        if item["kind"] in ("Role", "ClusterRole") and item["metadata"]["name"] == account:
            item["rules"] = [{**rule, "resources": [r for r in rule["resources"] if r != resource]} for rule in item["rules"]]
            item["rules"] = [rule for rule in item["rules"] if rule["resources"]]
    installed.apply()
    if account == SPEAKER:
        node = installed.start_speaker()

        def said() -> str:
            return node.get("/readyz")[1]
    else:
        port = free_port()
        kubeconfig = installed.kubeconfig(installed.token(CONTROLLER), "controller")
        installed.install.start(kubeconfig=kubeconfig, is_awaited=False, health_port=port)

        def said() -> str:
            return fetch(port)

    who = f"system:serviceaccount:{installed.namespace}:{account}"
    until(lambda: all(word in said() for word in (resource, "forbidden", who)), 20, said)


def test_a_speaker_writes_its_own_lease_and_no_other(installed: Installed):
    installed.apply()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{installed.namespace}/leases"
    for name in ("speaker-node1", "speaker-node2"):
        installed.server.create(path, {"metadata": {"name": name}, "spec": {}})
    installed.server.create("/api/v1/nodes", {"metadata": {"name": "node1"}})
    token = installed.token(SPEAKER, "node1")
    until(lambda: patch_as(installed, token, f"{path}/speaker-node2") == 403, 10)  # policies take a moment to be in force
    assert patch_as(installed, token, f"{path}/speaker-node1") == 200
    nodeless = installed.token(SPEAKER)
    assert patch_as(installed, nodeless, f"{path}/speaker-node1") == 403


@pytest.mark.parametrize(
    "node", ["node1", "a-name-of-a-node-that-is-longer-than-a-label-may-be.rack-17.example.test"], ids=["short", "long"]
)
def test_a_speaker_writes_status_objects_of_its_own_node_and_no_other(installed: Installed, node: str):
    """By the label, which of a long name has the beginning and a hash: another node with the same beginning is told apart by the status."""
    installed.apply()
    installed.server.create("/api/v1/nodes", {"metadata": {"name": node}})
    token = installed.token(SPEAKER, node)
    path = f"{GROUP}/namespaces/{installed.namespace}/servicel2statuses"

    def manifest(name: str, of: str) -> dict[str, object]:
        labels = {BAREMETAL_LB.prefix + "node": label_value(of)}
        return {
            "apiVersion": "baremetal-lb.io/v1beta1",
            "kind": "ServiceL2Status",
            "metadata": {"name": name, "labels": labels},
            "spec": {},
        }

    until(lambda: send_as(installed, token, "POST", path, manifest("of-another", "node2" * 20)) == 403, 10)
    assert send_as(installed, token, "POST", path, manifest("own", node)) == 201
    assert patch_as(installed, token, f"{path}/own/status", {"status": {"node": "node2"}}) == 403
    assert patch_as(installed, token, f"{path}/own/status", {"status": {"node": node}}) == 200


def patch_as(installed: Installed, token: str, path: str, patch: dict[str, object] | None = None) -> int:
    """Try a merge patch; return the status code."""
    return send_as(installed, token, "PATCH", path, patch or {"metadata": {"labels": {"tried": "yes"}}})


def send_as(installed: Installed, token: str, method: str, path: str, document: dict[str, object]) -> int:
    """Try a request; return the status code."""
    context = ssl.create_default_context(cafile=str(installed.server.work / "certs" / "apiserver.crt"))
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    content = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
    try:
        with opener.open(Request(installed.server.url + path, json.dumps(document).encode(), headers, method=method), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def fetch(port: int) -> str:
    """Return what /readyz says."""
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.read().decode()
    except HTTPError as error:
        return error.read().decode()
    except OSError as error:
        return str(error)


def _policies_first(item: dict) -> int:
    return 0 if item["kind"].startswith("ValidatingAdmissionPolicy") else 1
