"""Hears when a machine takes another MAC address for an IP: when an IP moved, as its clients see it."""

from dataclasses import dataclass
from ipaddress import ip_address

from tests.support.netlink_monitor import NetlinkMonitor, attributes
from tests.support.netns import Namespace

_GROUPS = 0x4  # RTMGRP_NEIGH
_NEWNEIGH = 28
_NDA_DST, _NDA_LLADDR = 1, 2


@dataclass(frozen=True, slots=True)
class NeighbourEvent:
    """What the kernel knows of a neighbour now."""

    at: int
    """Monotonic clock, ns."""
    ip: str
    mac: str


class NeighbourMonitor(NetlinkMonitor[NeighbourEvent]):
    """Collects events of neighbours that have a MAC address, from when it is entered."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(namespace, _GROUPS, _parse)


def _parse(kind: int, body: bytes, at: int) -> NeighbourEvent | None:
    found = attributes(body[12:])
    if kind != _NEWNEIGH or _NDA_LLADDR not in found or _NDA_DST not in found:
        return None
    return NeighbourEvent(at, str(ip_address(found[_NDA_DST])), found[_NDA_LLADDR].hex(":"))
