"""Hears each change of the kernel's routes in a namespace, with its time: what did not flap, and how long things took."""

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from tests.support.netlink_monitor import NetlinkMonitor, attributes
from tests.support.netns import Namespace

_GROUPS = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_NEWROUTE, _DELROUTE = 24, 25
_TABLE_LOCAL = 255
_RTA_DST, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA = 1, 5, 9, 18


@dataclass(frozen=True, slots=True)
class RouteEvent:
    """One change."""

    at: int
    """Monotonic clock, ns."""
    is_removal: bool
    prefix: str
    gateways: tuple[str, ...]
    """Sorted."""


class RouteMonitor(NetlinkMonitor[RouteEvent]):
    """Collects events from when it is entered; the kernel's local table is left out.

    with RouteMonitor(router_host) as monitor:
        ...
        assert monitor.removals("203.0.113.1/32") == []
    """

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(namespace, _GROUPS, _parse)

    def events(self, prefix: str | None = None) -> list[RouteEvent]:
        """Return what happened to a route, or to all."""
        return [event for event in self.all_events() if prefix in (None, event.prefix)]

    def removals(self, prefix: str | None = None) -> list[RouteEvent]:
        """Return when routes went away."""
        return [event for event in self.events(prefix) if event.is_removal]


def _parse(kind: int, body: bytes, at: int) -> RouteEvent | None:
    if kind not in (_NEWROUTE, _DELROUTE) or body[4] == _TABLE_LOCAL:
        return None
    family, bits = body[0], body[1]
    found = attributes(body[12:])
    any_address = bytes(4 if family == socket.AF_INET else 16)
    prefix = f"{ip_address(found.get(_RTA_DST, any_address))}/{bits}"
    return RouteEvent(at, kind == _DELROUTE, prefix, tuple(sorted(_gateways(found))))


def _gateways(found: dict[int, bytes]) -> list[str]:
    gateways = []
    if _RTA_GATEWAY in found:
        gateways.append(str(ip_address(found[_RTA_GATEWAY])))
    if _RTA_VIA in found:
        gateways.append(str(ip_address(found[_RTA_VIA][2:])))
    hops = found.get(_RTA_MULTIPATH, b"")
    while len(hops) >= 8:
        (length,) = struct.unpack_from("=H", hops)
        gateways.extend(_gateways(attributes(hops[8:length])))
        hops = hops[(length + 3) & ~3 :]
    return gateways
