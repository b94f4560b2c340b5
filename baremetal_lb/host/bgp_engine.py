"""The speaker's end of the engine: connects the driver (`bgp.driver`) with the hub's socket and ExaBGP's configuration file.

Only drains and re-arms: lines go into the machine, commands come out, one timer is set to the machine's next deadline. No meaning of
BGP is in here. The speaker may end at any time: nothing that ExaBGP advertises depends on this connection.

    directory/engine.sock    lines both ways (`do COMMAND`, `beat`); connected again for ever, with growing delay
    directory/exabgp.conf    replaced as a whole, mode 0600; what ExaBGP has not accepted before is tried by `exabgp validate` first

The file has passwords. What `validate` says is told without the lines that have one.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from baremetal_lb.bgp.driver import Driver
from baremetal_lb.bgp.driver_effects import Effect, Send, WriteConfig
from baremetal_lb.bgp.driver_reasons import DriverReason
from baremetal_lb.bgp.session import Rib, SessionSpec, SessionState
from baremetal_lb.model.time import SECOND

log = structlog.get_logger(__name__)

SOCKET_NAME = "engine.sock"
CONFIG_NAME = "exabgp.conf"
_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 2.0
_LINE_LIMIT = 1 << 22
"""Longest line taken, in octets: `show neighbor summary json` is one line for all sessions, about 1 500 octets each."""
_VALIDATE_LIMIT_S = 20.0
_MOST_UNSENT = 4 << 20
"""Octets; the hub reads always, so more means that it hangs."""


class BgpEngine:
    """Keeps ExaBGP's sessions and routes as wanted, from ``run`` on. ``on_change`` is called when ``states`` or ``problem`` may differ."""

    def __init__(self, directory: Path, *, on_change: Callable[[], None]) -> None:
        self._directory = directory
        self._on_change = on_change
        self._driver = Driver(f"{sys.executable} -m baremetal_lb.engine.relay")
        self._writer: asyncio.StreamWriter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()

    @property
    def states(self) -> Mapping[str, SessionState]:
        """How each wanted session stands, by peer."""
        return self._driver.states

    @property
    def is_connected(self) -> bool:
        """Tell whether the hub is there."""
        return self._writer is not None

    @property
    def problem(self) -> str | None:
        """What keeps all of it from being as wanted, as a sentence."""
        reason = self._driver.problem
        return None if reason is None else reason.sentence

    @property
    def epoch(self) -> int | None:
        """Counts the ExaBGP processes."""
        return self._driver.epoch

    @property
    def pid(self) -> int | None:
        """ExaBGP's process id, as the hub sees it."""
        return self._driver.pid

    def is_settled(self) -> bool:
        """Tell whether ExaBGP has answered that all is as wanted."""
        return self._driver.is_settled()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until all is as wanted; False if it was not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.is_settled():
                    self._settled.clear()
                    await self._settled.wait()
        return self.is_settled()

    def beat(self) -> None:
        """Tell the hub that the decision loop is alive."""
        self._write_line("beat")

    def want_sessions(self, sessions: Mapping[str, SessionSpec]) -> None:
        """Keep exactly these sessions."""
        self._apply(self._driver.want_sessions(sessions, now=time.monotonic_ns(), now_utc=time.time_ns()))

    def want_routes(self, peer: str, rib: Rib) -> None:
        """Have this peer hold exactly these routes."""
        self._apply(self._driver.want_routes(peer, rib, now=time.monotonic_ns()))

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost. Ends when cancelled."""
        delay = _FIRST_DELAY_S
        try:
            while True:
                with contextlib.suppress(OSError, asyncio.LimitOverrunError, ValueError):
                    reader, writer = await asyncio.open_unix_connection(self._directory / SOCKET_NAME, limit=_LINE_LIMIT)
                    self._writer, delay = writer, _FIRST_DELAY_S
                    await self._drain(reader)
                self._disconnect()
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY_S)
        finally:
            self._disconnect()
            if self._timer is not None:
                self._timer.cancel()
            if self._writing is not None:
                self._writing.cancel()

    async def _drain(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self._apply(self._driver.line(text, now=time.monotonic_ns(), now_utc=time.time_ns()))

    def _disconnect(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._apply(self._driver.disconnected(now=time.monotonic_ns()))

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._write_line(f"do {effect.command}")
            else:
                # The machine writes one file at a time, unless the connection was lost meanwhile: then the older one is of no use.
                if self._writing is not None:
                    self._writing.cancel()
                self._writing = asyncio.create_task(self._write_config(effect))
        self._arm()
        self._settled.set()
        self._on_change()

    def _write_line(self, line: str) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        writer.write(line.encode() + b"\n")
        if writer.transport.get_write_buffer_size() > _MOST_UNSENT:
            writer.transport.abort()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic_ns()
        deadline = self._driver.deadline(now=now)
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_later(max(deadline - now, 0) / SECOND, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._apply(self._driver.tick(now=time.monotonic_ns()))

    async def _write_config(self, effect: WriteConfig) -> None:
        refused, particulars = None, ""
        target = self._directory / CONFIG_NAME
        trial = target.with_suffix(".new")
        try:
            _write_private(trial, effect.text)
            if not effect.is_proven:
                particulars = await _validate(trial)
                refused = DriverReason.ConfigurationRefused if particulars else None
            if refused is None:
                trial.replace(target)
        except OSError as error:
            refused, particulars = DriverReason.ConfigurationNotWritten, error.strerror or ""
            log.warning("exabgp_configuration_not_written", reason=particulars)
        finally:
            with contextlib.suppress(OSError):
                trial.unlink(missing_ok=True)
        self._writing = None
        self._apply(self._driver.config_written(refused, particulars, now=time.monotonic_ns(), now_utc=time.time_ns()))


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


async def _validate(path: Path) -> str:
    """Return why ExaBGP refuses a file, "" if it does not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exabgp",
        "validate",
        str(path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_VALIDATE_LIMIT_S):
            output, _none = await process.communicate()
    except TimeoutError:
        return "It could not be tried in time."
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode == 0:
        return ""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if line and "md5" not in line and not line.startswith("advice")]
    return " ".join(told)[-300:] or "No reason was given."
