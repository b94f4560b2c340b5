"""The few messages of rtnetlink(7) that say which interfaces there are, decoded at fixed offsets.

::

    nlmsghdr: u32 length | u16 type | u16 flags | u32 sequence | u32 port        (16 octets, host byte order)
    ifinfomsg: u8 family | u8 pad | u16 hardware type | i32 index | u32 flags | u32 change, then attributes
    ifaddrmsg: u8 family | u8 prefix length | u8 flags | u8 scope | u32 index, then attributes
    attribute: u16 length with header | u16 type | value | padding to 4

Implemented: NEWLINK, DELLINK, NEWADDR, DELADDR, DONE, ERROR, the flag that says that a dump was interrupted, and the two requests.
Passed over: messages of other address families (a bridge reports its ports as DELLINK when they leave it, and the link is still there),
wireless events (a NEWLINK without most attributes), and all other types.
"""

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from baremetal_lb.model.net import IPAddress, Mac
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason

GROUPS = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""
IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_NOARP, IFF_LOWER_UP = 0x1, 0x2, 0x8, 0x80, 0x10000
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _DELADDR, _GETADDR = 16, 17, 18, 20, 21, 22
_REQUEST_DUMP = 0x301
_DUMP_INTERRUPTED = 0x10
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BBHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_WIRELESS = 1, 3, 10, 11
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_AF_INET, _AF_INET6 = 2, 10


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as the kernel describes it, or the one that went away."""

    index: int
    name: str
    flags: int
    mac: Mac | None
    """None where the hardware address has not 6 octets."""
    master: int | None
    """Index of the bridge, bond or VRF that it is a port of."""
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An IP on an interface, or the one that went away."""

    index: int
    address: IPAddress
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class DumpDone:
    """The answer to request ``sequence`` is complete; not to be relied upon when it was interrupted."""

    sequence: int
    is_interrupted: bool
    error: int = 0
    """errno, 0 for none."""


Message = Link | InterfaceAddress | DumpDone


def dump_request(what: Literal["links", "addresses"], *, sequence: int) -> bytes:
    """Return the request for all links or all addresses."""
    kind = _GETLINK if what == "links" else _GETADDR
    body = bytes(16 if what == "links" else 8)
    return _HEADER.pack(16 + len(body), kind, _REQUEST_DUMP, sequence, 0) + body


def parse(datagram: bytes) -> Iterator[Message]:
    """Yield what one datagram of the kernel says, in its order.

    Raises:
        MalformedPacket: a length leads out of the datagram.
    """
    at = 0
    while at < len(datagram):
        if at + 16 > len(datagram):
            raise MalformedPacket(MalformedReason.TooShort)
        length, kind, flags, sequence, _port = _HEADER.unpack_from(datagram, at)
        if length < 16 or at + length > len(datagram):
            raise MalformedPacket(MalformedReason.LengthMismatch)
        message = _message(kind, datagram[at + 16 : at + length])
        if message is not None:
            yield message
        elif kind in (_NLMSG_DONE, _NLMSG_ERROR):
            error = -int.from_bytes(datagram[at + 16 : at + 20], sys.byteorder, signed=True)
            yield DumpDone(sequence, bool(flags & _DUMP_INTERRUPTED), error)
        at += (length + 3) & ~3


def _message(kind: int, body: bytes) -> Link | InterfaceAddress | None:
    if kind in (_NEWLINK, _DELLINK):
        return _link(body, is_gone=kind == _DELLINK)
    if kind in (_NEWADDR, _DELADDR):
        return _address(body, is_gone=kind == _DELADDR)
    return None


def _link(body: bytes, *, is_gone: bool) -> Link | None:
    if len(body) < _LINK.size:
        raise MalformedPacket(MalformedReason.TooShort)
    family, _pad, _hardware, index, flags, _change = _LINK.unpack_from(body)
    attributes = _attributes(body[_LINK.size :])
    if family != 0 or _IFLA_WIRELESS in attributes:
        return None
    address = attributes.get(_IFLA_ADDRESS, b"")
    master = attributes.get(_IFLA_MASTER)
    return Link(
        index=index,
        name=attributes.get(_IFLA_IFNAME, b"").split(b"\0")[0].decode("utf-8", "replace"),
        flags=flags,
        mac=Mac(address) if len(address) == 6 else None,
        master=int.from_bytes(master, sys.byteorder) if master else None,
        is_gone=is_gone,
    )


def _address(body: bytes, *, is_gone: bool) -> InterfaceAddress | None:
    if len(body) < _ADDRESS.size:
        raise MalformedPacket(MalformedReason.TooShort)
    family, _length, _flags, _scope, index = _ADDRESS.unpack_from(body)
    attributes = _attributes(body[_ADDRESS.size :])
    # On a point-to-point link IFA_ADDRESS is the peer's; IFA_LOCAL, where given, is ours.
    octets = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b""))
    if family == _AF_INET and len(octets) == 4:
        return InterfaceAddress(index, IPv4Address(octets), is_gone)
    if family == _AF_INET6 and len(octets) == 16:
        return InterfaceAddress(index, IPv6Address(octets), is_gone)
    return None


def _attributes(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(octets):
        length, kind = _ATTRIBUTE.unpack_from(octets, at)
        if length < 4 or at + length > len(octets):
            raise MalformedPacket(MalformedReason.LengthMismatch)
        found[kind & 0x3FFF] = octets[at + 4 : at + length]
        at += (length + 3) & ~3
    return found
