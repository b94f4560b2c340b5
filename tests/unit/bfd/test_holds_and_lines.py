"""What BGP makes of BFD, which sessions a node has, and what speaker and BFD process say to each other."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from baremetal_lb.bfd.holds import Holds, holds, remembered
from baremetal_lb.bfd.spec import BfdSpec, BfdStatus
from baremetal_lb.bfd.wanted import bfd_of, bfd_sessions
from baremetal_lb.bfd.wire import MalformedLine, Report, decode_report, decode_want, encode_report, encode_want
from baremetal_lb.bgp.session import SessionSpec
from baremetal_lb.model.bgp import BFDProfile, BGPPeer
from baremetal_lb.packet.bfd import State

FALLEN = BfdStatus("a", State.DOWN, since=100, fell_at=100, remote_state=State.DOWN)
TOR = BfdSpec("tor", IPv4Address("198.51.100.1"), IPv4Address("198.51.100.11"))
PEER = BGPPeer("tor", 65000, peer_asn=65001, address=TOR.remote, bfd=BFDProfile("fast", detect_mult=5))
SESSION = SessionSpec("tor", TOR.remote, 65000, IPv4Address("198.51.100.11"), peer_asn=65001, local=TOR.local)


def test_a_fall_holds_until_it_is_up_or_the_limit_is_over():
    assert holds([FALLEN], limit=60, now=159) == Holds(frozenset({"a"}), frozenset(), 160)
    assert holds([FALLEN], limit=60, now=160) == Holds(frozenset(), frozenset({"a"}), None)
    assert holds([replace(FALLEN, state=State.INIT)], limit=60, now=159).held == {"a"}
    assert holds([replace(FALLEN, state=State.UP, fell_at=None)], limit=60, now=101) == Holds()


def test_one_that_never_was_up_or_was_dismissed_holds_nothing():
    assert (
        holds([replace(FALLEN, fell_at=None), replace(FALLEN, fell_at=None, remote_state=State.ADMIN_DOWN)], limit=60, now=101) == Holds()
    )


def test_the_next_hold_to_end_is_the_deadline():
    assert holds([FALLEN, replace(FALLEN, peer="b", fell_at=90)], limit=60, now=101).deadline == 150


def test_of_a_process_that_is_gone_only_falls_are_remembered():
    assert remembered({"a": FALLEN, "c": BfdStatus("c", State.UP)}, {}) == {"a": FALLEN}


def test_a_process_started_anew_does_not_end_a_hold_but_a_peer_that_is_up_or_wants_no_bfd_does():
    anew = BfdStatus("a", State.DOWN, since=120)
    assert remembered({"a": FALLEN}, {"a": anew})["a"].fell_at == 100
    for told in (replace(anew, state=State.UP), replace(anew, remote_state=State.ADMIN_DOWN)):
        assert remembered({"a": FALLEN}, {"a": told}) == {"a": told}
    later = replace(anew, fell_at=130)
    assert remembered({"a": FALLEN}, {"a": later}) == {"a": later}


def test_a_session_goes_beside_that_of_bgp_with_the_profile_s_values():
    spec = bfd_of(PEER, SESSION, is_on_link=False)
    assert spec == replace(TOR, detect_mult=5)
    assert bfd_of(replace(PEER, bfd=None), SESSION, is_on_link=True) is None


@pytest.mark.parametrize(
    ("is_internal", "says_multihop", "is_on_link", "is_multihop"),
    [(False, False, False, False), (False, True, True, True), (True, False, True, False), (True, False, False, True)],
)
def test_external_peers_are_a_hop_away_unless_they_say_more_and_internal_ones_where_a_link_has_them(
    is_internal, says_multihop, is_on_link, is_multihop
):
    peer = replace(PEER, peer_asn=65000 if is_internal else 65001, is_multihop=says_multihop)
    on_link = frozenset({"tor"}) if is_on_link else frozenset[str]()
    assert bfd_sessions({"tor": peer}, {"tor": SESSION}, on_link=on_link)["tor"].is_multihop is is_multihop


def test_lines_say_what_was_put_in():
    link_local = BfdSpec("v6", IPv6Address("fe80::1"), IPv6Address("fe80::2"), interface="eth0", is_passive=True)
    assert decode_want(encode_want([TOR, link_local])) == [TOR, link_local]
    report = Report((FALLEN, BfdStatus("b", State.UP, remote_state=State.UP)), {"WrongTTL": 3}, ("PortTaken",))
    assert decode_report(encode_report(report)) == report
    assert decode_report(b'{"sessions":[],"newer":1}') == Report()


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"[]", b'{"want":[{}]}', encode_want([replace(TOR, desired_min_tx=1)]), encode_want([TOR]).replace(b"198.51.100.1", b"x")),
        *(encode_want([replace(TOR, interface=name)]) for name in ("", "a" * 16, "eth0\0", "../eth0", "eth0\n")),
    ],
)
def test_a_line_that_is_none_is_refused(line: bytes):
    with pytest.raises(MalformedLine):
        decode_want(line)
    with pytest.raises(MalformedLine):
        decode_report(line[:-3])
