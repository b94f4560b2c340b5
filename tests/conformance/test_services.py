"""What the API server makes of a Service: defaults, families, cluster IPs, changes of type, the status subresource."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.conformance.support import MERGE, ApiUnderTest, service
from tests.support.wait import until

V4, V6 = ip_network("10.96.0.0/16"), ip_network("fd00:10:96::/112")


@pytest.fixture
def services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def test_a_load_balancer_service_has_its_defaults(api: ApiUnderTest, services: str) -> None:
    made = api("POST", services, service("web", selector={"app": "web"}, ports=[{"port": 80}]))
    spec = dict(made["spec"])
    ip = spec.pop("clusterIP")
    assert ip_address(ip) in V4
    assert spec == {
        "type": "LoadBalancer",
        "selector": {"app": "web"},
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
        "clusterIPs": [ip],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None",
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "allocateLoadBalancerNodePorts": False,
    }
    assert made["status"] == {"loadBalancer": {}}
    assert made["metadata.generation"] is None


@pytest.mark.parametrize(
    ("spec", "families", "policy"),
    [
        pytest.param({}, ["IPv4"], "SingleStack", id="nothing asked"),
        pytest.param({"ipFamilies": ["IPv6"]}, ["IPv6"], "SingleStack", id="IPv6"),
        pytest.param({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], "PreferDualStack", id="prefer"),
        pytest.param({"ipFamilyPolicy": "RequireDualStack"}, ["IPv4", "IPv6"], "RequireDualStack", id="require"),
        pytest.param({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], "RequireDualStack", id="IPv6 first"),
        pytest.param(
            {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}, ["IPv6", "IPv4"], "PreferDualStack", id="both named"
        ),
    ],
)
def test_families_give_cluster_ips(api: ApiUnderTest, services: str, spec: dict[str, Any], families: list[str], policy: str) -> None:
    made = api("POST", services, service("web", **spec))
    assert (made["spec.ipFamilies"], made["spec.ipFamilyPolicy"]) == (families, policy)
    assert [f"IPv{ip_address(ip).version}" for ip in made["spec.clusterIPs"]] == families
    assert all(ip_address(ip) in (V4 if ip_address(ip).version == 4 else V6) for ip in made["spec.clusterIPs"])
    assert made["spec.clusterIP"] == made["spec.clusterIPs"][0]


@pytest.mark.parametrize(("selector", "families"), [(None, ["IPv4", "IPv6"]), ({"a": "b"}, ["IPv4"])])
def test_headless_services_have_no_cluster_ip(
    api: ApiUnderTest, services: str, selector: dict[str, str] | None, families: list[str]
) -> None:
    more = {"selector": selector} if selector else {}
    made = api("POST", services, service("web", type="ClusterIP", clusterIP="None", **more))
    assert (made["spec.clusterIPs"], made["spec.ipFamilies"]) == (["None"], families)


def test_an_external_name_has_no_ip_at_all(api: ApiUnderTest, services: str) -> None:
    made = api("POST", services, service("web", type="ExternalName", externalName="example.test"))
    assert {name: made["spec"].get(name) for name in ("clusterIP", "clusterIPs", "ipFamilies")} == {
        "clusterIP": None,
        "clusterIPs": None,
        "ipFamilies": None,
    }


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        pytest.param({"ports": []}, "spec.ports", id="no ports"),
        pytest.param({"ports": [{"port": 0}]}, "spec.ports[0].port", id="port 0"),
        pytest.param({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name", id="unnamed ports"),
        pytest.param({"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]}, "spec.ports[1]", id="a port twice"),
        pytest.param({"ports": [{"port": 1, "protocol": "X"}]}, "spec.ports[0].protocol", id="protocol"),
        pytest.param({"type": "X"}, "spec.type", id="type"),
        pytest.param({"type": "ClusterIP", "loadBalancerClass": "a/b"}, "spec.loadBalancerClass", id="class without load balancer"),
        pytest.param({"ipFamilies": ["IPv6", "IPv4"]}, "spec.ipFamilyPolicy", id="two families, single stack"),
        pytest.param({"clusterIP": "10.97.0.1"}, "spec.clusterIPs", id="cluster IP outside"),
        pytest.param({"externalTrafficPolicy": "X"}, "spec.externalTrafficPolicy", id="traffic policy"),
    ],
)
def test_a_service_that_makes_no_sense_is_refused(api: ApiUnderTest, services: str, spec: dict[str, Any], field: str) -> None:
    answer = api("POST", services, service("web", **spec))
    assert (answer.code, answer["reason"]) == (422, "Invalid")
    assert field in [cause["field"] for cause in answer["details.causes"]]


def test_a_cluster_ip_is_given_once(api: ApiUnderTest, services: str) -> None:
    ip = api("POST", services, service("one"))["spec.clusterIP"]
    assert api("POST", services, service("two", clusterIP=ip)).code == 422
    api("DELETE", f"{services}/one")
    assert api("POST", services, service("two", clusterIP=ip))["spec.clusterIP"] == ip


def test_the_class_never_changes(api: ApiUnderTest, services: str) -> None:
    api("POST", services, service("web", loadBalancerClass="a.test/b"))
    answer = api("PATCH", f"{services}/web", {"spec": {"loadBalancerClass": "c.test/d"}}, MERGE)
    assert (answer.code, answer["details.causes.0.field"]) == (422, "spec.loadBalancerClass")


def test_another_type_drops_what_belongs_to_a_load_balancer(api: ApiUnderTest, services: str) -> None:
    made = api("POST", services, service("web", loadBalancerClass="a.test/b", externalTrafficPolicy="Local"))
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}}}
    assert api("PATCH", f"{services}/web/status", ingress, MERGE).code == 200
    changed = api("PATCH", f"{services}/web", {"spec": {"type": "ClusterIP"}}, MERGE)
    assert changed.code == 200
    for name in ("loadBalancerClass", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"):
        assert changed["spec"].get(name) is None
    assert changed["spec.clusterIP"] == made["spec.clusterIP"]
    assert changed["status.loadBalancer"] == {}


def test_stacks_come_and_go(api: ApiUnderTest, services: str) -> None:
    made = api("POST", services, service("web"))
    both = api("PATCH", f"{services}/web", {"spec": {"ipFamilyPolicy": "RequireDualStack"}}, MERGE)
    assert (both["spec.ipFamilies"], both["spec.clusterIPs.0"]) == (["IPv4", "IPv6"], made["spec.clusterIP"])
    assert ip_address(both["spec.clusterIPs.1"]) in V6
    one = api("PATCH", f"{services}/web", {"spec": {"ipFamilyPolicy": "SingleStack"}}, MERGE)
    assert (one["spec.ipFamilies"], one["spec.clusterIPs"]) == (["IPv4"], [made["spec.clusterIP"]])


def test_to_external_name_and_back(api: ApiUnderTest, services: str) -> None:
    api("POST", services, service("web"))
    away = api("PATCH", f"{services}/web", {"spec": {"type": "ExternalName", "externalName": "example.test"}}, MERGE)
    assert (away.code, away["spec"].get("clusterIP")) == (200, None)
    back = api(
        "PATCH", f"{services}/web", {"spec": {"type": "LoadBalancer", "externalName": None, "allocateLoadBalancerNodePorts": False}}, MERGE
    )
    assert ip_address(back["spec.clusterIP"]) in V4


def test_an_update_without_cluster_ip_keeps_it(api: ApiUnderTest, services: str) -> None:
    made = api("POST", services, service("web"))
    updated = api("PUT", f"{services}/web", service("web", ports=[{"port": 81}]))
    assert (updated.code, updated["spec.clusterIPs"]) == (200, made["spec.clusterIPs"])
    moved = api("PATCH", f"{services}/web", {"spec": {"clusterIP": "10.96.200.200", "clusterIPs": ["10.96.200.200"]}}, MERGE)
    assert moved.code == 422


def test_status_and_spec_are_written_apart(api: ApiUnderTest, services: str) -> None:
    api("POST", services, {**service("web"), "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}})
    assert api("GET", f"{services}/web")["status"] == {"loadBalancer": {}}
    patch = {
        "metadata": {"labels": {"l": "1"}, "annotations": {"a": "1"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
    }
    by_status = api("PATCH", f"{services}/web/status", {**patch, "spec": {"externalTrafficPolicy": "Local"}}, MERGE)
    assert by_status["spec.externalTrafficPolicy"] == "Cluster"
    assert (by_status["metadata.labels"], by_status["metadata.annotations"]) == ({"l": "1"}, {"a": "1"})
    assert by_status["status.loadBalancer.ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}]
    by_main = api("PATCH", f"{services}/web", {"status": {"loadBalancer": None}, "metadata": {"labels": {"l": "2"}}}, MERGE)
    assert (by_main["metadata.labels"], by_main["status.loadBalancer.ingress.0.ip"]) == ({"l": "2"}, "203.0.113.1")


@pytest.mark.parametrize("entry", [{"ip": "nonsense"}, {"ip": "203.0.113.1", "ipMode": "X"}])
def test_a_status_that_makes_no_sense_is_refused(api: ApiUnderTest, services: str, entry: dict[str, str]) -> None:
    api("POST", services, service("web"))
    assert api("PATCH", f"{services}/web/status", {"status": {"loadBalancer": {"ingress": [entry]}}}, MERGE).code == 422


def test_endpoint_slices_follow_pods(api: ApiUnderTest, namespace: str, services: str) -> None:
    node = f"n-{namespace}"
    assert api("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}).code == 201
    api(
        "POST",
        services,
        service("web", selector={"app": "web"}, ipFamilyPolicy="RequireDualStack", ports=[{"port": 80, "targetPort": 8080}]),
    )
    pods = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "web"}}}
    made = api(
        "POST",
        pods,
        {**pod, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "none"}], "automountServiceAccountToken": False}},
    )
    assert made.code == 201, made.body

    def status(ready: str) -> dict[str, Any]:
        ips = [{"ip": "10.244.1.5"}, {"ip": "fd00:244::5"}]
        return {"status": {"phase": "Running", "podIP": ips[0]["ip"], "podIPs": ips, "conditions": [{"type": "Ready", "status": ready}]}}

    def seen() -> dict[str, Any]:
        found = api(
            "GET", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", labelSelector="kubernetes.io/service-name=web"
        )
        return {item["addressType"]: item for item in found["items"] if item["endpoints"]}

    assert api("PATCH", f"{pods}/p/status", status("True"), MERGE).code == 200
    until(lambda: set(seen()) == {"IPv4", "IPv6"}, describe=seen)
    endpoint = seen()["IPv6"]["endpoints"][0]
    assert (endpoint["addresses"], endpoint["nodeName"]) == (["fd00:244::5"], node)
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert [(port["port"], port["protocol"]) for port in seen()["IPv4"]["ports"]] == [(8080, "TCP")]
    api("PATCH", f"{pods}/p/status", status("False"), MERGE)
    until(lambda: seen()["IPv4"]["endpoints"][0]["conditions"] == {"ready": False, "serving": False, "terminating": False}, describe=seen)
    api("DELETE", f"{pods}/p", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    until(lambda: not seen(), describe=seen)
    api("DELETE", f"/api/v1/nodes/{node}")
