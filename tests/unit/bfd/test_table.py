"""Which packet is whose, and which is nobody's."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count

import pytest

from baremetal_lb.bfd.reasons import BfdDrop
from baremetal_lb.bfd.session import Transmit
from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bfd.table import FAREWELL, MOST_SESSIONS, Datagram, Table
from baremetal_lb.packet.bfd import ControlPacket, State, encode
from baremetal_lb.packet.malformed import MalformedReason

TOR = BfdSpec("tor", IPv4Address("198.51.100.1"), IPv4Address("198.51.100.11"))
FAR = replace(TOR, peer="far", is_multihop=True, minimum_ttl=250)
LEFT = BfdSpec("left", IPv6Address("fe80::1"), IPv6Address("fe80::11"), interface="eth0")
RIGHT = replace(LEFT, peer="right", interface="eth1")
DOWN = ControlPacket(State.DOWN, 7, 0, 3, 1_000_000, 300_000)


def table(*specs: BfdSpec) -> Table:
    """A table whose sessions have the discriminators 1, 2, ... in the order of their peers' names."""
    numbers = count(1)
    made = Table(chance=lambda: 1.0, draw=lambda: next(numbers))
    made.want(specs, now=0)
    return made


def datagram(packet: ControlPacket = DOWN, **more) -> Datagram:
    values = {"payload": encode(packet), "source": TOR.remote, "interface": "eth0", "ttl": 255, "is_multihop": False}
    return Datagram(**(values | more))


def state(of: Table, peer: str) -> State:
    return next(status.state for status in of.statuses if status.peer == peer)


def test_a_first_packet_is_for_the_session_with_its_sender_on_its_interface_and_port():
    sessions = table(TOR, FAR, LEFT, RIGHT)
    sessions.receive(datagram(), now=0)
    sessions.receive(datagram(source=ip_address("fe80::1"), interface="eth1"), now=0)
    assert {status.peer for status in sessions.statuses if status.state is State.INIT} == {"tor", "right"}
    sessions.receive(datagram(is_multihop=True, ttl=250), now=0)
    assert state(sessions, "far") is State.INIT
    assert not sessions.drops


@pytest.mark.parametrize(
    ("arrived", "reason"),
    [
        (datagram(ttl=254), BfdDrop.WrongTTL),
        (datagram(is_multihop=True, ttl=249), BfdDrop.WrongTTL),
        (datagram(source=ip_address("198.51.100.2")), BfdDrop.NoSession),
        (datagram(source=ip_address("fe80::1"), interface="eth2"), BfdDrop.NoSession),
        (datagram(replace(DOWN, state=State.UP)), BfdDrop.NotDown),
        (datagram(replace(DOWN, your_discriminator=99)), BfdDrop.UnknownDiscriminator),
        (datagram(replace(DOWN, your_discriminator=2), source=ip_address("198.51.100.2")), BfdDrop.WrongSource),
        (datagram(replace(DOWN, your_discriminator=2), is_multihop=True), BfdDrop.WrongSource),
        (datagram(payload=b"\x20\x44\x03\x1a" + encode(DOWN)[4:] + b"\x01\x02"), BfdDrop.UnexpectedAuthentication),
        (datagram(payload=b"?"), MalformedReason.TooShort),
    ],
)
def test_what_is_nobody_s_is_counted_and_changes_nothing(arrived: Datagram, reason):
    sessions = table(TOR, FAR, LEFT)
    before = sessions.statuses
    assert sessions.receive(arrived, now=5) == []
    assert sessions.drops == {reason: 1}
    assert sessions.statuses == before


def test_a_session_that_is_wanted_no_more_says_so_for_a_while_and_is_gone():
    sessions = table(TOR)
    effects = sessions.want((), now=0)
    assert [effect.packet.state for _, effect in effects if isinstance(effect, Transmit)] == [State.ADMIN_DOWN]
    assert sessions.statuses == ()
    said = []
    while (at := sessions.deadline()) is not None:
        said += [effect.packet.state for _, effect in sessions.tick(now=at) if isinstance(effect, Transmit)]
    assert said == [State.ADMIN_DOWN]
    assert at is None
    assert sessions.sessions == ()


def test_one_that_is_wanted_again_meanwhile_starts_anew_with_another_number():
    sessions = table(TOR)
    sessions.want((), now=0)
    sessions.want((replace(TOR, peer="another"),), now=FAREWELL // 2)
    assert [session.discriminator for session in sessions.sessions] == [2]
    sessions.receive(datagram(), now=FAREWELL // 2)
    assert state(sessions, "another") is State.INIT


def test_other_intervals_keep_a_session_and_another_address_of_ours_does_not():
    sessions = table(TOR)
    sessions.receive(datagram(), now=0)
    sessions.want((replace(TOR, detect_mult=5),), now=1)
    assert state(sessions, "tor") is State.INIT
    sessions.want((replace(TOR, local=IPv4Address("198.51.100.12")),), now=2)
    assert state(sessions, "tor") is State.DOWN


def test_a_number_that_is_taken_is_drawn_again():
    numbers = iter([5, 5, 5, 6])
    sessions = Table(chance=lambda: 1.0, draw=lambda: next(numbers))
    sessions.want((TOR, FAR), now=0)
    assert sorted(session.discriminator for session in sessions.sessions) == [5, 6]


def test_there_are_never_more_sessions_than_the_bound():
    specs = [replace(TOR, peer=f"p{number:04}", remote=ip_address(0xC6336400 + number)) for number in range(MOST_SESSIONS + 5)]
    assert len(table(*specs).sessions) == MOST_SESSIONS
