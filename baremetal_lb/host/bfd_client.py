"""The speaker's end of the BFD process: says which sessions are wanted, and knows how they stand.

    directory/bfd.sock    lines both ways (`bfd.wire`); connected again for ever, with growing delay

While nobody answers nothing is known of any path, but for falls that were told before: what was held down stays so until its limit.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from baremetal_lb.bfd.holds import remembered
from baremetal_lb.bfd.reasons import BfdReason
from baremetal_lb.bfd.spec import BfdSpec, BfdStatus
from baremetal_lb.bfd.wire import LONGEST_LINE, Report, decode_report, encode_want

log = structlog.get_logger(__name__)
SOCKET_NAME = "bfd.sock"
_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 1.0
_MOST_UNSENT = 1 << 20


class BfdClient:
    """Keeps the sessions of the BFD process as wanted, from ``run`` on. ``on_change`` is called when anything below may differ."""

    def __init__(self, directory: Path, *, on_change: Callable[[], None]) -> None:
        self._path = directory / SOCKET_NAME
        self._on_change = on_change
        self._writer: asyncio.StreamWriter | None = None
        self._wanted: dict[str, BfdSpec] = {}
        self._is_wanted_known = False
        self._statuses: dict[str, BfdStatus] = {}
        self.report = Report()
        """What it said last."""

    @property
    def statuses(self) -> Mapping[str, BfdStatus]:
        """How each wanted session stands, by peer; one that nobody runs is not there, unless its fall is remembered."""
        return {peer: status for peer, status in self._statuses.items() if peer in self._wanted}

    @property
    def is_connected(self) -> bool:
        """Tell whether the process is there."""
        return self._writer is not None

    @property
    def problems(self) -> tuple[BfdReason, ...]:
        """What keeps BFD from being as wanted; none while it is not wanted."""
        if not self._wanted:
            return ()
        if not self.is_connected:
            return (BfdReason.NotRunning,)
        return tuple(BfdReason[name] for name in self.report.problems if name in BfdReason.__members__)

    def want(self, specs: Mapping[str, BfdSpec]) -> None:
        """Have exactly these sessions run, by peer."""
        if specs != self._wanted or not self._is_wanted_known:
            self._wanted, self._is_wanted_known = dict(specs), True
            self._say()

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost. Ends when cancelled."""
        delay_s = _FIRST_DELAY_S
        try:
            while True:
                with contextlib.suppress(OSError, ValueError):
                    reader, self._writer = await asyncio.open_unix_connection(self._path, limit=LONGEST_LINE)
                    delay_s = _FIRST_DELAY_S
                    self._say()
                    while (line := await reader.readline()).endswith(b"\n"):
                        self._take(decode_report(line))
                if self.is_connected:
                    log.warning("bfd_lost", reason=BfdReason.NotRunning.name)
                self._disconnect()
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
        finally:
            self._disconnect()

    def _take(self, report: Report) -> None:
        self.report = report
        self._statuses = remembered(self._statuses, {status.peer: status for status in report.sessions})
        self._on_change()

    def _disconnect(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._statuses = remembered(self._statuses, {})
        self._on_change()

    def _say(self) -> None:
        writer = self._writer
        if writer is None or writer.is_closing() or not self._is_wanted_known:
            return
        writer.write(encode_want(self._wanted.values()))
        if writer.transport.get_write_buffer_size() > _MOST_UNSENT:
            writer.transport.abort()
