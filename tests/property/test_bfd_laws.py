"""Two sessions and a link between them that loses, delays and is cut: what holds whatever happens, and what happens when nothing does."""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.bfd.session import Changed, Session, Transmit
from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.model.time import MILLISECOND, SECOND
from baremetal_lb.packet.bfd import ControlPacket, State

MS = MILLISECOND
A, B = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.2")


@dataclass
class Link:
    """Both ends, what is under way, and a record of all that was seen."""

    ends: list[Session]
    random: Random
    delay: int = MS
    loss: float = 0.0
    is_cut: bool = False
    now: int = 0
    under_way: list[tuple[int, int, ControlPacket]] = field(default_factory=list)
    heard: list[set[State]] = field(default_factory=lambda: [set(), set()])
    changes: list[tuple[int, int, State, State]] = field(default_factory=list)
    periodic: list[list[int]] = field(default_factory=lambda: [[], []])

    def run(self, until: int) -> None:
        while True:
            times = [(when, 2 + index) for index, end in enumerate(self.ends) if (when := end.deadline()) is not None]
            times += [(when, to) for when, to, _ in self.under_way]
            at, which = min(times, default=(until + 1, 0))
            if at > until:
                self.now = until
                return
            self.now = max(self.now, at)
            if which >= 2:
                self.take(which - 2, self.ends[which - 2].tick(now=self.now))
            else:
                self.deliver(which)

    def deliver(self, to: int) -> None:
        entry = min((entry for entry in self.under_way if entry[1] == to), key=lambda entry: entry[0])
        self.under_way.remove(entry)
        before = self.ends[to].state
        self.heard[to].add(entry[2].state)
        self.take(to, self.ends[to].handle(entry[2], now=self.now))
        if self.ends[to].state is State.UP and before is not State.UP:
            assert self.heard[to] & {State.INIT, State.UP}

    def take(self, index: int, effects) -> None:
        for effect in effects:
            if isinstance(effect, Changed) and effect.status.state is not effect.before:
                self.changes.append((self.now, index, effect.before, effect.status.state))
                if effect.status.state is State.DOWN:
                    self.heard[index].clear()
            elif isinstance(effect, Transmit):
                if not effect.packet.is_final:
                    self.periodic[index].append(self.now)
                if not self.is_cut and self.random.random() >= self.loss:
                    self.under_way.append((self.now + self.delay, 1 - index, effect.packet))

    @property
    def states(self) -> tuple[State, State]:
        return self.ends[0].state, self.ends[1].state


INTERVALS = st.sampled_from([10, 50, 300, 1000, 2500]).map(lambda ms: ms * MS)
SPECS = st.tuples(INTERVALS, INTERVALS, st.integers(2, 5), st.booleans())


def link(first, second, seed: int, **more) -> Link:
    random = Random(seed)
    ends = []
    for number, (tx, rx, mult, is_passive) in enumerate((first, second)):
        spec = BfdSpec("peer", B, A, desired_min_tx=tx, required_min_rx=rx, detect_mult=mult, is_passive=is_passive and number == 0)
        ends.append(Session(spec, discriminator=number + 1, chance=random.random, now=0))
    return Link(ends, random, **more)


@settings(deadline=None)
@given(SPECS, SPECS, st.integers(0, 2**32))
def test_on_a_link_that_loses_nothing_both_come_up_stay_up_and_agree_on_the_pace(first, second, seed: int):
    pair = link(first, second, seed)
    pair.run(12 * SECOND)
    assert pair.states == (State.UP, State.UP)
    downs = [change for change in pair.changes if change[2] is State.UP]
    assert downs == []
    for mine, other in ((0, 1), (1, 0)):
        expected = max((first, second)[mine][0], (first, second)[other][1])
        assert pair.ends[mine].status.transmit_interval == expected
        assert pair.ends[other].status.detection_time == (first, second)[mine][2] * expected
        steady = [when for when in pair.periodic[mine] if when > 8 * SECOND]
        gaps = [after - before for before, after in pairwise(steady)]
        assert all(0.75 * expected <= gap + 1 and gap <= expected for gap in gaps)


@settings(deadline=None)
@given(SPECS, SPECS, st.integers(0, 2**32))
def test_a_cut_is_noticed_in_the_detection_time_and_not_before_and_healing_brings_both_up_again(first, second, seed: int):
    pair = link(first, second, seed)
    pair.run(12 * SECOND)
    detection = [end.status.detection_time for end in pair.ends]
    pair.is_cut, cut_at = True, pair.now
    pair.run(cut_at + max(detection) + 2 * MS)
    for index in (0, 1):
        (fell_at,) = [when for when, who, before, _ in pair.changes if who == index and before is State.UP]
        assert pair.ends[index].status.fell_at == fell_at
        # The last packet left at most one interval before the cut.
        assert cut_at + detection[index] * (1 - 1 / (first, second)[1 - index][2]) <= fell_at <= cut_at + detection[index] + pair.delay
    pair.is_cut = False
    pair.run(pair.now + 12 * SECOND)
    assert pair.states == (State.UP, State.UP)
    assert [end.status.fell_at for end in pair.ends] == [None, None]


@settings(deadline=None)
@given(SPECS, SPECS, st.integers(0, 2**32), st.floats(0.05, 0.6))
def test_whatever_is_lost_nobody_is_up_unheard_and_nobody_sends_too_fast(first, second, seed: int, loss: float):
    pair = link(first, second, seed, loss=loss)
    pair.run(20 * SECOND)  # `deliver` asserts that nobody is Up without having heard Init or Up since it was Down
    for index in (0, 1):
        changes = sum(who == index for _, who, _, _ in pair.changes)
        fastest = max((first, second)[index][0], (first, second)[1 - index][1])
        assert len(pair.periodic[index]) <= 20 * SECOND / (0.75 * min(fastest, SECOND)) + changes + 2


@settings(deadline=None)
@given(SPECS, SPECS, st.integers(0, 2**32), st.lists(INTERVALS, min_size=1, max_size=4))
def test_intervals_that_change_while_it_is_up_never_bring_it_down(first, second, seed: int, changes: list[int]):
    pair = link(first, second, seed)
    pair.run(12 * SECOND)
    for number, interval in enumerate(changes):
        end = pair.ends[number % 2]
        pair.take(number % 2, end.configure(replace(end.spec, desired_min_tx=interval, required_min_rx=interval), now=pair.now))
        pair.run(pair.now + 300 * MS)
    pair.run(pair.now + 12 * SECOND)
    assert [change for change in pair.changes if change[2] is State.UP] == []
    assert [end.status.transmit_interval for end in pair.ends] == [
        max(pair.ends[0].spec.desired_min_tx, pair.ends[1].spec.required_min_rx),
        max(pair.ends[1].spec.desired_min_tx, pair.ends[0].spec.required_min_rx),
    ]
