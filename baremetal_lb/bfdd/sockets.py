"""UDP sockets of BFD (RFC 5881 §4 and §5, RFC 5883 §5): TTL 255 out, the TTL of what comes in, one source port for each session.

    receiving   one socket for each port, IP family and VRF device, with TTL and interface of each packet
    sending     one socket for each session, bound to its address and to a source port from 49152 on that no other session has

Nothing is decided here. Not tried on a VRF device: the kernels at hand had none.
"""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bfd.table import Datagram
from baremetal_lb.model.net import Family, IPAddress, family_of, parse_address
from baremetal_lb.packet.bfd import MULTIHOP_PORT, SINGLE_HOP_PORT

_IP_RECVTTL, _IP_PKTINFO = 12, 8
"""Of <linux/in.h>; the module socket does not have them in every version."""
_CS6 = 0xC0
"""Network control (RFC 2474)."""
_SOURCE_PORTS = range(49152, 65536)
_MOST_AT_ONCE = 256
_LARGEST = 512
_PRIORITY = 7


@dataclass(frozen=True, slots=True)
class Port:
    """What one receiving socket is for."""

    family: Family
    is_multihop: bool
    device: str | None = None
    """The VRF device."""


def port_of(spec: BfdSpec) -> Port:
    """Return where the packets of a session come in."""
    # The interface of a link-local peer is part of its address, that of any other is a VRF device.
    device = None if spec.remote.version == 6 and spec.remote.is_link_local else spec.interface
    return Port(family_of(spec.remote), spec.is_multihop, device)


def open_receiver(port: Port) -> socket.socket:
    """Open the socket of a port.

    Raises:
        OSError: EADDRINUSE where another program has it.
    """
    opened = _open(port.family, port.device)
    try:
        if port.family is Family.IPV4:
            opened.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        opened.bind(("", MULTIHOP_PORT if port.is_multihop else SINGLE_HOP_PORT))
    except OSError:
        opened.close()
        raise
    return opened


def received(opened: socket.socket, port: Port) -> Iterator[Datagram]:
    """Yield what waits in a receiving socket, a bounded number of packets."""
    for _ in range(_MOST_AT_ONCE):
        try:
            payload, ancillary, _flags, address = opened.recvmsg(_LARGEST, 128)
        except BlockingIOError:
            return
        except OSError:  # an ICMP error of a packet sent before; the next call goes on
            continue
        ttl, interface = 0, ""
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)):
                (ttl,) = struct.unpack_from("=i", data)
            elif (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
                interface = _name(struct.unpack_from("=i", data)[0])
            elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                interface = _name(struct.unpack_from("=16sI", data)[1])
        source = parse_address(address[0].partition("%")[0])
        yield Datagram(payload, source, port.device or interface, ttl, port.is_multihop)


class Sender:
    """Sends the packets of one session. What cannot be sent is lost, as on any wire; the next packet may go out again."""

    def __init__(self, spec: BfdSpec, used: set[int]) -> None:
        self._spec = spec
        self._socket: socket.socket | None = None
        self._used = used
        self.source_port: int | None = None

    def send(self, payload: bytes) -> bool:
        """Send; tell whether the kernel took it."""
        try:
            if self._socket is None:
                self._socket = self._open()
            self._socket.sendto(payload, self._target())
        except OSError:
            # An address or interface that went away and came back is another one to a socket.
            self.close()
            return False
        return True

    def close(self) -> None:
        """Free socket and port."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self.source_port is not None:
            self._used.discard(self.source_port)
            self.source_port = None

    def _open(self) -> socket.socket:
        family = family_of(self._spec.local)
        opened = _open(family, port_of(self._spec).device)
        try:
            if family is Family.IPV4:
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CS6)
            else:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CS6)
            with suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY)
            self._bind(opened)
        except OSError:
            opened.close()
            raise
        return opened

    def _bind(self, opened: socket.socket) -> None:
        for port in _SOURCE_PORTS:
            if port in self._used:
                continue
            try:
                opened.bind(_address(self._spec.local, port, self._spec.interface))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            self.source_port = port
            self._used.add(port)
            return
        raise OSError(errno.EADDRINUSE, "no source port is free")

    def _target(self) -> tuple[object, ...]:
        return _address(self._spec.remote, MULTIHOP_PORT if self._spec.is_multihop else SINGLE_HOP_PORT, self._spec.interface)


def _open(family: Family, device: str | None) -> socket.socket:
    opened = socket.socket(socket.AF_INET if family is Family.IPV4 else socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        opened.setblocking(False)
        if device is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    except OSError:
        opened.close()
        raise
    return opened


def _address(address: IPAddress, port: int, interface: str | None) -> tuple[object, ...]:
    if address.version == 4:
        return str(address), port
    return str(address), port, 0, socket.if_nametoindex(interface) if address.is_link_local and interface else 0


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""
