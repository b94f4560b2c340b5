"""One session: when it sends, when it gives up, how it changes its pace. Times are ns from 0."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from baremetal_lb.bfd.session import Changed, Session, Transmit
from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.model.time import MILLISECOND, SECOND
from baremetal_lb.packet.bfd import ControlPacket, Diagnostic, State

MS = MILLISECOND
SPEC = BfdSpec("tor", IPv4Address("198.51.100.1"), IPv4Address("198.51.100.11"), desired_min_tx=50 * MS, required_min_rx=50 * MS)
PEER = ControlPacket(State.DOWN, 7, 0, 3, 50_000, 50_000)


def new(spec: BfdSpec = SPEC, chance: float = 1.0) -> Session:
    """A session without jitter, unless asked for."""
    return Session(spec, discriminator=42, chance=lambda: chance, now=0)


def up(spec: BfdSpec = SPEC, *, is_polled: bool = True, peer: ControlPacket = PEER) -> Session:
    """A session that came up at 0, with a peer that has answered its poll."""
    session = new(spec)
    session.handle(peer, now=0)
    session.handle(replace(peer, state=State.UP, your_discriminator=42, is_final=is_polled), now=0)
    if is_polled:
        session.handle(replace(peer, state=State.UP, your_discriminator=42, is_final=True), now=0)
    assert session.state is State.UP
    return session


def sent(effects) -> list[ControlPacket]:
    return [effect.packet for effect in effects if isinstance(effect, Transmit)]


def heard(session: Session, now: int, **differences):
    return session.handle(replace(PEER, state=State.UP, your_discriminator=42, **differences), now=now)


def sends_until(session: Session, end: int) -> list[int]:
    """Let it run alone; return when it sent."""
    times = []
    while (at := session.deadline()) is not None and at <= end:
        times += [at for _ in sent(session.tick(now=at))]
    return times


def test_three_packets_bring_it_up_and_each_change_is_told_at_once():
    session = new()
    assert sent(session.tick(now=0)) == [ControlPacket(State.DOWN, 42, 0, 3, 1_000_000, 50_000, is_control_plane_independent=True)]
    (to_init,) = sent(session.handle(PEER, now=10))
    assert (to_init.state, to_init.your_discriminator, to_init.is_poll) == (State.INIT, 7, False)
    effects = heard(session, 20)
    assert isinstance(effects[0], Changed)
    assert (effects[0].before, effects[0].status.state, effects[0].status.since) == (State.INIT, State.UP, 20)
    (to_up,) = sent(effects)
    assert (to_up.state, to_up.desired_min_tx, to_up.is_poll) == (State.UP, 50_000, True)


def test_one_that_is_not_up_sends_once_a_second_and_never_faster():
    assert sends_until(new(), 3 * SECOND) == [0, SECOND, 2 * SECOND, 3 * SECOND]
    assert sends_until(new(replace(SPEC, desired_min_tx=4 * SECOND)), 8 * SECOND) == [0, 4 * SECOND, 8 * SECOND]


@pytest.mark.parametrize(("mult", "chance", "after_ms"), [(3, 0.0, 37.5), (3, 1.0, 50), (1, 0.0, 37.5), (1, 1.0, 45)])
def test_jitter_takes_up_to_a_quarter_and_at_least_a_tenth_where_one_packet_decides(mult: int, chance: float, after_ms: float):
    session = new(replace(SPEC, detect_mult=mult), chance)
    session.handle(PEER, now=0)
    heard(session, 0)
    assert session.deadline() == round(after_ms * MS)


def test_nothing_heard_for_the_detection_time_is_the_end_and_the_peer_is_forgotten():
    session = up()
    assert session.status.detection_time == 150 * MS
    heard(session, 1000 * MS)
    session.tick(now=1000 * MS + 150 * MS - 1)
    assert session.state is State.UP
    effects = session.tick(now=1150 * MS)
    status = session.status
    assert (status.state, status.diagnostic, status.fell_at) == (State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED, 1150 * MS)
    (told,) = sent(effects)[:1]
    assert (told.state, told.your_discriminator, told.desired_min_tx, told.diagnostic) == (State.DOWN, 0, 1_000_000, 1)


@pytest.mark.parametrize(
    ("theirs_us", "mult", "detection_ms"),
    [(50_000, 3, 150), (300_000, 3, 900), (10_000, 5, 250)],
    ids=["as ours", "slower sender", "faster than we want"],
)
def test_the_detection_time_is_the_peer_s_multiplier_times_the_slower_of_both(theirs_us: int, mult: int, detection_ms: int):
    session = up(peer=replace(PEER, desired_min_tx=theirs_us, detect_mult=mult))
    assert session.status.detection_time == detection_ms * MS


def test_it_sends_no_faster_than_the_peer_wants_and_hurries_when_it_wants_more():
    session = up()
    sends_until(session, 100 * MS)
    heard(session, 100 * MS, required_min_rx=500_000)
    assert session.status.transmit_interval == 500 * MS
    session.tick(now=150 * MS)
    assert session.deadline() == 250 * MS  # the Detection Time: the next packet is due later
    heard(session, 240 * MS, required_min_rx=50_000)
    assert session.deadline() == 240 * MS


def test_a_peer_that_wants_no_packets_gets_none_but_its_polls_answered():
    session = up()
    heard(session, MS, required_min_rx=0)
    assert sends_until(session, 100 * MS) == []
    (final,) = sent(heard(session, 100 * MS, required_min_rx=0, is_poll=True))
    assert (final.is_final, final.is_poll) == (True, False)


def test_a_peer_in_demand_mode_is_left_in_peace_while_both_are_up():
    session = up()
    heard(session, MS, is_demand=True)
    assert sends_until(session, 100 * MS) == []
    session.configure(replace(SPEC, required_min_rx=300 * MS), now=100 * MS)
    assert [packet.is_poll for packet in sent(session.tick(now=100 * MS))] == [True]


def test_a_poll_is_answered_at_once_and_does_not_disturb_our_own():
    session = up(is_polled=False)
    (final,) = sent(heard(session, MS, is_poll=True))
    assert (final.is_final, final.is_poll, final.state) == (True, False, State.UP)
    assert all(packet.is_poll for packet in sent(session.tick(now=60 * MS)))


def test_slower_sending_and_faster_detection_wait_for_the_peer_s_final():
    session = up()
    session.configure(replace(SPEC, desired_min_tx=300 * MS, required_min_rx=20 * MS), now=0)
    assert (session.status.transmit_interval, session.status.detection_time) == (50 * MS, 150 * MS)
    (told,) = sent(session.tick(now=50 * MS))
    assert (told.is_poll, told.desired_min_tx, told.required_min_rx) == (True, 300_000, 20_000)
    heard(session, 60 * MS, is_final=True, desired_min_tx=10_000)
    assert (session.status.transmit_interval, session.status.detection_time) == (300 * MS, 60 * MS)


def test_faster_sending_and_slower_detection_are_used_at_once():
    session = up(replace(SPEC, desired_min_tx=300 * MS))
    session.configure(replace(SPEC, desired_min_tx=50 * MS, required_min_rx=200 * MS), now=0)
    assert (session.status.transmit_interval, session.status.detection_time) == (50 * MS, 600 * MS)
    assert session.deadline() == 50 * MS


def test_a_change_during_a_poll_is_polled_for_once_more():
    session = up()
    session.configure(replace(SPEC, desired_min_tx=300 * MS), now=0)
    session.configure(replace(SPEC, desired_min_tx=400 * MS), now=0)
    heard(session, MS, is_final=True)
    assert session.status.transmit_interval == 50 * MS
    assert sent(session.tick(now=50 * MS))[0].is_poll
    heard(session, 60 * MS, is_final=True)
    assert session.status.transmit_interval == 400 * MS


def test_a_passive_one_waits_to_be_spoken_to_and_falls_silent_with_its_peer():
    session = new(replace(SPEC, is_passive=True))
    assert session.deadline() is None
    assert sent(session.handle(PEER, now=0))[0].state is State.INIT
    heard(session, 0)
    session.tick(now=150 * MS)
    assert session.state is State.DOWN
    assert session.deadline() is None


def test_a_peer_that_says_down_is_a_fall_and_one_that_says_admin_down_is_none():
    fallen, dismissed = up(), up()
    fallen.handle(replace(PEER, your_discriminator=42), now=5)
    assert (fallen.status.state, fallen.status.fell_at, fallen.status.diagnostic) == (State.DOWN, 5, Diagnostic.NEIGHBOR_SIGNALED_DOWN)
    dismissed.handle(replace(PEER, state=State.ADMIN_DOWN, your_discriminator=42), now=5)
    assert (dismissed.status.state, dismissed.status.fell_at, dismissed.status.remote_state) == (State.DOWN, None, State.ADMIN_DOWN)
    fallen.handle(replace(PEER, state=State.ADMIN_DOWN, your_discriminator=42), now=6)
    assert fallen.status.fell_at is None


@pytest.mark.parametrize("diagnostic", [Diagnostic.NEIGHBOR_SIGNALED_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN])
def test_a_peer_that_ends_its_session_for_a_reason_that_is_none_of_the_path_is_no_fall(diagnostic: Diagnostic):
    session = up()
    session.handle(replace(PEER, your_discriminator=42, diagnostic=diagnostic), now=5)
    assert (session.state, session.status.fell_at) == (State.DOWN, None)
    session.handle(replace(PEER, your_discriminator=42, diagnostic=diagnostic), now=6)
    session.tick(now=10 * SECOND)
    assert (session.state, session.status.fell_at) == (State.DOWN, None)


def test_a_fall_is_remembered_until_it_is_up_again():
    session = up()
    session.tick(now=150 * MS)
    session.handle(PEER, now=160 * MS)
    assert (session.status.state, session.status.fell_at) == (State.INIT, 150 * MS)
    heard(session, 170 * MS)
    assert (session.status.state, session.status.fell_at) == (State.UP, None)


def test_one_that_is_told_to_stop_says_so_goes_on_saying_it_and_hears_no_more():
    session = up()
    (told,) = sent(session.stop(now=5))
    assert (told.state, told.diagnostic) == (State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
    assert heard(session, 6, is_poll=True) == ()
    assert session.status.fell_at is None
    session.tick(now=150 * MS)
    assert [packet.state for packet in sent(session.tick(now=SECOND + 5))] == [State.ADMIN_DOWN]


def test_another_path_is_another_session():
    with pytest.raises(ValueError, match="another path"):
        new().configure(replace(SPEC, local=IPv4Address("198.51.100.12")), now=0)
