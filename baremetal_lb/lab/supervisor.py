"""Keeps the processes of one lab running, as a kubelet keeps containers, and does to them what faults ask for.

It knows nothing of load balancers: commands tell it what to run, one line of JSON each, over a unix socket in the lab's directory.
Whatever it starts ends with it, at the latest by the kernel's hand (PR_SET_PDEATHSIG), so that a killed supervisor leaves no orphans.

=========  =====================================  =============================================================================
request    members                                meaning
=========  =====================================  =============================================================================
``start``  ``process`` (see ProcessSpec) or       run it until told otherwise; the answer comes when it was started
           ``name``
``stop``   ``name``                               SIGTERM, after 5 s SIGKILL; it stays stopped; the answer comes when it is gone
``kill``   ``name``, ``keep_down``                SIGKILL, as a crash; it is started again, unless ``keep_down``
``pause``  ``name``                               SIGSTOP, as a machine that hangs
``heal``   ``name``                               SIGCONT, or start at once if it is down
``list``                                          what runs
=========  =====================================  =============================================================================

A process that ended by itself or was killed is started again after 1 s, and after twice the time whenever it lived for less than 10 s,
up to 10 s. Logs are cut at 16 MiB (the part before is kept as ``.1``).
"""

import asyncio
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baremetal_lb.lab.netns import entering
from baremetal_lb.lab.processes import ProcessId

FIRST_DELAY_S, LONGEST_DELAY_S, STEADY_S = 1.0, 10.0, 10.0
STOP_GRACE_S = 5.0
LOG_LIMIT_BYTES = 16 << 20
_LOG_CHECK_S = 10.0
_MAX_REQUEST_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process to keep."""

    name: str
    """Names its log as well."""
    argv: tuple[str, ...]
    namespace: str | None = None
    """Network namespace, by name; None: where the supervisor is."""
    environment: dict[str, str] = field(default_factory=dict)
    """On top of the supervisor's."""
    descriptors: tuple[int, ...] = ()
    """File descriptors to inherit from the supervisor."""


class Supervised:
    """One process under supervision, over all its incarnations."""

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self.restarts = 0
        self.last_exit: int | None = None
        self.is_paused = False
        self._wanted = asyncio.Event()
        self._nudged = asyncio.Event()
        self._changed = asyncio.Condition()
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Keep it running for as long as it is wanted; never returns."""
        delay = FIRST_DELAY_S
        while True:
            await self._wanted.wait()
            began = time.monotonic()
            await self._set(self._spawn())
            if self._process is not None:
                self.last_exit = await _exit_of(self._process)
            self.is_paused = False
            await self._set(None)
            if not self._wanted.is_set():
                continue
            delay = FIRST_DELAY_S if time.monotonic() - began >= STEADY_S else min(delay, LONGEST_DELAY_S)
            self._nudged.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._nudged.wait()
            delay *= 2
            self.restarts += 1

    async def start(self) -> None:
        """Want it to run, and wait until it was started once."""
        self._wanted.set()
        self._nudged.set()
        seen = self.last_exit
        async with self._changed:
            await self._changed.wait_for(lambda: self._process is not None or self.last_exit != seen)

    async def stop(self) -> None:
        """Stop it for good."""
        self._wanted.clear()
        self._nudged.set()
        if self._process is None:
            return
        for number, grace in ((signal.SIGTERM, STOP_GRACE_S), (signal.SIGKILL, STOP_GRACE_S)):
            self._send(signal.SIGCONT)
            self._send(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace), self._changed:
                    await self._changed.wait_for(lambda: self._process is None)
                return

    def kill(self, *, keep_down: bool) -> None:
        """Kill it; it comes back unless it is to be kept down."""
        if keep_down:
            self._wanted.clear()
        self._send(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it in its tracks."""
        if self._process is not None:
            self.is_paused = True
            self._send(signal.SIGSTOP)

    async def heal(self) -> None:
        """Undo whatever a fault did."""
        self.is_paused = False
        self._send(signal.SIGCONT)
        await self.start()

    def end(self) -> None:
        """Kill it and reap it: the supervisor ends, and not every machine has an init that reaps orphans."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def report(self) -> dict[str, Any]:
        """Return what there is to say of it."""
        process = ProcessId.of(self._process.pid) if self._process is not None else None
        state = "paused" if self.is_paused else "running" if process else "restarting" if self._wanted.is_set() else "stopped"
        return {
            "name": self.spec.name,
            "state": state,
            "pid": process.pid if process else None,
            "started": process.started if process else None,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
        }

    def _send(self, number: signal.Signals) -> None:
        # The child is not reaped before pidfd tells us, so its pid cannot have been given away.
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def _set(self, process: subprocess.Popen[bytes] | None) -> None:
        async with self._changed:
            self._process = process
            self._changed.notify_all()

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        spec = self.spec
        argv = entering(spec.namespace, spec.argv) if spec.namespace else list(spec.argv)
        with self.log.open("ab") as output:
            try:
                return subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | spec.environment,
                    pass_fds=spec.descriptors,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,  # noqa: PLW1509  # this program has one thread
                )
            except OSError as error:
                output.write(f"cannot be started: {error}\n".encode())
                self.last_exit = 127
                return None


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _exit_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a child, without a thread."""
    descriptor = os.pidfd_open(process.pid)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


