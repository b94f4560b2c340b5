"""Brings the API server to a namespace, at 127.0.0.1 and its own port, over no network: sockets made inside, bytes passed outside.

``cut`` takes it away from that namespace alone (connections reset, new ones refused), ``heal`` brings it back.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any

from tests.support.netns import Namespace

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Reach:
    """One thread with an event loop that serves any number of namespaces."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._servers: dict[Namespace, asyncio.Server] = {}
        self._writers: dict[Namespace, set[asyncio.StreamWriter]] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def heal(self, where: Namespace) -> None:
        """Let the namespace reach the API server."""
        if where not in self._servers:
            listening = where.call(lambda: socket.create_server(("127.0.0.1", self._port)))
            self._do(self._serve(where, listening))

    def cut(self, where: Namespace) -> None:
        """Let it reach nothing."""
        if where in self._servers:
            self._do(self._end(where))

    def close(self) -> None:
        """End everything."""
        for where in list(self._servers):
            self.cut(where)
        self._do(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, where: Namespace, listening: socket.socket) -> None:
        self._writers[where] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                _reset(writer)
                return
            ends = {writer, far_writer}
            self._writers[where] |= ends
            try:
                await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
            finally:
                self._writers[where] -= ends
                for end in ends:
                    end.close()

        self._servers[where] = await asyncio.start_server(connected, sock=listening)

    async def _end(self, where: Namespace) -> None:
        self._servers.pop(where).close()
        for writer in list(self._writers[where]):
            _reset(writer)


async def _end_tasks() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    opened = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
