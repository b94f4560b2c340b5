"""The roster of Leases: aging by own renewals, freezing, planned exits, bad Leases."""

import pytest

from baremetal_lb.membership.facts import MemberFacts, encode
from baremetal_lb.membership.lease_roster import LeaseRoster, RosterOptions, is_same_for_election, node_of_lease, roster_at_a_look
from baremetal_lb.membership.reasons import LeaseReason
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.roster import Member
from baremetal_lb.model.time import HOUR, MILLISECOND, SECOND
from baremetal_lb.model.views import LeaseView

ANNOTATION = "baremetal-lb.io/member"
EPOCH = 1_000_000 * SECOND


class World:
    """Leases of some nodes as node ``me`` sees them; seconds of a made-up clock."""

    def __init__(self, *nodes: str) -> None:
        self.machine = LeaseRoster(RosterOptions("me", ANNOTATION))
        self.now = 100 * SECOND
        for node in ("me", *nodes):
            self.renew(node)

    def lease(self, node: str, **fields: object) -> LeaseView:
        values: dict[str, object] = {
            "holder": f"{node}_1",
            "duration": 4 * SECOND,
            "renewed_utc": EPOCH + self.now,
            "annotations": {ANNOTATION: encode(MemberFacts(True, 1))},
        }
        return LeaseView(ObjectKey("ns", f"speaker-{node}"), **(values | fields))  # type: ignore[arg-type]

    def renew(self, *nodes: str, **fields: object) -> list[str]:
        changed = []
        for node in nodes:
            changes = self.machine.lease_seen(self.lease(node, **fields), now=self.now, now_utc=EPOCH + self.now)
            changed += [change.node for change in changes]
        return changed

    def seconds(self, count: int, *renewing: str) -> list[str]:
        changed = []
        for _ in range(count):
            self.now += SECOND
            changed += self.renew(*renewing)
        return changed

    @property
    def alive(self) -> set[str]:
        return {name for name, member in self.machine.roster.members.items() if member.is_alive}


def test_a_member_that_falls_silent_dies_after_its_duration() -> None:
    world = World("a", "b")
    assert world.seconds(5, "a", "me") == []
    assert world.seconds(1, "a", "me") == ["b"]
    assert world.alive == {"me", "a"}
    assert world.machine.roster.members["b"] == Member("b", is_alive=False, is_serving=True, incarnation=1, interfaces=())


def test_it_is_back_with_its_next_renewal() -> None:
    world = World("a")
    world.seconds(9, "me")
    assert world.alive == {"me"}
    assert world.renew("a") == ["a"]
    assert world.alive == {"me", "a"}


def test_nobody_ages_while_own_renewals_do_not_come_back() -> None:
    world = World("a")
    world.seconds(3, "a", "me")
    world.now += HOUR
    assert world.machine.is_frozen(now=world.now)
    assert world.seconds(4, "me") == []
    assert world.alive == {"me", "a"}
    assert world.seconds(2, "me") == ["a"]


def test_a_first_own_lease_is_heard_unless_a_predecessor_left_it() -> None:
    """Who has just come and is in touch must not yield to an announcer that hands over to it."""
    for incarnation, is_heard in ((1, True), (2, False)):
        world = World()
        world.machine = LeaseRoster(RosterOptions("me", ANNOTATION, incarnation=incarnation))
        world.renew("me")
        assert world.machine.is_frozen(now=world.now) is not is_heard
        world.seconds(1, "me")
        assert not world.machine.is_frozen(now=world.now)


def test_others_renewals_do_not_stand_in_for_our_own() -> None:
    world = World("a", "b")
    world.seconds(60, "a")
    assert world.alive == {"me", "a", "b"}


def test_a_relist_restarts_all_ages() -> None:
    world = World("a")
    world.seconds(4, "me")
    world.machine.relisted(now=world.now)
    assert world.machine.is_frozen(now=world.now)
    assert world.seconds(4, "me") == []
    assert world.seconds(2, "me") == ["a"]


@pytest.mark.parametrize(
    "fields", [{"holder": ""}, {"annotations": {ANNOTATION: encode(MemberFacts(False, 1))}}], ids=["no holder", "not serving"]
)
def test_a_planned_exit_takes_effect_at_once_even_when_frozen(fields: dict[str, object]) -> None:
    world = World("a")
    world.now += MILLISECOND
    assert world.renew("a", **fields) == ["a"]
    assert not world.machine.roster.members["a"].is_serving


def test_a_deleted_lease_only_stops_being_renewed() -> None:
    world = World("a")
    world.seconds(1, "me")
    world.machine.lease_gone("speaker-a")
    assert world.alive == {"me", "a"}
    world.seconds(3, "me")
    assert world.alive == {"me", "a"}
    assert world.seconds(2, "me") == ["a"]
    assert set(world.machine.roster.members) == {"me"}


def test_a_lease_that_was_deleted_and_comes_back_never_died() -> None:
    world = World("a")
    world.seconds(3, "me")
    world.machine.lease_gone("speaker-a")
    assert world.seconds(20, "a", "me") == []
    assert world.alive == {"me", "a"}


