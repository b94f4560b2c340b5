"""The engine as a process: two sockets, one child, and the machine between them.

    start:  directory checked -> relay.sock, engine.sock -> ExaBGP with the configuration that is there (the last good one)
    serve:  lines in, effects out; ExaBGP is started again whenever it ends, at once after a long life, later after a short one
    leave:  SIGTERM is the stop of the Pod (this is a native sidecar): everything withdrawn, ExaBGP stopped, exit 0

Never lets ExaBGP wait: its helper is read always. A speaker that does not read is disconnected once MOST_UNREAD octets wait for it; one
that writes faster than ExaBGP takes is read more slowly.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from baremetal_lb.engine import hub as machine
from baremetal_lb.engine.exabgp import Exabgp
from baremetal_lb.engine.hub import Hub, HubReason
from baremetal_lb.engine.settings import Settings
from baremetal_lb.host.runtime_directory import listen, prepare_directory
from baremetal_lb.model.time import SECOND

log = structlog.get_logger(__name__)
SPEAKER_SOCKET, RELAY_SOCKET = "engine.sock", "relay.sock"
LONGEST_LINE = 1 << 22
MOST_UNREAD = 8 << 20
FIRST_DELAY_S, LONGEST_DELAY_S, STEADY_S = 0.1, 5.0, 10.0


class Engine:
    """One engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = Path(settings.runtime_dir)
        self._hub = Hub(
            loss_limit=round(settings.speaker_loss_limit_s * SECOND),
            stall_limit=round(settings.stall_limit_s * SECOND),
            now=time.monotonic_ns(),
        )
        self._exabgp: Exabgp | None = None
        self._relay: asyncio.StreamWriter | None = None
        self._speaker: asyncio.StreamWriter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = asyncio.Event()

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        prepare_directory(self._directory)
        async with (
            await listen(self._directory / RELAY_SOCKET, self._serve_relay, limit=LONGEST_LINE),
            await listen(self._directory / SPEAKER_SOCKET, self._serve_speaker, limit=LONGEST_LINE),
        ):
            keeping = asyncio.create_task(self._keep_exabgp())
            waiting = asyncio.create_task(self._stopped.wait())
            await asyncio.wait((keeping, waiting), return_when=asyncio.FIRST_COMPLETED)
            keeping.cancel()
            if self._exabgp is not None:
                await self._exabgp.stop()
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping  # a fault of ours in there must not be lost
            for writer in (self._speaker, self._relay):
                if writer is not None:
                    writer.close()
        if self._timer is not None:
            self._timer.cancel()
        log.info("left")
        return 0 if self._stopped.is_set() else 1

    async def _keep_exabgp(self) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            begun = time.monotonic()
            try:
                self._exabgp = await Exabgp.start(
                    self._directory, self._directory / RELAY_SOCKET, reactor_speed=self._settings.reactor_speed
                )
            except OSError as error:
                log.error("exabgp_not_started", error=str(error))  # noqa: TRY400 - the sentence says it all
            else:
                self._do(self._hub.exabgp_started(self._exabgp.pid, now=time.monotonic_ns()))
                log.info("exabgp_started", pid=self._exabgp.pid, epoch=self._hub.epoch)
                code = await self._exabgp.wait()
                self._exabgp = None
                log.warning("exabgp_ended", exit_code=code, epoch=self._hub.epoch)
                self._do(self._hub.exabgp_ended(now=time.monotonic_ns()))
            if time.monotonic() - begun >= STEADY_S:
                delay_s = FIRST_DELAY_S
                continue
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    # -- the two connections -------------------------------------------------------------------------------------------------------

    async def _serve_relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._relay is not None:
            self._relay.close()
        self._relay = writer
        self._do(self._hub.helper_connected(now=time.monotonic_ns()))
        async for line in _lines(reader):
            if self._relay is writer:
                self._do(self._hub.from_exabgp(line, now=time.monotonic_ns()))
        writer.close()
        if self._relay is writer:
            self._relay = None
            self._do(self._hub.helper_lost(now=time.monotonic_ns()))

    async def _serve_speaker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._speaker is not None:
            self._drop_speaker(HubReason.SpeakerReplaced)
        self._speaker = writer
        self._do(self._hub.speaker_connected())
        async for line in _lines(reader):
            if self._speaker is not writer:
                break
            self._do(self._hub.from_speaker(line, now=time.monotonic_ns()))
            if self._relay is not None:
                with contextlib.suppress(OSError):
                    await self._relay.drain()
        writer.close()
        if self._speaker is writer:
            self._speaker = None
            self._do(self._hub.speaker_lost())

    def _drop_speaker(self, reason: HubReason) -> None:
        writer, self._speaker = self._speaker, None
        if writer is None:
            return
        log.warning("speaker_disconnected", reason=reason.name, message=reason.sentence)
        self._hub.speaker_lost()
        # What is written already should arrive, unless it is too much or nobody reads.
        if writer.transport.get_write_buffer_size() > MOST_UNREAD:
            writer.transport.abort()
        else:
            writer.close()

    # -- effects -------------------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        log.info("leaving")
        self._do(self._hub.stop(now=time.monotonic_ns()))

    def _tick(self) -> None:
        self._timer = None
        self._do(self._hub.tick(now=time.monotonic_ns()))

    def _do(self, effects: list[machine.Effect]) -> None:
        for effect in effects:
            match effect:
                case machine.ToExabgp(line=line):
                    _write(self._relay, line)
                case machine.ToSpeaker(line=line):
                    _write(self._speaker, line)
                    if self._speaker is not None and self._speaker.transport.get_write_buffer_size() > MOST_UNREAD:
                        self._drop_speaker(HubReason.SpeakerResync)
                case machine.DropSpeaker(reason=reason):
                    self._drop_speaker(reason)
                case machine.KillExabgp():
                    log.error("exabgp_killed", reason=HubReason.EngineHung.name, message=HubReason.EngineHung.sentence)
                    if self._exabgp is not None:
                        self._exabgp.kill()
                case machine.StopExabgp():
                    self._stopped.set()
                case machine.Withdrew(reason=reason, routes=routes):
                    log.warning("all_routes_withdrawn", reason=reason.name, message=reason.sentence, routes=routes)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._hub.deadline()
        if deadline is not None:
            wait_s = max(0, deadline - time.monotonic_ns()) / SECOND
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield whole lines; what ends without a line break is half a line of a peer that went away, and too long a line ends it all."""
    with contextlib.suppress(OSError, ValueError):
        while (line := await reader.readline()).endswith(b"\n"):
            yield line.decode("utf-8", "replace").rstrip("\r\n")


def _write(writer: asyncio.StreamWriter | None, line: str) -> None:
    if writer is not None and not writer.is_closing():
        writer.write(line.encode() + b"\n")


async def run(settings: Settings) -> int:
    """Run one engine; return the exit code."""
    try:
        return await Engine(settings).run()
    except OSError as error:
        log.error("engine_failed", error=str(error))  # noqa: TRY400 - the sentence says it all
        return 1
