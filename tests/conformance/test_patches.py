"""Patches of all formats, and server-side apply in the form that the controller sends."""

from typing import Any

import pytest

from tests.conformance.support import APPLY, JSON_PATCH, MERGE, STRATEGIC, Answer, ApiUnderTest, config_map, service, thing

CONDITION = "baremetal-lb.io/Satisfied"
ANNOTATION = "baremetal-lb.io/ip-allocated-from-pool"


@pytest.fixture
def web(api: ApiUnderTest, namespace: str) -> str:
    """The path of a LoadBalancer Service."""
    path = f"/api/v1/namespaces/{namespace}/services"
    assert (
        api("POST", path, service("web", ports=[{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}])).code == 201
    )
    return f"{path}/web"


def test_a_merge_patch_replaces_lists_and_deletes_by_null(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("a", {"size": 1, "tags": ["x", "y"], "name": "abc"}))
    patched = api("PATCH", f"{things}/a", {"spec": {"tags": ["z"], "name": None}}, MERGE)
    assert patched["spec"] == {"size": 1, "tags": ["z"], "color": "red"}


def test_a_patch_with_a_stale_version_conflicts(api: ApiUnderTest, web: str) -> None:
    version = api("GET", web)["metadata.resourceVersion"]
    guarded = {"metadata": {"resourceVersion": version, "annotations": {"a": "1"}}}
    assert api("PATCH", web, guarded, MERGE).code == 200
    assert api("PATCH", web, {**guarded, "metadata": {**guarded["metadata"], "annotations": {"a": "2"}}}, MERGE).code == 409


def test_a_json_patch_is_applied_in_order(api: ApiUnderTest, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api("POST", path, config_map("m", a="1", b="2"))
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "x"},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/c~1d", "value": "3"},
        {"op": "move", "from": "/data/b", "path": "/data/e"},
    ]
    patched = api("PATCH", f"{path}/m", operations, JSON_PATCH)
    assert (patched["data"], patched["metadata"]["annotations"]) == ({"a": "x", "e": "2"}, {"c/d": "3"})
    assert api("PATCH", f"{path}/m", operations, JSON_PATCH).code == 422
    assert api("PATCH", f"{path}/m", {"op": "add"}, JSON_PATCH).code == 400


def test_a_strategic_patch_merges_ports_by_number(api: ApiUnderTest, web: str) -> None:
    patched = api("PATCH", web, {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}, STRATEGIC)
    assert sorted((port["name"], port["targetPort"]) for port in patched["spec.ports"]) == [("dns", 53), ("http", 8080)]
    fewer = api("PATCH", web, {"spec": {"ports": [{"port": 53, "$patch": "delete"}]}}, STRATEGIC)
    assert [port["name"] for port in fewer["spec.ports"]] == ["http"]


def test_a_strategic_patch_replaces_what_is_not_keyed(api: ApiUnderTest, web: str) -> None:
    api("PATCH", web, {"spec": {"loadBalancerSourceRanges": ["198.51.100.0/24"]}}, STRATEGIC)
    patched = api("PATCH", web, {"spec": {"loadBalancerSourceRanges": ["203.0.113.0/24"]}}, STRATEGIC)
    assert patched["spec.loadBalancerSourceRanges"] == ["203.0.113.0/24"]


def test_custom_resources_refuse_strategic_patches(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("a"))
    answer = api("PATCH", f"{things}/a", {"spec": {"size": 2}}, STRATEGIC)
    assert (answer.code, answer["reason"]) == (415, "UnsupportedMediaType")
    assert "application/merge-patch+json" in answer["message"]


def apply_status(api: ApiUnderTest, path: str, ips: list[str] | None, pool: str | None, status: str, **query: str) -> Answer:
    """Send what the controller sends."""
    name, namespace = path.rpartition("/")[2], path.split("/")[4]
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if pool is not None:
        metadata["annotations"] = {ANNOTATION: pool}
    conditions = [{"type": CONDITION, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    body: dict[str, Any] = {"conditions": conditions}
    if ips is not None:
        body["loadBalancer"] = {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ips]}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "status": body}
    return api("PATCH", f"{path}/status", manifest, APPLY, **{"fieldManager": "baremetal-lb", "force": "true", **query})


