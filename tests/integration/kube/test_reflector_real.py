"""The reflector against the real API server, through a proxy that does to it what networks and servers do."""

import asyncio
import random
from urllib.error import HTTPError

import pytest

from baremetal_lb.kube.backoff import Backoff
from baremetal_lb.kube.records import SERVICE
from baremetal_lb.kube.reflector import Reflector
from baremetal_lb.kube.resources import SERVICES
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from tests.support.proxy import Fault, Rule
from tests.support.wait import auntil

pytestmark = pytest.mark.kube


def service(name, **annotations):
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"ports": [{"port": 80}]}}


class Bench:
    """A reflector of one namespace's Services, with a log of what it reported."""

    def __init__(self, server, proxy, namespace, transport, **options):
        self.server, self.proxy, self.namespace = server, proxy, namespace
        self.path = SERVICES.path(namespace)
        self.changes = []
        options.setdefault("backoff", Backoff(base_s=0.05, cap_s=0.3, rng=random.Random(1)))
        self.reflector = Reflector(transport, self.path, SERVICE.decoder(BAREMETAL_LB), self._changed, **options)

    def _changed(self, key, old, new):
        self.changes.append((key.name, "+" if old is None else "-" if new is None else "~"))

    @property
    def names(self):
        return sorted(key.name for key in self.reflector.store)

    def taken(self):
        changes, self.changes = sorted(self.changes), []
        return changes

    def create(self, *names):
        for name in names:
            self.server.create(self.path, service(name))

    def delete(self, name):
        self.server.delete(f"{self.path}/{name}")

    async def has(self, *names):
        await auntil(lambda: self.names == sorted(names), 15, lambda: (self.names, self.reflector.problem, self.reflector.counters))


@pytest.fixture
async def bench(kube_server, kube_proxy, kube_namespace):
    tasks = []
    async with Transport(url=kube_proxy.url, token=kube_server.token("admin")) as transport:

        def start(**options):
            bench = Bench(kube_server, kube_proxy, kube_namespace, transport, **options)
            tasks.append(asyncio.create_task(bench.reflector.run()))
            return bench

        yield start
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def test_it_follows_what_is_made_changed_and_deleted(bench, kube_server, kube_namespace):
    kube_server.create(SERVICES.path(kube_namespace), service("old"))
    b = bench()
    await asyncio.wait_for(b.reflector.has_synced.wait(), 10)
    assert b.taken() == [("old", "+")]
    b.create("new")
    await b.has("old", "new")
    kube_server.merge(f"{b.path}/new", {"metadata": {"annotations": {"baremetal-lb.io/address-pool": "blue"}}})
    await auntil(lambda: b.reflector.store[ObjectKey(kube_namespace, "new")].requested_pool == "blue")
    kube_server.merge(f"{b.path}/new", {"metadata": {"annotations": {"somebody/else": "x"}}})
    b.delete("old")
    await b.has("new")
    assert b.taken() == [("new", "+"), ("new", "~"), ("old", "-")], "an annotation that nobody reads is no change"
    assert (b.reflector.relists, b.reflector.problem) == (0, None)


async def test_lists_come_in_pages(bench, kube_server, kube_proxy, kube_namespace):
    path = SERVICES.path(kube_namespace)
    names = [f"s{i:02}" for i in range(25)]
    for name in names:
        kube_server.create(path, service(name))
    relist = kube_proxy.add(Rule(Fault.GONE, "GET", "watch=true"))
    b = bench(page_limit=10)
    await auntil(lambda: relist.hits == 1 and b.reflector.relists == 1)
    await b.has(*names)
    pages = [s.target for s in kube_proxy.seen if "watch" not in s.target]
    assert len(pages) == 6, pages
    assert sum("continue=" in page for page in pages) == 4
    assert b.taken() == [(name, "+") for name in names], "a relist reports nothing that was known"


