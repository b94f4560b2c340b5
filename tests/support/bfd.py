"""A BFD process in a namespace and the speaker's client of it.

async with Bfd(node, tmp_path / "bfd") as bfd:
    bfd.client.want({"router": spec})
    await bfd.until(State.UP, "router")
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from baremetal_lb.host.bfd_client import BfdClient
from baremetal_lb.packet.bfd import State
from tests.support.netns import Host
from tests.support.wait import auntil


class Bfd:
    """One BFD process, as a speaker has it."""

    def __init__(self, host: Host, directory: Path, *options: str) -> None:
        self.host, self.directory, self.options = host, directory, options
        self.log = directory.with_name(directory.name + ".log")
        self.process: subprocess.Popen[str] | None = None
        self.client = BfdClient(directory, on_change=lambda: None)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        self._task = asyncio.create_task(self.client.run())
        await auntil(lambda: self.client.is_connected, describe=self.describe)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.kill()

    def start(self) -> None:
        """Start the process."""
        command = [sys.executable, "-m", "baremetal_lb.bfdd", "--runtime-dir", str(self.directory), *self.options]
        with self.log.open("a") as log:
            self.process = self.host.popen(*command, stdout=log, stderr=log, cwd=os.getcwd())  # noqa: PTH109 - the checkout

    def kill(self) -> None:
        """End the process, as a crash does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def state(self, peer: str = "router") -> State | None:
        """Return the state of a session."""
        status = self.client.statuses.get(peer)
        return None if status is None else status.state

    async def until(self, state: State, peer: str = "router", deadline_s: float = 20) -> None:
        """Wait until a session has a state."""
        await auntil(lambda: self.state(peer) is state, deadline_s, self.describe)

    def describe(self) -> object:
        """Return what it says, for whoever waits in vain."""
        return self.client.report, self.log.read_text()[-2000:]
