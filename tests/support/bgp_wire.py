"""BGP messages, built and taken apart by hand: so that they may be wrong in whatever way a test wants (RFC 4271 §4, 4760, 6793, 8950).

Kept apart from all code of the product and of ExaBGP, as a second opinion.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
IPV4_UNICAST, IPV6_UNICAST = (1, 1), (2, 1)


class Message(NamedTuple):
    """One message as it came."""

    kind: int
    body: bytes


def message(kind: int, body: bytes = b"", *, length: int | None = None, marker: bytes = MARKER) -> bytes:
    """Return a message; with another length or marker than the right one, if asked."""
    return marker + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def capability(code: int, value: bytes = b"") -> bytes:
    """Return one capability (RFC 5492)."""
    return bytes((code, len(value))) + value


def usual_capabilities(asn: int, families: Iterable[tuple[int, int]] = (IPV4_UNICAST, IPV6_UNICAST)) -> bytes:
    """Return what each speaker of today has: multiprotocol, route refresh, 4-octet AS numbers."""
    multiprotocol = b"".join(capability(1, struct.pack("!HBB", afi, 0, safi)) for afi, safi in families)
    return multiprotocol + capability(2) + capability(65, struct.pack("!I", asn))


def graceful_restart(
    seconds: int, families: Iterable[tuple[int, int]] = (IPV4_UNICAST, IPV6_UNICAST), *, is_restarting: bool = False
) -> bytes:
    """Return the graceful restart capability (RFC 4724 §3), forwarding state preserved."""
    return capability(
        64, struct.pack("!H", (0x8000 if is_restarting else 0) | seconds) + b"".join(struct.pack("!HBB", *each, 0x80) for each in families)
    )


def open_message(
    asn: int, router_id: str, *, hold_time_s: int = 90, capabilities: bytes | None = None, version: int = 4, my_as: int | None = None
) -> bytes:
    """Return an OPEN; without capabilities given, with the usual ones."""
    options = usual_capabilities(asn) if capabilities is None else capabilities
    parameter = bytes((2, len(options))) + options if options else b""
    short = my_as if my_as is not None else asn if asn < 65536 else 23456
    return message(OPEN, struct.pack("!BHH4sB", version, short, hold_time_s, IPv4Address(router_id).packed, len(parameter)) + parameter)


def notification(code: int, subcode: int = 0, data: bytes = b"") -> bytes:
    """Return a NOTIFICATION."""
    return message(NOTIFICATION, bytes((code, subcode)) + data)


def attribute(kind: int, value: bytes, *, flags: int = 0x40) -> bytes:
    """Return a path attribute, with an extended length where it needs one."""
    if len(value) > 255:
        return struct.pack("!BBH", flags | 0x10, kind, len(value)) + value
    return bytes((flags, kind, len(value))) + value


def prefix(text: str) -> bytes:
    """Return the NLRI of a prefix."""
    network = ip_network(text)
    return bytes((network.prefixlen,)) + network.network_address.packed[: (network.prefixlen + 7) // 8]


def route_attributes(asns: Iterable[int], next_hop: str | None, *, more: bytes = b"") -> bytes:
    """Return ORIGIN, AS_PATH (4 octets each) and, for IPv4, NEXT_HOP."""
    path = list(asns)
    segment = struct.pack(f"!BB{len(path)}I", 2, len(path), *path) if path else b""
    hop = attribute(3, IPv4Address(next_hop).packed) if next_hop is not None else b""
    return attribute(1, b"\0") + attribute(2, segment) + hop + more


def update(*, withdrawn: bytes = b"", attributes: bytes = b"", nlri: bytes = b"") -> bytes:
    """Return an UPDATE."""
    return message(UPDATE, struct.pack("!H", len(withdrawn)) + withdrawn + struct.pack("!H", len(attributes)) + attributes + nlri)


def announce(asns: Iterable[int], next_hop: str, *prefixes: str, more: bytes = b"") -> bytes:
    """Return an UPDATE that announces prefixes of one family, which is the next hop's."""
    nlri = b"".join(map(prefix, prefixes))
    if ip_address(next_hop).version == 4:
        return update(attributes=route_attributes(asns, next_hop, more=more), nlri=nlri)
    reach = struct.pack("!HBB", *IPV6_UNICAST, 16) + IPv6Address(next_hop).packed + b"\0" + nlri
    return update(attributes=route_attributes(asns, None, more=more) + attribute(14, reach, flags=0x80))


