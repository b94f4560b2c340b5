"""Packet sockets: one interface, one protocol, a classic BPF filter that is replaced in one step.

Order matters: a socket of protocol 0 receives nothing; the filter is attached; only then it is bound to interface and protocol. So no
frame gets past a filter that is not there yet. Frames that this machine sends itself are not seen (PACKET_IGNORE_OUTGOING, Linux 4.20).
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Callable, Sequence

from baremetal_lb.l2.filter_plan import MAX_RANGES, FilterPlan, Instruction

_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_IGNORE_OUTGOING = 23
_RECEIVE_BUFFER = 4 << 20
"""Octets wanted; without NET_ADMIN the kernel gives at most net.core.rmem_max."""
_INSTRUCTION = struct.Struct("=HBBI")
_FALLBACK_RANGES = (MAX_RANGES, MAX_RANGES // 4, MAX_RANGES // 16, 1)
"""Coarser and coarser filters, for machines with an uncommonly small net.core.optmem_max."""


def open_packet_socket(name: str, index: int, ether_type: int, plan: FilterPlan) -> socket.socket:
    """Return a non-blocking socket for frames of this type on this interface.

    Raises:
        PermissionError: without CAP_NET_RAW.
        OSError: the interface is gone, or the kernel has no memory for it.
    """
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        attach(opened, plan.program)
        opened.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        opened.setblocking(False)
        opened.bind((name, ether_type))
        # The name may have been given to another interface between the event and now.
        if socket.if_nametoindex(name) != index:
            raise OSError(errno.ENODEV, "the interface has changed", name)  # noqa: TRY301 - the socket is closed on the way out
    except BaseException:
        opened.close()
        raise
    return opened


def attach(opened: socket.socket, program: Sequence[Instruction]) -> None:
    """Replace the filter of a socket; frames see the old one or the new one, never none.

    Raises:
        OSError: ENOMEM when old and new one together are beyond net.core.optmem_max.
    """
    octets = b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(octets, len(octets))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer)))


def attach_finest(opened: socket.socket, plan_with: Callable[[int], FilterPlan], current: FilterPlan) -> FilterPlan:
    """Attach the finest filter that the kernel takes, unless it is the current one; return the one that is attached now.

    ``plan_with`` gives the plan of at most so many ranges.

    Raises:
        OSError: not even the coarsest one is taken.
    """
    for ranges in _FALLBACK_RANGES:
        plan = plan_with(ranges)
        if plan == current:
            break
        try:
            attach(opened, plan.program)
        except OSError as error:
            if error.errno != errno.ENOMEM or ranges == 1:
                raise
        else:
            return plan
    return current


def dropped_frames(opened: socket.socket) -> int:
    """Return how many frames the kernel dropped since the last call, for want of buffer."""
    _packets, drops = struct.unpack("=II", opened.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    return int(drops)
