"""Which own address the kernel would call a peer from: asked of the kernel itself, without a packet.

ExaBGP could be left to it (`local-address auto`), but then takes the address for `next-hop self` from a session object that a reload or
a restart replaces, and refuses routes. So the address is asked for here, and given.
"""

import socket

from baremetal_lb.model.net import Family, IPAddress, family_of, parse_address

_ANY_PORT = 179
"""Only routes decide; a port has to be named."""


def source_address(remote: IPAddress, *, interface: str | None = None) -> IPAddress | None:
    """Return the address that a connection to ``remote`` would come from now; None when there is no route, or no such interface."""
    is_v4 = family_of(remote) is Family.IPV4
    with socket.socket(socket.AF_INET if is_v4 else socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        try:
            if interface is not None:
                asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
            asking.connect((str(remote), _ANY_PORT))
            return parse_address(asking.getsockname()[0].partition("%")[0])
        except (OSError, ValueError):
            return None
