"""The ordinary kubectl, on both servers: what the documentation tells people to type."""

import json

import pytest

from tests.conformance.support import MERGE, ApiUnderTest, config_map, definition, service, thing
from tests.support.wait import until

CONDITION = {
    "type": "baremetal-lb.io/Satisfied",
    "status": "True",
    "reason": "R",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def test_imperative_commands_create(api: ApiUnderTest, namespace: str) -> None:
    api.kubectl("create", "namespace", f"{namespace}-x")
    assert f"{namespace}-x" in api.kubectl("get", "namespaces", "-o", "name")
    api.kubectl("delete", "namespace", f"{namespace}-x")
    api.kubectl("-n", namespace, "create", "service", "loadbalancer", "web", "--tcp=80:8080")
    api.kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=a=b")
    api.kubectl("-n", namespace, "create", "secret", "generic", "hidden", "--from-literal=a=b")
    spec = json.loads(api.kubectl("-n", namespace, "get", "service", "web", "-o", "json"))["spec"]
    assert (spec["type"], spec["ports"][0]["targetPort"], spec["selector"]) == ("LoadBalancer", 8080, {"app": "web"})
    assert api.kubectl("-n", namespace, "get", "secret", "hidden", "-o", "jsonpath={.data.a}") == "Yg=="
    assert api.kubectl("-n", namespace, "get", "cm", "settings", "-o", "jsonpath={.data.a}") == "b"


def test_apply_creates_changes_and_removes(api: ApiUnderTest, namespace: str) -> None:
    first = service(
        "web", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}], selector={"app": "web"}, loadBalancerIP="203.0.113.9"
    )
    assert "service/web created" in api.kubectl("-n", namespace, "apply", "-f", "-", stdin=first)
    assert "service/web unchanged" in api.kubectl("-n", namespace, "apply", "-f", "-", stdin=first)
    second = service("web", ports=[{"name": "a", "port": 80, "targetPort": 8080}], selector={"app": "web"}, externalTrafficPolicy="Local")
    assert "service/web configured" in api.kubectl("-n", namespace, "apply", "-f", "-", stdin=second)
    spec = api("GET", f"/api/v1/namespaces/{namespace}/services/web")["spec"]
    assert [(port["name"], port["targetPort"]) for port in spec["ports"]] == [("a", 8080)]
    assert (spec["externalTrafficPolicy"], spec.get("loadBalancerIP")) == ("Local", None)


def test_apply_works_for_custom_resources(api: ApiUnderTest, namespace: str, things: str) -> None:
    assert "created" in api.kubectl("-n", namespace, "apply", "-f", "-", stdin=thing("a", {"size": 1, "name": "abc"}))
    assert "configured" in api.kubectl("-n", namespace, "apply", "-f", "-", stdin=thing("a", {"size": 2}))
    assert api("GET", f"{things}/a")["spec"] == {"size": 2, "color": "red"}
    assert "serverside-applied" in api.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", stdin=thing("b"))
    assert "(server dry run)" in api.kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", stdin=thing("c"))
    assert api("GET", f"{things}/c").code == 404


def test_mistakes_are_told(api: ApiUnderTest, namespace: str, things: str) -> None:
    assert 'unknown field "spec.sise"' in api.kubectl(
        "-n", namespace, "create", "-f", "-", stdin=thing("a", {"size": 1, "sise": 1}), fails=True
    )
    assert "should be less than or equal to 9" in api.kubectl(
        "-n", namespace, "apply", "-f", "-", stdin=thing("a", {"size": 10}), fails=True
    )
    assert "NotFound" in api.kubectl("-n", namespace, "get", "service", "absent", fails=True)
    assert "the server doesn't have a resource type" in api.kubectl("get", "nonsense", fails=True)


def test_definitions_are_applied_and_waited_for(api: ApiUnderTest) -> None:
    body = definition()
    body["metadata"]["name"], body["spec"]["group"] = "things.waited.test", "waited.test"
    api.kubectl("apply", "-f", "-", stdin=body)
    api.kubectl("wait", "--for=condition=Established", "crd/things.waited.test", "--timeout=20s")
    assert "unchanged" in api.kubectl("apply", "-f", "-", stdin=body)
    api.kubectl("delete", "crd", "things.waited.test")


