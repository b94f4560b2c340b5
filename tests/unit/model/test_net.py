"""Addresses and ranges."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from baremetal_lb.model.net import AddressRange, Family, Mac, RangeError, parse_address


@pytest.mark.parametrize(
    ("text", "first", "last", "size"),
    [
        ("198.51.100.0/24", "198.51.100.0", "198.51.100.255", 256),
        ("198.51.100.77/24", "198.51.100.0", "198.51.100.255", 256),
        ("198.51.100.7/32", "198.51.100.7", "198.51.100.7", 1),
        (" 198.51.100.1 - 198.51.100.3 ", "198.51.100.1", "198.51.100.3", 3),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", 1 << 32),
        ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 1 << 64),
        ("2000::/8", "2000::", "20ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 << 120),
        ("2001:db8::1/128", "2001:db8::1", "2001:db8::1", 1),
        ("2001:db8::1-2001:db8::1", "2001:db8::1", "2001:db8::1", 1),
    ],
)
def test_a_range_has_its_ends_and_its_exact_size(text, first, last, size):
    parsed = AddressRange.parse(text)
    assert (parsed.first, parsed.last, parsed.size) == (int(parse_address(first)), int(parse_address(last)), size)
    assert parse_address(first) in parsed
    assert parse_address(last) in parsed


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "unparsable"),
        ("cats", "unparsable"),
        ("198.51.100.0/33", "unparsable"),
        ("198.51.100.300/24", "unparsable"),
        ("198.51.100.1-", "unparsable"),
        ("198.51.100.1-198.51.100.2-198.51.100.3", "unparsable"),
        ("fe80::1%eth0-fe80::2%eth0", "unparsable"),
        ("198.51.100.9-198.51.100.1", "reversed"),
        ("198.51.100.1-2001:db8::1", "mixed-family"),
        ("198.51.100.1", "bare-address"),
    ],
)
def test_a_range_that_cannot_be_meant_says_in_which_way(text, kind):
    with pytest.raises(RangeError) as raised:
        AddressRange.parse(text)
    assert raised.value.kind == kind


def test_holes_are_taken_out_of_a_range():
    whole = AddressRange.parse("198.51.100.0/29")
    holes = [
        AddressRange.parse(t)
        for t in ("198.51.100.0/32", "198.51.100.3-198.51.100.4", "198.51.100.4/31", "203.0.113.0/24", "2001:db8::/64")
    ]
    assert [str(left) for left in whole.minus(holes)] == ["198.51.100.1-198.51.100.2", "198.51.100.6-198.51.100.7"]
    assert whole.minus([AddressRange.parse("198.51.100.0/24")]) == ()


def test_ranges_of_two_families_never_overlap():
    assert not AddressRange(Family.IPV4, 0, 9).overlaps(AddressRange(Family.IPV6, 0, 9))


def test_a_mapped_address_is_the_ipv4_address():
    assert parse_address("::ffff:198.51.100.1") == IPv4Address("198.51.100.1")
    assert parse_address("2001:db8::1") == IPv6Address("2001:db8::1")


def test_hardware_addresses_have_six_octets():
    assert str(Mac.parse("02:00:5e:10:00:01")) == "02:00:5e:10:00:01"
    with pytest.raises(ValueError, match="hardware address"):
        Mac.parse("02:00:5e")