async def test_an_expired_continue_token_restarts_the_list(bench, kube_server, kube_proxy, kube_namespace):
    path = SERVICES.path(kube_namespace)
    for name in ("a", "b", "c"):
        kube_server.create(path, service(name))
    kube_proxy.add(Rule(Fault.GONE, "GET", "watch=true"))
    expired = kube_proxy.add(Rule(Fault.GONE, "GET", "continue="))
    b = bench(page_limit=1)
    await auntil(lambda: expired.hits == 1 and b.reflector.relists == 1)
    await b.has("a", "b", "c")
    assert b.taken() == [("a", "+"), ("b", "+"), ("c", "+")]


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.RESET_BEFORE, Fault.GONE])
async def test_a_list_that_fails_is_repeated(bench, kube_server, kube_proxy, kube_namespace, fault):
    kube_server.create(SERVICES.path(kube_namespace), service("a"))
    rule = kube_proxy.add(Rule(fault, "GET", "limit=", times=3))
    b = bench()
    await b.has("a")
    assert rule.hits == 3
    assert b.reflector.counters["failures"] >= 1
    await auntil(lambda: b.reflector.problem is None)


async def test_retry_after_is_honoured(bench, kube_proxy):
    rule = kube_proxy.add(Rule(Fault.TOO_MANY, "GET", "limit=", retry_after_s=1, times=2))
    started = asyncio.get_running_loop().time()
    b = bench()
    await asyncio.wait_for(b.reflector.has_synced.wait(), 10)
    assert rule.hits == 2
    assert asyncio.get_running_loop().time() - started >= 2.0


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.RESET_BEFORE])
async def test_a_watch_that_fails_goes_on_where_it_stopped(bench, kube_proxy, fault):
    b = bench()
    await asyncio.wait_for(b.reflector.has_synced.wait(), 10)
    b.create("a")
    await b.has("a")
    rule = kube_proxy.add(Rule(fault, "GET", "watch=true", times=2))
    kube_proxy.cut()
    b.create("b")
    await b.has("a", "b")
    assert (rule.hits, b.reflector.relists, b.reflector.problem) == (2, 0, None)
    assert b.taken() == [("a", "+"), ("b", "+")]


async def test_an_expired_watch_is_answered_by_a_list_and_a_true_difference(bench, kube_server, kube_proxy):
    relisted = []
    b = bench(on_relist=lambda: relisted.append(list(b.changes)))
    await asyncio.wait_for(b.reflector.has_synced.wait(), 10)
    b.create("kept", "changed", "deleted")
    await b.has("kept", "changed", "deleted")
    b.taken()
    watches = kube_proxy.add(Rule(Fault.RESET_BEFORE, "GET", "watch=true", times=None))
    kube_proxy.cut()
    await auntil(lambda: watches.hits >= 1)
    b.delete("deleted")
    b.create("new")
    kube_server.merge(f"{b.path}/changed", {"metadata": {"annotations": {"baremetal-lb.io/address-pool": "blue"}}})
    kube_proxy.clear()
    expired = kube_proxy.add(Rule(Fault.GONE, "GET", "watch=true"))
    await b.has("changed", "kept", "new")
    assert expired.hits == 1
    assert b.taken() == [("changed", "~"), ("deleted", "-"), ("new", "+")]
    assert relisted == [[], []], "the hook is called before the list reports anything"
    lists = [s.target for s in kube_proxy.seen if "limit=" in s.target]
    assert ["resourceVersion=" in target for target in lists] == [False, False], "a list is consistent"


async def test_a_silent_watch_is_given_up(bench, kube_proxy, monkeypatch):
    monkeypatch.setattr("baremetal_lb.kube.reflector.WATCH_GRACE_S", 0.5)
    rule = kube_proxy.add(Rule(Fault.SILENT, "GET", "watch=true"))
    b = bench(watch_s=1.0)
    await auntil(lambda: rule.hits == 1)
    b.create("a")
    await b.has("a")
    assert b.reflector.relists == 0