def test_get_prints_tables(api: ApiUnderTest, namespace: str, things: str) -> None:
    api("POST", f"/api/v1/namespaces/{namespace}/services", service("web", selector={"app": "web"}))
    lines = api.kubectl("-n", namespace, "get", "services").splitlines()
    assert lines[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert lines[1].split()[3:5] == ["<pending>", "80/TCP"]
    wide = api.kubectl("-n", namespace, "get", "svc", "web", "-o", "wide").splitlines()
    assert (wide[0].split()[-1], wide[1].split()[-1]) == ("SELECTOR", "app=web")
    api("POST", things, thing("one", {"size": 4}))
    assert api.kubectl("-n", namespace, "get", "tg").splitlines()[0].split() == ["NAME", "SIZE", "TAGS", "READY", "AGE"]
    assert api.kubectl("-n", namespace, "get", "things", "-o", "wide").splitlines()[1].split()[:3] == ["one", "4", "red"]
    assert "thing.example.test/one" in api.kubectl("-n", namespace, "get", "examples", "-o", "name")
    assert "service/web" in api.kubectl("-n", namespace, "get", "all", "-o", "name")
    assert namespace in api.kubectl("get", "svc", "-A", "--show-labels")


def test_get_selects_and_sorts(api: ApiUnderTest, namespace: str) -> None:
    for name, label in (("b", "x"), ("a", "x"), ("c", "y")):
        api("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map(name, {"l": label}))
    assert api.kubectl("-n", namespace, "get", "cm", "-l", "l=x", "-o", "name").split() == ["configmap/a", "configmap/b"]
    assert api.kubectl("-n", namespace, "get", "cm", "--field-selector", "metadata.name=c", "-o", "name").split() == ["configmap/c"]
    ordered = api.kubectl(
        "-n", namespace, "get", "cm", "-l", "l", "--sort-by=.metadata.name", "--no-headers", "-o", "custom-columns=N:.metadata.name"
    )
    assert ordered.split() == ["a", "b", "c"]


def test_get_watches(api: ApiUnderTest, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    api("POST", path, service("web"))
    # A list: the watch of one object by name starts at "now", and would miss a change made before that.
    with api.kubectl_running("-n", namespace, "get", "services", "-w") as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[0] == "NAME"
        assert process.stdout.readline().split()[3] == "<pending>"
        api("PATCH", f"{path}/web/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}}}, MERGE)
        assert process.stdout.readline().split()[3] == "203.0.113.1"


def test_describe_tells_of_services_and_their_events(api: ApiUnderTest, namespace: str) -> None:
    made = api("POST", f"/api/v1/namespaces/{namespace}/services", service("web", selector={"app": "web"}))
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": namespace},
        "involvedObject": {"kind": "Service", "apiVersion": "v1", "name": "web", "namespace": namespace, "uid": made["metadata.uid"]},
        "reason": "Allocated",
        "message": "has an IP",
        "type": "Normal",
        "source": {"component": "test"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    assert api("POST", f"/api/v1/namespaces/{namespace}/events", event).code == 201
    text = api.kubectl("-n", namespace, "describe", "service", "web")
    assert "app=web" in text
    assert "has an IP" in text
    assert "has an IP" in api.kubectl("-n", namespace, "events", "--for", "service/web")
    assert "has an IP" in api.kubectl("-n", namespace, "get", "events")


def test_describe_tells_of_other_kinds(api: ApiUnderTest, namespace: str, things: str) -> None:
    api("POST", things, thing("one", {"size": 4}))
    assert "Size:" in api.kubectl("-n", namespace, "describe", "thing", "one")
    assert "Active" in api.kubectl("describe", "namespace", namespace)
    node = f"n-{namespace}"
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"zone": "z1"}}}
    api("POST", "/api/v1/nodes", body)
    status = {
        "status": {"addresses": [{"type": "InternalIP", "address": "198.51.100.7"}], "conditions": [{"type": "Ready", "status": "True"}]}
    }
    assert api("PATCH", f"/api/v1/nodes/{node}/status", status, MERGE).code == 200
    assert "zone=z1" in api.kubectl("describe", "node", node)
    assert api.kubectl("get", "nodes", node, "--no-headers").split()[1] in ("Ready", "Ready,SchedulingDisabled")
    assert "198.51.100.7" in api.kubectl("get", "nodes", node, "-o", "wide")
    api.kubectl("label", "node", node, "zone=z2", "--overwrite")
    api.kubectl("annotate", "node", node, "baremetal-lb.io/drain=true")
    api.kubectl("cordon", node)
    assert "SchedulingDisabled" in api.kubectl("get", "nodes", node)
    found = api("GET", f"/api/v1/nodes/{node}").body["metadata"]
    assert (found["labels"]["zone"], found["annotations"]["baremetal-lb.io/drain"]) == ("z2", "true")
    api.kubectl("delete", "node", node)


def test_annotate_label_patch_and_edit_by_replace(api: ApiUnderTest, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    api("POST", path, service("web", ports=[{"name": "a", "port": 80}]))
    api.kubectl("-n", namespace, "annotate", "svc", "web", "baremetal-lb.io/address-pool=blue")
    api.kubectl("-n", namespace, "label", "svc", "web", "tier=front")
    api.kubectl("-n", namespace, "patch", "svc", "web", "-p", '{"spec":{"ports":[{"name":"b","port":81}]}}')
    api.kubectl("-n", namespace, "patch", "svc", "web", "--type=merge", "-p", '{"spec":{"externalTrafficPolicy":"Local"}}')
    api.kubectl(
        "-n", namespace, "patch", "svc", "web", "--type=json", "-p", '[{"op":"add","path":"/spec/loadBalancerIP","value":"203.0.113.7"}]'
    )
    api.kubectl(
        "-n",
        namespace,
        "patch",
        "svc",
        "web",
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": {"conditions": [CONDITION]}}),
    )
    found = api("GET", f"{path}/web")
    assert (found.body["metadata"]["annotations"], found["metadata.labels"]) == (
        {"baremetal-lb.io/address-pool": "blue"},
        {"tier": "front"},
    )
    assert sorted(port["port"] for port in found["spec.ports"]) == [80, 81]
    assert (found["spec.externalTrafficPolicy"], found["spec.loadBalancerIP"]) == ("Local", "203.0.113.7")
    api.kubectl("-n", namespace, "annotate", "svc", "web", "baremetal-lb.io/address-pool-")
    assert api("GET", f"{path}/web")["metadata.annotations"] is None
    text = api.kubectl("-n", namespace, "get", "svc", "web", "-o", "yaml").replace("tier: front", "tier: back")
    api.kubectl("-n", namespace, "replace", "-f", "-", stdin=text)
    assert api("GET", f"{path}/web")["metadata.labels"] == {"tier": "back"}


def test_wait_sees_a_condition_and_a_value_come(api: ApiUnderTest, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    api("POST", path, service("web"))
    with api.kubectl_running("-n", namespace, "wait", "--for=condition=baremetal-lb.io/Satisfied", "svc/web", "--timeout=30s") as process:
        api("PATCH", f"{path}/web/status", {"status": {"conditions": [CONDITION]}}, MERGE)
        assert process.wait(30) == 0
    api("PATCH", f"{path}/web/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}}}, MERGE)
    api.kubectl("-n", namespace, "wait", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}=203.0.113.1", "svc/web", "--timeout=20s")
    late = api.kubectl("-n", namespace, "wait", "--for=condition=Never", "svc/web", "--timeout=1s", fails=True)
    assert "timed out" in late


def test_delete_waits_until_it_is_gone(api: ApiUnderTest, namespace: str, things: str) -> None:
    for name in "abc":
        api("POST", things, thing(name, labels={"n": name}))
    api.kubectl("-n", namespace, "delete", "thing", "a")
    api.kubectl("-n", namespace, "delete", "things", "-l", "n=b")
    assert api.kubectl("-n", namespace, "get", "things", "-o", "name").split() == ["thing.example.test/c"]
    api.kubectl("-n", namespace, "delete", "things", "--all")
    assert api("GET", things)["items"] == []
    assert "NotFound" in api.kubectl("-n", namespace, "delete", "thing", "a", fails=True)
    api.kubectl("-n", namespace, "delete", "thing", "a", "--ignore-not-found")


def test_a_held_object_is_deleted_once_it_is_let_go(api: ApiUnderTest, namespace: str, things: str) -> None:
    api("POST", things, thing("a", finalizers=["example.test/hold"]))
    with api.kubectl_running("-n", namespace, "delete", "thing", "a") as process:
        until(lambda: api("GET", f"{things}/a")["metadata.deletionTimestamp"], deadline_s=20)
        assert process.poll() is None
        api("PATCH", f"{things}/a", {"metadata": {"finalizers": None}}, MERGE)
        assert process.wait(30) == 0


@pytest.mark.parametrize("verb", ["create", "delete", "patch"])
def test_rights_can_be_asked_for(api: ApiUnderTest, namespace: str, verb: str) -> None:
    assert api.kubectl("-n", namespace, "auth", "can-i", verb, "services").strip() == "yes"


def test_diff_and_raw(api: ApiUnderTest, namespace: str) -> None:
    api("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map("m", a="1"))
    raw = json.loads(api.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/configmaps/m"))
    assert raw["data"] == {"a": "1"}
    changed = api.kubectl("-n", namespace, "diff", "-f", "-", stdin=config_map("m", a="2"), fails=True)
    assert '+  a: "2"' in changed
