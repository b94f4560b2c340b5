"""Lists, selectors, pages; watches, their resumption, their end and bookmarks."""

from itertools import islice

import pytest

from tests.conformance.support import ApiUnderTest, config_map, service, thing

MAPS = "/api/v1/namespaces/{}/configmaps"
OURS = "metadata.name!=kube-root-ca.crt"
MERGE = "application/merge-patch+json"


def names(api: ApiUnderTest, path: str, **query: str) -> list[str]:
    answer = api("GET", path, **query)
    assert answer.code == 200, answer.body
    return [item["metadata"]["name"] for item in answer["items"]]


@pytest.fixture
def labelled(api: ApiUnderTest, namespace: str) -> str:
    path = MAPS.format(namespace)
    for name, labels in (("a", {"app": "web", "tier": "1"}), ("b", {"app": "web"}), ("c", {"app": "db", "tier": "2"}), ("d", {})):
        assert api("POST", path, config_map(name, labels)).code == 201
    return path


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier=1", ["a"]),
        ("app!=web", ["c", "d"]),
        ("app in (web, db)", ["a", "b", "c"]),
        ("app notin (web)", ["c", "d"]),
        ("tier", ["a", "c"]),
        ("!tier", ["b", "d"]),
        ("app,!tier", ["b"]),
        ("app=", []),
    ],
)
def test_labels_select(api: ApiUnderTest, labelled: str, selector: str, expected: list[str]) -> None:
    assert names(api, labelled, labelSelector=selector, fieldSelector=OURS) == expected


@pytest.mark.parametrize(
    ("selector", "expected"), [("metadata.name=b", ["b"]), ("metadata.name=b,metadata.name!=b", []), (OURS, ["a", "b", "c", "d"])]
)
def test_fields_select(api: ApiUnderTest, labelled: str, selector: str, expected: list[str]) -> None:
    assert names(api, labelled, fieldSelector=selector) == expected


@pytest.mark.parametrize(
    "query", [{"fieldSelector": "data.a=b"}, {"labelSelector": "a==="}, {"labelSelector": "a in b"}, {"continue": "nonsense"}]
)
def test_a_query_that_cannot_be_meant_is_refused(api: ApiUnderTest, labelled: str, query: dict[str, str]) -> None:
    assert api("GET", labelled, **query).code == 400


def test_services_are_selected_by_type(api: ApiUnderTest, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    api("POST", path, service("lb"))
    api("POST", path, service("plain", type="ClusterIP"))
    assert names(api, path, fieldSelector="spec.type=LoadBalancer") == ["lb"]
    assert names(api, "/api/v1/services", fieldSelector=f"spec.type=LoadBalancer,metadata.namespace={namespace}") == ["lb"]


def test_a_list_has_a_version_and_a_kind(api: ApiUnderTest, labelled: str, things: str) -> None:
    listed = api("GET", labelled)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(listed["metadata.resourceVersion"]) > 0
    assert "kind" not in listed["items.0"]
    api("POST", things, thing("one"))
    custom = api("GET", things)
    assert (custom["kind"], custom["items.0.kind"]) == ("ThingList", "Thing")


def test_pages_show_one_moment(api: ApiUnderTest, labelled: str) -> None:
    first = api("GET", labelled, limit="2", fieldSelector=OURS)
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    api("DELETE", f"{labelled}/c")
    api("POST", labelled, config_map("e"))
    api("PATCH", f"{labelled}/d", {"data": {"x": "new"}}, MERGE)
    second = api("GET", labelled, limit="9", fieldSelector=OURS, **{"continue": first["metadata.continue"]})
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d"]
    assert second["items.1.data"] is None
    assert second["metadata.resourceVersion"] == first["metadata.resourceVersion"]
    assert not second["metadata.continue"]


def test_a_page_says_how_many_are_left(api: ApiUnderTest, things: str) -> None:
    for name in "abc":
        api("POST", things, thing(name))
    assert api("GET", things, limit="1")["metadata.remainingItemCount"] == 2


def test_a_list_can_be_exactly_as_it_was(api: ApiUnderTest, things: str) -> None:
    made = api("POST", things, thing("a"))
    api("POST", things, thing("b"))
    assert names(api, things, resourceVersion=made["metadata.resourceVersion"], resourceVersionMatch="Exact") == ["a"]
    assert names(api, things, resourceVersion="0") == ["a", "b"]
    assert names(api, things, resourceVersion=made["metadata.resourceVersion"], resourceVersionMatch="NotOlderThan") == ["a", "b"]


def test_a_version_of_the_future_times_out(api: ApiUnderTest, things: str) -> None:
    answer = api("GET", things, resourceVersion="999999999")
    assert (answer.code, answer["reason"], answer["details.causes.0.reason"]) == (504, "Timeout", "ResourceVersionTooLarge")


def kinds(events: object) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]  # type: ignore[attr-defined]


