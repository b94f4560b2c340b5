"""Whether a peer is on a link of the node, as the kernel routes."""

from ipaddress import ip_address

import pytest

from baremetal_lb.host.on_link import is_on_link
from tests.support.netns import Lab

pytestmark = pytest.mark.netns


def test_links_gateways_and_nothing_at_all_are_told_apart():
    with Lab() as lab:
        host = lab.host("198.51.100.11/25", "2001:db8::11/64")
        host.run("ip", "route", "add", "198.51.100.128/25", "via", "198.51.100.1")
        host.run("ip", "-6", "route", "add", "default", "via", "2001:db8::1")
        host.run("ip", "-6", "route", "add", "unreachable", "2001:db8:3::/64")
        answers = host.call(lambda: {text: is_on_link(ip_address(text)) for text in EXPECTED})
    assert answers == EXPECTED


EXPECTED = {
    "198.51.100.1": True,
    "198.51.100.129": False,
    "203.0.113.1": False,
    "2001:db8::1": True,
    "2001:db8:2::1": False,
    "2001:db8:3::1": False,
    "fe80::1": True,
}
