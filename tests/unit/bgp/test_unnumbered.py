"""Which router an interface has, by what was heard on it and when."""

from ipaddress import IPv6Address

from baremetal_lb.bgp.unnumbered import ASK_AFTER, MAX_ROUTERS, MEMORY, Neighbourhood, UnnumberedReason
from baremetal_lb.model.time import SECOND

A, B = IPv6Address("fe80::a"), IPv6Address("fe80::b")


def test_the_one_router_is_known_for_a_minute_whatever_its_lifetime():
    for lifetime in (0, 1, 1800):
        link = Neighbourhood()
        assert link.router(now=0) is UnnumberedReason.NoRouterHeard
        assert link.hear(A, lifetime_s=lifetime, now=0)
        assert link.router(now=MEMORY - 1) == A
        assert link.router(now=MEMORY) is UnnumberedReason.NoRouterHeard


def test_each_advertisement_starts_the_minute_anew():
    link = Neighbourhood()
    link.hear(A, lifetime_s=0, now=0)
    assert not link.hear(A, lifetime_s=0, now=MEMORY - 1)
    assert link.router(now=2 * MEMORY - 2) == A


def test_two_routers_are_no_answer_until_one_falls_silent():
    link = Neighbourhood()
    link.hear(A, lifetime_s=0, now=0)
    link.hear(B, lifetime_s=0, now=SECOND)
    assert link.router(now=SECOND) is UnnumberedReason.SeveralRouters
    assert link.router(now=MEMORY) == B


def test_neighbours_that_are_no_default_routers_do_not_count_where_one_is():
    link = Neighbourhood()
    link.hear(A, lifetime_s=0, now=0)
    link.hear(B, lifetime_s=30, now=0)
    assert link.router(now=0) == B
    link.hear(B, lifetime_s=0, now=SECOND)
    assert link.router(now=SECOND) is UnnumberedReason.SeveralRouters


def test_the_silent_are_asked_and_the_recent_are_not():
    link = Neighbourhood()
    assert link.must_ask(now=0)
    link.hear(A, lifetime_s=0, now=0)
    assert not link.must_ask(now=ASK_AFTER - 1)
    assert link.must_ask(now=ASK_AFTER)


def test_a_flood_of_routers_changes_nothing():
    link = Neighbourhood()
    for number in range(MAX_ROUTERS):
        assert link.hear(IPv6Address(f"fe80::1:{number:x}"), lifetime_s=0, now=0)
    assert not link.hear(A, lifetime_s=1800, now=0)
    assert link.router(now=0) is UnnumberedReason.SeveralRouters
