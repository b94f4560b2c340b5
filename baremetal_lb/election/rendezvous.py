"""Rendezvous hashing: an order of nodes for each IP that every speaker computes alike, without talking to another.

The order is bytewise ascending by SHA-256 of ``node#ip``, the same as the reference implementation's, so that a mixed cluster elects
alike. Taking a node away never changes the order of the rest: only the IPs that it was first for move.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256

from baremetal_lb.model.net import IPAddress


def rendezvous_first(nodes: Iterable[str], address: IPAddress) -> str:
    """Return the first choice among the nodes, of which there is at least one."""
    return min(nodes, key=_weight(address))


def _weight(address: IPAddress) -> Callable[[str], bytes]:
    """Return the function from a node to the 32 octets that decide; the smallest comes first."""
    suffix = f"#{address}"
    return lambda node: sha256((node + suffix).encode()).digest()
