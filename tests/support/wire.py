"""The wire as a test sees it: a packet socket on a host's interface, frames dissected by scapy."""

import select
import socket
import time
from collections.abc import Callable
from typing import Any, Self

from scapy.layers.inet6 import IPv6  # noqa: F401 - registers the layer
from scapy.layers.l2 import Ether

from tests.support.netns import Namespace
from tests.support.wait import NotSeen

_ALL = 0x0003


class Wire:
    """Everything that passes one interface from now on; frames may be sent, too."""

    def __init__(self, where: Namespace, interface: str = "eth0") -> None:
        self._socket = where.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        self._socket.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING: only what others send
        where.call(lambda: self._socket.bind((interface, _ALL)))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        """Send one frame as it is."""
        self._socket.send(frame)

    def frames(self, *, quiet_s: float) -> list[Any]:
        """Return what comes until nothing has come for so long."""
        seen = []
        while select.select([self._socket], [], [], quiet_s)[0]:
            seen.append(Ether(self._socket.recv(2048)))
        return seen

    def first(self, wanted: Callable[[Any], bool], deadline_s: float = 5) -> Any:
        """Return the first frame that is wanted.

        Raises:
            NotSeen: with what came instead.
        """
        end, others = time.monotonic() + deadline_s, []
        while (left := end - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            frame = Ether(self._socket.recv(2048))
            if wanted(frame):
                return frame
            others.append(frame.summary())
        raise NotSeen(f"the frame did not come within {deadline_s} s; came: {others[-20:]}")

    def count(self, wanted: Callable[[bytes], bool], expected: int, deadline_s: float = 20) -> int:
        """Return how many wanted frames came, as soon as there are enough."""
        end, seen = time.monotonic() + deadline_s, 0
        while seen < expected and (left := end - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            seen += wanted(self._socket.recv(2048))
        return seen
