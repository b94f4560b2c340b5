"""Laws of the embedded API server: patches and pruning are total, lists are what watches add up to, nothing raises."""

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.apiserver.messages import Request, Response
from baremetal_lb.apiserver.ownership import decode, encode, leaves
from baremetal_lb.apiserver.patches import merge_patch
from baremetal_lb.apiserver.server import ApiServer
from baremetal_lb.apiserver.watches import Watch
from baremetal_lb.lab.endpoint_slices import EndpointSlices
from tests.conformance.support import DEFINITIONS, TABLE, THINGS, definition, thing

NAMES = st.sampled_from(
    ["metadata", "spec", "status", "name", "labels", "ports", "size", "type", "conditions", "clusterIP", "selector", "a", ""]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 99) | st.sampled_from(["a", "web", "IPv4", "None", "LoadBalancer", ""]) | st.floats(0, 9),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(NAMES, children, max_size=4),
    max_leaves=12,
)
THING_PATH = THINGS.format("default")


def started() -> ApiServer:
    numbers = itertools.count(1)
    server = ApiServer(new_uid=lambda: f"{next(numbers):08x}-0000-4000-8000-000000000000")
    server.start(now_utc=0)
    server.handle(Request("POST", DEFINITIONS, body=json.dumps(definition()).encode()), now_utc=0)
    return server


SERVER = started()
SLICES = EndpointSlices(SERVER)
PATHS = st.sampled_from(
    ["/api/v1/namespaces/default/services", "/api/v1/namespaces/default/services/web", "/api/v1/namespaces/default/services/web/status",
     "/api/v1/nodes", "/api/v1/namespaces/default/pods", DEFINITIONS, THING_PATH, f"{THING_PATH}/a",
     "/apis/events.k8s.io/v1/namespaces/default/events",
     "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", "/_faults/x", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"]
)  # fmt: skip
KINDS = st.sampled_from(
    ["application/json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json",
     "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "text/plain"]
)  # fmt: skip
QUERIES = st.dictionaries(
    st.sampled_from(["fieldManager", "force", "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "dryRun", "watch"]),
    st.sampled_from(["", "1", "true", "a=b", "x", "metadata.name=a", "999999"]),
    max_size=3,
)


@settings(max_examples=200)
@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]), PATHS, KINDS, VALUES, QUERIES)
def test_nothing_that_a_client_sends_raises(method: str, path: str, kind: str, value: Any, query: dict[str, str]) -> None:
    if isinstance(value, dict) and "/" in path and not isinstance(value.get("metadata"), dict):
        value = {**value, "metadata": {"name": "web" if "services" in path else "a"}}
    body = b"k8s\x00" + json.dumps(value).encode() if "protobuf" in kind else json.dumps(value).encode()
    before = SERVER.store.revision
    answer = SERVER.handle(Request(method, path, query, body, kind), now_utc=0)
    if isinstance(answer, Watch):
        answer.take(now=0)
        return
    assert 200 <= answer.code < 600
    if answer.code >= 400:
        assert SERVER.store.revision == before
        assert json.loads(answer.body)["kind"] == "Status"
    SLICES.settle(now_utc=0)
    if SERVER.store.revision != before:
        assert ApiServer(new_uid=str).start(SERVER.store.dump(), now_utc=0) > 4
        listed = path.removesuffix("/status").removesuffix("/web").removesuffix("/a")
        table = SERVER.handle(Request("GET", listed, accept=TABLE), now_utc=0)
        assert isinstance(table, Response)
        assert table.code == 200


@settings(max_examples=100)
@given(VALUES, VALUES)
def test_a_merge_patch_applied_twice_is_applied_once(value: Any, patch: Any) -> None:
    once = merge_patch(value, patch)
    assert merge_patch(once, patch) == once


@settings(max_examples=100)
@given(st.dictionaries(NAMES.filter(bool), VALUES, max_size=4).filter(lambda value: isinstance(value.get("metadata", {}), dict)))
def test_fields_are_read_as_they_were_written(value: dict[str, Any]) -> None:
    paths = set(leaves(value, {}))
    assert decode(encode(paths)) == paths


STEPS = st.lists(
    st.tuples(st.sampled_from(["POST", "PATCH", "DELETE"]), st.sampled_from(["a", "b", "c"]), st.integers(1, 9), st.booleans()), max_size=25
)


@settings(max_examples=60)
@given(STEPS, st.integers(0, 25))
def test_what_a_watch_told_adds_up_to_the_list(steps: list[tuple[str, str, int, bool]], taken_at: int) -> None:
    server = started()

    def call(method: str, path: str, body: Any, kind: str = "application/json", **query: str) -> Response | Watch:
        return server.handle(Request(method, path, query, json.dumps(body).encode() if body else b"", kind), now_utc=0)

    watch = call("GET", THING_PATH, None, watch="1", labelSelector="on=True")
    assert isinstance(watch, Watch)
    known: dict[str, Any] = {}

    def take() -> None:
        for frame in watch.take(now=0):
            event = json.loads(frame)
            name = event["object"]["metadata"]["name"]
            assert (event["type"] == "ADDED") == (name not in known)
            if event["type"] == "DELETED":
                del known[name]
            else:
                known[name] = event["object"]

    for number, (method, name, size, is_on) in enumerate(steps):
        labels = {"on": str(is_on)}
        match method:
            case "POST":
                call("POST", THING_PATH, thing(name, {"size": size}, labels=labels))
            case "PATCH":
                patch = {"metadata": {"labels": labels}, "spec": {"size": size}}
                call("PATCH", f"{THING_PATH}/{name}", patch, "application/merge-patch+json")
            case _:
                call("DELETE", f"{THING_PATH}/{name}", None)
        if number == taken_at:
            take()
    take()
    listed = call("GET", THING_PATH, None, labelSelector="on=True")
    assert isinstance(listed, Response)
    assert {item["metadata"]["name"]: item for item in json.loads(listed.body)["items"]} == known
