"""Groups are counted and spread; links are chosen by the rules of their docstring."""

from ipaddress import IPv6Address

import pytest

from baremetal_lb.l2.groups import MEMBERSHIPS_PER_SOCKET, Join, Leave, SolicitedNodeGroups
from baremetal_lb.l2.links import ExcludePatterns, LinkReason, LinkTable
from baremetal_lb.model.net import Mac
from baremetal_lb.packet.rtnetlink import InterfaceAddress, Link

UP_ETHERNET = 0x11043  # UP, BROADCAST, RUNNING, MULTICAST, LOWER_UP
MAC = Mac.parse("02:00:00:00:00:01")
LINK_LOCAL = InterfaceAddress(2, IPv6Address("fe80::1"))


def test_ips_of_one_group_share_a_membership():
    groups = SolicitedNodeGroups()
    a, b = IPv6Address("2001:db8:1::5"), IPv6Address("2001:db8:2::5")
    low = b"\0\0\5"
    assert [groups.add(a), groups.add(b), groups.remove(a), groups.remove(b)] == [Join(low, 0), None, None, Leave(low, 0)]
    assert Join(low, 0).group == IPv6Address("ff02::1:ff00:5")
    assert len(groups) == 0


def test_ten_thousand_groups_are_spread_over_sockets_and_holes_are_filled_again():
    groups = SolicitedNodeGroups()
    addresses = [IPv6Address("2001:db8::") + number for number in range(10_000)]
    slots = [groups.add(address).slot for address in addresses]
    assert max(slots.count(slot) for slot in set(slots)) == MEMBERSHIPS_PER_SOCKET
    assert len(set(slots)) == -(-10_000 // MEMBERSHIPS_PER_SOCKET)
    assert groups.remove(addresses[0]) == Leave(b"\0\0\0", 0)
    assert groups.add(IPv6Address("2001:db8::ff:1")).slot == 0


def facts_of(link: Link, *addresses: InterfaceAddress):
    table = LinkTable()
    for message in (link, *addresses):
        table.apply(message)
    (facts,) = table.facts(ExcludePatterns())
    return facts


CASES = {
    "ordinary": (Link(2, "eth0", UP_ETHERNET, MAC, None), None),
    "loopback": (Link(2, "lo", 0x10049, Mac(bytes(6)), None), LinkReason.Loopback),
    "excluded": (Link(2, "veth12", UP_ETHERNET, MAC, None), LinkReason.ExcludedByName),
    "calico": (Link(2, "cali0f", UP_ETHERNET, MAC, None), LinkReason.ExcludedByName),
    "down": (Link(2, "eth0", UP_ETHERNET & ~1, MAC, None), LinkReason.Down),
    "bridge port": (Link(2, "eth0", UP_ETHERNET, MAC, 9), LinkReason.Enslaved),
    "no arp": (Link(2, "eth0", UP_ETHERNET | 0x80, MAC, None), LinkReason.NoArp),
    "tunnel": (Link(2, "gre0", UP_ETHERNET, None, None), LinkReason.NoHardwareAddress),
}


@pytest.mark.parametrize("case", CASES)
def test_link_is_used_or_has_its_reason(case: str):
    link, reason = CASES[case]
    facts = facts_of(link, LINK_LOCAL)
    assert (facts.reason, facts.usable, facts.has_ipv4, facts.has_ipv6) == (reason, reason is None, reason is None, reason is None)


def test_families_follow_broadcast_and_link_local_address():
    no_broadcast = Link(2, "eth0", UP_ETHERNET & ~2, MAC, None)
    global_only = InterfaceAddress(2, IPv6Address("2001:db8::1"))
    seen = [
        (facts.has_ipv4, facts.has_ipv6, facts.reason)
        for facts in (
            facts_of(Link(2, "eth0", UP_ETHERNET, MAC, None), global_only),
            facts_of(no_broadcast, LINK_LOCAL),
            facts_of(no_broadcast, global_only),
            facts_of(no_broadcast, LINK_LOCAL, InterfaceAddress(2, LINK_LOCAL.address, is_gone=True)),
        )
    ]
    assert seen == [(True, False, None), (False, True, None), (False, False, LinkReason.NoFamily), (False, False, LinkReason.NoFamily)]


def test_a_link_that_goes_takes_its_addresses_along():
    table = LinkTable()
    link = Link(2, "eth0", UP_ETHERNET, MAC, None)
    for message in (link, LINK_LOCAL, Link(2, "eth0", 0, MAC, None, is_gone=True), link):
        table.apply(message)
    assert [facts.has_ipv6 for facts in table.facts(ExcludePatterns())] == [False]


def test_carrier_is_told_apart_from_being_up():
    facts = facts_of(Link(2, "eth0", UP_ETHERNET & ~0x10000, MAC, None))
    assert (facts.usable, facts.carrier) == (True, False)
