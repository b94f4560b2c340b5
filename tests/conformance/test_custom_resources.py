"""Custom resources: definitions, structural schemas, status, versions, Tables; and our own definitions on both servers."""

from typing import Any

import pytest

from baremetal_lb.api.crds import render
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.conformance.support import APPLY, DEFINITIONS, MERGE, TABLE, ApiUnderTest, definition, service, thing
from tests.support.wait import until


def test_a_definition_is_established(api: ApiUnderTest, things: str) -> None:
    found = api("GET", f"{DEFINITIONS}/things.example.test")
    conditions = {entry["type"]: entry["status"] for entry in found["status.conditions"]}
    assert (conditions["Established"], conditions["NamesAccepted"]) == ("True", "True")
    assert found["status.acceptedNames"] == found["spec.names"]
    assert found["status.storedVersions"] == ["v1"]
    assert (found["spec.names.singular"], found["spec.names.listKind"]) == ("thing", "ThingList")


def test_defaults_are_filled_in_and_strangers_left_out(api: ApiUnderTest, things: str) -> None:
    made = api("POST", things, thing("a", {"size": 1, "stranger": 1, "nested": {"other": 1}, "map": {"x": 1}}))
    assert (made.code, made["spec"]) == (201, {"size": 1, "color": "red", "nested": {"deep": True}, "map": {"x": 1}})


def test_strict_validation_names_strangers(api: ApiUnderTest, things: str) -> None:
    answer = api("POST", things, thing("a", {"size": 1, "stranger": 1, "nested": {"other": 1}}), fieldValidation="Strict")
    assert (answer.code, answer["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.stranger"' in answer["message"]
    assert 'unknown field "spec.nested.other"' in answer["message"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        pytest.param({}, "spec.size", id="required"),
        pytest.param({"size": 0}, "spec.size", id="minimum"),
        pytest.param({"size": 10}, "spec.size", id="maximum"),
        pytest.param({"size": "1"}, "spec.size", id="text for a number"),
        pytest.param({"size": 1.5}, "spec.size", id="no integer"),
        pytest.param({"size": True}, "spec.size", id="truth for a number"),
        pytest.param({"size": 1, "color": "green"}, "spec.color", id="enum"),
        pytest.param({"size": 1, "name": "A"}, "spec.name", id="pattern"),
        pytest.param({"size": 1, "name": "abcdefghi"}, "spec.name", id="too long"),
        pytest.param({"size": 1, "name": "abc\n"}, "spec.name", id="pattern at a newline"),
        pytest.param({"size": 1, "tags": ["a", "b", "c", "d"]}, "spec.tags", id="too many"),
        pytest.param({"size": 1, "tags": [1]}, "spec.tags[0]", id="wrong item"),
        pytest.param({"size": 1, "tags": "a"}, "spec.tags", id="no list"),
        pytest.param({"size": 1, "port": True}, "spec.port", id="neither number nor text"),
        pytest.param({"size": 1, "map": {"x": "y"}}, "spec.map.x", id="wrong value of a map"),
        pytest.param({"size": 1, "nested": []}, "spec.nested", id="no map"),
    ],
)
def test_the_schema_is_enforced(api: ApiUnderTest, things: str, spec: dict[str, Any], field: str) -> None:
    answer = api("POST", things, thing("a", spec))
    assert (answer.code, answer["reason"]) == (422, "Invalid")
    assert field in [cause["field"] for cause in answer["details.causes"]], answer.body


@pytest.mark.parametrize(
    "spec", [{"size": 1.0}, {"size": 9, "port": "http"}, {"size": 1, "port": 80}, {"size": 1, "name": None}, {"size": 1, "color": None}]
)
def test_what_the_schema_admits_is_taken(api: ApiUnderTest, things: str, spec: dict[str, Any]) -> None:
    made = api("POST", things, thing("a", spec))
    nothing_wrong = spec.get("name", "") is not None
    assert (made.code, made["spec.color"]) == ((201, "red") if nothing_wrong else (made.code, made["spec.color"]))


def test_all_that_is_wrong_is_told_at_once(api: ApiUnderTest, things: str) -> None:
    answer = api("POST", things, thing("a", {"size": 10, "color": "x", "name": "A"}))
    assert answer["message"] == (
        'Thing.example.test "a" is invalid: [spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9, '
        'spec.color: Unsupported value: "x": supported values: "red", "blue", '
        "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$']"
    ) or sorted(cause["field"] for cause in answer["details.causes"]) == ["spec.color", "spec.name", "spec.size"]


def test_status_and_the_rest_are_written_apart(api: ApiUnderTest, things: str) -> None:
    made = api("POST", things, {**thing("a"), "status": {"count": 1}})
    assert made["status"] is None
    patch = {"metadata": {"annotations": {"a": "1"}}, "spec": {"size": 5}, "status": {"count": 2}}
    by_status = api("PATCH", f"{things}/a/status", patch, MERGE)
    assert (by_status["status"], by_status["spec.size"], by_status["metadata.annotations"]) == ({"count": 2}, 1, None)
    by_main = api("PATCH", f"{things}/a", {**patch, "status": {"count": 3}}, MERGE)
    assert (by_main["status"], by_main["spec.size"], by_main["metadata.annotations"]) == ({"count": 2}, 5, {"a": "1"})
    put = api("PUT", f"{things}/a/status", {**by_main.body, "spec": {"size": 6}, "status": {"count": 4}})
    assert (put["status"], put["spec.size"]) == ({"count": 4}, 5)
    assert api("GET", f"{things}/a/status")["status.count"] == 4


def test_a_status_that_breaks_the_schema_is_refused(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("a"))
    assert api("PATCH", f"{things}/a/status", {"status": {"count": "x"}}, MERGE).code == 422
    twice = [{"type": "A", "status": "True"}, {"type": "A", "status": "False"}]
    assert api("PATCH", f"{things}/a/status", {"status": {"conditions": twice}}, MERGE).code == 422


def test_an_object_is_served_in_all_versions(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("a"))
    old = things.replace("/v1/", "/v1beta1/")
    found = api("GET", f"{old}/a")
    assert (found["apiVersion"], found["spec.size"]) == ("example.test/v1beta1", 1)
    assert api("POST", old, {**thing("b"), "apiVersion": "example.test/v1beta1"}).code == 201
    assert {item["apiVersion"] for item in api("GET", things)["items"]} == {"example.test/v1"}


def test_tables_have_the_printer_columns(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("a", {"size": 3, "tags": ["x", "y"]}))
    api(
        "PATCH",
        f"{things}/a/status",
        {"status": {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}]}},
        MERGE,
    )
    api("POST", things, thing("b"))
    table = api("GET", things, accept=TABLE)
    columns = [(column["name"], column["type"], column["priority"]) for column in table["columnDefinitions"]]
    assert columns == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Tags", "string", 0),
        ("Ready", "string", 0),
        ("Color", "string", 1),
        ("Age", "date", 0),
    ]
    rows = [row["cells"][:-1] for row in table["rows"]]
    assert rows == [["a", 3, '["x","y"]', "True", "red"], ["b", 1, None, None, "red"]]
    assert table["rows.0.object.metadata.name"] == "a"
    assert table["rows.0.object.kind"] == "PartialObjectMetadata"


