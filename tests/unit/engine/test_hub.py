"""The hub's machine: whose answers are whose, when a speaker or ExaBGP counts as lost, and how everything is withdrawn."""

import pytest

from baremetal_lb.engine.hub import (
    CLEAR,
    COUNT,
    LEAVING_TIME,
    LEAVING_TIME_PER_ROUTE,
    LONGEST_ANSWER_TIME,
    MOST_UNANSWERED,
    PING,
    DropSpeaker,
    Hub,
    HubReason,
    KillExabgp,
    StopExabgp,
    ToExabgp,
    ToSpeaker,
    Withdrew,
)
from baremetal_lb.model.time import SECOND

LOSS, STALL = 120 * SECOND, 20 * SECOND
EVENT = '{ "exabgp": "5.0.1", "type": "state" }'


def running(*, with_speaker: bool = True) -> Hub:
    hub = Hub(loss_limit=LOSS, stall_limit=STALL, now=0)
    hub.exabgp_started(7, now=0)
    hub.helper_connected(now=0)
    if with_speaker:
        hub.speaker_connected()
        hub.from_speaker("beat", now=0)
    return hub


def hello(effects: list[object]) -> list[str]:
    return [effect.line for effect in effects if isinstance(effect, ToSpeaker) and '"hello"' in effect.line]


def test_a_speaker_is_told_which_exabgp_there_is_when_it_connects_and_whenever_that_changes() -> None:
    hub = Hub(loss_limit=LOSS, stall_limit=STALL, now=0)
    assert hello(hub.speaker_connected()) == ['{"hub": "hello", "epoch": 0, "pid": null, "is_running": false}']
    hub.exabgp_started(7, now=1)
    assert hello(hub.helper_connected(now=2)) == ['{"hub": "hello", "epoch": 1, "pid": 7, "is_running": true}']
    assert hello(hub.exabgp_ended(now=3)) == ['{"hub": "hello", "epoch": 1, "pid": null, "is_running": false}']
    hub.exabgp_started(8, now=4)
    assert hello(hub.helper_connected(now=5)) == ['{"hub": "hello", "epoch": 2, "pid": 8, "is_running": true}']


def test_answers_and_output_go_to_the_speaker_that_asked() -> None:
    hub = running()
    assert hub.from_speaker("do announce route 203.0.113.1/32 next-hop self", now=1) == [
        ToExabgp("announce route 203.0.113.1/32 next-hop self")
    ]
    assert hub.from_exabgp("some output", now=1) == [ToSpeaker("some output")]
    assert hub.from_exabgp("done", now=1) == [ToSpeaker("done")]


def test_answers_to_a_speaker_that_is_gone_reach_nobody_but_events_reach_whoever_is_there() -> None:
    hub = running()
    hub.from_speaker("do show adj-rib out", now=1)
    hub.speaker_lost()
    hub.speaker_connected()
    hub.from_speaker("do version", now=2)
    assert hub.from_exabgp("neighbor 198.51.100.1 ...", now=3) == []
    assert hub.from_exabgp(EVENT, now=3) == [ToSpeaker(EVENT)]
    assert hub.from_exabgp("done", now=3) == []
    assert hub.from_exabgp("exabgp 5.0.15", now=3) == [ToSpeaker("exabgp 5.0.15")]
    assert hub.from_exabgp("done", now=3) == [ToSpeaker("done")]


def test_what_a_dead_helper_owed_is_not_waited_for() -> None:
    hub = running()
    hub.from_speaker("do reload", now=1)
    hub.helper_lost(now=2)
    hub.helper_connected(now=3)
    hub.from_speaker("do version", now=4)
    assert hub.from_exabgp("done", now=5) == [ToSpeaker("done")]
    assert hub.from_exabgp("done", now=5) == []


@pytest.mark.parametrize("line", ["", "do", "do ", "show neighbor", "withdraw route 203.0.113.1/32"])
def test_a_line_that_is_no_request_does_nothing(line: str) -> None:
    assert running().from_speaker(line, now=1) == []


def test_commands_while_exabgp_is_away_go_nowhere() -> None:
    hub = running()
    hub.exabgp_ended(now=1)
    assert hub.from_speaker("do version", now=2) == []


def test_a_speaker_that_floods_is_disconnected() -> None:
    hub = running()
    for _ in range(MOST_UNANSWERED):
        assert hub.from_speaker("do version", now=1) == [ToExabgp("version")]
    assert hub.from_speaker("do version", now=1) == [DropSpeaker(HubReason.SpeakerFloods)]


