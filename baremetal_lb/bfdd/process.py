"""The BFD process: sockets, one timer, one connection to the speaker, and the table of sessions between them.

    a packet    -> taken at once
    the timer   -> first everything that waits in the sockets, then the time: a process that was late must not call a peer late
    the speaker -> comes and goes; sessions stay as last wanted, and a new speaker reads how all of them stand
    SIGTERM     -> AdminDown to all peers, for a moment, and exit 0: peers keep their BGP sessions (RFC 5882 §3.2)

Nothing else is done here, and nothing that could take a millisecond: no API, no DNS, no disk; the garbage collector rests.
"""

import asyncio
import errno
import gc
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from baremetal_lb.bfd.reasons import BfdReason
from baremetal_lb.bfd.session import Changed, Session, Transmit
from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bfd.table import MOST_SESSIONS, Effect, Table
from baremetal_lb.bfd.wire import LONGEST_LINE, MalformedLine, Report, decode_want, encode_report
from baremetal_lb.bfdd.settings import Settings
from baremetal_lb.bfdd.sockets import Port, Sender, open_receiver, port_of, received
from baremetal_lb.host.runtime_directory import listen, prepare_directory
from baremetal_lb.model.time import SECOND
from baremetal_lb.packet.bfd import Diagnostic, encode

log = structlog.get_logger(__name__)
SOCKET_NAME = "bfd.sock"
MOST_UNREAD = 1 << 20
OPEN_AGAIN_S = 2.0
REPORT_EVERY_S = 1.0