def test_a_definition_that_makes_no_sense_is_refused(api: ApiUnderTest) -> None:
    body = definition()
    body["metadata"]["name"] = "others.example.test"
    assert api("POST", DEFINITIONS, body).code == 422
    body = definition()
    body["metadata"]["name"], body["spec"]["names"] = "nostores.example.test", {"plural": "nostores", "kind": "NoStore"}
    body["spec"]["versions"][0]["storage"] = False
    assert api("POST", DEFINITIONS, body).code == 422


def test_a_definition_goes_with_its_objects(api: ApiUnderTest, namespace: str) -> None:
    body = definition()
    body["metadata"]["name"], body["spec"]["group"] = "things.passing.test", "passing.test"
    path = f"/apis/passing.test/v1/namespaces/{namespace}/things"
    assert api("POST", DEFINITIONS, body).code == 201
    until(lambda: api("POST", path, {**thing("a"), "apiVersion": "passing.test/v1"}).code in (201, 409), deadline_s=20)
    since = until(lambda: api("GET", path)["metadata.resourceVersion"])
    with api.watch(path, resourceVersion=since) as events:
        assert api("DELETE", f"{DEFINITIONS}/things.passing.test").code == 200
        seen = [(event["type"], event["object"].get("metadata", {}).get("name")) for event in events]
    assert seen[:1] in ([("DELETED", "a")], [("MODIFIED", "a")])
    until(lambda: api("GET", path).code == 404, deadline_s=20)
    until(lambda: api("GET", f"{DEFINITIONS}/things.passing.test").code == 404, deadline_s=20)


