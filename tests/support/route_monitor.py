"""Hears each change of the kernel's routes in a namespace (rtnetlink(7)), with its time: what did not flap, and how long things took."""

import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from tests.support.netns import Namespace

_GROUPS = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_NEWROUTE, _DELROUTE = 24, 25
_TABLE_LOCAL = 255
_SO_RCVBUFFORCE = 33
_RTA_DST, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA = 1, 5, 9, 18


@dataclass(frozen=True, slots=True)
class RouteEvent:
    """One change."""

    at: int
    """Monotonic clock, ns."""
    is_removal: bool
    prefix: str
    gateways: tuple[str, ...]
    """Sorted."""


class RouteMonitor:
    """Collects events from when it is entered; the kernel's local table is left out.

    with RouteMonitor(router_host) as monitor:
        ...
        assert monitor.removals("203.0.113.1/32") == []
    """

    def __init__(self, namespace: Namespace) -> None:
        self._socket = namespace.call(_open)
        self._lock = threading.Lock()
        self._events: list[RouteEvent] = []
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

    def events(self, prefix: str | None = None) -> list[RouteEvent]:
        """Return what happened to a route, or to all."""
        with self._lock:
            return [event for event in self._events if prefix in (None, event.prefix)]

    def removals(self, prefix: str | None = None) -> list[RouteEvent]:
        """Return when routes went away."""
        return [event for event in self.events(prefix) if event.is_removal]

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
                    datagram = self._socket.recv(1 << 17)
                    found = list(_parse(datagram, time.monotonic_ns()))
                    with self._lock:
                        self._events.extend(found)


def _open() -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
    opened.bind((0, _GROUPS))
    opened.setblocking(False)
    return opened


def _parse(datagram: bytes, at: int) -> list[RouteEvent]:
    events, offset = [], 0
    while offset + 16 <= len(datagram):
        length, kind = struct.unpack_from("=IH", datagram, offset)
        if kind in (_NEWROUTE, _DELROUTE) and datagram[offset + 20] != _TABLE_LOCAL:
            family, bits = datagram[offset + 16], datagram[offset + 17]
            attributes = _attributes(datagram[offset + 28 : offset + length])
            any_address = bytes(4 if family == socket.AF_INET else 16)
            prefix = f"{ip_address(attributes.get(_RTA_DST, any_address))}/{bits}"
            events.append(RouteEvent(at, kind == _DELROUTE, prefix, tuple(sorted(_gateways(attributes)))))
        offset += (length + 3) & ~3
    return events


def _attributes(octets: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at + 4 <= len(octets):
        length, kind = struct.unpack_from("=HH", octets, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = octets[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _gateways(attributes: dict[int, bytes]) -> list[str]:
    found = []
    if _RTA_GATEWAY in attributes:
        found.append(str(ip_address(attributes[_RTA_GATEWAY])))
    if _RTA_VIA in attributes:
        found.append(str(ip_address(attributes[_RTA_VIA][2:])))
    hops = attributes.get(_RTA_MULTIPATH, b"")
    while len(hops) >= 8:
        (length,) = struct.unpack_from("=H", hops)
        found.extend(_gateways(_attributes(hops[8:length])))
        hops = hops[(length + 3) & ~3 :]
    return found
