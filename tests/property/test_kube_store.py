"""Laws of the store: what it reports, applied in order, is what it holds; what it holds is the last good value of each object."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.kube.records import DecodeError
from baremetal_lb.kube.store import Store
from baremetal_lb.model.ids import ObjectKey, ObjectRef

KEYS = st.sampled_from([ObjectKey("n", name) for name in "abc"])
VALUES = st.integers(0, 2) | st.just("bad")
PRESENT = st.tuples(st.just("present"), KEYS, VALUES)
GONE = st.tuples(st.just("gone"), KEYS)
LIST = st.tuples(st.just("list"), st.dictionaries(KEYS, VALUES))
STEPS = st.lists(PRESENT | GONE | LIST, max_size=30)


def decode(data):
    value = json.loads(data)
    if value == "bad":
        raise DecodeError(ObjectRef("X", ObjectKey("", "")), "spec", "bad")
    return value


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_reports_add_up_to_the_store_and_the_store_to_the_last_good_values(steps):
    replayed, expected, bad, version = {}, {}, set(), 0

    def on_change(key, old, new):
        assert old != new
        assert replayed.get(key) == old
        if new is None:
            del replayed[key]
        else:
            replayed[key] = new
        assert store.objects.get(key) == new

    store = Store(decode, on_change)

    def take(key, value):
        nonlocal version
        version += 1
        store.present(key, str(version), json.dumps(value).encode())
        if value == "bad":
            bad.add(key)
        else:
            expected[key] = value
            bad.discard(key)

    def lose(key):
        store.gone(key)
        expected.pop(key, None)
        bad.discard(key)

    for step in steps:
        match step:
            case ("present", key, value):
                take(key, value)
            case ("gone", key):
                lose(key)
            case ("list", items):
                for key, value in items.items():
                    take(key, value)
                for key in store.missing(set(items)):
                    lose(key)
        assert dict(store.objects) == expected == replayed
        assert store.problems.keys() == bad


@given(value=st.integers(), version=st.text(min_size=1))
def test_a_version_that_is_known_is_not_even_decoded(value, version):
    decoded = []

    def counting(data):
        decoded.append(data)
        return decode(data)

    store = Store(counting, lambda *_: None)
    for _ in range(3):
        store.present(ObjectKey("", "a"), version, json.dumps(value).encode())
    assert len(decoded) == 1