def test_a_definition_can_grow(api: ApiUnderTest, namespace: str) -> None:
    body = definition()
    body["metadata"]["name"], body["spec"]["group"] = "things.growing.test", "growing.test"
    assert api("POST", DEFINITIONS, body).code == 201
    path = f"/apis/growing.test/v1/namespaces/{namespace}/things"
    patch = [
        {
            "op": "add",
            "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/more",
            "value": {"type": "string", "default": "new"},
        }
    ]
    assert api("PATCH", f"{DEFINITIONS}/things.growing.test", patch, "application/json-patch+json").code == 200

    def grown() -> bool:
        made = api("POST", path, {**thing("a"), "apiVersion": "growing.test/v1"}, dryRun="All")
        return bool(made.code == 201 and made["spec.more"] == "new")

    until(grown, deadline_s=20)
    api("DELETE", f"{DEFINITIONS}/things.growing.test")


@pytest.fixture
def ours(api: ApiUnderTest) -> None:
    for body in render(BAREMETAL_LB):
        answer = api("PATCH", f"{DEFINITIONS}/{body['metadata']['name']}", body, APPLY, fieldManager="tests", force="true")
        assert answer.code in (200, 201), answer.body
    for body in render(BAREMETAL_LB):
        name = body["metadata"]["name"]
        until(
            lambda name=name: "Established" in [c["type"] for c in api("GET", f"{DEFINITIONS}/{name}")["status.conditions"] or []],
            deadline_s=30,
        )


@pytest.mark.usefixtures("ours")
def test_our_own_kinds_work(api: ApiUnderTest, namespace: str) -> None:
    path = f"/apis/baremetal-lb.io/v1beta1/namespaces/{namespace}/ipaddresspools"
    until(lambda: api("GET", path).code == 200, deadline_s=20)
    pool = {
        "apiVersion": "baremetal-lb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "blue"},
        "spec": {"addresses": ["203.0.113.0/24"]},
    }
    made = api("POST", path, pool, fieldValidation="Strict")
    assert (made.code, made["spec.autoAssign"], made["metadata.generation"]) == (201, True, 1)
    assert api("POST", path, {**pool, "metadata": {"name": "x"}, "spec": {}}).code == 422
    ledger = "/apis/baremetal-lb.io/v1beta1/ipallocations"
    entry = {
        "apiVersion": "baremetal-lb.io/v1beta1",
        "kind": "IPAllocation",
        "metadata": {"name": "203.0.113.77"},
        "spec": {"address": "203.0.113.77", "owner": namespace},
    }
    first = api("POST", ledger, entry)
    assert first.code == 201, first.body
    assert api("POST", ledger, entry)["reason"] == "AlreadyExists"
    preconditions = {"preconditions": {"uid": first["metadata.uid"], "resourceVersion": first["metadata.resourceVersion"]}}
    assert api("DELETE", f"{ledger}/203.0.113.77", {"kind": "DeleteOptions", "apiVersion": "v1", **preconditions}).code == 200
    names = {column["name"] for column in api("GET", path, accept=TABLE)["columnDefinitions"]}
    assert "Name" in names
    assert len(names) > 2


def test_tables_of_core_kinds(api: ApiUnderTest, namespace: str) -> None:
    services = f"/api/v1/namespaces/{namespace}/services"
    api(
        "POST",
        services,
        service("web", selector={"app": "web"}, ports=[{"name": "a", "port": 80}, {"name": "b", "port": 53, "protocol": "UDP"}]),
    )
    ingress = [{"ip": "203.0.113.1", "ipMode": "VIP"}, {"ip": "2001:db8::1", "ipMode": "VIP"}]
    api("POST", services, service("wait"))
    api("POST", services, service("away", type="ExternalName", externalName="example.test", ports=None))
    api("PATCH", f"{services}/web/status", {"status": {"loadBalancer": {"ingress": ingress}}}, MERGE)
    table = api("GET", services, accept=TABLE)
    cells = {row["cells"][0]: row["cells"] for row in table["rows"]}
    assert cells["web"][1] == "LoadBalancer"
    assert cells["web"][3:5] == ["2001:db8::1,203.0.113.1", "80/TCP,53/UDP"]
    assert cells["web"][6] == "app=web"
    assert (cells["wait"][3], cells["wait"][6]) == ("<pending>", "<none>")
    assert cells["away"][1:5] == ["ExternalName", "<none>", "example.test", "<none>"]


