"""The wire as a test sees it: a packet socket on a host's interface, frames dissected by scapy."""

import select
import socket
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Self

from scapy.layers.inet6 import IPv6  # noqa: F401 - registers the layer
from scapy.layers.l2 import Ether

from baremetal_lb.model.net import IPAddress, Mac
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

    def frames(self, *, quiet_s: float, wanted: Callable[[Any], bool] | None = None, patience_s: float = 0.0) -> list[Any]:
        """Return the wanted frames that come until nothing has come for so long; the first may take longer (``patience_s``)."""
        seen = list[Any]()
        end = time.monotonic() + patience_s
        while select.select([self._socket], [], [], quiet_s if seen else max(quiet_s, end - time.monotonic()))[0]:
            frame = Ether(self._socket.recv(2048))
            if wanted is None or wanted(frame):
                seen.append(frame)
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

    def told(self, mac: Mac, asked: Iterable[IPAddress], deadline_s: float) -> set[IPAddress]:
        """Return those of the IPs that this neighbour was told of, by unicast, as soon as they are all."""
        end, missing, seen = time.monotonic() + deadline_s, set(asked), set[IPAddress]()
        while missing and (left := end - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            frame = self._socket.recv(2048)
            if frame[:6] == mac.octets and (ip := _ip_told(frame)) in missing:
                missing.remove(ip)
                seen.add(ip)
        return seen


def _ip_told(frame: bytes) -> IPAddress | None:
    """The sender of an ARP frame, the target of a Neighbor Advertisement; scapy would take a millisecond."""
    if frame[12:14] == b"\x08\x06":
        return IPv4Address(frame[28:32])
    if frame[12:14] == b"\x86\xdd" and frame[54] == 136:
        return IPv6Address(frame[62:78])
    return None
