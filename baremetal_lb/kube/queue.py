"""The work queue: keys whose objects are to be looked at, with the semantics that client-go's controllers rely on.

* A key that waits already is not queued twice; a key added while a worker has it is looked at once more afterwards.
* No two workers ever have the same key.
* A failure is retried after a wait that doubles with each failure of that key (a Retry-After is honoured), and is forgotten by the
  first success. `InvariantViolation` is never swallowed.

Its size is bounded by the number of distinct keys: those of objects that the store holds anyway. Delays never add a second entry.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.model.reasons import InvariantViolation

log = structlog.get_logger(__name__)
K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys in order of arrival; ``worker`` may run in any number of tasks."""

    def __init__(self, *, base_s: float = 0.05, cap_s: float = 60.0, rng: random.Random | None = None) -> None:
        self._base_s, self._cap_s, self._rng = base_s, cap_s, rng or random.Random()
        self._queue: deque[K] = deque()
        self._waiting: set[K] = set()
        """Keys to be looked at, the busy ones that were added again included."""
        self._busy: set[K] = set()
        self._failures: Counter[K] = Counter()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._ready = asyncio.Event()
        self.retries = 0
        """Failures that were answered by a retry."""

    def __len__(self) -> int:
        """Return the number of keys that wait, delayed ones not counted."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Nothing waits, nothing is delayed, nothing is being worked on."""
        return not (self._waiting or self._busy or self._timers)

    def failures(self, key: K) -> int:
        """Return how often in a row the key failed."""
        return self._failures[key]

    def add(self, key: K) -> None:
        """Have the key looked at as soon as a worker is free."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._busy:
            self._enqueue(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Have the key looked at after a delay, or earlier if it is added before; the shorter of two delays holds."""
        loop = asyncio.get_running_loop()
        when = loop.time() + delay_s
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._due, key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _enqueue(self, key: K) -> None:
        self._queue.append(key)
        self._ready.set()

    async def worker(self, reconcile: Callable[[K], Awaitable[float | None]]) -> None:
        """Look at keys until cancelled; ``reconcile`` returns after how many seconds it wants to see the key again, or None."""
        while True:
            while not self._queue:
                self._ready.clear()
                await self._ready.wait()
            key = self._queue.popleft()
            self._waiting.discard(key)
            self._busy.add(key)
            again_s: float | None = None
            try:
                again_s = await reconcile(key)
                self._failures.pop(key, None)
            except InvariantViolation:
                raise
            except Exception as error:  # noqa: BLE001 - one object's trouble, whatever it is, must not end the work on all others
                again_s = self._failed(key, error)
            finally:
                self._busy.discard(key)
                if key in self._waiting:
                    self._enqueue(key)
            if again_s is not None:
                self.add_after(key, again_s)

    def _failed(self, key: K, error: Exception) -> float:
        """Count a failure and return after how long to try again."""
        self.retries += 1
        self._failures[key] += 1
        wait_s = min(self._cap_s, self._base_s * 2.0 ** min(self._failures[key] - 1, 30)) * self._rng.uniform(0.75, 1.25)
        if isinstance(error, KubeError):
            log.warning("reconcile_failed", key=str(key), failures=self._failures[key], error=str(error))
        else:
            log.error("reconcile_failed", key=str(key), failures=self._failures[key], exc_info=error)
        return max(wait_s, (error.retry_after_s or 0.0) if isinstance(error, ApiError) else 0.0)
