"""Multicast groups: which solicited-node groups to be in, and through which socket.

Solicitations for an IP go to the group of its low 24 bits, which several IPs may share; a switch that snoops MLD forwards a group only to
ports that reported it, so it must be joined on an IPv6 socket (which sends reports), and left when its last IP goes. A socket's
memberships count against ``net.core.optmem_max``: at 20 480 it takes 365, so they are spread over many.

    add(ip):    first of its group -> Join(group, slot)       slot: the socket to use, the first one with room
    remove(ip): last of its group  -> Leave(group, slot)

Rules: pure; slots are numbers, the shell keeps a socket for each. Invariant: a slot has at most ``MEMBERSHIPS_PER_SOCKET`` groups.
"""

import heapq
from dataclasses import dataclass
from ipaddress import IPv6Address

from baremetal_lb.packet.ndp import SOLICITED_NODE_PREFIX

MEMBERSHIPS_PER_SOCKET = 300


@dataclass(frozen=True, slots=True)
class Join:
    """Join a group on the socket with this number; ``suffix`` is the low 24 bits of the group and of its IPs."""

    suffix: bytes
    slot: int

    @property
    def group(self) -> IPv6Address:
        """The group's address."""
        return IPv6Address(SOLICITED_NODE_PREFIX + self.suffix)


class Leave(Join):
    """Leave a group on the socket with this number."""

    __slots__ = ()


class SolicitedNodeGroups:
    """Reference counts of the groups of one interface."""

    def __init__(self) -> None:
        self._users: dict[bytes, int] = {}
        self._slot_of: dict[bytes, int] = {}
        self._sizes: list[int] = []
        self._with_room: list[int] = []

    def __len__(self) -> int:
        return len(self._users)

    def add(self, address: IPv6Address) -> Join | None:
        """Count one more user of its group; the join that this takes, if any."""
        suffix = address.packed[13:]
        users = self._users[suffix] = self._users.get(suffix, 0) + 1
        if users > 1:
            return None
        slot = self._slot_of[suffix] = self._take_slot()
        return Join(suffix, slot)

    def remove(self, address: IPv6Address) -> Leave | None:
        """Count one user less; the leave that this takes, if any.

        Raises:
            KeyError: no such user was added.
        """
        suffix = address.packed[13:]
        self._users[suffix] -= 1
        if self._users[suffix]:
            return None
        del self._users[suffix]
        slot = self._slot_of.pop(suffix)
        if self._sizes[slot] == MEMBERSHIPS_PER_SOCKET:
            heapq.heappush(self._with_room, slot)
        self._sizes[slot] -= 1
        return Leave(suffix, slot)

    def _take_slot(self) -> int:
        if not self._with_room:
            self._sizes.append(0)
            heapq.heappush(self._with_room, len(self._sizes) - 1)
        slot = self._with_room[0]
        self._sizes[slot] += 1
        if self._sizes[slot] == MEMBERSHIPS_PER_SOCKET:
            heapq.heappop(self._with_room)
        return slot