CORE = [
    "/api/v1/services", "/api/v1/nodes", "/api/v1/pods", "/api/v1/namespaces", "/api/v1/events", "/api/v1/secrets", "/api/v1/configmaps",
    "/api/v1/serviceaccounts", "/apis/coordination.k8s.io/v1/leases", "/apis/discovery.k8s.io/v1/endpointslices", DEFINITIONS,
]  # fmt: skip
COLUMNS = {
    "services": "Name Type Cluster-IP External-IP Port(s) Age Selector",
    "nodes": "Name Status Roles Age Version Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
    "pods": "Name Ready Status Restarts Age IP Node Nominated_Node Readiness_Gates",
    "namespaces": "Name Status Age",
    "events": "Last_Seen Type Reason Object Subobject Source Message First_Seen Count Name",
    "secrets": "Name Type Data Age",
    "configmaps": "Name Data Age",
    "serviceaccounts": "Name Age",
    "leases": "Name Holder Age",
    "endpointslices": "Name AddressType Ports Endpoints Age",
    "customresourcedefinitions": "Name Scope Versions Created_At Group Kind ShortNames Established",
}


@pytest.mark.parametrize("path", CORE)
def test_core_kinds_have_kubectls_columns(api: ApiUnderTest, path: str) -> None:
    table = api("GET", path, accept=TABLE, limit="1")
    names = [column["name"].replace(" ", "_") for column in table["columnDefinitions"]]
    assert " ".join(names) == COLUMNS[path.rpartition("/")[2]]


def test_discovery_names_what_is_served(api: ApiUnderTest, things: str) -> None:
    core = {entry["name"]: entry for entry in api("GET", "/api/v1")["resources"]}
    assert (core["services"]["kind"], core["services"]["namespaced"], core["services"]["shortNames"]) == ("Service", True, ["svc"])
    assert core["services/status"]["verbs"] == ["get", "patch", "update"]
    custom = {entry["name"]: entry for entry in api("GET", "/apis/example.test/v1")["resources"]}
    assert (custom["things"]["shortNames"], custom["things"]["categories"], custom["things"]["singularName"]) == (
        ["tg"],
        ["examples"],
        "thing",
    )
    until(lambda: "example.test" in {group["name"] for group in api("GET", "/apis")["groups"]}, deadline_s=20)
    group = api("GET", "/apis/example.test")
    assert (group["preferredVersion.version"], sorted(version["version"] for version in group["versions"])) == ("v1", ["v1", "v1beta1"])
    assert int(api("GET", "/version")["minor"].strip("+")) >= 31
    assert [api("GET", path).body for path in ("/healthz", "/readyz", "/livez")] == ["ok"] * 3


def test_the_table_of_definitions_says_what_is_served(api: ApiUnderTest, things: str) -> None:
    table = api("GET", DEFINITIONS, accept=TABLE, fieldSelector="metadata.name=things.example.test")
    cells = table["rows.0.cells"]
    assert [cells[place] for place in (0, 1, 2, 4, 5, 6, 7)] == [
        "things.example.test",
        "Namespaced",
        "v1(storage),v1beta1",
        "example.test",
        "Thing",
        "tg",
        True,
    ]


def test_tables_of_slices_nodes_and_leases(api: ApiUnderTest, namespace: str) -> None:
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    endpoints = [{"addresses": [f"10.0.0.{number}"]} for number in range(1, 6)]
    body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s"}, "addressType": "IPv4"}
    assert api("POST", slices, {**body, "endpoints": endpoints, "ports": [{"port": 80}, {"port": 81, "name": "b"}]}).code == 201
    assert api("GET", slices, accept=TABLE)["rows.0.cells"][1:4] == ["IPv4", "80,81", "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..."]
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"t-{namespace}", "labels": {"node-role.kubernetes.io/worker": ""}}}
    assert api("POST", "/api/v1/nodes", node).code == 201
    status = {"addresses": [{"type": "InternalIP", "address": "198.51.100.7"}], "conditions": [{"type": "Ready", "status": "True"}]}
    api("PATCH", f"/api/v1/nodes/t-{namespace}/status", {"status": status}, MERGE)
    cells = api("GET", "/api/v1/nodes", accept=TABLE, fieldSelector=f"metadata.name=t-{namespace}")["rows.0.cells"]
    assert (cells[1].partition(",")[0], cells[2], cells[5], cells[6]) == ("Ready", "worker", "198.51.100.7", "<none>")
    api("DELETE", f"/api/v1/nodes/t-{namespace}")
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    api(
        "POST",
        leases,
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}},
    )
    assert api("GET", leases, accept=TABLE)["rows.0.cells"][:2] == ["l", "me"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", {"addressType": "IPv4", "endpoints": [{"addresses": ["fd00::1"]}]}),
        ("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", {"addressType": "X", "endpoints": []}),
        ("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", {"addressType": "IPv4", "endpoints": [{"addresses": []}]}),
    ],
)
def test_endpoint_slices_that_make_no_sense_are_refused(api: ApiUnderTest, namespace: str, path: str, body: dict[str, Any]) -> None:
    whole = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s"}, **body}
    assert api("POST", path.format(namespace), whole).code == 422
