"""Events on objects (events.k8s.io/v1, KEP-383): what people see with ``kubectl describe``.

    record() --> told before? --> queue (bounded) --> run(): one POST after another, at a bounded rate

Rules: an event is recorded only when what it says about its object differs from what was said last under the same topic, so that a
reconcile that changes nothing says nothing, after a restart of the queue as well as in a loop. Whatever does not fit (queue, rate,
memory of what was said) is dropped and counted: events are help, never state. They are not retried.
"""

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.resources import EVENTS
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import ObjectRef
from baremetal_lb.model.rfc3339 import format_microtime

log = structlog.get_logger(__name__)

QUEUE_LIMIT = 1_000
MEMORY_LIMIT = 20_000
"""Objects whose last events are remembered; the longest unmentioned is forgotten first."""
RATE_PER_S = 10.0
BURST = 100
_NOTE_LIMIT = 1_024
_NAME_LIMIT = 220
"""Leaves room for the suffix within the 253 characters of a name."""
_DEFAULT_NAMESPACE = "default"
"""Where events of cluster-scoped objects live."""


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an event is about."""

    ref: ObjectRef
    api_version: str
    uid: str = ""


class EventRecorder:
    """Records events of one component (``baremetal-lb-controller``) of one instance (the pod or node)."""

    def __init__(
        self,
        transport: Transport,
        component: str,
        instance: str,
        *,
        rate_per_s: float = RATE_PER_S,
        burst: int = BURST,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._transport, self._component, self._instance = transport, component, instance
        self._rate_per_s, self._burst, self._clock = rate_per_s, burst, clock
        self._rng = rng or random.Random()
        self._queue: deque[dict[str, Any]] = deque()
        self._told: OrderedDict[ObjectRef, dict[tuple[str, str], tuple[str, str, str]]] = OrderedDict()
        """Of each object by (uid, topic): (reason, message, action)."""
        self._tokens, self._filled_at = float(burst), clock()
        self._ready = asyncio.Event()
        self.sent = 0
        self.dropped = 0
        """Not sent: no room, too many, or refused by the API server."""

    def record(self, regarding: Regarding, *, reason: str, message: str, action: str, is_warning: bool = False, topic: str = "") -> bool:
        """Have an event sent, unless it says what was said last about this object and topic; tell whether it will be.

        ``reason`` and ``action`` are CamelCase words; ``topic`` keeps independent matters of one object apart.
        """
        about, said = self._told.setdefault(regarding.ref, {}), (reason, message, action)
        self._told.move_to_end(regarding.ref)
        if any(uid != regarding.uid for uid, _ in about):
            about.clear()  # that was another object of this name, and there may be any number of them one after the other
        if about.get((regarding.uid, topic)) == said:
            return False
        about[regarding.uid, topic] = said
        if len(self._told) > MEMORY_LIMIT:
            self._told.popitem(last=False)
        if len(self._queue) >= QUEUE_LIMIT or not self._take_token():
            self.dropped += 1
            return False
        self._queue.append(self._manifest(regarding, reason, message, action, is_warning=is_warning))
        self._ready.set()
        return True

    def forget(self, ref: ObjectRef) -> None:
        """Forget what was said about an object that is gone."""
        self._told.pop(ref, None)

    async def run(self) -> None:
        """Send what is recorded, until cancelled."""
        while True:
            while not self._queue:
                self._ready.clear()
                await self._ready.wait()
            event = self._queue.popleft()
            try:
                await self._transport.request("POST", EVENTS.path(event["metadata"]["namespace"]), body=event, total_s=10.0)
                self.sent += 1
            except KubeError as error:
                self.dropped += 1
                log.warning("event_not_sent", reason=event["reason"], error=str(error))
                if isinstance(error, ApiError) and error.retry_after_s:
                    await asyncio.sleep(error.retry_after_s)

    def _take_token(self) -> bool:
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._filled_at) * self._rate_per_s)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _manifest(self, regarding: Regarding, reason: str, message: str, action: str, *, is_warning: bool) -> dict[str, Any]:
        key = regarding.ref.key
        namespace = key.namespace or _DEFAULT_NAMESPACE
        about = {"apiVersion": regarding.api_version, "kind": regarding.ref.kind, "name": key.name, "uid": regarding.uid}
        if key.namespace:
            about["namespace"] = key.namespace
        return {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {"name": f"{key.name[:_NAME_LIMIT]}.{self._rng.getrandbits(64):016x}", "namespace": namespace},
            "eventTime": format_microtime(time.time_ns()),
            "reportingController": self._component,
            "reportingInstance": self._instance[:128],
            "action": action,
            "reason": reason,
            "regarding": {name: value for name, value in about.items() if value},
            "note": _cut(message, _NOTE_LIMIT),
            "type": "Warning" if is_warning else "Normal",
        }


def _cut(text: str, limit: int) -> str:
    """Return at most ``limit`` bytes of a text, whole characters."""
    data = text.encode()
    return text if len(data) <= limit else data[: limit - 3].decode(errors="ignore") + "..."
