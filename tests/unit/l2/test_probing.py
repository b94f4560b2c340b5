"""Whether a member that announced an IP of ours answers for it: every cell of the table, and what is asked when."""

from itertools import pairwise

import pytest

from baremetal_lb.l2.announcements import OFFSETS
from baremetal_lb.l2.probing import (
    ANSWER_WAIT,
    BATCH_INTERVAL,
    LATE,
    PER_BATCH,
    PERIOD,
    PROBE_INTERVAL,
    PROBES,
    QUESTIONS,
    TRANSITIONS,
    YIELD_TAIL,
    Announced,
    Answered,
    Contact,
    Done,
    Effect,
    Event,
    Forgotten,
    Phase,
    Probe,
    Probing,
    TakenBack,
    Unconfirmed,
    Unsent,
    Yielded,
)
from baremetal_lb.l2.reasons import YieldReason
from baremetal_lb.model.time import MILLISECOND, SECOND
from speaker.plan import CLAIM_AGE, Standing, yields

T0 = 1_000 * SECOND
QUESTION = PROBE_INTERVAL * (PROBES - 1) + ANSWER_WAIT
CELLS = """
    CLEAR         ANNOUNCED   ASKING         # probe first: one frame silences nobody
    CLEAR         ANSWERED    CLEAR
    CLEAR         UNANSWERED  CLEAR
    CLEAR         GIVEN_UP    CLEAR
    CLEAR         UNSENT      CLEAR
    CLEAR         DUE         CLEAR
    CLEAR         IN_TOUCH    CLEAR
    CLEAR         CUT_OFF     CLEAR
    CLEAR         FORGOTTEN   CLEAR
    ASKING        ANNOUNCED   ASKING         # an announcement is no answer
    ASKING        ANSWERED    YIELDED
    ASKING        UNANSWERED  WATCHING
    ASKING        GIVEN_UP    CLEAR
    ASKING        UNSENT      WATCHING
    ASKING        DUE         ASKING
    ASKING        IN_TOUCH    CLEAR          # the roster says it all
    ASKING        CUT_OFF     ASKING
    ASKING        FORGOTTEN   CLEAR
    WATCHING      ANNOUNCED   WATCHING       # at its pace, however often it is announced
    WATCHING      ANSWERED    YIELDED        # late, but there it is
    WATCHING      UNANSWERED  WATCHING
    WATCHING      GIVEN_UP    CLEAR
    WATCHING      UNSENT      WATCHING
    WATCHING      DUE         ASKING
    WATCHING      IN_TOUCH    CLEAR
    WATCHING      CUT_OFF     WATCHING
    WATCHING      FORGOTTEN   CLEAR
    YIELDED       ANNOUNCED   YIELDED
    YIELDED       ANSWERED    YIELDED
    YIELDED       UNANSWERED  YIELDED
    YIELDED       GIVEN_UP    YIELDED
    YIELDED       UNSENT      YIELDED
    YIELDED       DUE         ASKING_AGAIN
    YIELDED       IN_TOUCH    ENDING
    YIELDED       CUT_OFF     YIELDED
    YIELDED       FORGOTTEN   CLEAR
    ASKING_AGAIN  ANNOUNCED   ASKING_AGAIN
    ASKING_AGAIN  ANSWERED    YIELDED
    ASKING_AGAIN  UNANSWERED  WATCHING       # taken back
    ASKING_AGAIN  GIVEN_UP    WATCHING
    ASKING_AGAIN  UNSENT      YIELDED        # without a link nobody can answer
    ASKING_AGAIN  DUE         ASKING_AGAIN
    ASKING_AGAIN  IN_TOUCH    ENDING
    ASKING_AGAIN  CUT_OFF     ASKING_AGAIN
    ASKING_AGAIN  FORGOTTEN   CLEAR
    ENDING        ANNOUNCED   ENDING
    ENDING        ANSWERED    ENDING
    ENDING        UNANSWERED  ENDING
    ENDING        GIVEN_UP    ENDING
    ENDING        UNSENT      ENDING
    ENDING        DUE         CLEAR
    ENDING        IN_TOUCH    ENDING
    ENDING        CUT_OFF     YIELDED        # asks again, or it would be silent for the whole outage
    ENDING        FORGOTTEN   CLEAR
"""
ROWS = [line.split("#")[0].split() for line in CELLS.strip().splitlines()]


@pytest.mark.parametrize(("before", "event", "after"), ROWS, ids=lambda value: value)
def test_every_cell(before: str, event: str, after: str):
    assert TRANSITIONS[Phase[before], Event[event]] is Phase[after]


def test_there_are_no_other_cells():
    assert len(TRANSITIONS) == len(ROWS) == len(Phase) * len(Event)


