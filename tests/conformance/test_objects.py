"""Create, read, update, delete, and the rules of metadata."""

import pytest

from tests.conformance.support import ApiUnderTest, config_map, service, thing
from tests.support.wait import until

MAPS = "/api/v1/namespaces/{}/configmaps"
SERVICES = "/api/v1/namespaces/{}/services"


def test_a_created_object_has_its_identity(api: ApiUnderTest, namespace: str) -> None:
    made = api("POST", MAPS.format(namespace), config_map("one", a="b"))
    assert (made.code, made["metadata.name"], made["metadata.namespace"]) == (201, "one", namespace)
    assert len(made["metadata.uid"]) == 36
    assert made["metadata.creationTimestamp"].endswith("Z")
    assert int(made["metadata.resourceVersion"]) > 0
    assert made["metadata.managedFields.0.manager"] == "conformance"
    assert api("GET", f"{MAPS.format(namespace)}/one").body == made.body


def test_a_name_is_taken_once(api: ApiUnderTest, namespace: str) -> None:
    api("POST", MAPS.format(namespace), config_map("one"))
    again = api("POST", MAPS.format(namespace), config_map("one"))
    assert (again.code, again["reason"], again["details.name"]) == (409, "AlreadyExists", "one")
    assert again["message"] == 'configmaps "one" already exists'


def test_a_generated_name_has_a_random_suffix(api: ApiUnderTest, namespace: str) -> None:
    body = config_map("x")
    body["metadata"] = {"generateName": "gen-"}
    names = {api("POST", MAPS.format(namespace), body)["metadata.name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        pytest.param({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, 422, "Invalid", id="no name"),
        pytest.param({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "No_Good"}}, 422, "Invalid", id="bad name"),
        pytest.param({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}, 400, "BadRequest", id="another kind"),
        pytest.param(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}},
            400,
            "BadRequest",
            id="another namespace",
        ),
        pytest.param(b"{nope", 400, "BadRequest", id="no JSON"),
        pytest.param(b"[1]", 400, "BadRequest", id="a list"),
    ],
)
def test_a_create_that_cannot_be_meant_is_refused(api: ApiUnderTest, namespace: str, body: object, code: int, reason: str) -> None:
    answer = api("POST", MAPS.format(namespace), body)
    assert (answer.code, answer["reason"]) == (code, reason)


def test_objects_need_their_namespace(api: ApiUnderTest) -> None:
    answer = api("POST", MAPS.format("no-such-namespace"), config_map("x"))
    assert (answer.code, answer["message"]) == (404, 'namespaces "no-such-namespace" not found')


def test_what_is_not_there_is_not_found(api: ApiUnderTest, namespace: str) -> None:
    answer = api("GET", f"{SERVICES.format(namespace)}/web")
    assert (answer.code, answer["reason"], answer["message"]) == (404, "NotFound", 'services "web" not found')
    assert answer["details"] == {"name": "web", "kind": "services"}
    assert api("DELETE", f"{SERVICES.format(namespace)}/web").code == 404
    assert api("PATCH", f"{SERVICES.format(namespace)}/web", {}, "application/merge-patch+json").code == 404
    assert api("GET", "/api/v1/nonsense").code == 404
    assert api("GET", "/apis/nonsense.test/v1/things").code == 404


def test_an_update_with_a_stale_version_conflicts(api: ApiUnderTest, namespace: str) -> None:
    path = f"{MAPS.format(namespace)}/one"
    made = api("POST", MAPS.format(namespace), config_map("one", a="1"))
    fresh = api("PUT", path, {**made.body, "data": {"a": "2"}})
    assert (fresh.code, fresh["data.a"]) == (200, "2")
    assert int(fresh["metadata.resourceVersion"]) > int(made["metadata.resourceVersion"])
    stale = api("PUT", path, {**made.body, "data": {"a": "3"}})
    assert (stale.code, stale["reason"]) == (409, "Conflict")
    assert "the object has been modified" in stale["message"]


def test_an_update_without_a_version_wins_for_core_kinds_and_is_refused_for_others(api: ApiUnderTest, namespace: str, things: str) -> None:
    api("POST", MAPS.format(namespace), config_map("one", a="1"))
    assert api("PUT", f"{MAPS.format(namespace)}/one", config_map("one", a="2"))["data.a"] == "2"
    api("POST", things, thing("one"))
    refused = api("PUT", f"{things}/one", thing("one", {"size": 2}))
    assert (refused.code, refused["details.causes.0.field"]) == (422, "metadata.resourceVersion")


