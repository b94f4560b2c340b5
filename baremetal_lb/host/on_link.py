"""Whether a peer is on a link of this node: asked of the kernel, without a packet.

IPv4: a socket that may use no gateway (SO_DONTROUTE) finds a way, or none. IPv6 does not look at that option; its routes are read.
"""

import socket
from ipaddress import IPv6Address
from pathlib import Path

from baremetal_lb.model.net import IPAddress

_ROUTES = Path("/proc/thread-self/net/ipv6_route")
_GATEWAY, _REJECT = 0x0002, 0x0200
_ANY_PORT = 179


def is_on_link(remote: IPAddress) -> bool:
    """Tell whether packets to an address need no gateway; False also where there is no route."""
    if isinstance(remote, IPv6Address):
        return remote.is_link_local or _has_direct_route(remote, _ROUTES.read_text(encoding="ascii"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
            asking.connect((str(remote), _ANY_PORT))
        except OSError:
            return False
        return True


def _has_direct_route(remote: IPv6Address, routes: str) -> bool:
    """Tell it from the kernel's table: destination, length, source, length, next hop, metric, users, uses, flags, device."""
    best: tuple[int, int] | None = None
    is_direct = False
    for line in routes.splitlines():
        fields = line.split()
        length, metric, flags = int(fields[1], 16), int(fields[5], 16), int(fields[8], 16)
        shift = 128 - length
        if flags & _REJECT or int(fields[0], 16) >> shift != int(remote) >> shift:
            continue
        if best is None or (length, -metric) > best:
            best, is_direct = (length, -metric), not flags & _GATEWAY
    return is_direct
