"""Collects what the kernel of a namespace tells over rtnetlink(7), each with its time."""

import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

from tests.support.netns import Namespace

E = TypeVar("E")
_SO_RCVBUFFORCE = 33


class NetlinkMonitor(Generic[E]):
    """Collects events from when it is entered.

    ``parse`` makes an event of a message's type, its body and the time on the monotonic clock in ns; None where it is of no interest.
    """

    def __init__(self, namespace: Namespace, groups: int, parse: Callable[[int, bytes, int], E | None]) -> None:
        self._socket = namespace.call(lambda: _open(groups))
        self._parse = parse
        self._lock = threading.Lock()
        self._events: list[E] = []
        self._thread = threading.Thread(target=self._run)
        self._stop_read, self._stop_write = os.pipe()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._stop_write)
        self._thread.join()
        os.close(self._stop_read)
        self._socket.close()

    def all_events(self) -> list[E]:
        """Return what was heard so far."""
        with self._lock:
            return list(self._events)

    def clear(self) -> None:
        """Forget what was heard."""
        with self._lock:
            self._events.clear()

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._socket, selectors.EVENT_READ)
        selector.register(self._stop_read, selectors.EVENT_READ)
        while all(key.fileobj is self._socket for key, _events in selector.select()):
            with contextlib.suppress(BlockingIOError):
                while True:
                    datagram, at = self._socket.recv(1 << 17), time.monotonic_ns()
                    found = [event for kind, body in _messages(datagram) if (event := self._parse(kind, body, at)) is not None]
                    with self._lock:
                        self._events.extend(found)


def _open(groups: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
    opened.bind((0, groups))
    opened.setblocking(False)
    return opened


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 16 <= len(datagram):
        length, kind = struct.unpack_from("=IH", datagram, offset)
        yield kind, datagram[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def attributes(octets: bytes) -> dict[int, bytes]:
    """Return the attributes of a message by type (``struct rtattr``); the last one where a type is there twice."""
    found, at = {}, 0
    while at + 4 <= len(octets):
        length, kind = struct.unpack_from("=HH", octets, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = octets[at + 4 : at + length]
        at += (length + 3) & ~3
    return found
