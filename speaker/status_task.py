"""Keeps the status objects of this node: a queue of their names, a few workers, nothing written that is so already."""

import asyncio
import time
from collections.abc import Mapping

from baremetal_lb.kube.queue import WorkQueue
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import ServiceView
from speaker.effects import StatusWriter
from speaker.plan import L2Status, status_name
from speaker.status import StatusView, view_of

WORKERS = 4
RETRY_CAP_S = 10.0
ECHO_S = 2.0
"""How long a write of ours may take to come back through the watch; until then what was written counts as observed."""


class StatusTask:
    """Desired statuses by name of their object; ``observed`` is the reflector's store of this node's objects."""

    def __init__(
        self,
        writer: StatusWriter,
        observed: Mapping[ObjectKey, StatusView],
        services: Mapping[ObjectKey, ServiceView],
        *,
        namespace: str,
        node: str,
    ) -> None:
        self._writer, self._observed, self._services = writer, observed, services
        self._namespace, self._node = namespace, node
        self._desired: dict[str, L2Status] = {}
        self._written: dict[str, tuple[StatusView | None, int]] = {}
        self._writing = 0
        self._queue: WorkQueue[str] = WorkQueue(cap_s=RETRY_CAP_S)

    @property
    def is_idle(self) -> bool:
        """Tell whether there is nothing left to write, as far as it was not written in vain."""
        return not self._queue and not self._writing

    def desire(self, service: ObjectKey, status: L2Status | None) -> None:
        """Have the object of a Service say this; None: not be."""
        name = status_name(service, self._node)
        if status is None:
            self._desired.pop(name, None)
        else:
            self._desired[name] = status
        self._queue.add(name)

    def observe(self, name: str) -> None:
        """Look at an object whose observed state changed."""
        self._queue.add(name)

    async def run(self) -> None:
        """Write until cancelled; every object that is there already is looked at once."""
        for key in self._observed:
            self._queue.add(key.name)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._queue.worker(self._reconcile))

    async def _reconcile(self, name: str) -> float | None:
        desired = self._desired.get(name)
        observed = self._observed.get(ObjectKey(self._namespace, name))
        wanted = view_of(desired, self._node) if desired is not None else None
        written, at = self._written.get(name, (None, 0))
        if observed == wanted:
            self._written.pop(name, None)
            return None
        if name in self._written and written == wanted and (age := time.monotonic_ns() - at) < ECHO_S * SECOND:
            return ECHO_S - age / SECOND
        service = self._services.get(desired.service) if desired is not None else None
        self._writing += 1
        try:
            await self._writer.write(name, desired, observed, uid=service.uid if service is not None else "")
        finally:
            self._writing -= 1
        self._written[name] = (wanted, time.monotonic_ns())
        return ECHO_S