def test_one_apply_sets_annotation_ingress_and_condition(api: ApiUnderTest, web: str) -> None:
    answer = apply_status(api, web, ["203.0.113.1", "2001:db8::1"], "blue", "True")
    assert answer.code == 200
    assert answer.body["metadata"]["annotations"] == {ANNOTATION: "blue"}
    assert answer["status.loadBalancer.ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}, {"ip": "2001:db8::1", "ipMode": "VIP"}]
    assert (answer["status.conditions.0.type"], answer["status.conditions.0.status"]) == (CONDITION, "True")
    assert answer["spec"] == api("GET", web)["spec"]
    owner = next(entry for entry in answer["metadata.managedFields"] if entry["manager"] == "baremetal-lb")
    assert (owner["operation"], owner["subresource"]) == ("Apply", "status")


def test_the_same_apply_again_writes_nothing(api: ApiUnderTest, web: str) -> None:
    first = apply_status(api, web, ["203.0.113.1"], "blue", "True")
    assert apply_status(api, web, ["203.0.113.1"], "blue", "True")["metadata.resourceVersion"] == first["metadata.resourceVersion"]


def test_what_is_not_applied_any_more_is_removed(api: ApiUnderTest, web: str) -> None:
    apply_status(api, web, ["203.0.113.1"], "blue", "True")
    answer = apply_status(api, web, None, None, "False")
    assert answer["status.loadBalancer"] == {}
    assert answer["metadata.annotations"] is None
    assert [(entry["type"], entry["status"]) for entry in answer["status.conditions"]] == [(CONDITION, "False")]


def test_an_apply_leaves_other_writers_alone(api: ApiUnderTest, web: str) -> None:
    other = {"type": "Other", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    foreign = {"metadata": {"annotations": {"other": "1"}}, "status": {"conditions": [other]}}
    assert api("PATCH", f"{web}/status", foreign, MERGE).code == 200
    apply_status(api, web, ["203.0.113.1"], "blue", "True")
    answer = apply_status(api, web, None, None, "True")
    assert answer.body["metadata"]["annotations"] == {"other": "1"}
    assert sorted(entry["type"] for entry in answer["status.conditions"]) == ["Other", CONDITION]


def test_a_forced_apply_takes_over_what_another_wrote(api: ApiUnderTest, web: str) -> None:
    api("PATCH", f"{web}/status", {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.9", "ipMode": "VIP"}]}}}, MERGE)
    unforced = apply_status(api, web, ["203.0.113.1"], "blue", "True", force="false")
    assert (unforced.code, unforced["reason"]) == (409, "Conflict")
    assert unforced["details.causes.0.reason"] == "FieldManagerConflict"
    assert unforced["details.causes.0.field"] == ".status.loadBalancer.ingress"
    forced = apply_status(api, web, ["203.0.113.1"], "blue", "True")
    assert forced["status.loadBalancer.ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}]
    cleared = apply_status(api, web, None, None, "False")
    assert cleared["status.loadBalancer"] == {}


def test_what_another_wrote_with_the_same_value_outlives_the_apply(api: ApiUnderTest, web: str) -> None:
    """Co-ownership: the controller removes such leftovers by a merge patch of its own."""
    api("PATCH", f"{web}/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}}}, MERGE)
    apply_status(api, web, ["203.0.113.1"], "blue", "True")
    assert apply_status(api, web, None, None, "False")["status.loadBalancer.ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}]


def test_an_apply_that_names_another_uid_is_refused(api: ApiUnderTest, web: str) -> None:
    name, namespace = web.rpartition("/")[2], web.split("/")[4]
    metadata = {"name": name, "namespace": namespace, "uid": "00000000-0000-4000-8000-000000000000"}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}
    answer = api("PATCH", f"{web}/status", body, APPLY, fieldManager="baremetal-lb", force="true")
    assert answer.code in (409, 422)
    assert "uid" in answer["message"].lower()
    assert api("GET", web)["status.loadBalancer"] == {}


def test_an_apply_to_the_status_of_nothing_creates_nothing(api: ApiUnderTest, web: str) -> None:
    """The real server tries to create the object then; a Service without ports is none."""
    absent = web.replace("/web", "/absent")
    assert apply_status(api, absent, ["203.0.113.1"], "blue", "True").code == 422
    assert api("GET", absent).code == 404


def test_an_apply_needs_a_field_manager(api: ApiUnderTest, web: str) -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    assert api("PATCH", f"{web}/status", body, APPLY, force="true").code in (400, 422)


def test_an_apply_creates_what_is_not_there_and_removes_what_it_drops(api: ApiUnderTest, things: str) -> None:
    def send(spec: dict[str, Any]) -> Answer:
        return api("PATCH", f"{things}/a", thing("a", spec), APPLY, fieldManager="tester")

    made = send({"size": 2, "name": "abc", "map": {"x": 1, "y": 2}})
    assert (made.code, made["spec.color"]) == (201, "red")
    changed = send({"size": 3, "map": {"x": 1}})
    assert (changed.code, changed["spec"]) == (200, {"size": 3, "color": "red", "map": {"x": 1}})


def test_an_apply_of_a_keyed_list_keeps_others_items(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("a"))

    def send(manager: str, status: str) -> Answer:
        body = {**thing("a"), "status": {"conditions": [{"type": manager, "status": status}]}}
        del body["spec"]
        return api("PATCH", f"{things}/a/status", body, APPLY, fieldManager=manager, force="true")

    send("one", "True")
    send("two", "True")
    answer = send("one", "False")
    assert sorted((entry["type"], entry["status"]) for entry in answer["status.conditions"]) == [("one", "False"), ("two", "True")]
