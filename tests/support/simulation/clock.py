"""An event loop whose time is virtual: when nothing is ready, the next timer is."""

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from baremetal_lb.kube.events import EventRecorder
from controller.effects import ServiceEffects

EPOCH_UTC = 1_760_000_000 * 1_000_000_000


class Stuck(RuntimeError):
    """Nothing is ready and no timer is set: it would wait for ever."""


class _Selector(selectors.SelectSelector):
    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            self._advance(0.0)  # a turn of the loop takes time too: code that looks at the clock until it moves gets somewhere
            return ready
        if timeout is None:
            raise Stuck
        self._advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when everybody waits."""

    def __init__(self) -> None:
        self.now = 1_000_000_000
        """ns since some moment, as of a monotonic clock."""
        super().__init__(_Selector(self._advance))

    def _advance(self, seconds: float) -> None:
        self.now += max(1_000, int(seconds * 1e9))

    def time(self) -> float:
        return self.now / 1e9


@contextmanager
def virtual_time() -> Iterator[VirtualLoop]:
    """Run with a virtual loop, whose clock is what the modules of the project read as the time."""
    loop = VirtualLoop()
    clocks: dict[str, Any] = {
        "time": lambda: (EPOCH_UTC + loop.now) / 1e9,
        "time_ns": lambda: EPOCH_UTC + loop.now,
        "monotonic": loop.time,
        "monotonic_ns": lambda: loop.now,
        "clock_gettime": lambda _clock: loop.time(),
    }
    with (
        mock.patch.multiple(time, **clocks),
        mock.patch.dict(EventRecorder.__init__.__kwdefaults__, clock=loop.time),  # bound as defaults before time became virtual
        mock.patch.dict(ServiceEffects.__init__.__kwdefaults__, clock=lambda: loop.now),
    ):
        try:
            yield loop
        finally:
            loop.close()
