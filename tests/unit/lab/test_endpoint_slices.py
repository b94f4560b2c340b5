"""EndpointSlices from a Service and Pods: the pure core, and its settling in an embedded server."""

import json
import uuid
from typing import Any

import pytest

from baremetal_lb.apiserver.messages import Request, Response
from baremetal_lb.apiserver.server import ApiServer
from baremetal_lb.lab.endpoint_slices import EndpointSlices, desired_slices

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


def service(**spec: Any) -> dict[str, Any]:
    body = {
        "selector": {"app": "web"},
        "ipFamilies": ["IPv4", "IPv6"],
        "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}],
        **spec,
    }
    return {"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": body}


def pod(name: str = "p", *, ready: bool = True, ips: tuple[str, ...] = ("10.0.0.1", "fd00::1"), **more: Any) -> dict[str, Any]:
    status = {
        "phase": more.pop("phase", "Running"),
        "podIPs": [{"ip": ip} for ip in ips],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    metadata = {"name": name, "namespace": "default", "uid": name, "labels": more.pop("labels", {"app": "web", "x": "y"})}
    return {"metadata": {**metadata, **more}, "spec": {"nodeName": "node1", "containers": []}, "status": status}


def endpoints(value: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {item["addressType"]: item["endpoints"] for item in value}


def test_each_family_has_a_slice_with_the_address_of_that_family() -> None:
    found = endpoints(desired_slices(service(), [pod()]))
    assert {family: [endpoint["addresses"] for endpoint in listed] for family, listed in found.items()} == {
        "IPv4": [["10.0.0.1"]],
        "IPv6": [["fd00::1"]],
    }
    assert found["IPv4"][0]["nodeName"] == "node1"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, {"ready": True, "serving": True, "terminating": False}, id="ready"),
        pytest.param({"ready": False}, {"ready": False, "serving": False, "terminating": False}, id="not ready"),
        pytest.param({"deletionTimestamp": "t"}, {"ready": False, "serving": True, "terminating": True}, id="terminating, still serving"),
        pytest.param({"phase": "Succeeded"}, None, id="ended"),
        pytest.param({"ips": ()}, None, id="no address"),
        pytest.param({"ips": ("nonsense",)}, None, id="no such address"),
        pytest.param({"labels": {"app": "other"}}, None, id="not selected"),
    ],
)
def test_conditions_say_what_the_pod_is(change: dict[str, Any], expected: dict[str, bool] | None) -> None:
    listed = endpoints(desired_slices(service(), [pod(**change)]))["IPv4"]
    assert [endpoint["conditions"] for endpoint in listed] == ([] if expected is None else [expected])


@pytest.mark.parametrize("spec", [{"selector": {}}, {"selector": None}, {"type": "ExternalName"}])
def test_a_service_without_selector_has_none(spec: dict[str, Any]) -> None:
    assert desired_slices(service(**spec), [pod()]) == []


def test_a_named_target_port_is_that_of_the_container() -> None:
    body = pod()
    body["spec"]["containers"] = [{"ports": [{"name": "http", "containerPort": 9000}]}]
    [first, _] = desired_slices(service(ports=[{"port": 80, "targetPort": "http"}]), [body])
    assert first["ports"] == [{"name": "", "protocol": "TCP", "port": 9000}]


class Cluster:
    def __init__(self) -> None:
        self.server = ApiServer(new_uid=lambda: str(uuid.uuid4()))
        self.server.start(now_utc=0)
        self.slices = EndpointSlices(self.server)

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        answer = self.server.handle(
            Request(method, path, body=json.dumps(body).encode() if body else b"", content_type=content_type), now_utc=0
        )
        assert isinstance(answer, Response)
        self.slices.settle(now_utc=0)
        return json.loads(answer.body)

    def seen(self) -> dict[str, list[list[str]]]:
        return {
            item["metadata"]["name"]: [endpoint["addresses"] for endpoint in item["endpoints"]]
            for item in self.call("GET", SLICES)["items"]
        }


def test_slices_follow_services_and_pods_and_are_put_right() -> None:
    cluster = Cluster()
    base = "/api/v1/namespaces/default"
    cluster.call("POST", f"{base}/services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    assert cluster.seen() == {"web-ipv4": []}
    made = pod()
    cluster.call("POST", f"{base}/pods", {"metadata": {"name": "p", "labels": {"app": "web"}}, "spec": made["spec"]})
    cluster.call("PATCH", f"{base}/pods/p/status", {"status": made["status"]}, "application/merge-patch+json")
    assert cluster.seen() == {"web-ipv4": [["10.0.0.1"]]}
    revision = cluster.server.store.revision
    cluster.slices.settle(now_utc=0)
    assert cluster.server.store.revision == revision
    cluster.call("DELETE", f"{SLICES}/web-ipv4")
    assert cluster.seen() == {"web-ipv4": [["10.0.0.1"]]}
    cluster.call("PATCH", f"{base}/services/web", {"spec": {"ipFamilyPolicy": "RequireDualStack"}}, "application/merge-patch+json")
    assert cluster.seen() == {"web-ipv4": [["10.0.0.1"]], "web-ipv6": [["fd00::1"]]}
    cluster.call("DELETE", f"{base}/pods/p")
    assert cluster.seen() == {"web-ipv4": [], "web-ipv6": []}
    cluster.call("DELETE", f"{base}/services/web")
    assert cluster.seen() == {}


def test_slices_of_others_are_left_alone() -> None:
    cluster = Cluster()
    foreign = {
        "metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.9"]}],
    }
    cluster.call("POST", SLICES, foreign)
    cluster.call("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    assert cluster.seen() == {"mine": [["10.0.0.9"]]}


def test_faults_on_demand_are_for_others() -> None:
    cluster = Cluster()
    cluster.call("POST", "/_faults", {"action": "Error", "method": "POST", "path": "/endpointslices"})
    cluster.call(
        "POST",
        "/api/v1/namespaces/default/services",
        {"metadata": {"name": "web"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}},
    )
    assert cluster.seen() == {"web-ipv4": []}
    assert len(cluster.call("GET", "/_faults")) == 1