def test_an_update_of_another_uid_conflicts(api: ApiUnderTest, namespace: str) -> None:
    made = api("POST", MAPS.format(namespace), config_map("one"))
    made.body["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
    answer = api("PUT", f"{MAPS.format(namespace)}/one", made.body)
    assert (answer.code, answer["reason"]) == (409, "Conflict")


def test_the_identity_of_an_object_is_the_servers(api: ApiUnderTest, things: str) -> None:
    made = api("POST", things, thing("one"))
    body = {**made.body, "spec": {"size": 2}}
    body["metadata"] = {**body["metadata"], "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 77}
    updated = api("PUT", f"{things}/one", body)
    assert updated["metadata.creationTimestamp"] == made["metadata.creationTimestamp"]
    assert updated["metadata.generation"] == 2


def test_an_update_that_changes_nothing_writes_nothing(api: ApiUnderTest, namespace: str) -> None:
    path = f"{MAPS.format(namespace)}/one"
    made = api("POST", MAPS.format(namespace), config_map("one", a="1"))
    assert api("PUT", path, made.body)["metadata.resourceVersion"] == made["metadata.resourceVersion"]
    patched = api("PATCH", path, {"data": {"a": "1"}}, "application/merge-patch+json")
    assert patched["metadata.resourceVersion"] == made["metadata.resourceVersion"]


def test_generation_counts_changes_of_the_spec_only(api: ApiUnderTest, things: str) -> None:
    assert api("POST", things, thing("one"))["metadata.generation"] == 1
    merge = "application/merge-patch+json"
    assert api("PATCH", f"{things}/one", {"metadata": {"labels": {"a": "b"}}}, merge)["metadata.generation"] == 1
    assert api("PATCH", f"{things}/one/status", {"status": {"count": 1}}, merge)["metadata.generation"] == 1
    assert api("PATCH", f"{things}/one", {"spec": {"size": 3}}, merge)["metadata.generation"] == 2


@pytest.mark.parametrize(("field", "wrong"), [("uid", "00000000-0000-4000-8000-000000000000"), ("resourceVersion", "1")])
def test_a_delete_checks_its_preconditions(api: ApiUnderTest, namespace: str, field: str, wrong: str) -> None:
    path = f"{MAPS.format(namespace)}/one"
    made = api("POST", MAPS.format(namespace), config_map("one"))
    refused = api("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {field: wrong}})
    assert (refused.code, refused["reason"]) == (409, "Conflict")
    both = {name: made[f"metadata.{name}"] for name in ("uid", "resourceVersion")}
    assert api("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": both}).code == 200
    assert api("GET", path).code == 404


def test_a_delete_answers_as_its_kind_does(api: ApiUnderTest, namespace: str) -> None:
    made = api("POST", MAPS.format(namespace), config_map("one"))
    gone = api("DELETE", f"{MAPS.format(namespace)}/one")
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    assert gone["details"] == {"name": "one", "kind": "configmaps", "uid": made["metadata.uid"]}
    api("POST", SERVICES.format(namespace), service("web"))
    assert api("DELETE", f"{SERVICES.format(namespace)}/web")["kind"] == "Service"


def test_finalizers_hold_an_object(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("one", finalizers=["example.test/hold"]))
    marked = api("DELETE", f"{things}/one")
    assert marked.code == 200
    held = api("GET", f"{things}/one")
    assert held["metadata.deletionTimestamp"]
    assert (held["metadata.deletionGracePeriodSeconds"], held["metadata.generation"]) == (0, 2)
    again = api("DELETE", f"{things}/one")
    assert again["metadata.resourceVersion"] in (None, held["metadata.resourceVersion"])
    assert api("PATCH", f"{things}/one", {"metadata": {"finalizers": None}}, "application/merge-patch+json").code == 200
    assert api("GET", f"{things}/one").code == 404


def test_a_collection_is_deleted_as_far_as_it_is_selected(api: ApiUnderTest, namespace: str) -> None:
    path = MAPS.format(namespace)
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {"x": "2"})):
        api("POST", path, config_map(name, labels))
    assert api("DELETE", path, labelSelector="x=1").code == 200
    left = {item["metadata"]["name"] for item in api("GET", path, fieldSelector="metadata.name!=kube-root-ca.crt")["items"]}
    assert left == {"c"}