def test_a_watch_goes_on_where_a_list_ended(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("old"))
    since = api("GET", things)["metadata.resourceVersion"]
    api("POST", things, thing("new"))
    api("PATCH", f"{things}/new", {"spec": {"size": 2}}, MERGE)
    with api.watch(things, resourceVersion=since) as events:
        assert kinds(islice(events, 2)) == [("ADDED", "new"), ("MODIFIED", "new")]
        gone = api("DELETE", f"{things}/new")
        last = next(events)
    assert gone.code == 200
    assert (last["type"], last["object"]["spec"]["size"]) == ("DELETED", 2)
    assert int(last["object"]["metadata"]["resourceVersion"]) > int(since)


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
def test_a_watch_without_a_version_begins_with_what_is_there(api: ApiUnderTest, things: str, query: dict[str, str]) -> None:
    api("POST", things, thing("a"))
    with api.watch(things, **query) as events:
        assert kinds(islice(events, 1)) == [("ADDED", "a")]
        api("POST", things, thing("b"))
        assert kinds(islice(events, 1)) == [("ADDED", "b")]


def test_a_watch_ends_when_its_time_is_over(api: ApiUnderTest, things: str) -> None:
    with api.watch(things, timeout_s=1, resourceVersion=api("GET", things)["metadata.resourceVersion"]) as events:
        assert list(events) == []


def test_a_forgotten_version_is_told_as_an_error_event(api: ApiUnderTest, things: str) -> None:
    with api.watch(things, resourceVersion="1") as events:
        event = next(events)
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert list(events) == []


def test_a_watch_shows_what_begins_and_ceases_to_match(api: ApiUnderTest, things: str) -> None:
    since = api("GET", things)["metadata.resourceVersion"]
    with api.watch(things, resourceVersion=since, labelSelector="on=yes") as events:
        api("POST", things, thing("a"))
        api("PATCH", f"{things}/a", {"metadata": {"labels": {"on": "yes"}}}, MERGE)
        api("PATCH", f"{things}/a", {"spec": {"size": 2}}, MERGE)
        api("PATCH", f"{things}/a", {"metadata": {"labels": {"on": "no"}}}, MERGE)
        api("DELETE", f"{things}/a")
        api("POST", things, thing("b", labels={"on": "yes"}))
        assert kinds(islice(events, 4)) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]


def test_one_object_is_watched_by_its_name(api: ApiUnderTest, things: str) -> None:
    since = api("GET", things)["metadata.resourceVersion"]
    with api.watch(things, resourceVersion=since, fieldSelector="metadata.name=b") as events:
        api("POST", things, thing("a"))
        api("POST", things, thing("b"))
        assert kinds(islice(events, 1)) == [("ADDED", "b")]


def test_initial_events_end_with_a_marked_bookmark(api: ApiUnderTest, things: str) -> None:
    api("POST", things, thing("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with api.watch(things, **query) as events:
        assert kinds(islice(events, 1)) == [("ADDED", "a")]
        mark = next(events)
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert mark["object"]["kind"] == "Thing"


def test_watches_across_namespaces_see_each_namespace(api: ApiUnderTest, things: str) -> None:
    every = "/apis/example.test/v1/things"
    since = api("GET", every)["metadata.resourceVersion"]
    with api.watch(every, resourceVersion=since) as events:
        api("POST", things, thing("here"))
        assert kinds(islice(events, 1)) == [("ADDED", "here")]
