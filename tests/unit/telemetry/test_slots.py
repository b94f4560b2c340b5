"""Who has to go when there are too many connections."""

from hypothesis import given
from hypothesis import strategies as st

from baremetal_lb.telemetry.slots import Slots


def test_the_oldest_that_asks_goes_first() -> None:
    slots: Slots[str] = Slots(limit=2)
    assert [slots.admit(one) for one in "abc"] == [None, None, "a"]
    slots.asked("b")
    assert slots.admit("d") == "c"
    slots.asked("d")
    slots.leave("b")
    assert slots.admit("e") is None
    assert slots.all() == ("d", "e")


def test_when_all_are_answered_the_one_that_has_stalled_for_longest_goes_and_else_the_oldest() -> None:
    slots: Slots[str] = Slots(limit=3)
    for one in "abc":
        slots.admit(one)
        slots.asked(one)
    slots.stalled("c")
    slots.stalled("b")
    gone = []
    for new in "defg":
        gone.append(slots.admit(new))
        slots.asked(new)
    assert gone == ["c", "b", "a", "d"]
    assert slots.all() == ("e", "f", "g")


def test_one_that_leaves_its_answer_lying_stays_while_another_asks() -> None:
    slots: Slots[str] = Slots(limit=2)
    for one in "ab":
        slots.admit(one)
    slots.asked("a")
    slots.stalled("a")
    assert slots.admit("c") == "b"


def test_one_that_has_gone_does_not_stall() -> None:
    slots: Slots[str] = Slots(limit=1, stalled_limit=1)
    slots.admit("a")
    assert slots.admit("b") == "a"
    assert [slots.stalled("a"), slots.stalled("b")] == [None, None]


def test_the_one_that_has_stalled_for_longest_goes() -> None:
    slots: Slots[str] = Slots(limit=9, stalled_limit=1)
    for one in "abc":
        slots.admit(one)
    assert [slots.stalled("b"), slots.stalled("a")] == [None, "b"]
    slots.flows("a")
    assert slots.stalled("c") is None
    assert slots.all() == ("a", "c")


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(("new", "asked", "stalled", "flows", "leave")), st.integers(0, 6))),
)
def test_there_are_never_more_than_the_limits(limit: int, stalled_limit: int, steps: list[tuple[str, int]]) -> None:
    slots: Slots[int] = Slots(limit, stalled_limit)
    expected: set[int] = set()
    stalled: set[int] = set()
    answered: set[int] = set()
    for count, (step, which) in enumerate(steps):
        known = slots.all()
        one = known[which % len(known)] if known else None
        gone: int | None = None
        if step == "new":
            gone = slots.admit(count)
            assert gone != count
            assert gone not in answered or expected <= answered
            assert gone not in answered - stalled or not expected & stalled
            expected.add(count)
        elif one is not None and step == "asked":
            slots.asked(one)
            answered.add(one)
        elif one is not None and step == "stalled":
            gone = slots.stalled(one)
            stalled.add(one)
        elif one is not None and step == "flows":
            slots.flows(one)
            stalled.discard(one)
        elif one is not None:
            slots.leave(one)
            gone = one
        expected -= {gone}  # type: ignore[arg-type]  # None is in no set
        stalled -= {gone}  # type: ignore[arg-type]
        assert set(slots.all()) == expected
        assert len(expected) <= limit
        assert len(stalled) <= stalled_limit
