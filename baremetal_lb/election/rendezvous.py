"""Rendezvous hashing: an order of nodes for each IP that every speaker computes alike, without talking to another.

The order is bytewise ascending by SHA-256 of ``node#ip``, the same as the reference implementation's, so that a mixed cluster elects
alike. Taking a node away never changes the order of the rest: only the IPs that it was first for move.
"""

from collections.abc import Iterable
from hashlib import sha256

from baremetal_lb.model.net import IPAddress


def weight_of(node: str, address: IPAddress) -> bytes:
    """Return the 32 octets that decide; the smallest comes first."""
    return sha256(f"{node}#{address}".encode()).digest()


def rendezvous_order(nodes: Iterable[str], address: IPAddress) -> list[str]:
    """Return the nodes, first choice first."""
    return sorted(nodes, key=lambda node: weight_of(node, address))
