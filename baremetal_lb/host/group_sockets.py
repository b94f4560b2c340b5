"""Group memberships: carries out the joins and leaves of ``l2.groups`` on one interface.

Joins are IPV6_JOIN_GROUP on IPv6 sockets, not memberships of the packet socket: only these send MLD reports, without which a snooping
switch forwards nothing. Thousands may come at once and each takes the kernel some microseconds, so they are queued and done
``PER_TURN`` at a time.
"""

import asyncio
import errno
import socket
import struct
from collections import deque
from collections.abc import Iterable
from ipaddress import IPv6Address

import structlog

from baremetal_lb.host.counters import AnnouncerCounters
from baremetal_lb.l2.groups import Join, Leave, SolicitedNodeGroups

log = structlog.get_logger(__name__)
PER_TURN = 16
"""Joins and leaves per turn of the event loop; with 10 000 groups one takes the kernel up to 160 us."""
_NO_ROOM = frozenset({errno.ENOMEM, errno.ENOBUFS})


class GroupSockets:
    """The memberships of one interface; closing it leaves all groups."""

    def __init__(self, index: int, counters: AnnouncerCounters) -> None:
        self._index = index
        self._counters = counters
        self._groups = SolicitedNodeGroups()
        self._sockets: dict[int, socket.socket] = {}
        self._overflow: dict[IPv6Address, socket.socket] = {}
        self._pending: deque[Join] = deque()
        self._turn: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def pending(self) -> int:
        """Joins and leaves that are not done yet."""
        return len(self._pending)

    def add(self, addresses: Iterable[IPv6Address]) -> None:
        """Be in the groups of these IPs."""
        self._pending.extend(change for address in addresses if (change := self._groups.add(address)) is not None)
        self._go_on()

    def remove(self, addresses: Iterable[IPv6Address]) -> None:
        """Be no more in those groups that only these IPs needed."""
        self._pending.extend(change for address in addresses if (change := self._groups.remove(address)) is not None)
        self._go_on()

    def close(self) -> None:
        """Leave everything."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._pending.clear()
        for opened in (*self._sockets.values(), *self._overflow.values()):
            opened.close()

    def _go_on(self) -> None:
        if self._pending and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        for _ in range(min(PER_TURN, len(self._pending))):
            change = self._pending.popleft()
            try:
                if isinstance(change, Leave):
                    self._leave(change)
                else:
                    self._join(change)
            except OSError as error:
                self._counters.failed_joins += 1
                log.warning("group_membership_failed", group=str(change.group), interface_index=self._index, error=str(error))
        self._go_on()

    def _join(self, join: Join) -> None:
        opened = self._sockets.get(join.slot)
        if opened is None:
            opened = self._sockets[join.slot] = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            self._change(opened, socket.IPV6_JOIN_GROUP, join.group)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            # The kernel counts a socket's memberships otherwise than we do here: this one gets a socket of its own.
            alone = self._overflow[join.group] = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self._change(alone, socket.IPV6_JOIN_GROUP, join.group)

    def _leave(self, leave: Leave) -> None:
        alone = self._overflow.pop(leave.group, None)
        if alone is not None:
            alone.close()
        elif leave.slot in self._sockets:
            self._change(self._sockets[leave.slot], socket.IPV6_LEAVE_GROUP, leave.group)

    def _change(self, opened: socket.socket, option: int, group: IPv6Address) -> None:
        opened.setsockopt(socket.IPPROTO_IPV6, option, group.packed + struct.pack("@I", self._index))
