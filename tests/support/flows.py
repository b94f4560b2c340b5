"""A steady stream of small requests from a host, and what became of each: so that lost packets can be counted.

    with EchoServer(node, "203.0.113.1"), Flows(client, "203.0.113.1", per_second=200) as flows:
        ...
        flows.lost()        # requests without an answer, up to a moment ago

Each request is one UDP datagram; flows differ by their source port, so that routers which hash spread them over their next hops.
"""

import contextlib
import itertools
import selectors
import socket
import struct
import threading
import time
from typing import Self

from tests.support.netns import Host

PORT = 7007
_FLOWS = 32
PATIENCE_S = 0.5
"""After this a request counts as lost; everything here is on one machine."""


class EchoServer:
    """Answers each datagram to an IP that the host has on its loopback from now on, as a backend on each node does."""

    def __init__(self, host: Host, address: str) -> None:
        host.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        self._socket = host.call(lambda: _bound(address))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answered = 0
        self._is_ending = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._is_ending = True
        self._thread.join(timeout=2)
        self._socket.close()

    def _run(self) -> None:
        while not self._is_ending:
            try:
                data, source = self._socket.recvfrom(64)
            except TimeoutError:
                continue
            self.answered += 1
            with contextlib.suppress(OSError):  # no way back just now
                self._socket.sendto(data, source)


def _bound(address: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((address, PORT))
    opened.settimeout(0.2)
    return opened


class Flows:
    """Sends, and remembers when each request was sent and answered."""

    def __init__(self, client: Host, address: str, *, per_second: int) -> None:
        self._address, self._pause_s = address, 1 / per_second
        self._sockets = client.call(lambda: [_open() for _ in range(_FLOWS)])
        self._sent: list[float] = []
        self._answered: set[int] = set()
        self._lock = threading.Lock()
        self._is_ending = threading.Event()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._send, self._receive)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._is_ending.set()
        for thread in self._threads:
            thread.join(timeout=5)
        for each in self._sockets:
            each.close()

    def mark(self) -> float:
        """Return this moment, for ``lost``."""
        return time.monotonic()

    def lost(self, since: float = 0.0, until: float | None = None) -> tuple[int, int]:
        """Return how many requests sent between the two moments have no answer, and how many there were; the youngest do not count."""
        end = min(until if until is not None else time.monotonic(), time.monotonic() - PATIENCE_S)
        with self._lock:
            sent = [number for number, at in enumerate(self._sent) if since <= at < end]
            return sum(1 for number in sent if number not in self._answered), len(sent)

    def longest_gap_s(self, since: float, until: float) -> float:
        """Return the longest time in which no request was answered."""
        with self._lock:
            times = [self._sent[number] for number in sorted(self._answered) if since <= self._sent[number] <= until]
        edges = [since, *times, until]
        return max(after - before for before, after in itertools.pairwise(edges))

    def _send(self) -> None:
        due = time.monotonic()
        while not self._is_ending.is_set():
            with self._lock:
                number = len(self._sent)
                self._sent.append(time.monotonic())
            with contextlib.suppress(OSError):  # no route just now: it is lost
                self._sockets[number % _FLOWS].sendto(struct.pack("!I", number), (self._address, PORT))
            due += self._pause_s
            self._is_ending.wait(max(0.0, due - time.monotonic()))

    def _receive(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in self._sockets:
                selector.register(each, selectors.EVENT_READ)
            while not self._is_ending.is_set():
                for key, _events in selector.select(0.1):
                    try:
                        data = key.fileobj.recv(64)  # type: ignore[union-attr]  # a socket, as registered
                    except OSError:  # an ICMP error for an earlier request
                        continue
                    with self._lock:
                        self._answered.add(struct.unpack("!I", data)[0])


def _open() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.bind(("", 0))
    return opened