async def test_an_empty_list_deletes_at_once_without_a_hold_off(bench, kube_proxy):
    b = bench()
    await asyncio.wait_for(b.reflector.has_synced.wait(), 10)
    b.create("a", "b")
    await b.has("a", "b")
    kube_proxy.add(Rule(Fault.EMPTY_LIST, "GET", "limit="))
    kube_proxy.add(Rule(Fault.GONE, "GET", "watch=true"))
    kube_proxy.cut()
    await b.has()


@pytest.mark.parametrize("fault", [Fault.EMPTY_LIST, Fault.OLD_LIST])
async def test_with_a_hold_off_one_wrong_list_deletes_nothing(bench, kube_proxy, fault):
    b = bench(shrink_hold_s=1.0)
    await asyncio.wait_for(b.reflector.has_synced.wait(), 10)
    b.create("a", "b")
    await b.has("a", "b")
    b.taken()
    wrong = kube_proxy.add(Rule(fault, "GET", "limit="))
    kube_proxy.add(Rule(Fault.GONE, "GET", "watch=true"))
    kube_proxy.cut()
    await auntil(lambda: b.reflector.counters["held_lists"] == 1)
    await auntil(lambda: b.reflector.relists >= 2, 15, lambda: (b.reflector.counters, b.reflector.problem))
    assert (wrong.hits, b.names, b.taken()) == (1, ["a", "b"], [])
    b.delete("a")
    await b.has("b")


async def test_with_a_hold_off_a_list_that_stays_empty_is_believed_afterwards(bench, kube_proxy):
    b = bench(shrink_hold_s=1.0)
    await asyncio.wait_for(b.reflector.has_synced.wait(), 10)
    b.create("a", "b")
    await b.has("a", "b")
    kube_proxy.add(Rule(Fault.EMPTY_LIST, "GET", "limit=", times=None))
    kube_proxy.add(Rule(Fault.GONE, "GET", "watch=true"))
    kube_proxy.cut()
    await auntil(lambda: b.reflector.counters["held_lists"] == 1)
    assert b.names == ["a", "b"]
    await b.has()


async def test_a_kind_that_is_not_installed_is_visible_and_then_found(bench, kube_server, kube_proxy):
    async with Transport(kube_server.kubeconfig("admin")) as transport, asyncio.TaskGroup() as group:
        path = "/apis/example.com/v1/things"
        backoff = Backoff(base_s=0.05, cap_s=0.3)
        reflector = Reflector(transport, path, lambda data: data, lambda *_: None, backoff=backoff)
        task = group.create_task(reflector.run())
        await auntil(lambda: reflector.problem)
        assert reflector.problem == "/apis/example.com/v1/things is not served: is its CustomResourceDefinition installed?"
        assert not reflector.has_synced.is_set()
        schema = {"openAPIV3Schema": {"type": "object"}}
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Cluster",
                "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }
        collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        kube_server.create(collection, crd)
        await auntil(reflector.has_synced.is_set, 15, lambda: reflector.problem)

        def is_made() -> bool:  # the server may say for a moment that the storage of a new kind is being initialized
            try:
                kube_server.create(path, {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}})
            except HTTPError:
                return False
            return True

        await auntil(is_made, 15)
        await auntil(lambda: reflector.store, 20, lambda: reflector.problem)
        assert reflector.problem is None
        kube_server.delete(f"{collection}/things.example.com")
        task.cancel()


async def test_a_refusal_by_rbac_is_visible(kube_server, kube_namespace):
    async with Transport(kube_server.kubeconfig("nobody")) as transport, asyncio.TaskGroup() as group:
        reflector = Reflector(transport, SERVICES.path(kube_namespace), SERVICE.decoder(BAREMETAL_LB), lambda *_: None)
        task = group.create_task(reflector.run())
        await auntil(lambda: reflector.problem)
        assert "403 Forbidden" in reflector.problem
        task.cancel()
