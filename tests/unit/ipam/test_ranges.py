import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.ranges import FreeRanges, count_buggy, is_buggy
from baremetal_lb.ipam.utilization import FamilyUsage, usage
from baremetal_lb.model.net import Family, parse_address
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.views import LedgerEntry
from tests.support.ipam_world import World, pool, reservation, service


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_counting_buggy_addresses_agrees_with_looking_at_each(first, length):
    assert count_buggy(first, first + length) == sum(is_buggy(value) for value in range(first, first + length + 1))


@pytest.mark.parametrize("avoid_buggy", [False, True])
@given(data=st.data())
def test_free_ranges_behave_like_a_set(avoid_buggy, data):
    free = FreeRanges(Family.IPV4, avoid_buggy=avoid_buggy)
    spans = {0: (500, 800), 1: (0, 20)}
    model = set()
    for position, (first, last) in spans.items():
        free.give(position, first, last)
        model |= {(position, v) for v in range(first, last + 1) if not (avoid_buggy and is_buggy(v))}
    usable = sorted(model)
    for key in data.draw(st.lists(st.sampled_from(usable), max_size=60)):
        if key in model:
            assert free.take(*key)
            model.discard(key)
        else:
            assert not free.take(*key)
            free.give(key[0], key[1], key[1])
            model.add(key)
        assert (free.size, free.lowest()) == (len(model), min(model, default=None))


def test_an_address_cannot_be_given_twice():
    free = FreeRanges(Family.IPV4, avoid_buggy=False)
    free.give(0, 1, 5)
    with pytest.raises(InvariantViolation):
        free.give(0, 3, 3)


def test_the_spans_of_a_filled_slash_16_stay_few():
    free = FreeRanges(Family.IPV4, avoid_buggy=True)
    free.give(0, 0, 0xFFFF)
    while (key := free.lowest()) is not None:
        assert free.take(*key)
        assert sum(1 for _ in zip(free, range(2), strict=False)) <= 1
    assert free.size == 0


CAPACITIES = [
    (["198.51.100.0/24"], False, 256, 0),
    (["198.51.100.0/24"], True, 254, 0),
    (["10.0.0.0/8"], True, 2**24 - 2**17, 0),
    (["198.51.100.0/25"], True, 127, 0),
    (["198.51.100.1-198.51.100.200"], True, 200, 0),
    (["2001:db8::/32", "2001:db9::/128"], True, 0, 2**96 + 1),
    (["198.51.100.0/30", "2001:db8::/64"], False, 4, 2**64),
]


@pytest.mark.parametrize(("addresses", "avoid", "four", "six"), CAPACITIES)
def test_capacity_is_exact(addresses, avoid, four, six):
    counts = usage(Ledger(World(pool("p", *addresses, avoid_buggy_ips=avoid)).configuration))["p"]
    assert {family: count.capacity for family, count in counts.items()} == {
        family: size for family, size in ((Family.IPV4, four), (Family.IPV6, six)) if size
    }
    assert all(count.available == count.capacity for count in counts.values())


def test_every_address_of_a_pool_is_in_exactly_one_counter():
    world = World(
        pool("p", "198.51.100.0/28", excluded=["198.51.100.8/31"], retain_for=99, avoid_buggy_ips=True),
        reservations=(reservation("r", "198.51.100.12/30"),),
    )
    world.put(service("gone"), service("a", shares="k", ports="TCP/1"), service("b", shares="k", ports="TCP/2"), service("c"))
    world.put(service("r1", ips="198.51.100.14"))
    world.entries += (LedgerEntry(parse_address("198.51.100.7"), "them", "p"),)
    world.delete("gone")
    ledger = Ledger(world.configuration, world.entries, "us")
    assert usage(ledger)["p"][Family.IPV4] == FamilyUsage(capacity=13, allocated=3, held=1, foreign=1, reserved=3, available=5)
    for entry in world.entries:
        ledger.drop(entry.address)
    assert usage(ledger)["p"][Family.IPV4] == FamilyUsage(capacity=13, allocated=0, held=0, foreign=0, reserved=4, available=9)
