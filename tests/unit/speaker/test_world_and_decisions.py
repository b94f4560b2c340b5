"""Which IPs an event touches, and what is decided on them."""

from ipaddress import ip_address

import pytest

from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.membership.lease_roster import MemberChange
from baremetal_lb.model.configuration import Configuration, L2Advertisement, Pool
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import AddressRange, Family, IPAddress
from baremetal_lb.model.roster import Member, Roster
from baremetal_lb.model.views import (
    EndpointSliceView,
    EndpointView,
    EntryService,
    IngressView,
    LedgerEntry,
    NodeView,
    ServiceView,
    TrafficPolicy,
)
from speaker.decide import Decider, Wanted
from speaker.reasons import SilenceReason
from speaker.world import LEDGER_LOSS_HOLD, World

NODES = ("a", "b", "me")
V4, V6 = ip_address("203.0.113.7"), ip_address("2001:db8::7")
CONFIGURATION = Configuration(
    pools=(Pool("blue", (AddressRange.parse("203.0.113.0/24"), AddressRange.parse("2001:db8::/64"))),),
    l2_advertisements=(L2Advertisement("all"),),
)


def service(name: str, *ips: IPAddress, **fields: object) -> ServiceView:
    key = ObjectKey("shop", name)
    return ServiceView(key, uid=name, ingress=tuple(IngressView(ip, str(ip)) for ip in ips), **fields)  # type: ignore[arg-type]


def entry(ip: IPAddress, *names: str, announcer: str | None = "me") -> LedgerEntry:
    users = tuple(EntryService(ObjectKey("shop", name), name) for name in names)
    return LedgerEntry(ip, "owner", "blue", users, announcer=announcer)


def slice_of(name: str, *nodes: str, family: Family = Family.IPV4, suffix: str = "1") -> EndpointSliceView:
    key = ObjectKey("shop", name)
    return EndpointSliceView(ObjectKey("shop", f"{name}-{suffix}"), key, tuple(EndpointView(n, family, ready=True) for n in nodes))


@pytest.fixture
def world() -> World:
    made = World("me")
    for node in NODES:
        made.see_node(node, NodeView(node))
    made.see_roster(Roster.of_nodes(NODES), [])
    made.configure(CONFIGURATION)
    see(made, service("web", V4))
    see(made, slice_of("web", "a", "me"))
    made.see_entry(V4, entry(V4, "web"), now=0)
    settle(made)
    return made


def see(world: World, view: ServiceView | EndpointSliceView) -> None:
    if isinstance(view, ServiceView):
        world.see_service(view.key, view)
    else:
        old = next((known for known in world.slices(view.service) if known.key == view.key), None)
        world.see_slice(view.key, old, view)


def settle(world: World) -> dict[IPAddress, Wanted]:
    """Decide the dirty IPs, as the loop does."""
    decided = {}
    while world.dirty:
        wanted = Decider(world).decide(world.dirty.pop())
        world.note_elected(wanted.address, wanted.announcer, is_pinned=wanted.is_pinned)
        decided[wanted.address] = wanted
    return decided


def test_an_ip_is_announced_when_ledger_and_status_name_it(world: World) -> None:
    wanted = Decider(world).decide(V4)
    assert wanted == Wanted(V4, "me", None, (ObjectKey("shop", "web"),), is_pinned=True, could_answer=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.see_service(ObjectKey("shop", "web"), None), SilenceReason.NotInStatus),
        (lambda w: see(w, service("web")), SilenceReason.NotInStatus),
        (lambda w: w.see_entry(V4, entry(V4, "other"), now=0), SilenceReason.LedgerNamesAnother),
        (lambda w: w.configure(Configuration(l2_advertisements=CONFIGURATION.l2_advertisements)), ExclusionReason.NoPool),
        (lambda w: see(w, slice_of("web")), ExclusionReason.NoUsableEndpoint),
    ],
    ids=["service gone", "not in status", "another service", "pool gone", "no endpoints"],
)
def test_nobody_announces_and_the_event_touches_the_ip(world: World, change: object, reason: object) -> None:
    change(world)  # type: ignore[operator]
    decided = settle(world)
    assert decided[V4].reason is reason
    assert decided[V4].announcer is None