def test_a_lease_of_yesterday_is_nobody_until_renewed() -> None:
    world = World()
    world.renew("a", renewed_utc=EPOCH - 24 * HOUR)
    assert world.alive == {"me"}
    world.seconds(1, "a", "me")
    assert world.alive == {"me", "a"}


def test_the_same_lease_again_is_no_renewal() -> None:
    world = World("a")
    renewed = world.now + EPOCH
    for _ in range(6):
        world.seconds(1, "me")
        world.renew("a", renewed_utc=renewed)
    assert world.alive == {"me"}


@pytest.mark.parametrize(
    ("lease", "reason"),
    [
        ({"annotations": {}}, LeaseReason.MissingFacts),
        ({"annotations": {ANNOTATION: "{"}}, LeaseReason.MalformedFacts),
        ({"key": ObjectKey("ns", "leader")}, LeaseReason.NotASpeaker),
    ],
)
def test_a_bad_lease_is_ignored_with_a_reason(lease: dict[str, object], reason: LeaseReason) -> None:
    world = World()
    view = LeaseView(**({"key": ObjectKey("ns", "speaker-a"), "holder": "x", "renewed_utc": EPOCH} | lease))  # type: ignore[arg-type]
    assert world.machine.lease_seen(view, now=world.now, now_utc=EPOCH) == ()
    assert world.machine.problems == {view.key.name: reason}
    assert set(world.machine.roster.members) == {"me"}


def test_a_renewal_with_malformed_facts_counts_with_those_readable_last() -> None:
    world = World("a")
    for _ in range(10):
        world.seconds(1, "me")
        world.renew("a", annotations={ANNOTATION: "?"})
    assert world.alive == {"me", "a"}
    assert world.machine.problems == {"speaker-a": LeaseReason.MalformedFacts}
    world.seconds(1, "a")
    assert world.machine.problems == {}


def test_own_facts_are_those_of_our_own_lease() -> None:
    world = World()
    assert world.machine.roster.members["me"].is_serving
    world.now += SECOND
    world.renew("me", annotations={ANNOTATION: encode(MemberFacts(False, 2))})
    assert world.machine.roster.members["me"] == Member("me", is_alive=True, is_serving=False, incarnation=2, interfaces=())


def test_a_new_incarnation_alone_moves_nothing() -> None:
    assert is_same_for_election(Member("a", incarnation=1), Member("a", incarnation=2))
    assert not is_same_for_election(Member("a"), Member("a", is_serving=False))
    assert not is_same_for_election(None, Member("a"))


@pytest.mark.parametrize(
    ("name", "node"), [("speaker-a", "a"), ("speaker-", None), ("controller", None), ("speaker-speaker-x", "speaker-x")]
)
def test_the_node_is_in_the_name_of_the_lease(name: str, node: str | None) -> None:
    assert node_of_lease(name) == node


@pytest.mark.parametrize(
    ("ages", "ours", "alive"),
    [
        ({"a": 0, "b": 1, "c": 5}, 0, {"a", "b", "c"}),
        ({"a": 0, "b": 7}, 0, {"a"}),
        ({"a": 0, "b": 7}, -3600, {"a"}),
        ({"a": 0, "b": 1}, 20, {"a", "b"}),
        ({"a": 0}, 37, set()),
        ({"a": 0, "b": 1}, 3600, set()),
    ],
    ids=["in time", "one is silent", "our clock is late", "our clock is early", "the only one is silent", "all are silent"],
)
def test_one_look_at_the_leases_tells_who_is_alive(ages, ours, alive):
    """Ages are of Leases (4 s) by the nodes' clock, in seconds; ``ours`` is how far the looker's clock is ahead of it."""
    world = World()
    leases = [world.lease(node, renewed_utc=EPOCH - age * SECOND) for node, age in ages.items()]
    roster = roster_at_a_look(leases, RosterOptions("", ANNOTATION), now_utc=EPOCH + ours * SECOND)
    assert set(roster.members) == set(ages)
    assert {node for node, member in roster.members.items() if member.is_alive} == alive


def test_at_a_look_nobody_who_left_or_says_nothing_is_a_candidate():
    world = World()
    leases = [world.lease("left", holder=""), world.lease("mute", annotations={}), world.lease("here")]
    roster = roster_at_a_look(leases, RosterOptions("", ANNOTATION), now_utc=EPOCH)
    assert {node: (member.is_alive, member.is_serving) for node, member in roster.members.items()} == {
        "here": (True, True),
        "left": (False, False),
    }


def test_at_a_look_the_controller_s_lease_is_a_clock_too():
    world = World()
    leases = [world.lease("a", renewed_utc=EPOCH - 7 * SECOND), LeaseView(ObjectKey("ns", "controller"), "c", renewed_utc=EPOCH)]
    roster = roster_at_a_look(leases, RosterOptions("", ANNOTATION), now_utc=EPOCH)
    assert {node: member.is_alive for node, member in roster.members.items()} == {"a": False}
