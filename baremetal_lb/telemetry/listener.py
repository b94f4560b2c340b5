"""A listening socket whose connections cost little, whoever opens them; the requests themselves are aiohttp's.

    accept -> read the header, at most HEADER_BYTES_MAX of it, at most header_s -> aiohttp answers -> at most answer_s -> closed

aiohttp bounds the size of a header, but neither the time that it may take nor the number of connections. So a connection is kept here
until its header is complete, and aiohttp gets that and nothing else: no body, no second request, which is also why nobody idles. It would
skip empty lines and the preface of HTTP/2, and wait for more that it never gets; so what has no request line is refused here. Which
ones go when there are too many is decided in ``slots``. The next connection is accepted when the one before is being read, so a flood
cannot push out one whose request has arrived already.

An address that this machine does not have yet (a node whose network comes up, duplicate address detection) is no failure: the socket is
bound all the same, and answers once the address is there.
"""

import asyncio
import errno
import re
import socket
from asyncio import TimerHandle, Transport
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

import structlog
from aiohttp.web_protocol import RequestHandler

from baremetal_lb.model.net import IPAddress
from baremetal_lb.telemetry.slots import CONNECTIONS_MAX, STALLED_MAX, ConnectionReason, Slots

log = structlog.get_logger(__name__)

HEADER_BYTES_MAX: Final = 8192
_END: Final = b"\r\n\r\n"
_BACKLOG: Final = 128
_WRITE_BUFFER_BYTES: Final = 0
"""An answer lies from its first octet on that the kernel does not take: what is less than a buffer would hold a connection uncounted."""
_REQUEST_LINE: Final = re.compile(rb"(?!PRI )[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.[01]\r\n")
"""RFC 9112 section 3, in ASCII; and no preface of HTTP/2 (RFC 9113 section 3.4)."""
_ACCEPT_RETRY_S: Final = 0.1
_IP_FREEBIND: Final = 15
"""From <linux/in.h>, which Python's socket module lacks; it works for IPv6 too, and needs no capability."""
_ANSWERS: Final = {
    ConnectionReason.HeaderTimeout: b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ConnectionReason.NoRequest: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ConnectionReason.HeaderTooLong: b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server bears; times in seconds."""

    connections: int = CONNECTIONS_MAX
    stalled: int = STALLED_MAX
    header_s: float = 5.0
    """From accept to the end of the header. A kubelet gives a probe five seconds for everything."""
    answer_s: float = 10.0
    """From there until the client has taken its answer. Prometheus gives up after ten."""


class Gate:
    """The connections of one server, on all its addresses."""

    def __init__(self, handler: Callable[[], RequestHandler], closed: Callable[[ConnectionReason], None], limits: Limits) -> None:
        self.handler, self.limits = handler, limits
        self.slots: Slots[_Connection] = Slots(limits.connections, limits.stalled)
        self._closed = closed

    def connection(self) -> asyncio.Protocol:
        """Return the protocol of one connection that was accepted."""
        return _Connection(self)

    def close(self, one: "_Connection | None", reason: ConnectionReason) -> None:
        """Close a connection, if there is one to close, and count it."""
        if one is not None:
            self._closed(reason)
            one.end(_ANSWERS.get(reason))


class _Connection(asyncio.Protocol):
    """One connection: its header first, then aiohttp's protocol behind this one."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._header = bytearray()
        self._behind: RequestHandler | None = None
        self._transport: Transport | None = None
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._limit_time(self._gate.limits.header_s, ConnectionReason.HeaderTimeout)
        self._gate.close(self._gate.slots.admit(self), ConnectionReason.TooManyConnections)

    def data_received(self, data: bytes) -> None:
        if self._behind is not None or self._transport is None:
            return  # one request each
        seen = max(0, len(self._header) - len(_END) + 1)
        self._header += data[: HEADER_BYTES_MAX - len(self._header)]
        end = self._header.find(_END, seen)
        if not _may_be_request(self._header):
            self._gate.close(self, ConnectionReason.NoRequest)
        elif end >= 0:
            self._hand_over(bytes(self._header[: end + len(_END)]))
        elif len(self._header) >= HEADER_BYTES_MAX:
            self._gate.close(self, ConnectionReason.HeaderTooLong)

    def _hand_over(self, header: bytes) -> None:
        if self._transport is None:
            return
        self._header.clear()
        self._transport.pause_reading()
        self._gate.slots.asked(self)
        self._limit_time(self._gate.limits.answer_s, ConnectionReason.AnswerTimeout)
        self._behind = self._gate.handler()
        self._behind.connection_made(self._transport)
        self._behind.data_received(header)

    def pause_writing(self) -> None:
        if self._behind is not None:
            self._behind.pause_writing()
        self._gate.close(self._gate.slots.stalled(self), ConnectionReason.TooManyStalled)

    def resume_writing(self) -> None:
        self._gate.slots.flows(self)
        if self._behind is not None:
            self._behind.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.slots.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        if self._behind is not None:
            self._behind.connection_lost(exc)

    def end(self, last_words: bytes | None) -> None:
        """Close it now; what is not sent at once is not sent."""
        transport, self._transport = self._transport, None
        if self._timer is not None:
            self._timer.cancel()
        if transport is not None:
            if last_words is not None:
                transport.write(last_words)
            transport.abort()  # close() would wait for the client to take what was written before

    def _limit_time(self, after_s: float, reason: ConnectionReason) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(after_s, self._gate.close, self, reason)


def _may_be_request(header: bytearray) -> bool:
    """Tell whether what has come is a request line with something behind it, or may still become one."""
    return not header.startswith((b"\r", b"\n")) and (b"\n" not in header or _REQUEST_LINE.match(header) is not None)


def _open(address: IPAddress, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OSError: the port is taken; says which.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(str(address), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listening.bind(place)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            log.warning("listen_address_missing", address=address, port=port)
            listening.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
            listening.bind(place)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"cannot listen on {address} port {port}: {error.strerror}") from error
    return listening


async def _accept(listening: socket.socket, gate: Gate) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            accepted, _ = await loop.sock_accept(listening)
        except OSError:
            await asyncio.sleep(_ACCEPT_RETRY_S)  # no descriptors left; or it is gone again
            continue
        try:
            await loop.connect_accepted_socket(gate.connection, accepted)
        except OSError:
            accepted.close()


@asynccontextmanager
async def listening(addresses: tuple[IPAddress, ...], port: int, gate: Gate) -> AsyncIterator[None]:
    """Listen on all these addresses for the time of the context.

    Raises:
        OSError: the port is taken on one of them.
    """
    sockets: list[socket.socket] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        for address in addresses:
            sockets.append(_open(address, port))  # noqa: PERF401 - those before one that fails are to be closed
        tasks += [asyncio.create_task(_accept(one, gate)) for one in sockets]
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in sockets:
            one.close()
        for connection in gate.slots.all():
            connection.end(None)
