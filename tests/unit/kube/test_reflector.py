"""The reflector against servers that say nonsense: it keeps what it has, says what is wrong, and goes on."""

import asyncio
import contextlib
import json
import random

import pytest
from aiohttp import web

from baremetal_lb.kube.backoff import Backoff
from baremetal_lb.kube.records import SERVICE
from baremetal_lb.kube.reflector import Reflector
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.views import ServiceView
from tests.support.wait import auntil
from tests.support.web import serving


def service(name, version, **spec):
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}, "spec": {"type": "LoadBalancer", **spec}}


def event(kind, item):
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


class Script:
    """A server that answers lists from a dict, and each watch with the next entry of a list of byte chunks."""

    def __init__(self, *watches):
        self.items = {}
        self.version = 100
        self.watches = list(watches)
        self.queries = []
        self.list_answers = []
        self.open = []

    async def __call__(self, request):
        self.queries.append(dict(request.query))
        if "watch" not in request.query:
            if self.list_answers:
                return web.Response(body=self.list_answers.pop(0), content_type="application/json")
            return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": list(self.items.values())})
        response = web.StreamResponse()
        await response.prepare(request)
        chunks = self.watches.pop(0) if self.watches else None
        for chunk in chunks or ():
            if chunk == "abort":
                request.transport.abort()
                return response
            await response.write(chunk)
        if chunks is None:
            queue = asyncio.Queue()
            self.open.append(queue)
            while (chunk := await queue.get()) is not None:
                await response.write(chunk)
        return response

    def push(self, chunk):
        for queue in self.open:
            queue.put_nowait(chunk)

    @property
    def watched_from(self):
        return [query["resourceVersion"] for query in self.queries if "watch" in query]


