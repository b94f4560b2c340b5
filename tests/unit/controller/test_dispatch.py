"""A key that was taken is let go of, also when nobody is left to do what was decided for it."""

import asyncio

import pytest

from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.telemetry.metrics import Metrics
from controller.process import Controller, _State
from controller.settings import Settings
from tests.support.ipam_world import service


async def test_a_key_and_its_slot_are_let_go_of_when_its_task_is_refused():
    controller = Controller(Settings(), Transport(url="http://127.0.0.1:1"), Metrics(BAREMETAL_LB, with_process=False), _State())
    loop, slots = controller._loop, asyncio.Semaphore(1)
    loop._dirty.service_changed(None, service("ns/a"))
    async with asyncio.TaskGroup() as over:
        pass
    await slots.acquire()
    key = loop._agenda.take()
    with pytest.raises(RuntimeError, match="finished"):
        loop._take_up(key, over, slots)
    assert (key, loop._agenda.is_busy, slots.locked()) == (ObjectKey("ns", "a"), False, False)
