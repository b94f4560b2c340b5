"""Filter programmes: bounds, what they admit, and the superset of many scattered targets."""

import random
from ipaddress import IPv4Address, IPv6Address

import pytest

from baremetal_lb.l2.filter_plan import MAX_INSTRUCTIONS, plan_arp, plan_ndp
from baremetal_lb.packet import arp
from tests.support.bpf import run
from tests.support.frames import STRANGER, advertisement, arp_request, arp_told, probe, solicitation

SCATTERED = [IPv4Address(value) for value in random.Random(7).sample(range(1 << 32), 10_000)]
SCATTERED6 = [IPv6Address((0x20010DB8 << 96) + random.Random(index).getrandbits(64)) for index in range(10_000)]
FAR_APART6 = [IPv6Address((0x20010DB8 << 96) + (index << 64) + 1) for index in range(10_000)]


@pytest.mark.parametrize("count", [0, 1, 2, 128, 129, 10_000])
def test_program_stays_within_its_bound(count: int):
    sizes = len(plan_arp(SCATTERED[:count]).program), len(plan_ndp(SCATTERED6[:count]).program)
    assert max(sizes) <= MAX_INSTRUCTIONS


def test_every_one_of_ten_thousand_targets_is_admitted_in_few_steps():
    plan, plan6 = plan_arp(SCATTERED), plan_ndp(SCATTERED6)
    results = [run(plan.program, arp_request(ip)) for ip in SCATTERED[::50]]
    results += [run(plan6.program, solicitation(ip)) for ip in SCATTERED6[::50]]
    assert min(admitted for admitted, _ in results) > 0
    assert max(steps for _, steps in results) <= 40


def test_ipv6_targets_of_many_networks_are_told_apart_by_the_word_that_differs():
    plan = plan_ndp(FAR_APART6)
    assert all(run(plan.program, solicitation(ip))[0] for ip in FAR_APART6[::100])
    assert run(plan.program, solicitation(IPv6Address("2001:db8:0:1::2")))[0] == 0


@pytest.mark.parametrize("edge", ["0.0.0.0", "255.255.255.255"])
def test_the_ends_of_the_address_space_are_targets_like_others(edge: str):
    plan = plan_arp([IPv4Address(edge)])
    assert (run(plan.program, arp_request(IPv4Address(edge)))[0] > 0, run(plan.program, arp_request(IPv4Address("9.9.9.9")))[0]) == (
        True,
        0,
    )


def test_a_dense_pool_is_one_range_and_its_neighbours_are_refused():
    pool = [IPv4Address("203.0.113.0") + offset for offset in range(256)]
    plan = plan_arp(pool)
    outside = [IPv4Address("203.0.112.255"), IPv4Address("203.0.114.0")]
    assert len(plan.borders) == 2
    assert [run(plan.program, arp_request(ip))[0] for ip in outside] == [0, 0]


IP, IP6 = IPv4Address("203.0.113.1"), IPv6Address("2001:db8::1")
FRAMES = {
    "request": (arp_request(IP), True),
    "request for another": (arp_request(IPv4Address("203.0.113.2")), False),
    "foreign announcement": (arp_told(STRANGER, IP), True),
    "foreign reply": (arp_told(STRANGER, IP, arp.Operation.REPLY), True),
    "reply about another": (arp_told(STRANGER, IPv4Address("203.0.113.2"), arp.Operation.REPLY), False),
    "rarp": (arp_request(IP)[:20] + b"\0\3" + arp_request(IP)[22:], False),
}
FRAMES6 = {
    "solicitation": (solicitation(IP6), True),
    "solicitation without option": (solicitation(IP6, has_option=False), True),
    "solicitation for another": (solicitation(IPv6Address("2001:db8::2")), False),
    "solicitation in another network": (solicitation(IPv6Address("2001:db8:1::1")), False),
    "probe": (probe(IP6), True),
    "foreign advertisement": (advertisement(STRANGER, IP6, STRANGER), True),
    "advertisement of another": (advertisement(STRANGER, IPv6Address("2001:db8::2"), STRANGER), False),
    "echo request": (solicitation(IP6)[:54] + b"\x80" + solicitation(IP6)[55:], False),
    "tcp": (solicitation(IP6)[:20] + b"\x06" + solicitation(IP6)[21:], False),
}


@pytest.mark.parametrize("case", FRAMES)
def test_arp_filter(case: str):
    frame, is_admitted = FRAMES[case]
    assert (run(plan_arp([IP]).program, frame)[0] > 0) is is_admitted


@pytest.mark.parametrize("case", FRAMES6)
def test_ndp_filter(case: str):
    frame, is_admitted = FRAMES6[case]
    assert (run(plan_ndp([IP6]).program, frame)[0] > 0) is is_admitted


PLANS = {"arp": (plan_arp([IP]).program, arp_request(IP)), "ndp": (plan_ndp([IP6]).program, probe(IP6))}


@pytest.mark.parametrize("protocol", PLANS)
@pytest.mark.parametrize("how", [{"is_tagged": True}, {"packet_type": 3}], ids=["tagged", "for another host"])
def test_frames_that_had_a_vlan_tag_are_refused(protocol: str, how: dict[str, int]):
    program, frame = PLANS[protocol]
    assert (run(program, frame)[0] > 0, run(program, frame, **how)[0]) == (True, 0)


@pytest.mark.parametrize("length", range(14, 42))
def test_truncated_arp_is_admitted_so_that_it_is_counted(length: int):
    assert run(plan_arp([IP]).program, arp_request(IP)[:length])[0] > 0


@pytest.mark.parametrize("length", range(14, 78))
def test_truncated_solicitation_is_admitted_so_that_it_is_counted(length: int):
    assert run(plan_ndp([IP6]).program, solicitation(IP6)[:length])[0] > 0


def test_without_targets_nothing_whole_is_admitted():
    assert (run(plan_arp([]).program, arp_request(IP))[0], run(plan_ndp([]).program, solicitation(IP6))[0]) == (0, 0)
