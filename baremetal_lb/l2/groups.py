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

from baremetal_lb.packet.ndp import solicited_node_group

MEMBERSHIPS_PER_SOCKET = 300


@dataclass(frozen=True, slots=True)
class Join:
    """Join the group on the socket with this number."""

    group: IPv6Address
    slot: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the group on the socket with this number."""

    group: IPv6Address
    slot: int


class SolicitedNodeGroups:
    """Reference counts of the groups of one interface."""

    def __init__(self) -> None:
        self._users: dict[IPv6Address, int] = {}
        self._slot_of: dict[IPv6Address, int] = {}
        self._sizes: list[int] = []
        self._with_room: list[int] = []

    def __len__(self) -> int:
        return len(self._users)

    def add(self, address: IPv6Address) -> Join | None:
        """Count one more user of its group; the join that this takes, if any."""
        group = solicited_node_group(address)
        self._users[group] = self._users.get(group, 0) + 1
        if self._users[group] > 1:
            return None
        slot = self._take_slot()
        self._slot_of[group] = slot
        return Join(group, slot)

    def remove(self, address: IPv6Address) -> Leave | None:
        """Count one user less; the leave that this takes, if any.

        Raises:
            KeyError: no such user was added.
        """
        group = solicited_node_group(address)
        self._users[group] -= 1
        if self._users[group]:
            return None
        del self._users[group]
        slot = self._slot_of.pop(group)
        if self._sizes[slot] == MEMBERSHIPS_PER_SOCKET:
            heapq.heappush(self._with_room, slot)
        self._sizes[slot] -= 1
        return Leave(group, slot)

    def _take_slot(self) -> int:
        if not self._with_room:
            self._sizes.append(0)
            heapq.heappush(self._with_room, len(self._sizes) - 1)
        slot = self._with_room[0]
        self._sizes[slot] += 1
        if self._sizes[slot] == MEMBERSHIPS_PER_SOCKET:
            heapq.heappop(self._with_room)
        return slot