def test_beats_not_the_connection_keep_the_routes() -> None:
    hub = running()
    hub.from_speaker("beat", now=100 * SECOND)
    hub.from_exabgp("x", now=LOSS + 99 * SECOND)  # not hung
    assert ToExabgp(CLEAR) not in hub.tick(now=LOSS + 99 * SECOND)
    assert hub.tick(now=LOSS + 100 * SECOND) == [ToExabgp(COUNT), ToExabgp(CLEAR)]


def test_a_lost_speakers_routes_are_counted_withdrawn_given_time_to_leave_and_told() -> None:
    hub = running()
    hub.from_exabgp("x", now=LOSS)
    hub.tick(now=LOSS)
    for _ in range(3):
        assert hub.from_exabgp("neighbor 198.51.100.1 ...", now=LOSS) == []
    hub.from_exabgp("done", now=LOSS)
    assert hub.from_speaker("do announce route 203.0.113.9/32 next-hop self", now=LOSS) == []
    hub.from_exabgp("done", now=LOSS)
    end = LOSS + LEAVING_TIME + 3 * LEAVING_TIME_PER_ROUTE
    assert hub.deadline() == end
    assert hub.tick(now=end - 1) == []
    assert hub.tick(now=end) == [
        Withdrew(HubReason.SpeakerLost, 3),
        ToSpeaker('{"hub": "withdrawn", "reason": "SpeakerLost"}'),
        DropSpeaker(HubReason.SpeakerResync),
    ]
    hub.speaker_lost()
    assert not any(isinstance(effect, ToExabgp) and effect.line == CLEAR for effect in hub.tick(now=end + 2 * LOSS))
    hub.speaker_connected()
    hub.from_exabgp("done", now=end + 2 * LOSS)
    hub.from_speaker("beat", now=end + 2 * LOSS)
    hub.from_exabgp("x", now=end + 3 * LOSS)
    assert ToExabgp(CLEAR) in hub.tick(now=end + 3 * LOSS)


def test_an_exabgp_that_does_not_answer_a_withdrawal_is_not_waited_for_at_the_end() -> None:
    hub = running(with_speaker=False)
    assert hub.stop(now=1) == [ToExabgp(COUNT), ToExabgp(CLEAR)]
    assert hub.stop(now=2) == []
    assert hub.tick(now=LONGEST_ANSWER_TIME) == []
    assert hub.tick(now=1 + LONGEST_ANSWER_TIME) == [Withdrew(HubReason.Stopping, None), StopExabgp()]


def test_the_end_stops_exabgp_only_when_everything_had_time_to_leave() -> None:
    hub = running(with_speaker=False)
    hub.stop(now=1)
    hub.from_exabgp("done", now=2)
    hub.from_exabgp("done", now=3)
    assert hub.tick(now=2 + LEAVING_TIME) == []
    assert hub.tick(now=3 + LEAVING_TIME) == [Withdrew(HubReason.Stopping, 0), StopExabgp()]


def test_the_end_without_exabgp_is_at_once() -> None:
    hub = running()
    hub.exabgp_ended(now=1)
    assert hub.stop(now=2) == [StopExabgp()]


def test_an_exabgp_that_dies_while_it_withdraws_ends_the_withdrawal() -> None:
    hub = running(with_speaker=False)
    hub.stop(now=1)
    assert hub.exabgp_ended(now=2) == [Withdrew(HubReason.Stopping, None), StopExabgp()]


def test_silence_is_asked_about_and_silence_after_that_is_a_hang() -> None:
    hub = running()
    assert hub.deadline() == STALL // 4
    assert hub.tick(now=STALL // 4) == [ToExabgp(PING)]
    assert hub.from_exabgp("exabgp 5.0.15", now=STALL // 4 + 5) == []
    assert hub.from_exabgp("done", now=STALL // 4 + 5) == []
    asked = STALL // 2 + 5
    assert hub.tick(now=asked) == [ToExabgp(PING)]
    assert hub.tick(now=asked + STALL - 1) == []
    assert hub.tick(now=asked + STALL) == [KillExabgp()]


def test_a_busy_exabgp_is_no_hung_one() -> None:
    hub = running()
    hub.from_speaker("do reload", now=1)
    for second in range(1, 60, 10):
        hub.from_exabgp(EVENT, now=second * SECOND)
        assert KillExabgp() not in hub.tick(now=(second + 9) * SECOND)
