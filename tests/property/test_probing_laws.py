"""Laws of probing: for any schedule of announcements, answers, lost probes and late looks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.l2.probing import (
    ANSWER_WAIT,
    PERIOD,
    PROBE_INTERVAL,
    PROBES,
    Announced,
    Answered,
    Contact,
    Done,
    Probe,
    Probing,
    TakenBack,
    Unsent,
    Yielded,
)
from baremetal_lb.model.time import MILLISECOND

STEP = 25 * MILLISECOND
QUESTION = PROBE_INTERVAL * (PROBES - 1) + ANSWER_WAIT
acts = st.one_of(
    st.tuples(st.just("announce"), st.just(0)),
    st.tuples(st.just("answers from now on"), st.integers(0, 80)),  # of the next so many probes, then no more
    st.tuples(st.just("wait"), st.integers(1, 160)),
)


class World:
    """One IP, a member who answers a number of probes, and a shell that looks every 25 ms."""

    def __init__(self) -> None:
        self.machine: Probing[str] = Probing()
        self.now = 0
        self.answers_left = 0
        self.last_answer: int | None = None
        self.silent_since: int | None = None
        self.probes: list[int] = []

    def take(self, effects) -> None:
        for effect in effects:
            match effect:
                case Probe():
                    self.probes.append(self.now)
                    if self.answers_left:
                        self.answers_left -= 1
                        self.last_answer = self.now
                        self.take(self.machine.handle(Answered("ip", "z"), now=self.now))
                case Yielded():
                    assert self.silent_since is None
                    self.silent_since = self.now
                case TakenBack():
                    assert self.silent_since is not None
                    self.silent_since = None
                case Done():
                    assert "ip" not in self.machine

    def wait(self, steps: int, *, is_flooded: bool) -> None:
        for _ in range(steps):
            self.now += STEP
            if is_flooded:
                self.take(self.machine.handle(Announced("ip", "z"), now=self.now))
            self.take(self.machine.tick(now=self.now))
            self.check()

    def check(self) -> None:
        assert self.machine.is_silent("ip") is (self.silent_since is not None)
        if self.silent_since is not None:
            assert self.last_answer is not None
            assert self.now - self.last_answer <= PERIOD + QUESTION + PROBES * STEP


@settings(max_examples=200, deadline=None)
@given(st.lists(acts, max_size=15), st.booleans())
def test_an_ip_is_silent_only_while_a_member_answers_and_three_seconds_at_most_after_its_last_answer(script, is_flooded):
    """However often it is announced in a member's name."""
    world = World()
    for act, number in script:
        if act == "announce":
            world.take(world.machine.handle(Announced("ip", "z"), now=world.now))
        elif act == "wait":
            world.wait(number, is_flooded=is_flooded)
        else:
            world.answers_left = number
        world.check()
    world.answers_left = 0
    world.wait(160, is_flooded=is_flooded)
    assert world.silent_since is None


@settings(max_examples=100, deadline=None)
@given(st.lists(acts, max_size=25))
def test_no_more_than_three_probes_are_sent_in_two_seconds(script):
    world = World()
    for act, number in script:
        if act == "wait":
            world.wait(number, is_flooded=True)
        elif act != "announce":
            world.answers_left = number
    assert all(late - early >= PERIOD for early, late in zip(world.probes, world.probes[PROBES:], strict=False))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=60), st.lists(st.booleans(), min_size=3, max_size=3).filter(any))
def test_while_a_member_answers_one_of_three_probes_the_ip_stays_yielded_however_late_the_looks_are(pauses, arrives):
    machine: Probing[str] = Probing()
    now, sent = 0, 0
    machine.handle(Announced("ip", "z"), now=now)
    machine.tick(now=now)
    machine.handle(Answered("ip", "z"), now=now)
    for pause in pauses:
        deadline = machine.deadline()
        assert deadline is not None
        now = deadline + pause * MILLISECOND
        unread = False
        for effect in machine.tick(now=now):
            assert isinstance(effect, Probe)
            unread = unread or arrives[sent % PROBES]
            sent += 1
        if unread:
            sent = 0
            machine.handle(Answered("ip", "z"), now=now)
        assert machine.is_silent("ip")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["announce", "unsent", "cut off", "in touch", "wait"]), max_size=60))
def test_without_an_answer_nothing_falls_silent_whatever_else_happens(script):
    machine: Probing[str] = Probing()
    now = 0
    for act in script:
        now += 333 * MILLISECOND
        event = {"announce": Announced("ip", "z"), "unsent": Unsent("ip"), "cut off": Contact(True), "in touch": Contact(False)}.get(act)
        effects = machine.tick(now=now) if event is None else machine.handle(event, now=now)
        assert not any(isinstance(effect, Yielded | TakenBack) for effect in effects)
        assert not machine.is_silent("ip")
