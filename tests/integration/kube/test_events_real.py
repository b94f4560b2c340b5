"""Events on the real API server, and the bounds of the recorder."""

import asyncio
import contextlib
import json

import pytest

from baremetal_lb.kube import events
from baremetal_lb.kube.events import EventRecorder, Regarding
from baremetal_lb.kube.resources import EVENTS
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import ObjectKey, ObjectRef
from tests.support.proxy import Fault, Rule
from tests.support.wait import auntil

pytestmark = pytest.mark.kube


@contextlib.asynccontextmanager
async def recording(transport, **options):
    recorder = EventRecorder(transport, "baremetal-lb-controller", "pod-1", **options)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def transport(kube_server, kube_proxy):
    async with Transport(url=kube_proxy.url, token=kube_server.token("admin")) as transport:
        yield transport


def service(namespace, name="web"):
    return Regarding(ObjectRef("Service", ObjectKey(namespace, name)), "v1", "uid-1")


def say(recorder, regarding, message="no address is left", **options):
    return recorder.record(regarding, reason="PoolExhausted", message=message, action="Allocate", is_warning=True, **options)


async def test_an_event_is_seen_by_kubectl(kube_server, kube_namespace, transport):
    async with recording(transport) as recorder:
        assert say(recorder, service(kube_namespace))
        await auntil(lambda: recorder.sent == 1, 10, lambda: recorder.dropped)
    printed = kube_server.kubectl("events", "-n", kube_namespace, "--for", "service/web")
    assert "Warning" in printed
    assert "PoolExhausted" in printed
    assert "no address is left" in printed
    (event,) = kube_server.get(EVENTS.path(kube_namespace))["items"]
    assert (event["reportingController"], event["reportingInstance"], event["action"]) == ("baremetal-lb-controller", "pod-1", "Allocate")


async def test_what_was_said_is_not_said_again_until_something_else_was(kube_server, kube_namespace, transport):
    async with recording(transport) as recorder:
        web, other = service(kube_namespace), service(kube_namespace, "other")
        said = [say(recorder, web), say(recorder, web), say(recorder, other), say(recorder, web, "changed"), say(recorder, web)]
        assert said == [True, False, True, True, True]
        assert [say(recorder, web, topic="deprecated"), say(recorder, web, topic="deprecated")] == [True, False]
        recorder.forget(web.ref)
        assert say(recorder, web)
        await auntil(lambda: recorder.sent == 6)


async def test_events_of_cluster_scoped_objects_live_in_default(kube_server, transport):
    async with recording(transport) as recorder:
        regarding = Regarding(ObjectRef("IPAllocation", ObjectKey("", "203.0.113.77")), "baremetal-lb.io/v1beta1")
        say(recorder, regarding, "ö" * 2000)
        await auntil(lambda: recorder.sent == 1, 10, lambda: recorder.dropped)
    items = kube_server.get(EVENTS.path("default"))["items"]
    (event,) = [e for e in items if e["regarding"]["name"] == "203.0.113.77"]
    assert event["note"] == "ö" * 510 + "..."


async def test_refused_events_are_dropped_and_counted(kube_server, kube_namespace, kube_proxy, transport):
    rule = kube_proxy.add(Rule(Fault.SERVER_ERROR, "POST", "/events"))
    async with recording(transport) as recorder:
        say(recorder, service(kube_namespace), "lost")
        say(recorder, service(kube_namespace), "found")
        await auntil(lambda: recorder.sent == 1)
    assert (rule.hits, recorder.dropped) == (1, 1)
    assert [e["note"] for e in kube_server.get(EVENTS.path(kube_namespace))["items"]] == ["found"]


def test_the_rate_is_bounded():
    now = 0.0
    recorder = EventRecorder(None, "c", "i", rate_per_s=2.0, burst=3, clock=lambda: now)
    said = [say(recorder, service("n", f"s{i}")) for i in range(5)]
    now = 1.0
    said += [say(recorder, service("n", f"t{i}")) for i in range(3)]
    assert (said, recorder.dropped) == ([True] * 3 + [False] * 2 + [True] * 2 + [False], 3)


def test_the_queue_and_the_memory_are_bounded(monkeypatch):
    monkeypatch.setattr(events, "QUEUE_LIMIT", 5)
    monkeypatch.setattr(events, "MEMORY_LIMIT", 10)
    recorder = EventRecorder(None, "c", "i", burst=10_000)
    for i in range(100):
        say(recorder, service("n", f"s{i}"))
    assert (len(recorder._queue), len(recorder._told), recorder.dropped) == (5, 10, 95)
    assert json.dumps(recorder._queue[0])
