"""Laws of layer 2: the filter admits every target, the fast way equals the slow way, any bytes get an answer."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.l2.filter_plan import MAX_RANGES, plan_arp, plan_ndp
from baremetal_lb.l2.groups import SolicitedNodeGroups
from baremetal_lb.l2.probes import probe_of
from baremetal_lb.l2.responder import ArpResponder, Conflict, NdpResponder, ProbeAnswer
from baremetal_lb.model.reasons import Reason
from baremetal_lb.packet import arp, ndp
from baremetal_lb.packet.ndp import solicited_node_group
from tests.support.bpf import run
from tests.support.frames import OURS, PEER, TEMPLATES, arp_request, probe, solicitation

v4, v6 = st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda ip: not ip.is_multicast)
near_v6 = st.integers(0, 1 << 40).map(lambda low: IPv6Address((0x20010DB8 << 96) + low))
IP, IP6 = IPv4Address("203.0.113.1"), IPv6Address("2001:db8:1::1")
ARP, NDP = ArpResponder(TEMPLATES, OURS), NdpResponder(TEMPLATES, OURS)
ARP.put([IP])
NDP.put([IP6])
THERE_ARP, THERE_NDP = ArpResponder(TEMPLATES, PEER), NdpResponder(TEMPLATES, PEER)
THERE_ARP.put([IP])
THERE_NDP.put([IP6])
ARP_ANSWER = THERE_ARP.reply(probe_of(IP, OURS, None))
NDP_ANSWER = THERE_NDP.reply(probe_of(IP6, OURS, IPv6Address("fe80::1")))
ARP.ask([IP])
NDP.ask([IP6])


def _arp_answer(target: IPv4Address) -> bytes:
    return arp.encode(arp.ArpFrame(OURS, PEER, arp.Operation.REPLY, PEER, target, OURS, IPv4Address(0)))


def _ndp_answer(target: IPv6Address) -> bytes:
    return ndp.encode(
        ndp.NeighborAdvertisement(OURS, PEER, target, IPv6Address("fe80::1"), target, is_solicited=True, target_link_layer=PEER)
    )


def _spoilt(frames: list[bytes]):
    def spoil(frame: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
        octets = bytearray(frame)
        for at, value in changes:
            octets[at % len(octets)] = value
        return bytes(octets[: len(octets) - cut])

    return st.builds(
        spoil, st.sampled_from(frames), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=3), st.integers(0, 40)
    )


@settings(max_examples=100)
@given(st.sets(v4, max_size=300), v4)
def test_the_arp_filter_admits_every_target_and_knows_what_it_admits(targets, other):
    plan = plan_arp(targets)
    assert len(plan.borders) <= 2 * MAX_RANGES
    assert all(run(plan.program, arp_request(target))[0] for target in targets)
    assert all(run(plan.program, _arp_answer(target))[0] for target in targets)
    assert (run(plan.program, arp_request(other))[0] > 0) is plan.admits(other)


@settings(max_examples=100)
@given(st.sets(v6 | near_v6, max_size=200), v6 | near_v6)
def test_the_ndp_filter_admits_every_target_and_knows_what_it_admits(targets, other):
    plan = plan_ndp(targets)
    assert all(run(plan.program, solicitation(target))[0] for target in targets)
    assert all(run(plan.program, _ndp_answer(target))[0] for target in targets)
    assert (run(plan.program, solicitation(other))[0] > 0) is plan.admits(other)


@settings(max_examples=300)
@given(st.binary(max_size=120) | _spoilt([arp_request(IP), arp_request(IP, to=OURS), ARP_ANSWER]))
def test_any_arp_bytes_get_an_answer_and_the_fast_way_equals_the_slow_way(frame: bytes):
    ARP.reply(arp_request(IP))  # prepares the reply, so that the fast way can be taken
    answer = ARP.reply(frame)
    assert isinstance(answer, bytes | Reason | Conflict | ProbeAnswer)
    assert answer == ARP._slow_reply(frame)


@settings(max_examples=500)
@given(st.binary(max_size=120) | _spoilt([solicitation(IP6), solicitation(IP6, has_option=False), probe(IP6), NDP_ANSWER]))
def test_any_nd_bytes_get_an_answer_and_the_fast_way_equals_the_slow_way(frame: bytes):
    NDP.reply(probe(IP6))  # prepares the reply, so that the fast way can be taken
    answer = NDP.reply(frame)
    assert isinstance(answer, bytes | Reason | Conflict | ProbeAnswer)
    assert answer == NDP._slow_reply(frame)


@settings(max_examples=200)
@given(v6 | near_v6)
def test_the_fast_way_answers_from_any_source(source):
    frame = solicitation(IP6, source=source, has_option=not source.is_unspecified)
    assert NDP.reply(frame) == NDP._slow_reply(frame)


@settings(max_examples=100)
@given(st.lists(near_v6, max_size=60), st.data())
def test_a_group_is_joined_exactly_while_it_has_a_user(addresses, data):
    groups, users, joined = SolicitedNodeGroups(), [], set()
    for address in addresses:
        if users and data.draw(st.booleans()):
            change = groups.remove(users.pop())
        else:
            users.append(address)
            change = groups.add(address)
        if change is not None:
            (joined.add if type(change).__name__ == "Join" else joined.remove)((change.group, change.slot))
        assert {group for group, _ in joined} == {solicited_node_group(user) for user in users}
