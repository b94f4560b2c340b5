"""Addresses, ranges and families.

Ranges are pairs of integers, so that an IPv6 /8 costs what a /128 does: every operation here is O(1) or O(ranges), never O(addresses).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Self

IPAddress = IPv4Address | IPv6Address


class Family(Enum):
    """An IP family, named as in ``spec.ipFamilies`` of a Service."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @property
    def bits(self) -> int:
        """Length of an address in bits."""
        return 32 if self is Family.IPV4 else 128

    @property
    def other(self) -> "Family":
        """The other one of the two."""
        return Family.IPV6 if self is Family.IPV4 else Family.IPV4

    def __lt__(self, other: "Family") -> bool:
        return self.bits < other.bits

    def __le__(self, other: "Family") -> bool:
        return self.bits <= other.bits


def family_of(address: IPAddress) -> Family:
    """Return the family of an address."""
    return Family.IPV4 if address.version == 4 else Family.IPV6


def address_at(family: Family, value: int) -> IPAddress:
    """Return the address of a family with this integer value."""
    return IPv4Address(value) if family is Family.IPV4 else IPv6Address(value)


def parse_address(text: str) -> IPAddress:
    """Parse an IPv4 or IPv6 literal.

    An IPv4-mapped IPv6 address is the IPv4 address (as in Go's net package), a zone is refused.

    Raises:
        ValueError: the text is no address.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text!r} has a zone; an IP of a Service has none")
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
    return address


def parse_addresses(text: str) -> tuple[IPAddress, ...]:
    """Parse addresses separated by commas, as ``status.podIPs`` has them; each comes once, in this order, and there is at least one.

    Raises:
        ValueError: one of them is no address, or there is none.
    """
    found = tuple(dict.fromkeys(parse_address(part.strip()) for part in text.split(",") if part.strip()))
    if not found:
        raise ValueError("no address")
    return found


class RangeError(ValueError):
    """A range that cannot be meant; ``kind`` says which way, the text says it to people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        """One of ``unparsable``, ``reversed``, ``mixed-family``, ``bare-address``."""


@dataclass(frozen=True, slots=True, order=True)
class AddressRange:
    """All addresses of one family from ``first`` to ``last``, both included, as integers; first <= last."""

    family: Family
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last < 1 << self.family.bits:
            raise RangeError("reversed", f"no {self.family.value} range from {self.first:#x} to {self.last:#x}")

    @classmethod
    def of(cls, address: IPAddress) -> Self:
        """Return the range of just this address."""
        return cls(family_of(address), int(address), int(address))

    @classmethod
    def parse(cls, text: str, *, allow_single: bool = False) -> Self:
        """Parse ``CIDR`` (host bits are ignored) or ``first-last``; with ``allow_single`` a bare address too.

        Raises:
            RangeError: with its kind.
        """
        text = text.strip()
        if "-" in text:
            return cls._parse_from_to(text)
        if "/" not in text:
            try:
                address = parse_address(text)
            except ValueError:
                raise RangeError(
                    "unparsable",
                    f"{text!r} is neither a CIDR (198.51.100.0/24) nor a range (198.51.100.1-198.51.100.9)",
                ) from None
            if not allow_single:
                raise RangeError("bare-address", f"{text!r} is a single address; write {text}/{family_of(address).bits}")
            return cls.of(address)
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise RangeError("unparsable", f"{text!r} is no CIDR") from None
        family = Family.IPV4 if network.version == 4 else Family.IPV6
        return cls(family, int(network.network_address), int(network.broadcast_address))

    @classmethod
    def _parse_from_to(cls, text: str) -> Self:
        first_text, _, last_text = text.partition("-")
        try:
            first, last = parse_address(first_text.strip()), parse_address(last_text.strip())
        except ValueError:
            raise RangeError("unparsable", f"{text!r} is no range of two addresses") from None
        if family_of(first) is not family_of(last):
            raise RangeError("mixed-family", f"{text!r} mixes IPv4 and IPv6")
        if int(first) > int(last):
            raise RangeError("reversed", f"{text!r} ends before it starts")
        return cls(family_of(first), int(first), int(last))

    @property
    def size(self) -> int:
        """How many addresses, exactly."""
        return self.last - self.first + 1

    def __contains__(self, address: IPAddress) -> bool:
        return family_of(address) is self.family and self.first <= int(address) <= self.last

    def overlaps(self, other: "AddressRange") -> bool:
        """Tell whether an address is in both."""
        return self.family is other.family and self.first <= other.last and other.first <= self.last

    def minus(self, holes: Iterable["AddressRange"]) -> tuple["AddressRange", ...]:
        """Return what is left, ascending, when the holes are taken out."""
        left, start = [], self.first
        for hole in sorted(h for h in holes if self.overlaps(h)):
            if hole.first > start:
                left.append(AddressRange(self.family, start, hole.first - 1))
            start = max(start, hole.last + 1)
        if start <= self.last:
            left.append(AddressRange(self.family, start, self.last))
        return tuple(left)

    def __str__(self) -> str:
        """Return ``first-last``, or the address when there is one."""
        first = address_at(self.family, self.first)
        return str(first) if self.first == self.last else f"{first}-{address_at(self.family, self.last)}"


@dataclass(frozen=True, slots=True, order=True)
class Mac:
    """A 48-bit hardware address."""

    octets: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``02:00:00:00:00:01``.

        Raises:
            ValueError: not six octets in hexadecimal.
        """
        octets = bytes.fromhex(text.replace(":", ""))
        if len(octets) != 6:
            raise ValueError(f"{text!r} is no hardware address")
        return cls(octets)

    def __str__(self) -> str:
        """Return the usual form with colons."""
        return self.octets.hex(":")