def test_a_lost_entry_is_kept_for_a_minute_and_found_again(world: World) -> None:
    world.see_entry(V4, None, now=10)
    assert settle(world)[V4].announcer == "me"
    world.forget_lost(now=9 + LEDGER_LOSS_HOLD)
    assert settle(world) == {}
    world.forget_lost(now=10 + LEDGER_LOSS_HOLD)
    assert settle(world)[V4].reason is SilenceReason.NotInLedger
    world.see_entry(V4, entry(V4, "web"), now=20)
    assert settle(world)[V4].announcer == "me"


def test_a_lost_entry_ends_with_the_status(world: World) -> None:
    world.see_entry(V4, None, now=10)
    see(world, service("web"))
    assert settle(world)[V4].reason is SilenceReason.NotInLedger
    assert not world.lost


def test_a_service_made_anew_under_the_name_is_another_one(world: World) -> None:
    key = ObjectKey("shop", "web")
    world.see_service(key, ServiceView(key, uid="new", ingress=(IngressView(V4, str(V4)),)))
    assert settle(world)[V4].reason is SilenceReason.LedgerNamesAnother


def test_the_loss_of_a_member_touches_only_what_it_announced(world: World) -> None:
    other = ip_address("203.0.113.8")
    see(world, service("dns", other))
    see(world, slice_of("dns", "a"))
    world.see_entry(other, entry(other, "dns", announcer="a"), now=0)
    settle(world)
    dead = Member("a", is_alive=False)
    world.see_roster(Roster({"a": dead, "b": Member("b"), "me": Member("me")}), [MemberChange("a", Member("a"), dead)])
    assert world.dirty == {other}
    assert settle(world)[other].announcer in {"b", "me"}
    world.see_roster(Roster.of_nodes(NODES), [MemberChange("a", dead, Member("a"))])
    assert world.dirty == {other}, "the other IP is pinned to this node by the ledger"
    assert settle(world)[other].announcer == "a"


def test_a_configuration_touches_the_ips_of_pools_that_changed(world: World) -> None:
    green = Pool("green", (AddressRange.parse("198.51.100.0/24"),))
    world.configure(Configuration((*CONFIGURATION.pools, green), CONFIGURATION.l2_advertisements))
    assert world.dirty == set()
    world.configure(Configuration(CONFIGURATION.pools, (L2Advertisement("all", interfaces=("eth1",)),)))
    assert world.dirty == {V4}
    assert settle(world)[V4].interfaces == {"eth1"}


def test_the_second_ip_of_a_pair_follows_the_first(world: World) -> None:
    see(world, service("web", V4, V6))
    see(world, slice_of("web", "me", "a", family=Family.IPV6, suffix="6"))
    world.see_entry(V6, entry(V6, "web", announcer=None), now=0)
    world.see_entry(V4, entry(V4, "web", announcer="b"), now=0)
    assert {ip: wanted.announcer for ip, wanted in settle(world).items()} == {V4: "b", V6: "b"}
    world.see_entry(V4, entry(V4, "web", announcer="a"), now=0)
    assert settle(world)[V6].announcer == "a"


def test_a_local_service_without_endpoint_here_could_not_even_hand_over(world: World) -> None:
    see(world, service("web", V4, traffic_policy=TrafficPolicy.LOCAL))
    assert settle(world)[V4].announcer == "me"
    see(world, slice_of("web", "a"))
    wanted = settle(world)[V4]
    assert (wanted.announcer, wanted.could_answer, wanted.own_reason) == ("a", False, ExclusionReason.NoLocalEndpoint)


def test_a_draining_node_could_still_answer_while_it_hands_over(world: World) -> None:
    world.see_node("me", NodeView("me", is_draining=True))
    wanted = settle(world)[V4]
    assert wanted.announcer in {"a", "b"}
    assert wanted.could_answer
    assert wanted.own_reason is ExclusionReason.NodeDraining


def test_an_update_that_changes_nothing_touches_nothing(world: World) -> None:
    see(world, service("web", V4))
    see(world, slice_of("web", "a", "me"))
    world.see_node("a", NodeView("a"))
    world.see_entry(V4, entry(V4, "web"), now=0)
    world.configure(CONFIGURATION)
    world.see_roster(Roster.of_nodes(NODES), [MemberChange("a", Member("a"), Member("a", incarnation=2))])
    assert world.dirty == set()
