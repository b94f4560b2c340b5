"""Brings the API server to each namespace of the lab, and to the machine outside, at the same address: 127.0.0.1 and the lab's port.

Why no network: a second interface on each node would be one more on which IPs may be announced and elections decided, and an address
outside of the lab would need rights and room in the machine's own network. A socket belongs to the namespace that it was made in, for
as long as it lives, so one process can listen in all of them::

    python -m baremetal_lb.lab.relay PORT OUTSIDE_FD NAMESPACE...

It runs in the API server's namespace and passes bytes both ways, TLS included, to 127.0.0.1:PORT there. ``OUTSIDE_FD`` is a socket that
already listens outside of the lab. While the API server is away, connections are reset, as by a machine that runs but serves nothing.
"""

import asyncio
import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from baremetal_lb.lab.netns import DIRECTORY

_CLONE_NEWNET = 0x40000000
_CHUNK_BYTES = 256 << 10
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CONNECT_S = 5.0


def listen_in(namespace: Path, port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1 of another namespace; this thread stays where it is.

    Raises:
        OSError: there is no such namespace, or we may not enter it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as own, namespace.open() as other:
        _set_namespace(libc, other.fileno())
        try:
            return socket.create_server(("127.0.0.1", port), backlog=512)
        finally:
            _set_namespace(libc, own.fileno())


def _set_namespace(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter a network namespace: {os.strerror(number)}")


async def relay(listeners: list[socket.socket], port: int) -> None:
    """Pass connections on for ever."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_CONNECT_S):
                onward = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK_BYTES)
        except OSError:
            _reset(writer)
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, onward[1]))
                group.create_task(_pump(onward[0], writer))
        except* OSError:
            _reset(writer)
            _reset(onward[1])
        for end in (writer, onward[1]):
            end.close()

    servers = [await asyncio.start_server(on_connection, sock=listener, limit=_CHUNK_BYTES) for listener in listeners]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass one direction on, then its end."""
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    transport_socket = writer.get_extra_info("socket")
    with suppress(OSError):
        transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


def main() -> None:
    """Run the relay."""
    port, outside = int(sys.argv[1]), int(sys.argv[2])
    listeners = [socket.socket(fileno=outside), *(listen_in(DIRECTORY / name, port) for name in sys.argv[3:])]
    with suppress(KeyboardInterrupt):
        asyncio.run(relay(listeners, port))


if __name__ == "__main__":
    main()