def end_of_rib(family: tuple[int, int]) -> bytes:
    """Return the End-of-RIB marker (RFC 4724 §2)."""
    return update() if family == IPV4_UNICAST else update(attributes=attribute(15, struct.pack("!HB", *family), flags=0x80))


@dataclass(frozen=True, slots=True)
class Attributes:
    """Path attributes as they came."""

    as_path: tuple[int, ...] = ()
    next_hops: tuple[str, ...] = ()
    med: int | None = None
    local_pref: int | None = None
    communities: frozenset[str] = frozenset()
    large_communities: frozenset[str] = frozenset()
    extended_communities: frozenset[bytes] = frozenset()
    kinds: frozenset[int] = frozenset()
    """All attribute types that are there."""


@dataclass(frozen=True, slots=True)
class Update:
    """One UPDATE, taken apart."""

    announced: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    attributes: Attributes = field(default_factory=Attributes)
    end_of_rib: tuple[int, int] | None = None


def parse_update(body: bytes, *, as_octets: int = 4) -> Update:
    """Take an UPDATE apart; fails with an IndexError or struct.error where it is cut short."""
    (length,) = struct.unpack_from("!H", body)
    withdrawn = _prefixes(body[2 : 2 + length], 4)
    (total,) = struct.unpack_from("!H", body, 2 + length)
    start = 4 + length
    values = _attribute_values(body[start : start + total])
    announced = _prefixes(body[start + total :], 4)
    hops: tuple[str, ...] = (str(ip_address(values[3])),) if 3 in values else ()
    if 14 in values:
        afi, _safi, size = struct.unpack_from("!HBB", values[14])
        octets = values[14][4 : 4 + size]
        width = 4 if size == 4 else 16
        hops = tuple(str(ip_address(octets[at : at + width])) for at in range(0, size, width))
        announced += _prefixes(values[14][5 + size :], 4 if afi == 1 else 6)
    if 15 in values:
        afi, safi = struct.unpack_from("!HB", values[15])
        gone = _prefixes(values[15][3:], 4 if afi == 1 else 6)
        if not gone and set(values) == {15}:
            return Update(end_of_rib=(afi, safi))
        withdrawn += gone
    if not body[4:] and len(body) == 4:
        return Update(end_of_rib=IPV4_UNICAST)
    return Update(announced, withdrawn, _attributes(values, hops, as_octets))


def _attributes(values: dict[int, bytes], hops: tuple[str, ...], as_octets: int) -> Attributes:
    path: list[int] = []
    octets = values.get(2, b"")
    while octets:
        count = octets[1]
        path.extend(struct.unpack_from(f"!{count}{'I' if as_octets == 4 else 'H'}", octets, 2))
        octets = octets[2 + count * as_octets :]
    return Attributes(
        as_path=tuple(path),
        next_hops=hops,
        med=int.from_bytes(values[4], "big") if 4 in values else None,
        local_pref=int.from_bytes(values[5], "big") if 5 in values else None,
        communities=frozenset(f"{high}:{low}" for high, low in struct.iter_unpack("!HH", values.get(8, b""))),
        large_communities=frozenset(":".join(map(str, each)) for each in struct.iter_unpack("!III", values.get(32, b""))),
        extended_communities=frozenset(values.get(16, b"")[at : at + 8] for at in range(0, len(values.get(16, b"")), 8)),
        kinds=frozenset(values),
    )


def _attribute_values(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while octets:
        flags, kind = octets[0], octets[1]
        size, at = (struct.unpack_from("!H", octets, 2)[0], 4) if flags & 0x10 else (octets[2], 3)
        found[kind] = octets[at : at + size]
        octets = octets[at + size :]
    return found


def _prefixes(octets: bytes, version: int) -> tuple[str, ...]:
    found = []
    while octets:
        bits = octets[0]
        size = (bits + 7) // 8
        address = octets[1 : 1 + size].ljust(4 if version == 4 else 16, b"\0")
        found.append(f"{ip_address(address)}/{bits}")
        octets = octets[1 + size :]
    return tuple(found)
