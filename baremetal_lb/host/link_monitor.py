"""Link monitor: which interfaces there are, told by rtnetlink events; no polling.

    subscribe -> dump of links -> dump of addresses -> table complete -> events
                      ^                                    |
                      +--- dump interrupted                |
                      +--- queue read to its end <- events lost (ENOBUFS)

While a dump runs, everything that comes (dump and events, in the kernel's order) goes into a new table; the old one stays in use until
the new one is complete. An overrun socket drops events, and says so once, until all that waits in it was read (NETLINK_S_CONGESTED in
the kernel's net/netlink/af_netlink.c). A dump asked for earlier would come after events of links whose end was lost, and events that it
lacks would be lost without a word.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Self

import structlog

from baremetal_lb.host.counters import AnnouncerCounters
from baremetal_lb.l2.links import LinkTable
from baremetal_lb.packet import rtnetlink
from baremetal_lb.packet.malformed import MalformedPacket

log = structlog.get_logger(__name__)
_PER_TURN = 64
"""Datagrams per turn of the event loop."""
_DATAGRAM = 1 << 17
_RECEIVE_BUFFER = 1 << 20
_RETRY_S = 0.1
_FIRST_DUMP_S = 10.0


class LinkMonitor:
    """Keeps a LinkTable; calls ``on_change`` after each batch of events that changed it, and after each complete dump."""

    def __init__(self, on_change: Callable[[LinkTable], None], counters: AnnouncerCounters, *, retry_s: float = _RETRY_S) -> None:
        self._on_change = on_change
        self._counters = counters
        self._retry_s = retry_s
        self._table = LinkTable()
        self._fresh: LinkTable | None = None
        self._sequence = 0
        self._addresses_asked = False
        self._is_overrun = False
        self._is_complete = asyncio.Event()
        self._retry: asyncio.TimerHandle | None = None
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    async def __aenter__(self) -> Self:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket.setblocking(False)
        self._socket.bind((0, rtnetlink.GROUPS))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._on_readable)
        try:
            self._start_dump()
            async with asyncio.timeout(_FIRST_DUMP_S):
                await self._is_complete.wait()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
        if self._retry is not None:
            self._retry.cancel()
        self._socket.close()

    def _start_dump(self) -> None:
        self._retry = None
        if self._is_overrun:
            self._on_readable()
        if self._is_overrun:
            self._start_dump_later()
            return
        self._fresh = LinkTable()
        self._addresses_asked = False
        self._ask("links")

    def _ask(self, what: str) -> None:
        self._sequence += 1
        request = rtnetlink.dump_request("links" if what == "links" else "addresses", sequence=self._sequence)
        try:
            self._socket.sendto(request, (0, 0))
        except OSError as error:
            self._resync(str(error))

    def _resync(self, why: str) -> None:
        """Read everything anew, a little later: what disturbed this time may be going on."""
        self._counters.link_resyncs += 1
        log.info("links_resync", why=why)
        self._start_dump_later()

    def _start_dump_later(self) -> None:
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(self._retry_s, self._start_dump)

    def _on_readable(self) -> None:
        has_changed = False
        for _ in range(_PER_TURN):
            try:
                datagram, sender = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                self._is_overrun = False
                break
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    self._is_overrun, self._fresh = True, None
                self._resync("events lost" if error.errno == errno.ENOBUFS else str(error))
                break
            # Only the kernel (port 0) speaks for the kernel.
            if sender[0] == 0:
                has_changed |= self._take(datagram)
        if has_changed:
            self._on_change(self._table)

    def _take(self, datagram: bytes) -> bool:
        has_changed = False
        try:
            for message in rtnetlink.parse(datagram):
                if isinstance(message, rtnetlink.DumpDone):
                    has_changed |= self._finish(message)
                elif self._fresh is not None:
                    self._fresh.apply(message)
                else:
                    self._table.apply(message)
                    has_changed = True
        except MalformedPacket as error:
            self._resync(error.reason.name)
        return has_changed

    def _finish(self, done: rtnetlink.DumpDone) -> bool:
        """Go on to the next dump, or take the new table; tell whether the table was taken."""
        if done.sequence != self._sequence or self._fresh is None:
            return False
        if done.is_interrupted or done.error:
            self._resync(f"dump interrupted, error {done.error}")
            return False
        if not self._addresses_asked:
            self._addresses_asked = True
            self._ask("addresses")
            return False
        self._table, self._fresh = self._fresh, None
        self._is_complete.set()
        return True