class Supervisor:
    """All processes of one lab, and the socket by which commands speak of them."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._all: dict[str, Supervised] = {}
        self._group: asyncio.TaskGroup | None = None

    async def serve(self, path: Path) -> None:
        """Answer requests until SIGTERM; then nothing is left running."""
        serving = asyncio.ensure_future(self._serve(path))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        with suppress(asyncio.CancelledError):
            await serving
        for supervised in self._all.values():
            supervised.end()

    async def _serve(self, path: Path) -> None:
        path.unlink(missing_ok=True)  # noqa: ASYNC240  # a file of our own on a local disk
        async with asyncio.TaskGroup() as self._group:
            server = await asyncio.start_unix_server(self._answer, path, limit=_MAX_REQUEST_BYTES)
            path.chmod(0o600)  # noqa: ASYNC240  # the same
            async with server:
                while True:
                    await asyncio.sleep(_LOG_CHECK_S)
                    for log in self.logs.glob("*.log"):
                        _cut(log)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            try:
                answer = await self._do(json.loads(await reader.readline()))
            except (KeyError, ValueError, TypeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "start":
                await self._start(request)
            case "stop":
                await self._all[request["name"]].stop()
            case "kill":
                self._all[request["name"]].kill(keep_down=bool(request.get("keep_down")))
            case "pause":
                self._all[request["name"]].pause()
            case "heal":
                await self._all[request["name"]].heal()
            case "list":
                pass
            case other:
                raise ValueError(f"no request is called {other!r}")
        return {"processes": [supervised.report() for supervised in self._all.values()]}

    async def _start(self, request: dict[str, Any]) -> None:
        if "process" not in request:
            await self._all[request["name"]].start()
            return
        fields = request["process"]
        spec = ProcessSpec(**fields | {"argv": tuple(fields["argv"]), "descriptors": tuple(fields.get("descriptors", ()))})
        if spec.name in self._all:
            raise ValueError(f"{spec.name} is here already")
        supervised = self._all[spec.name] = Supervised(spec, self.logs / f"{spec.name}.log")
        assert self._group is not None
        self._group.create_task(supervised.run(), name=spec.name)
        await supervised.start()


def _cut(log: Path) -> None:
    """Keep a log within bounds: its processes append, so it may be emptied under them."""
    if log.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def main() -> None:
    """Run the supervisor of the lab in the directory that the first argument names."""
    directory = Path(sys.argv[1])
    asyncio.run(Supervisor(directory / "logs").serve(directory / "supervisor.sock"))


if __name__ == "__main__":
    main()