@contextlib.asynccontextmanager
async def reflecting(script, **options):
    changes = []

    def changed(key, old, new):
        changes.append((key.name, "+" if old is None else "-" if new is None else "~"))

    async with serving(script.__call__) as url, Transport(url=url) as transport:
        backoff = Backoff(base_s=0.02, cap_s=0.1, rng=random.Random(1))
        reflector = Reflector(transport, "/api/v1/services", SERVICE.decoder(BAREMETAL_LB), changed, backoff=backoff, **options)
        reflector.changes = changes
        task = asyncio.create_task(reflector.run())
        try:
            yield reflector
        finally:
            script.push(None)
            task.cancel()
            (end,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(end, asyncio.CancelledError), repr(end)


async def test_a_bookmark_moves_the_version_that_a_watch_goes_on_from():
    script = Script([event("ADDED", service("a", 101)), event("BOOKMARK", {"metadata": {"resourceVersion": "150"}})])
    async with reflecting(script) as reflector:
        await auntil(lambda: len(script.watched_from) == 2)
        assert script.watched_from == ["100", "150"]
        assert (reflector.changes, reflector.relists) == ([("a", "+")], 0)
        assert all(query.get("allowWatchBookmarks") == "true" for query in script.queries if "watch" in query)


async def test_history_that_a_watch_replays_takes_nothing_from_what_is_newer():
    history = [event("ADDED", service("a", 105, old=1)), event("DELETED", service("a", 110)), event("ADDED", service("b", 140))]
    script = Script(history)
    script.items["a"] = service("a", 120)
    async with reflecting(script) as reflector:
        await auntil(lambda: len(reflector.store) == 2)
        assert reflector.changes == [("a", "+"), ("b", "+")]
        assert reflector.counters["stale_events"] == 2


@pytest.mark.parametrize(
    "chunks",
    [
        [event("ADDED", service("a", 101)), b'{"type":"ADDED","obj', "abort"],
        [event("ADDED", service("a", 101)), b'{"type":"ADDED","obj'],
        [event("ADDED", service("a", 101)), b"<html>Bad Gateway</html>\n"],
        [event("ADDED", service("a", 101)), b"Too many requests\n"],
        [event("ADDED", service("a", 101)), b'{"type":"ADDED"}\n'],
        [event("ADDED", service("a", 101)), b"\xff\xfe\n"],
        [event("ADDED", service("a", 101)), b"[" * 5000 + b"\n"],
        [event("ADDED", service("a", 101)), event("ERROR", {"code": 500, "reason": "InternalError", "message": "oops"})],
        [event("ADDED", service("a", 101)), event("ERROR", [])],
    ],
    ids=["partial-reset", "partial-end", "html", "text", "no-object", "no-utf8", "deep", "error-500", "error-unreadable"],
)
async def test_a_watch_that_breaks_in_any_way_goes_on_from_the_last_good_event(chunks):
    script = Script(chunks)
    async with reflecting(script) as reflector:
        await auntil(lambda: len(script.watched_from) == 2)
        assert script.watched_from == ["100", "101"]
        assert reflector.problem is not None
        await auntil(lambda: script.open)
        script.push(event("ADDED", service("b", 102)))
        await auntil(lambda: reflector.changes == [("a", "+"), ("b", "+")])
        assert (reflector.problem, reflector.relists) == (None, 0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"metadata":{}, "items":3}', b"\xff"], ids=repr)
async def test_a_list_that_is_none_is_a_failure_and_changes_nothing(body):
    script = Script()
    script.list_answers = [body]
    script.items = {"a": service("a", 1)}
    async with reflecting(script) as reflector:
        await asyncio.wait_for(reflector.has_synced.wait(), 5)
        assert reflector.counters["failures"] == 1
        assert reflector.changes == [("a", "+")]


async def test_an_object_that_cannot_be_read_keeps_its_last_good_value_and_harms_no_other():
    script = Script()
    script.items = {"a": service("a", 1), "bad": service("bad", 2, ports=[{"port": "http"}])}
    async with reflecting(script) as reflector:
        await asyncio.wait_for(reflector.has_synced.wait(), 5)
        assert reflector.changes == [("a", "+")]
        assert reflector.problems[ObjectKey("n", "bad")].field == "spec.ports[0].port"
        await auntil(lambda: script.open)
        script.push(event("MODIFIED", service("a", 101, ports="none")))
        script.push(event("MODIFIED", service("bad", 102, ports=[{"port": 80}])))
        await auntil(lambda: reflector.changes == [("a", "+"), ("bad", "+")])
        assert reflector.store[ObjectKey("n", "a")] == ServiceView(ObjectKey("n", "a"), "")
        assert set(reflector.problems) == {ObjectKey("n", "a")}
        assert reflector.decode_errors == 2
        script.push(event("DELETED", service("a", 103)))
        await auntil(lambda: reflector.changes[-1] == ("a", "-"))
        assert not reflector.problems


async def test_items_without_a_name_are_counted():
    script = Script()
    script.items = {"x": {"metadata": {"labels": {}}}, "y": 3, "z": {"metadata": {"name": 5}}, "a": service("a", 1)}
    async with reflecting(script) as reflector:
        await asyncio.wait_for(reflector.has_synced.wait(), 5)
        assert (reflector.counters["nameless"], reflector.changes) == (3, [("a", "+")])


@pytest.mark.parametrize(
    "chunks",
    [[], [event("ERROR", {"code": 410, "reason": "Expired", "message": "old"})]],
    ids=["ends-at-once", "expires-at-once"],
)
async def test_a_server_whose_watches_are_no_use_is_not_hammered(chunks):
    script = Script(*([chunks] * 1000))
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with reflecting(script) as reflector:
        reflector._backoff.base_s, reflector._backoff.cap_s = 0.2, 1.0
        await auntil(lambda: len(script.watched_from) >= 6)
    assert loop.time() - started > 0.2 + 0.4, "between six watches there are at least the waits of half of 0.2, 0.4, 0.8 seconds"


async def test_ten_thousand_events_in_one_burst_leave_other_tasks_their_turn():
    script = Script([b"".join(event("ADDED", service(f"s{i}", 200 + i)) for i in range(10_000))])
    async with reflecting(script) as reflector:
        turns = 0
        while len(reflector.store) < 10_000:
            turns += len(reflector.store) > 0
            await asyncio.sleep(0)
        assert len(reflector.changes) == 10_000
        assert turns >= 10_000 / 200 / 2, "others get their turn about every 200 events"


async def test_remembered_values_are_there_before_the_first_list_and_outlive_an_empty_one():
    script = Script()
    remembered = {ObjectKey("n", name): ServiceView(ObjectKey("n", name), "") for name in ("a", "b")}
    changes = []
    async with serving(script.__call__) as url, Transport(url=url) as transport:
        reflector = Reflector(
            transport, "/x", SERVICE.decoder(BAREMETAL_LB), lambda key, old, new: changes.append((key.name, old, new)), shrink_hold_s=60.0
        )
        reflector.seed(remembered)
        assert dict(reflector.store) == remembered
        assert len(changes) == 2
        task = asyncio.create_task(reflector.run())
        await asyncio.wait_for(reflector.has_synced.wait(), 5)
        assert dict(reflector.store) == remembered
        assert "resourceVersion" not in script.queries[0], "the list that judges remembered values is a consistent one"
        script.push(None)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_selectors_go_along_with_lists_and_watches():
    script = Script()
    async with reflecting(script, label_selector="a=b", field_selector="spec.type=LoadBalancer"):
        await auntil(lambda: len(script.queries) == 2)
    assert [(q["labelSelector"], q["fieldSelector"]) for q in script.queries] == [("a=b", "spec.type=LoadBalancer")] * 2


async def test_an_error_of_ours_ends_it():
    script = Script()
    script.items = {"a": service("a", 1)}

    def broken(*_):
        raise RuntimeError("ours")

    async with serving(script.__call__) as url, Transport(url=url) as transport:
        reflector = Reflector(transport, "/x", SERVICE.decoder(BAREMETAL_LB), broken)
        with pytest.raises(RuntimeError, match="ours"):
            await asyncio.wait_for(reflector.run(), 5)
