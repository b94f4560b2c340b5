"""Speakers on the nodes of one link: the real process's code, started, killed, suspended and told to leave."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

from baremetal_lb.model.time import SECOND
from speaker.process import Speaker
from speaker.settings import Settings
from tests.support.simulation.clock import Machine, VirtualLoop
from tests.support.simulation.network import Core, SimulatedTransport, Weather
from tests.support.simulation.wire import Wire

START = 6 * SECOND
"""What a process may need after its start, or after it was suspended, until it knows all and all know it."""
RECOVERY = 30 * SECOND
"""What it may need after bad weather: the longest back-off, a list, an election."""


class SpeakerNode:
    """One node: its port, its disk, its way to the API server, and the speaker's process while it runs."""

    def __init__(self, name: str, core: Core, wire: Wire, rng: random.Random, directory: Path) -> None:
        self.name, self._core, self._wire, self._rng = name, core, wire, rng
        self.port = wire.add(name)
        self.weather = Weather()
        self.state_file = directory / f"{name}.state"
        self.knows_from: int | None = None
        """From when on (ns, monotonic) the process must know all that there is to know; None: something keeps it from that."""
        self.speaker: Speaker | None = None
        self._machine: Machine | None = None
        self._transport: SimulatedTransport | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def _loop(self) -> VirtualLoop:
        return self._core.loop

    @property
    def is_running(self) -> bool:
        return self._task is not None and self._machine is not None and not self._machine.is_suspended

    @property
    def is_started(self) -> bool:
        return self._task is not None

    def start(self) -> None:
        machine = Machine(self.name)
        self._machine, self._stop = machine, asyncio.Event()
        self._transport = SimulatedTransport(self._core, self.name, random.Random(self._rng.random()), self.weather)
        settings = Settings(node_name=self.name, state_file=str(self.state_file))
        transport = self._transport

        async def run() -> None:
            self.speaker = Speaker(settings, transport)
            await self.speaker.run(self._stop)

        self.port.machine = machine
        self._task = self._loop.create_task(run(), context=machine.context)
        self.note_weather(START)

    def note_weather(self, within: int = RECOVERY) -> None:
        """Take note that what reaches the process may have changed."""
        if not self.is_running or not self.weather.is_clear:
            self.knows_from = None
        elif self.knows_from is None:
            self.knows_from = self._loop.now + within

    def suspend(self) -> None:
        if self.is_running and self._machine is not None:
            self._machine.suspend()
            self._wire.changed()
            self.note_weather()

    def resume(self) -> None:
        if self._machine is not None and self._machine.is_suspended:
            self._machine.resume(self._loop)
            self._wire.changed()
            self.note_weather(START)

    async def kill(self) -> None:
        """End it between two instructions, as kill -9 does."""
        if self._task is None or self._transport is None or self._machine is None:
            return
        self.check()
        self._transport.is_killed = True
        self.port.machine, self.port.announcer = None, None
        task, self._task = self._task, None
        task.cancel()
        self._machine.resume(self._loop)
        self._wire.changed()
        self.note_weather()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(60):
                await task

    async def terminate(self) -> None:
        """Tell it to leave, and wait until it has."""
        if self._task is None:
            return
        self.check()
        self.resume()
        self._stop.set()
        self.knows_from = None
        async with asyncio.timeout(30):
            await self._task
        self._task, self.port.machine, self.port.announcer = None, None, None
        self._wire.changed()

    def check(self) -> None:
        """Raise what ended the process, if something did."""
        if self._task is not None and self._task.done():
            self._task.result()
            raise AssertionError(f"the speaker on {self.name} ended by itself")
