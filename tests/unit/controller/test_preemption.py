"""Preemption: elections and a clock in, the time of the hand-over out; nothing else moves an IP from a node that can go on."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from baremetal_lb.model.configuration import Configuration, L2Advertisement, Pool, PreemptionPolicy, Preference
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import AddressRange, Family
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import EndpointSliceView, EndpointView, EntryService, LedgerEntry, NodeView, ServiceView
from baremetal_lb.settle.placement import review
from controller.dirty import Dirty
from controller.preemption import Preemption

IP, OTHER_IP = ip_address("198.51.100.1"), ip_address("203.0.113.1")
KEY = ObjectKey("ns", "web")
DELAY = 60 * SECOND
WEIGHTS = {"best": 10, "good": 5, "plain": None}
DELAYED = L2Advertisement(
    "l2",
    pools=frozenset({"blue"}),
    preferences=tuple(
        Preference(weight, LabelSelector((Requirement("name", Operator.IN, (name,)),))) for name, weight in WEIGHTS.items() if weight
    ),
    preemption=PreemptionPolicy.DELAYED,
    preemption_delay=DELAY,
)


class Case:
    """A world with one IP that `plain` announces, and a clock in seconds."""

    def __init__(self, advertisement=DELAYED):
        self.dirty = Dirty("us", "")
        self.world = self.dirty.world
        pools = (Pool("blue", (AddressRange.of(IP),)), Pool("green", (AddressRange.of(OTHER_IP),)))
        self.world.reconfigure(Configuration(pools, (advertisement,)))
        self.world.nodes = {name: NodeView(name, {"name": name}) for name in WEIGHTS}
        self.service = ServiceView(KEY, uid="u1", resource_version="1")
        self.world.see_service(self.service)
        endpoints = tuple(EndpointView(name, Family.IPV4, ready=True) for name in WEIGHTS)
        self.world.see_slice(EndpointSliceView(ObjectKey("ns", "web-1"), KEY, endpoints), None)
        self.world.put(LedgerEntry(IP, "us", "blue", (EntryService(KEY, "u1"),), announcer="plain"))
        self.preemption = Preemption()

    def look(self, at_s, *serving):
        """Return (who is best, after how many seconds it is to be preferred) with these nodes and `plain` serving."""
        self.world.roster = Roster.of_nodes((*serving, "plain"))
        found = review(self.world, self.world.ledger.entry(IP))
        assert found.wanted == "plain"
        wait = self.preemption.due(IP, found.won, now=int(at_s * SECOND))
        return found.won.best, None if wait is None else wait / SECOND


def test_a_better_node_is_preferred_once_it_was_there_for_the_whole_delay():
    case = Case()
    assert case.look(0) == ("plain", None)
    assert case.look(10, "best") == ("best", 60)
    assert case.look(69.5, "best") == ("best", 0.5)
    assert case.look(70, "best") == ("best", 0)
    assert case.look(500, "best") == ("best", 0)


def test_a_node_that_comes_and_goes_starts_anew_each_time():
    case = Case()
    assert case.look(0, "best") == ("best", 60)
    assert case.look(59, "plain") == ("plain", None)
    assert case.look(60, "best") == ("best", 60)
    assert case.look(119, "best") == ("best", 1)


def test_a_steady_good_node_has_its_turn_while_the_best_one_is_away():
    case = Case()
    for at_s in (0, 20, 40):
        assert case.look(at_s, "best", "good") == ("best", 60)
        assert case.look(at_s + 10, "good") == ("good", 50 - at_s)
    assert case.look(55, "best", "good") == ("best", 60)
    assert case.look(61, "good") == ("good", 0)


@pytest.mark.parametrize(
    "change",
    [{"preemption": PreemptionPolicy.NEVER, "preemption_delay": 0}, {"preferences": ()}],
    ids=["policy Never", "no weights"],
)
def test_without_the_policy_or_without_weights_nothing_moves(change):
    case = Case(replace(DELAYED, **change))
    assert case.look(0, "best", "good")[1] is None
    assert case.look(10_000, "best", "good")[1] is None


def test_a_delay_of_nothing_moves_at_once():
    assert Case(replace(DELAYED, preemption_delay=0)).look(0, "best") == ("best", 0)


def test_load_and_rendezvous_make_no_node_better():
    case = Case()
    case.world.ledger.load.update({"plain": 1_000})
    case.world.nodes = {name: NodeView(name) for name in WEIGHTS}
    assert case.look(0, "best", "good")[1] is None


def test_a_persons_wish_is_followed_at_once_and_holds_against_better_nodes():
    case = Case()
    case.world.see_service(replace(case.service, wanted_announcer="good", resource_version="2"))
    case.world.roster = Roster.of_nodes(WEIGHTS)
    found = review(case.world, case.world.ledger.entry(IP))
    assert (found.wanted, found.is_asked_for, found.won) == ("good", True, None)
    case.world.put(replace(case.world.ledger.entry(IP), announcer="good"))
    found = review(case.world, case.world.ledger.entry(IP))
    assert (found.wanted, case.preemption.due(IP, found.won, now=0)) == ("good", None)


def test_what_was_not_watched_does_not_count():
    case = Case()
    assert case.look(0, "best") == ("best", 60)
    case.preemption.clear()
    assert case.look(100, "best") == ("best", 60)


@pytest.mark.parametrize(("advertisement", "marked"), [(DELAYED, {IP}), (replace(DELAYED, preemption=PreemptionPolicy.NEVER), set())])
def test_a_change_of_another_node_is_looked_at_where_it_may_preempt_and_only_there(advertisement, marked):
    case = Case(advertisement)
    case.world.put(LedgerEntry(OTHER_IP, "us", "green", (EntryService(KEY, "u1"),), announcer="plain"))
    case.dirty.placements.clear()
    case.dirty.nodes_changed(["best"])
    assert case.dirty.placements == marked


def test_an_announcer_that_somebody_else_wrote_is_looked_at():
    case = Case()
    case.dirty.placements.clear()
    case.dirty.entry_observed(replace(case.world.ledger.entry(IP), announcer="good", resource_version="9"), is_being_written=False)
    assert case.dirty.placements == {IP}