class Bfdd:
    """One BFD process."""

    def __init__(self, settings: Settings) -> None:
        self._directory = Path(settings.runtime_dir)
        self._table = Table(chance=random.random, draw=lambda: secrets.randbits(32) or 1)
        self._receivers: dict[Port, socket.socket] = {}
        self._senders: dict[Session, Sender] = {}
        self._source_ports: set[int] = set()
        self._wanted: list[BfdSpec] = []
        self._refused: set[Port] = set()
        self._speaker: asyncio.StreamWriter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._late_report: asyncio.TimerHandle | None = None
        self._stopped = asyncio.Event()
        self._silent = asyncio.Event()
        """Stopped, and goodbye was said to all."""

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        prepare_directory(self._directory)
        gc.collect()
        gc.freeze()
        async with await listen(self._directory / SOCKET_NAME, self._serve, limit=LONGEST_LINE):
            await self._stopped.wait()
            log.info("leaving")
            self._do(self._table.stop(now=time.monotonic_ns()))
            await self._silent.wait()
            if self._speaker is not None:
                self._speaker.close()
        self._close()
        return 0

    # -- the speaker ---------------------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._speaker is not None:
            self._speaker.close()
        self._speaker = writer
        self._report()
        with suppress(OSError, ValueError):
            while (line := await reader.readline()).endswith(b"\n") and self._speaker is writer:
                try:
                    self._want(decode_want(line))
                except MalformedLine as error:
                    log.warning("line_refused", error=str(error))
                    break
        writer.close()
        if self._speaker is writer:
            self._speaker = None

    def _want(self, specs: list[BfdSpec]) -> None:
        if self._stopped.is_set():
            return
        self._wanted = specs
        self._open_receivers()
        self._do(self._table.want(specs, now=time.monotonic_ns()))
        self._report()

    def _report(self) -> None:
        if self._late_report is not None:
            self._late_report.cancel()
            self._late_report = None
        writer = self._speaker
        if writer is None or writer.is_closing():
            return
        drops = {reason.name: count for reason, count in self._table.drops.items()}
        writer.write(encode_report(Report(self._table.statuses, drops, tuple(reason.name for reason in self._problems()))))
        if writer.transport.get_write_buffer_size() > MOST_UNREAD:
            writer.transport.abort()

    def _problems(self) -> Iterable[BfdReason]:
        if self._refused:
            yield BfdReason.PortTaken
        if len(self._wanted) > MOST_SESSIONS:
            yield BfdReason.TooMany

    # -- sockets -------------------------------------------------------------------------------------------------------------------

    def _open_receivers(self) -> None:
        wanted = {port_of(spec) for spec in self._wanted}
        loop = asyncio.get_running_loop()
        # A port stays open while sessions say goodbye; two sockets without a session cost nothing.
        for port in wanted - self._receivers.keys():
            try:
                self._receivers[port] = opened = open_receiver(port)
            except OSError as error:
                if port not in self._refused:
                    log.error("port_not_opened", port=str(port), reason=BfdReason.PortTaken.name, error=os.strerror(error.errno or 0))  # noqa: TRY400
                self._refused.add(port)
                continue
            self._refused.discard(port)
            loop.add_reader(opened, self._readable)
        self._refused &= wanted
        if self._again is not None:
            self._again.cancel()
        self._again = loop.call_later(OPEN_AGAIN_S, self._open_again) if self._refused else None

    def _open_again(self) -> None:
        before = set(self._refused)
        self._open_receivers()
        if self._refused != before:
            self._report()

    def _readable(self) -> None:
        self._drain()
        self._arm()

    def _report_later(self) -> None:
        """Say in a moment what does not matter at once, or may come in floods: one line in a second."""
        if self._late_report is None:
            self._late_report = asyncio.get_running_loop().call_later(REPORT_EVERY_S, self._report)

    def _drain(self) -> None:
        discarded = self._table.drops.total()
        for port, opened in self._receivers.items():
            for datagram in received(opened, port):
                self._carry_out(self._table.receive(datagram, now=time.monotonic_ns()))
        if self._table.drops.total() != discarded:
            self._report_later()

    # -- effects -------------------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._timer = None
        self._drain()
        self._do(self._table.tick(now=time.monotonic_ns()))

    def _do(self, effects: Iterable[Effect]) -> None:
        self._carry_out(effects)
        self._forget_senders()
        if self._stopped.is_set() and not self._table.sessions:
            self._silent.set()
        self._arm()

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for session, effect in effects:
            if isinstance(effect, Transmit):
                self._sender(session).send(encode(effect.packet))
            elif effect.status.state is effect.before:
                self._report_later()
            else:
                self._tell(effect)
                self._report()

    def _tell(self, change: Changed) -> None:
        status = change.status
        diagnostic = Diagnostic(status.diagnostic).name if status.diagnostic in set(Diagnostic) else str(status.diagnostic)
        log.info("session_changed", peer=status.peer, state=status.state.title, before=change.before.title, diagnostic=diagnostic)

    def _sender(self, session: Session) -> Sender:
        sender = self._senders.get(session)
        if sender is None:
            sender = self._senders[session] = Sender(session.spec, self._source_ports)
        return sender

    def _forget_senders(self) -> None:
        if len(self._senders) > len(self._table.sessions):
            for session in self._senders.keys() - set(self._table.sessions):
                self._senders.pop(session).close()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._table.deadline()
        if deadline is not None:
            wait_s = max(0, deadline - time.monotonic_ns()) / SECOND
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def _close(self) -> None:
        for timer in (self._timer, self._again, self._late_report):
            if timer is not None:
                timer.cancel()
        for opened in self._receivers.values():
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()
        for sender in self._senders.values():
            sender.close()
        log.info("left")


def be_on_time(priority: int) -> bool:
    """Ask for SCHED_FIFO; tell whether the kernel grants it."""
    if not priority:
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        log.info("no_realtime", error=os.strerror(error.errno or errno.EPERM))
        return False
    return True


async def run(settings: Settings) -> int:
    """Run one BFD process; return the exit code."""
    log.info("started", pid=os.getpid(), is_realtime=be_on_time(settings.realtime_priority))
    try:
        return await Bfdd(settings).run()
    except OSError as error:
        log.error("bfd_failed", error=str(error))  # noqa: TRY400 - the sentence says it all
        return 1
