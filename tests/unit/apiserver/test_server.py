"""What only the embedded API server does, or what needs a virtual clock: bookmarks, bounds, faults, the journal, malformed requests."""

import itertools
import json
from ipaddress import ip_network
from typing import Any

import pytest

from baremetal_lb.apiserver import writing
from baremetal_lb.apiserver.faults import MAXIMUM_FAULTS
from baremetal_lb.apiserver.messages import Request, Response
from baremetal_lb.apiserver.server import MAXIMUM_BODY, ApiServer, Settings
from baremetal_lb.apiserver.services import ServiceNetworks
from baremetal_lb.apiserver.watches import BOOKMARK_INTERVAL, Watch
from baremetal_lb.model.time import SECOND
from tests.conformance.support import DEFINITIONS, THINGS, definition, thing

START = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z."""
MAPS = "/api/v1/namespaces/default/configmaps"


class Cluster:
    """A server, its clock and its journal."""

    def __init__(self, lines: list[bytes] | None = None, **settings: Any) -> None:
        numbers = itertools.count(1)
        self.now, self.journal = START, list[bytes]()
        self.server = ApiServer(
            new_uid=lambda: f"{next(numbers):08x}-0000-4000-8000-000000000000", journal=self.journal.append, settings=Settings(**settings)
        )
        self.server.start(lines or [], now_utc=self.now)

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/json", **query: str) -> Response | Watch:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.server.handle(Request(method, path, query, data, content_type), now_utc=self.now)

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json", **query: str) -> tuple[int, Any]:
        answer = self.send(method, path, body, content_type, **query)
        assert isinstance(answer, Response)
        return answer.code, json.loads(answer.body) if answer.body else None

    def make(self, name: str, **data: str) -> dict[str, Any]:
        code, value = self.call("POST", MAPS, {"metadata": {"name": name}, "data": data})
        assert code == 201
        return dict(value)

    def watch(self, path: str = MAPS, **query: str) -> Watch:
        watch = self.send("GET", path, watch="1", **query)
        assert isinstance(watch, Watch)
        return watch

    def take(self, watch: Watch) -> list[tuple[str, Any]]:
        events = [json.loads(frame) for frame in watch.take(now=self.now)]
        return [(event["type"], event["object"]) for event in events]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_a_quiet_watch_gets_bookmarks_at_its_interval(cluster: Cluster) -> None:
    version = cluster.make("a")["metadata"]["resourceVersion"]
    watch = cluster.watch(resourceVersion=version, allowWatchBookmarks="true")
    assert cluster.take(watch) == []
    assert watch.deadline() == START + BOOKMARK_INTERVAL
    cluster.call("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "elsewhere"}})
    cluster.now += BOOKMARK_INTERVAL
    [(kind, value)] = cluster.take(watch)
    assert (kind, value["kind"], int(value["metadata"]["resourceVersion"])) == ("BOOKMARK", "ConfigMap", int(version) + 1)
    assert watch.deadline() == cluster.now + BOOKMARK_INTERVAL


def test_a_watch_is_over_at_its_timeout(cluster: Cluster) -> None:
    watch = cluster.watch(timeoutSeconds="5")
    cluster.now += 5 * SECOND - 1
    cluster.take(watch)
    assert not watch.is_over
    cluster.now += 1
    cluster.take(watch)
    assert watch.is_over


def test_a_watcher_that_falls_behind_is_told_410() -> None:
    cluster = Cluster(remembered=5)
    watch = cluster.watch()
    for number in range(6):
        cluster.make(f"m{number}")
    [(kind, value)] = cluster.take(watch)
    assert (kind, value["code"], value["reason"]) == ("ERROR", 410, "Expired")
    assert watch.is_over


def test_an_old_page_is_told_410() -> None:
    cluster = Cluster(remembered=5)
    for number in range(3):
        cluster.make(f"m{number}")
    _, page = cluster.call("GET", MAPS, limit="1")
    for number in range(3, 9):
        cluster.make(f"m{number}")
    code, value = cluster.call("GET", MAPS, **{"limit": "1", "continue": page["metadata"]["continue"]})
    assert (code, value["reason"]) == (410, "Expired")


def test_the_number_of_watches_is_bounded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baremetal_lb.apiserver.reading.MAXIMUM_WATCHES", 3)
    held = [cluster.watch() for _ in range(3)]
    code, value = cluster.call("GET", MAPS, watch="1")
    assert (code, value["reason"], value["details"]["retryAfterSeconds"]) == (429, "TooManyRequests", 5)
    held.pop()
    assert isinstance(cluster.send("GET", MAPS, watch="1"), Watch)


def test_events_are_bounded_and_the_oldest_goes(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAXIMUM_EVENTS", 3)
    path = "/api/v1/namespaces/default/events"
    for number in range(5):
        cluster.call("POST", path, {"metadata": {"name": f"e{number}"}, "involvedObject": {}})
    assert [item["metadata"]["name"] for item in cluster.call("GET", path)[1]["items"]] == ["e2", "e3", "e4"]


def test_the_number_of_objects_is_bounded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baremetal_lb.apiserver.store.MAXIMUM_OBJECTS", 1)
    cluster.make("a")
    revision = cluster.server.store.revision
    assert cluster.call("POST", MAPS, {"metadata": {"name": "b"}})[0] == 500
    assert cluster.server.store.revision == revision
    assert cluster.call("PATCH", f"{MAPS}/a", {"data": {"x": "1"}}, "application/merge-patch+json")[0] == 200


def test_objects_and_bodies_are_bounded(cluster: Cluster) -> None:
    assert cluster.call("POST", MAPS, {"metadata": {"name": "big"}, "data": {"x": "y" * writing.MAXIMUM_OBJECT}})[0] == 413
    assert cluster.call("POST", MAPS, b" " * (MAXIMUM_BODY + 1))[0] == 413


def test_a_server_on_the_journal_of_another_has_its_objects_and_revision(cluster: Cluster) -> None:
    cluster.make("kept", a="1")
    cluster.make("gone")
    cluster.call("DELETE", f"{MAPS}/gone")
    _, before = cluster.call("GET", MAPS)
    again = Cluster(cluster.journal)
    _, after = again.call("GET", MAPS)
    assert after == before
    watch = again.watch(resourceVersion=before["metadata"]["resourceVersion"])
    again.make("new")
    assert [(kind, value["metadata"]["name"]) for kind, value in again.take(watch)] == [("ADDED", "new")]
    [(kind, value)] = again.take(again.watch(resourceVersion=str(int(before["metadata"]["resourceVersion"]) - 1)))
    assert (kind, value["code"]) == ("ERROR", 410)


def test_a_compacted_journal_says_the_same(cluster: Cluster) -> None:
    cluster.make("kept", a="1")
    cluster.call("DELETE", f"{MAPS}/kept")
    cluster.make("other")
    compacted = list(cluster.server.store.dump())
    assert len(compacted) < len(cluster.journal)
    assert Cluster(compacted).call("GET", MAPS)[1] == cluster.call("GET", MAPS)[1]


def test_a_torn_last_line_is_left_out(cluster: Cluster) -> None:
    cluster.make("kept")
    cluster.make("torn")
    lines = [*cluster.journal[:-1], cluster.journal[-1][:40]]
    names = [item["metadata"]["name"] for item in Cluster(lines).call("GET", MAPS)[1]["items"]]
    assert names == ["kept"]


FAULTS = "/_faults"


def test_an_error_comes_as_often_as_asked_after_those_skipped(cluster: Cluster) -> None:
    wish = {"action": "Error", "method": "POST", "path": "/configmaps$", "code": 429, "retryAfterSeconds": 2, "count": 2, "skip": 1}
    assert cluster.call("POST", FAULTS, wish)[0] == 200
    codes = [cluster.call("POST", MAPS, {"metadata": {"name": f"m{number}"}})[0] for number in range(4)]
    assert codes == [201, 429, 429, 201]
    assert cluster.call("GET", FAULTS)[1] == []
    assert [item["metadata"]["name"] for item in cluster.call("GET", MAPS)[1]["items"]] == ["m0", "m3"]


def test_retry_after_is_a_header_too(cluster: Cluster) -> None:
    cluster.call("POST", FAULTS, {"action": "Error", "code": 429, "retryAfterSeconds": 2})
    answer = cluster.send("GET", MAPS)
    assert isinstance(answer, Response)
    assert answer.headers == (("Retry-After", "2"),)


@pytest.mark.parametrize(("action", "is_made"), [("ResetBefore", False), ("ResetAfter", True)])
def test_a_connection_is_reset_before_or_after_the_effect(cluster: Cluster, action: str, *, is_made: bool) -> None:
    cluster.call("POST", FAULTS, {"action": action, "method": "POST"})
    answer = cluster.send("POST", MAPS, {"metadata": {"name": "m"}})
    assert isinstance(answer, Response)
    assert answer.is_reset
    assert (cluster.call("GET", f"{MAPS}/m")[0] == 200) is is_made


def test_a_list_can_be_empty_expired_and_a_watch_silent(cluster: Cluster) -> None:
    cluster.make("m")
    cluster.call("POST", FAULTS, [{"action": "EmptyList", "path": "/configmaps"}, {"action": "Expired"}, {"action": "SilentWatch"}])
    assert cluster.call("GET", MAPS)[1]["items"] == []
    assert cluster.call("GET", MAPS)[0] == 410
    watch = cluster.watch()
    cluster.make("n")
    assert cluster.take(watch) == []
    assert len(cluster.call("GET", MAPS)[1]["items"]) == 2


@pytest.mark.parametrize(
    "wish", [{}, {"action": "Nonsense"}, {"action": "Error", "path": "("}, {"action": "Error", "count": "x"}, [3], "text"]
)
def test_a_fault_that_cannot_be_understood_is_refused(cluster: Cluster, wish: Any) -> None:
    assert cluster.call("POST", FAULTS, wish)[0] == 400


def test_faults_are_bounded_and_can_be_dropped(cluster: Cluster) -> None:
    for _ in range(MAXIMUM_FAULTS):
        cluster.call("POST", FAULTS, {"action": "Error"})
    assert cluster.call("POST", FAULTS, {"action": "Error"})[0] == 400
    assert cluster.call("DELETE", FAULTS) == (200, [])
    assert cluster.call("GET", MAPS)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 404),
        ("GET", "/openapi/v2", 404),
        ("GET", "/api/v1/watch/services", 405),
        ("GET", "/api/v1/namespaces/default/pods/p/log", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("PUT", MAPS, 405),
        ("POST", f"{MAPS}/m", 405),
        ("TRACE", MAPS, 405),
        ("GET", f"{MAPS}/m/status/more", 404),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", 404),
        ("GET", "/apis/apps/v1/deployments", 404),
    ],
)
def test_what_is_not_done_is_refused_with_a_sentence(cluster: Cluster, method: str, path: str, code: int) -> None:
    answered, value = cluster.call(method, path, {})
    assert (answered, value["kind"], value["status"]) == (code, "Status", "Failure")
    assert len(value["message"]) > 20


MALFORMED: list[Any] = [
    {"metadata": {"name": "x"}, "spec": "text"},
    {"metadata": {"name": "x"}, "spec": {"ports": "text"}},
    {"metadata": {"name": "x"}, "spec": {"ports": [1]}},
    {"metadata": {"name": "x"}, "spec": {"ports": [{"port": "80"}]}},
    {"metadata": {"name": "x"}, "spec": {"clusterIPs": [1], "ports": [{"port": 80}]}},
    {"metadata": {"name": "x"}, "spec": {"ipFamilies": 3, "ports": [{"port": 80}]}},
    {"metadata": {"name": "x", "labels": []}, "spec": {"ports": [{"port": 80}], "clusterIP": {}}},
    {"metadata": {"name": "x", "labels": {"a": 1}}},
    {"metadata": {"name": 3}},
    {"metadata": []},
    {"metadata": {"name": "x", "finalizers": 3}, "spec": {"ports": [{"port": 80}], "selector": 4}},
    [],
    3,
    None,
]


@pytest.mark.parametrize("body", MALFORMED)
@pytest.mark.parametrize("content_type", ["application/json", "application/vnd.kubernetes.protobuf"])
def test_a_malformed_service_is_refused_and_nothing_is_stored(cluster: Cluster, body: Any, content_type: str) -> None:
    before = cluster.server.store.revision
    code, _ = cluster.call("POST", "/api/v1/namespaces/default/services", json.dumps(body).encode(), content_type)
    assert code in (400, 422) or cluster.server.store.revision == before + 1
    assert cluster.call("GET", "/api/v1/services")[0] == 200


def test_deeply_nested_bodies_are_refused(cluster: Cluster) -> None:
    assert cluster.call("POST", MAPS, b'{"a":' * 5_000 + b"1" + b"}" * 5_000)[0] == 400


def test_a_patch_that_destroys_the_object_is_refused(cluster: Cluster) -> None:
    cluster.make("m")
    merge = "application/merge-patch+json"
    for patch in ([], 3, {"metadata": 3}, {"metadata": None}, {"metadata": {"name": None, "uid": None}}):
        assert cluster.call("PATCH", f"{MAPS}/m", patch, merge)[0] in (400, 422)
    assert cluster.call("PATCH", f"{MAPS}/m", b"{", merge)[0] == 400
    assert cluster.call("GET", f"{MAPS}/m")[0] == 200


def test_watches_of_a_definition_end_with_it(cluster: Cluster) -> None:
    cluster.call("POST", DEFINITIONS, definition())
    assert cluster.call("POST", THINGS.format("default"), thing("a"))[0] == 201
    watch = cluster.watch(THINGS.format("default"))
    cluster.take(watch)
    cluster.call("DELETE", f"{DEFINITIONS}/things.example.test")
    assert [kind for kind, _ in cluster.take(watch)] == ["DELETED"]
    assert watch.is_over
    assert cluster.call("GET", THINGS.format("default"))[0] == 404


def test_cluster_ips_run_out_with_an_answer() -> None:
    cluster = Cluster(networks=ServiceNetworks((ip_network("10.96.0.0/28"),)))
    services = "/api/v1/namespaces/default/services"
    codes = [cluster.call("POST", services, {"metadata": {"name": f"s{i}"}, "spec": {"ports": [{"port": 80}]}})[0] for i in range(7)]
    assert codes == [201] * 5 + [500] * 2


def test_a_definition_with_a_broken_pattern_is_refused(cluster: Cluster) -> None:
    body = definition()
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["name"]["pattern"] = "("
    code, value = cluster.call("POST", DEFINITIONS, body)
    assert (code, value["reason"]) == (422, "Invalid")
    assert value["details"]["causes"][0]["field"].endswith("properties[spec].properties[name].pattern")
