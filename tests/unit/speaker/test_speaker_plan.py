"""The case table of one IP on one node, and the status objects."""

from ipaddress import ip_address

import pytest

from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.time import SECOND
from speaker.decide import Wanted
from speaker.plan import CLAIM_AGE, HANDOVER_LIMIT, L2Status, Standing, plan_address, status_name, status_of, yields

IP = ip_address("203.0.113.7")
WEB = ObjectKey("shop", "web")
HERE = Wanted(IP, "me", frozenset({"eth0"}), (WEB,), could_answer=True)
THERE = Wanted(IP, "other", None, (WEB,), could_answer=True)
STANDS = Standing(frozenset({"eth0"}), (WEB,), since=5)
NOW = 100 * SECOND


def plan(wanted: Wanted, standing: Standing | None, *, is_yielded: bool = False, is_heard: bool = False, now: int = NOW) -> Standing | None:
    return plan_address(wanted, standing, node="me", is_yielded=is_yielded, is_heard=is_heard, now=now)


@pytest.mark.parametrize(
    ("wanted", "standing", "result"),
    [
        (HERE, None, Standing(frozenset({"eth0"}), (WEB,), since=NOW)),
        (HERE, STANDS, STANDS),
        (Wanted(IP, "me", None, (WEB,), could_answer=True), STANDS, Standing(None, (WEB,), since=5)),
        (THERE, None, None),
        (THERE, STANDS, Standing(frozenset({"eth0"}), (WEB,), since=5, until=NOW + HANDOVER_LIMIT)),
        (Wanted(IP, "other", None, (WEB,), could_answer=False), STANDS, None),
        (Wanted(IP), STANDS, None),
    ],
    ids=["announce", "stay", "other interfaces", "not here", "hand over", "no local endpoint", "nobody"],
)
def test_each_row_of_the_table(wanted: Wanted, standing: Standing | None, result: Standing | None) -> None:
    assert plan(wanted, standing) == result


def test_a_hand_over_ends_when_the_new_announcer_is_heard_or_at_its_limit() -> None:
    going = plan(THERE, STANDS)
    assert going is not None
    assert going.until is not None
    assert plan(THERE, going, now=going.until - 1) == going
    assert plan(THERE, going, now=going.until) is None
    assert plan(THERE, going, is_heard=True) is None
    assert plan(HERE, going) == STANDS


def test_a_yielded_ip_is_silent() -> None:
    assert plan(HERE, STANDS, is_yielded=True) is None


@pytest.mark.parametrize(
    ("other", "age", "expected"),
    [("a", CLAIM_AGE + 1, True), ("z", CLAIM_AGE + 1, True), ("a", 1, True), ("z", 1, False)],
)
def test_an_old_claim_yields_and_of_two_new_ones_the_lower_name_keeps(other: str, age: int, *, expected: bool) -> None:
    assert yields("m", other, Standing(None, (), since=NOW - age), now=NOW) is expected


def test_of_two_members_that_hear_each_other_just_one_yields() -> None:
    recent = Standing(None, (), since=NOW)
    assert yields("a", "b", recent, now=NOW) is not yields("b", "a", recent, now=NOW)


def test_a_status_names_the_interfaces_of_all_ips_of_the_service() -> None:
    other = Standing(frozenset({"eth1"}), (WEB,), since=1)
    foreign = Standing(None, (ObjectKey("shop", "dns"),), since=1)
    assert status_of(WEB, [STANDS, other, foreign]) == L2Status(WEB, ("eth0", "eth1"))
    assert status_of(WEB, [STANDS, Standing(None, (WEB,), since=1)]) == L2Status(WEB, ())
    assert status_of(WEB, [foreign]) is None


def test_the_name_of_a_status_is_stable_and_differs_by_service_and_node() -> None:
    names = {status_name(ObjectKey(ns, name), node) for ns in ("a", "b") for name in ("x", "y") for node in ("n1", "n2")}
    assert len(names) == 8
    assert status_name(WEB, "n1") == status_name(WEB, "n1")
    assert all(len(name) <= 63 for name in names)
