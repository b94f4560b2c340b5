"""The engine in a namespace as a process, and the speaker's end of it here."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from baremetal_lb.host.bgp_engine import BgpEngine
from tests.support.netns import Host
from tests.support.wait import auntil


class Driving:
    """An engine in a namespace and the speakers that drive it, one at a time; ``options`` are the engine's."""

    def __init__(self, host: Host, directory: Path, *options: str) -> None:
        self.host, self.directory, self.options = host, directory, options
        self.log = directory.with_name(directory.name + ".log")
        self.engine = self._new_engine()
        self._task: asyncio.Task[None] | None = None
        self.process: subprocess.Popen[str] | None = None
        """The engine's."""

    def _new_engine(self) -> BgpEngine:
        return BgpEngine(self.directory, on_change=lambda: None)

    async def __aenter__(self) -> Self:
        await self.start_process()
        self._task = asyncio.create_task(self.engine.run())
        return self

    async def start_process(self) -> None:
        """Start the engine."""
        command = [sys.executable, "-m", "baremetal_lb.engine", "--runtime-dir", str(self.directory), *self.options]
        with self.log.open("a") as log:
            self.process = self.host.popen(*command, stdout=log, stderr=log, cwd=os.getcwd())  # noqa: PTH109 - the checkout
        await auntil((self.directory / "engine.sock").exists, describe=self.describe)

    async def restart_speaker(self) -> BgpEngine:
        """End the speaker, and start one that knows nothing."""
        await self.end_speaker()
        return self.start_speaker()

    def start_speaker(self) -> BgpEngine:
        """Start a speaker that knows nothing."""
        self.engine = self._new_engine()
        self._task = asyncio.create_task(self.engine.run())
        return self.engine

    async def end_speaker(self) -> None:
        """End the speaker, as a crash does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def beat(self, interval_s: float) -> None:
        """Say that the speaker's loop is alive, until cancelled."""
        while True:
            self.engine.beat()
            await asyncio.sleep(interval_s)

    async def wait_process(self, deadline_s: float = 20) -> int:
        """Wait for the end of the engine, and return its exit code."""
        process = self.process
        assert process is not None
        await auntil(lambda: process.poll() is not None, deadline_s, self.describe)
        return int(process.returncode)

    async def __aexit__(self, *_exception: object) -> None:
        await self.end_speaker()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)  # ExaBGP and its helper end with it
            self.process.wait()

    def describe(self) -> object:
        """Return what to print when a wait was in vain."""
        return self.engine.states, self.engine.problem, self.log.read_text()[-2500:] if self.log.exists() else ""
