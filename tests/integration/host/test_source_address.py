"""The address that the kernel would call a peer from, in namespaces with several."""

from ipaddress import ip_address

import pytest

from baremetal_lb.host.source_address import source_address
from tests.support.netns import Lab

pytestmark = pytest.mark.netns


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("198.51.100.1", "198.51.100.11"),
        ("203.0.113.1", "203.0.113.11"),
        ("10.99.0.1", "203.0.113.200"),
        ("2001:db8::1", "2001:db8::11"),
        ("2001:db8:9::1", None),
    ],
)
def test_the_kernel_says_from_where_it_would_call(remote: str, expected: str | None):
    with Lab() as lab:
        node = lab.host("198.51.100.11/24", "203.0.113.11/25", "2001:db8::11/64")
        node.run("ip", "address", "add", "203.0.113.200/32", "dev", "lo")
        node.run("ip", "route", "add", "10.99.0.0/24", "via", "198.51.100.1", "src", "203.0.113.200")
        found = node.call(lambda: source_address(ip_address(remote)))
        assert found == (ip_address(expected) if expected else None)


def test_an_interface_that_is_not_there_has_no_address():
    with Lab() as lab:
        node = lab.host("198.51.100.11/24")
        assert node.call(lambda: source_address(ip_address("198.51.100.1"), interface="eth9")) is None
        assert node.call(lambda: source_address(ip_address("198.51.100.1"), interface="eth0")) == ip_address("198.51.100.11")