def test_a_dry_run_stores_nothing(api: ApiUnderTest, things: str) -> None:
    dry = api("POST", things, thing("one"), dryRun="All")
    assert (dry.code, dry["spec.color"]) == (201, "red")
    assert api("GET", f"{things}/one").code == 404


def test_a_dry_run_of_a_deletion_stands_in_its_body_if_it_has_one(api: ApiUnderTest, things: str) -> None:
    options = {"apiVersion": "v1", "kind": "DeleteOptions"}
    api("POST", things, thing("one"))
    assert api("DELETE", f"{things}/one", dryRun="All").code == 200
    assert api("DELETE", f"{things}/one", {**options, "dryRun": ["All"]}).code == 200
    assert api("GET", f"{things}/one").code == 200
    assert api("DELETE", f"{things}/one", options, dryRun="All").code == 200
    assert api("GET", f"{things}/one").code == 404


def test_a_namespace_goes_with_all_that_is_in_it(api: ApiUnderTest, namespace: str, things: str) -> None:
    api("POST", MAPS.format(namespace), config_map("one"))
    api("POST", things, thing("held", finalizers=["example.test/hold"]))
    assert api("DELETE", f"/api/v1/namespaces/{namespace}").code == 200
    until(lambda: api("GET", f"/api/v1/namespaces/{namespace}")["status.phase"] == "Terminating")
    refused = api("POST", MAPS.format(namespace), config_map("two"))
    assert (refused.code, refused["reason"], refused["details.causes.0.reason"]) == (403, "Forbidden", "NamespaceTerminating")
    until(lambda: api("GET", f"{MAPS.format(namespace)}/one").code == 404)
    until(lambda: api("GET", f"{things}/held")["metadata.deletionTimestamp"])
    api("PATCH", f"{things}/held", {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    until(lambda: api("GET", f"/api/v1/namespaces/{namespace}").code == 404, deadline_s=40)


def test_a_namespace_knows_its_name_as_a_label(api: ApiUnderTest, namespace: str) -> None:
    found = api("GET", f"/api/v1/namespaces/{namespace}")
    assert found.body["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace}
    assert found["status.phase"] == "Active"


def test_the_default_namespace_stays(api: ApiUnderTest) -> None:
    assert api("DELETE", "/api/v1/namespaces/default").code == 403


def test_string_data_of_a_secret_is_folded_into_its_data(api: ApiUnderTest, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "x"}}
    made = api("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    assert (made["type"], made["data"], made["stringData"]) == ("Opaque", {"password": "eA=="}, None)


def test_events_have_two_faces(api: ApiUnderTest, namespace: str) -> None:
    regarding = {"kind": "Service", "name": "web", "namespace": namespace, "apiVersion": "v1"}
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": namespace},
        "regarding": regarding,
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "baremetal-lb.io/controller",
        "reportingInstance": "c-1",
        "action": "Allocate",
        "reason": "Allocated",
        "note": "an IP",
        "type": "Normal",
    }
    assert api("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body).code == 201
    core = api("GET", f"/api/v1/namespaces/{namespace}/events", fieldSelector="involvedObject.name=web,involvedObject.kind=Service")
    assert (core["items.0.message"], core["items.0.involvedObject.name"]) == ("an IP", "web")
    assert core["items.0.reportingComponent"] == "baremetal-lb.io/controller"
    assert api("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/web.1")["note"] == "an IP"
    merge = "application/merge-patch+json"
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}}
    assert api("PATCH", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/web.1", series, merge)["series.count"] == 2


def test_a_lease_is_renewed_only_by_who_saw_it_last(api: ApiUnderTest, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    spec = {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "acquireTime": "2026-01-01T00:00:00.000000Z",
    }
    made = api("POST", path, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": spec})
    assert (made.code, made["spec.renewTime"]) == (201, "2026-01-01T00:00:00.000000Z")
    won = api("PUT", f"{path}/l", {**made.body, "spec": {**spec, "holderIdentity": "b"}})
    lost = api("PUT", f"{path}/l", {**made.body, "spec": {**spec, "holderIdentity": "c"}})
    assert (won.code, lost.code) == (200, 409)
    blind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": spec}
    assert api("PUT", f"{path}/l", blind).code == 422