class Play:
    """The machine called at its deadlines; ``answers``: members that answer each probe at once."""

    def __init__(self) -> None:
        self.machine: Probing[str] = Probing()
        self.now = T0
        self.seen: list[tuple[int, Effect[str]]] = []
        self.answers: dict[str, str] = {}

    def give(self, event: object) -> None:
        self._take(self.machine.handle(event, now=self.now))

    def _take(self, effects: tuple[Effect[str], ...]) -> None:
        for effect in effects:
            self.seen.append((self.now - T0, effect))
            if isinstance(effect, Probe) and (by := self.answers.get(effect.subject)):
                self.give(Answered(effect.subject, by))

    def run(self, nanoseconds: int) -> None:
        end = self.now + nanoseconds
        while (deadline := self.machine.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self._take(self.machine.tick(now=self.now))
        self.now = end

    def probes(self) -> list[int]:
        return [at for at, effect in self.seen if isinstance(effect, Probe)]

    def told(self) -> list[tuple[int, Effect[str]]]:
        return [(at, effect) for at, effect in self.seen if not isinstance(effect, Probe)]


@pytest.fixture
def play() -> Play:
    return Play()


def test_an_announcement_that_nobody_stands_by_silences_nobody_and_is_said_once(play: Play):
    play.give(Announced("ip", "z"))
    play.run(QUESTION)
    assert play.probes() == [0, 250 * MILLISECOND, 500 * MILLISECOND]
    assert play.told() == [(SECOND, Unconfirmed("ip", "z"))]
    play.run(60 * SECOND)
    last = (QUESTIONS - 1) * PERIOD + QUESTION
    assert play.told()[1:] == [(last, Done("ip"))]
    assert len(play.probes()) == PROBES * QUESTIONS
    assert (len(play.machine), play.machine.deadline()) == (0, None)


def test_announcements_without_end_neither_silence_nor_quicken_the_questions(play: Play):
    play.give(Announced("ip", "z"))
    for _ in range(600):
        play.run(100 * MILLISECOND)
        play.give(Announced("ip", "z"))
    assert play.told() == [(SECOND, Unconfirmed("ip", "z"))]
    questions = play.probes()[::PROBES]
    assert len(questions) == 60 * SECOND // PERIOD + 1
    assert min(b - a for a, b in pairwise(questions)) == PERIOD


def test_who_is_answered_yields_at_once_and_asks_every_two_seconds_with_one_probe(play: Play):
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(7 * SECOND)
    assert play.told() == [(0, Yielded("ip", "z"))]
    assert play.probes() == [0, 2 * SECOND, 4 * SECOND, 6 * SECOND]
    assert play.machine.is_silent("ip")


def test_one_answer_to_three_probes_is_enough(play: Play):
    play.give(Announced("ip", "z"))
    play.run(QUESTION - 1)
    play.give(Answered("ip", "z"))
    play.run(PERIOD - QUESTION)
    assert play.told() == [(QUESTION - 1, Yielded("ip", "z"))]


def test_an_ip_is_taken_back_a_second_after_a_question_that_nobody_answered(play: Play):
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(SECOND)
    play.answers.clear()
    play.run(2 * SECOND)
    assert play.told()[-1] == (3 * SECOND, TakenBack("ip", YieldReason.NobodyAnswered))
    assert play.probes()[-PROBES:] == [2 * SECOND, 2250 * MILLISECOND, 2500 * MILLISECOND]
    assert not play.machine.is_silent("ip")


def test_who_took_back_asks_on_until_its_claim_has_come_of_age(play: Play):
    """A member in touch keeps its IP whatever it hears; so the one that is cut off has to find out."""
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(SECOND)
    play.answers.clear()
    play.run(60 * SECOND)
    (taken_back,) = (at for at, effect in play.told() if isinstance(effect, TakenBack))
    assert play.probes()[-PROBES] - taken_back > CLAIM_AGE
    play.answers["ip"] = "z"
    assert play.told()[-1][1] == Done("ip")


def test_a_late_answer_counts(play: Play):
    play.give(Announced("ip", "z"))
    play.run(QUESTION + 100 * MILLISECOND)
    play.give(Answered("ip", "z"))
    assert play.told()[-1][1] == Yielded("ip", "z")


def test_silence_that_was_slept_through_does_not_count(play: Play):
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(SECOND)
    play.answers.clear()
    play.run(PERIOD - SECOND + QUESTION - 1)  # the question is out, and the process stands still
    play.now += 10 * SECOND
    play._take(play.machine.tick(now=play.now))
    assert play.machine.is_silent("ip")
    play.give(Answered("ip", "z"))  # what lay in the socket
    play.run(LATE)
    assert play.machine.is_silent("ip")
    assert [effect for _, effect in play.told()] == [Yielded("ip", "z")]


def test_a_question_that_cannot_be_sent_ends_no_yield(play: Play):
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(SECOND)
    play.answers.clear()
    for _ in range(100):
        play.run(100 * MILLISECOND)
        if isinstance(play.seen[-1][1], Probe) and play.seen[-1][0] + T0 > play.now - 100 * MILLISECOND:
            play.give(Unsent("ip"))
    assert [effect for _, effect in play.told()] == [Yielded("ip", "z")]


def test_in_touch_again_it_asks_no_more_and_takes_back_after_the_tail(play: Play):
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(5 * SECOND)
    asked = len(play.probes())
    play.give(Contact(is_cut_off=False))
    play.run(YIELD_TAIL - 1)
    assert play.machine.is_silent("ip")
    play.run(1)
    assert play.told()[-2:] == [(7 * SECOND, TakenBack("ip", YieldReason.InTouchAgain)), (7 * SECOND, Done("ip"))]
    assert len(play.probes()) == asked


def test_cut_off_anew_before_the_tail_is_over_it_asks_again(play: Play):
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(5 * SECOND)
    play.give(Contact(is_cut_off=False))
    play.run(SECOND)
    play.answers.clear()
    play.give(Contact(is_cut_off=True))
    play.run(QUESTION)
    assert play.told()[-1] == (7 * SECOND, TakenBack("ip", YieldReason.NobodyAnswered))


def test_of_two_that_yielded_to_each_other_one_answers_in_the_end_and_one_is_silent():
    """Both are cut off, both claims are old, and each heard the other one announce: at first each finds the other one answering."""
    machines: dict[str, Probing[str]] = {"a": Probing(), "b": Probing()}
    since = dict.fromkeys(machines, T0 - CLAIM_AGE - 1)
    now = T0
    inbox: list[tuple[str, object]] = [("a", Announced("ip", "b")), ("b", Announced("ip", "a"))]
    silent_for_all = 0

    def is_new_to(node: str, other: str) -> bool:
        return yields(node, other, Standing(None, (), since=since[node]), now=now)

    while now < T0 + 60 * SECOND:
        mail, inbox = inbox, []
        for node, event in mail:
            machine = machines[node]
            if machine.is_silent("ip") or is_new_to(node, event.by):
                for effect in machine.handle(event, now=now):
                    assert isinstance(effect, Yielded)
        for node, machine in machines.items():
            other = "b" if node == "a" else "a"
            for effect in machine.tick(now=now):
                if isinstance(effect, Probe) and not machines[other].is_silent("ip"):
                    inbox.append((node, Answered("ip", other)))
                elif isinstance(effect, TakenBack):
                    since[node] = now
            if not machine.is_silent("ip") and now - since[node] in OFFSETS:
                inbox.append((other, Announced("ip", node)))
        silent_for_all += MILLISECOND if all(machine.is_silent("ip") for machine in machines.values()) else 0
        now += MILLISECOND
    assert [machine.is_silent("ip") for machine in machines.values()] == [False, True]
    assert silent_for_all <= PERIOD + QUESTION + 10 * MILLISECOND


def test_what_is_ours_no_more_is_asked_for_no_more(play: Play):
    play.answers["ip"] = "z"
    play.give(Announced("ip", "z"))
    play.run(SECOND)
    play.give(Forgotten("ip"))
    play.run(10 * SECOND)
    assert [effect for _, effect in play.told()[1:]] == [TakenBack("ip", YieldReason.NoLongerNamed), Done("ip")]
    assert len(play.probes()) == 1


@pytest.mark.parametrize("are_answered", [True, False], ids=["answered", "unanswered"])
def test_ten_thousand_ips_are_paced_and_a_second_of_silence_never_becomes_shorter(play: Play, *, are_answered: bool):
    subjects = [str(number) for number in range(10_000)]
    play.answers = dict.fromkeys(subjects, "z") if are_answered else {}
    for subject in subjects:
        play.give(Announced(subject, "z"))
    play.run(12 * SECOND)
    per_instant: dict[int, int] = {}
    asked: dict[str, list[int]] = {subject: [] for subject in subjects}
    for at, effect in play.seen:
        if isinstance(effect, Probe):
            per_instant[at] = per_instant.get(at, 0) + 1
            asked[effect.subject].append(at)
    instants = sorted(per_instant)
    assert max(per_instant.values()) <= PER_BATCH
    assert min(b - a for a, b in pairwise(instants)) >= BATCH_INTERVAL
    if are_answered:
        periods = [b - a for times in asked.values() for a, b in pairwise(times)]
        assert PERIOD <= min(periods) <= max(periods) < PERIOD + SECOND // 2
    else:
        ended = {effect.subject: at for at, effect in play.seen if isinstance(effect, Unconfirmed)}
        waits = [ended[subject] - asked[subject][0] for subject in subjects]
        assert QUESTION <= min(waits) <= max(waits) < 5 * SECOND
