"""An event loop whose time is virtual: when nothing is ready, the next timer is.

Whatever a process does runs in a context of its own, which names its ``Machine``: so one of many can be suspended as by SIGSTOP. Chance
comes from one seed, also for whoever asks for a generator without one, and threads are run where they are asked for: a history replays.
"""

import asyncio
import logging
import os
import random
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVarTuple
from unittest import mock

import structlog

from baremetal_lb.kube import memory
from baremetal_lb.kube.backoff import Backoff
from baremetal_lb.kube.events import EventRecorder
from controller.effects import ServiceEffects
from speaker.loop import Loop as SpeakerLoop

_Ts = TypeVarTuple("_Ts")
EPOCH_UTC = 1_760_000_000 * 1_000_000_000


class Stuck(RuntimeError):
    """Nothing is ready and no timer is set: it would wait for ever."""


class Machine:
    """What one process runs on; while it is suspended, nothing of it runs, and time goes on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_suspended = False
        self.steps = 0
        """Steps of the loop that it took."""
        self._breakpoint: tuple[int, Callable[[], object]] | None = None
        self._waiting: list[asyncio.Handle] = []
        self.context = copy_context()
        self.context.run(MACHINE.set, self)

    def suspend(self) -> None:
        """Stop between two steps of the loop."""
        self.is_suspended = True

    def resume(self, loop: "VirtualLoop") -> None:
        """Go on with all that became due meanwhile."""
        self.is_suspended = False
        loop.take_up(self._waiting)
        self._waiting = []

    def break_after(self, steps: int, act: Callable[[], object]) -> None:
        """Do something after so many more steps, before the next one."""
        self._breakpoint = (self.steps + steps, act)

    def step(self, own_handle: list[asyncio.Handle], callback: Callable[..., object], *args: Any) -> None:
        """Run a callback, or keep it for later."""
        if self.is_suspended:
            self._waiting += own_handle
            return
        callback(*args)
        self.steps += 1
        if self._breakpoint is not None and self.steps >= self._breakpoint[0]:
            (_, act), self._breakpoint = self._breakpoint, None
            act()


MACHINE: ContextVar[Machine | None] = ContextVar("MACHINE", default=None)
"""Whose code is running."""


class _Selector(selectors.SelectSelector):
    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            self._advance(0.0)  # a turn of the loop takes time too: code that looks at the clock until it moves gets somewhere
            return []
        if timeout is None:
            raise Stuck
        self._advance(timeout)
        return []  # nothing here has sockets


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

    def call_soon(self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> asyncio.Handle:
        context = context or copy_context()
        machine = context.get(MACHINE)
        if machine is None:
            return super().call_soon(callback, *args, context=context)
        handle: list[asyncio.Handle] = []
        step: Any = machine.step
        handle.append(super().call_soon(step, handle, callback, *args, context=context))
        return handle[0]

    def call_at(self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> asyncio.TimerHandle:
        context = context or copy_context()
        machine = context.get(MACHINE)
        if machine is None:
            return super().call_at(when, callback, *args, context=context)
        handle: list[asyncio.Handle] = []
        step: Any = machine.step
        timer = super().call_at(when, step, handle, callback, *args, context=context)
        handle.append(timer)
        return timer

    def take_up(self, handles: list[asyncio.Handle]) -> None:
        """Run what a suspended machine kept; what was cancelled since stays so, which a new handle would not know."""
        self._ready.extend(handles)  # type: ignore[attr-defined]


_Random = random.Random


class _SeededRandom(_Random):
    """A generator that, where its maker gave no seed, takes one from the history's chance."""

    def __init__(self, seed: Any = None) -> None:
        super().__init__(random.getrandbits(64) if seed is None else seed)


_backoff_made = Backoff.__init__


def _make_backoff(self: Backoff, *args: Any, **options: Any) -> None:
    _backoff_made(self, *args, **{"rng": random.Random()} | options)  # its default was bound before


async def _at_once(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


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
        mock.patch.dict(SpeakerLoop.__init__.__kwdefaults__, clock=lambda: loop.now),
        mock.patch.object(random, "Random", _SeededRandom),
        mock.patch.object(Backoff, "__init__", _make_backoff),
        mock.patch.object(asyncio, "to_thread", _at_once),
        mock.patch.object(os, "fsync", return_value=None),
        mock.patch.multiple(memory, tune_collector=lambda: None, trim=lambda: None),
    ):
        settings = structlog.get_config()
        if "BMLB_SIMULATION_LOG" not in os.environ:
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        try:
            yield loop
        finally:
            loop.close()
            structlog.configure(**settings)
