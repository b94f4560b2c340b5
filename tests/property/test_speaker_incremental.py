"""Deciding only what an event touched gives what deciding everything from scratch gives."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from baremetal_lb.membership.lease_roster import MemberChange
from baremetal_lb.model.configuration import Configuration, L2Advertisement, Pool, Preference
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import AddressRange, Family
from baremetal_lb.model.roster import InterfaceFacts, Member, Roster
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
from speaker.world import World

NODES = ["n1", "n2", "n3"]
V4 = [IPv4Address("203.0.113.1"), IPv4Address("203.0.113.2"), IPv4Address("198.51.100.1")]
V6 = [IPv6Address("2001:db8::1")]
POOLS = [
    Pool("blue", (AddressRange.parse("203.0.113.0/24"), AddressRange.parse("2001:db8::/64"))),
    Pool("green", (AddressRange.parse("198.51.100.0/24"),)),
]
keys = st.sampled_from([ObjectKey("ns", name) for name in "xyz"])
nodes = st.sampled_from(NODES)
addresses = st.sampled_from([*V4, *V6])
selector = st.builds(lambda node: LabelSelector((Requirement("name", Operator.IN, (node,)),)), nodes)
advertisement = st.builds(
    L2Advertisement,
    name=st.sampled_from("ab"),
    pools=st.none() | st.sampled_from([frozenset({"blue"}), frozenset({"green"})]),
    node_selectors=st.lists(selector, max_size=2).map(tuple),
    interfaces=st.sampled_from([(), ("eth0",), ("eth1",)]),
    preferences=st.lists(st.builds(Preference, st.integers(1, 3), selector), max_size=1).map(tuple),
)
member = st.builds(
    Member,
    node=st.just(""),
    is_alive=st.booleans(),
    is_serving=st.booleans(),
    interfaces=st.sampled_from([(InterfaceFacts("eth0"),), (InterfaceFacts("eth0"), InterfaceFacts("eth1"))]),
)


class Incremental(RuleBasedStateMachine):
    """Events in any order, in a world that decides only what is dirty."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World("n1")
        self.decided: dict[object, Wanted] = {}
        self.members: dict[str, Member] = {}
        self.slices: dict[ObjectKey, EndpointSliceView] = {}
        self.now = 0

    @rule(
        key=keys,
        ips=st.lists(addresses, max_size=2, unique=True),
        local=st.booleans(),
        uid=st.sampled_from("12"),
        wanted=st.none() | nodes,
    )
    def service(self, key: ObjectKey, ips: list[IPv4Address], local: bool, uid: str, wanted: str | None) -> None:  # noqa: FBT001 - hypothesis
        policy = TrafficPolicy.LOCAL if local else TrafficPolicy.CLUSTER
        view = ServiceView(key, uid, ingress=tuple(IngressView(ip, str(ip)) for ip in ips), traffic_policy=policy, wanted_announcer=wanted)
        self.world.see_service(key, view)

    @rule(key=keys)
    def no_service(self, key: ObjectKey) -> None:
        self.world.see_service(key, None)

    @rule(key=keys, of=keys, on=st.lists(st.tuples(nodes, st.booleans()), max_size=3), family=st.sampled_from(list(Family)))
    def slice(self, key: ObjectKey, of: ObjectKey, on: list[tuple[str, bool]], family: Family) -> None:
        view = EndpointSliceView(key, of, tuple(EndpointView(node, family, ready=ready, serving=True) for node, ready in on))
        self.world.see_slice(key, self.slices.get(key), view)
        self.slices[key] = view

    @rule(key=keys)
    def no_slice(self, key: ObjectKey) -> None:
        if key in self.slices:
            self.world.see_slice(key, self.slices.pop(key), None)

    @rule(address=addresses, users=st.lists(st.tuples(keys, st.sampled_from("12")), max_size=2), announcer=st.none() | nodes)
    def entry(self, address: IPv4Address, users: list[tuple[ObjectKey, str]], announcer: str | None) -> None:
        entry = LedgerEntry(address, "o", "", tuple(EntryService(key, uid) for key, uid in users), announcer=announcer)
        self.world.see_entry(address, entry, now=self.now)

    @rule(address=addresses)
    def no_entry(self, address: IPv4Address) -> None:
        if address in self.world.entries:
            self.world.see_entry(address, None, now=self.now)

    @rule(seconds=st.integers(1, 70))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 10**9
        self.world.forget_lost(now=self.now)

    @rule(node=nodes, draining=st.booleans(), present=st.integers(0, 3))
    def node(self, node: str, draining: bool, present: int) -> None:  # noqa: FBT001 - hypothesis
        self.world.see_node(node, NodeView(node, {"name": node}, is_draining=draining) if present else None)

    @rule(node=nodes, facts=member, present=st.integers(0, 3))
    def roster(self, node: str, facts: Member, present: int) -> None:
        before = self.members.get(node)
        after = Member(node, facts.is_alive, facts.is_serving, 0, facts.interfaces) if present else None
        if after is None:
            self.members.pop(node, None)
        else:
            self.members[node] = after
        self.world.see_roster(Roster(dict(self.members)), [MemberChange(node, before, after)])

    @rule(
        pools=st.lists(st.sampled_from(POOLS), unique_by=lambda pool: pool.name),
        ads=st.lists(advertisement, max_size=2, unique_by=lambda a: a.name),
    )
    def configure(self, pools: list[Pool], ads: list[L2Advertisement]) -> None:
        self.world.configure(Configuration(tuple(pools), tuple(sorted(ads, key=lambda a: a.name))))

    @invariant()
    def incremental_equals_from_scratch(self) -> None:
        decider = Decider(self.world)
        while self.world.dirty:
            wanted = decider.decide(self.world.dirty.pop())
            self.world.note_elected(wanted.address, wanted.announcer, is_pinned=wanted.is_pinned)
            self.decided[wanted.address] = wanted
        for address in [*V4, *V6]:
            kept, fresh = self.decided.get(address, Wanted(address)), decider.decide(address)
            assert (kept.announcer, kept.interfaces, kept.services) == (fresh.announcer, fresh.interfaces, fresh.services)


TestIncremental = Incremental.TestCase
TestIncremental.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
