"""Routes of a speaker, event by event, are those of deciding everything from scratch."""

from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.model.bgp import BGPAdvertisement, BGPPeer
from baremetal_lb.model.configuration import Configuration, Pool
from baremetal_lb.model.ids import EXCLUDE_NODE_LABEL, ObjectKey
from baremetal_lb.model.net import AddressRange, Family
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
from speaker.routes import Routes
from speaker.world import LEDGER_LOSS_HOLD, World

KEYS = [ObjectKey("shop", name) for name in ("a", "b", "c")]
IPS = [ip_address("203.0.113.1"), ip_address("203.0.113.2"), ip_address("2001:db8:1::1")]
POOLS = (Pool("blue", (AddressRange.parse("203.0.113.0/24"), AddressRange.parse("2001:db8:1::/64"))),)
PEERS = (BGPPeer("tor", 64600, 64512, address=ip_address("198.51.100.1")), BGPPeer("six", 64600, 64512, address=ip_address("2001:db8::1")))

services = st.builds(
    lambda key, uid, ips, policy: ServiceView(key, uid, ingress=tuple(IngressView(ip, str(ip)) for ip in ips), traffic_policy=policy),
    st.sampled_from(KEYS),
    st.sampled_from(["u1", "u2"]),
    st.lists(st.sampled_from(IPS), unique=True, max_size=2),
    st.sampled_from(TrafficPolicy),
)
endpoints = st.builds(
    EndpointView,
    st.sampled_from(["node1", "node2"]),
    st.sampled_from(Family),
    has_address=st.booleans(),
    ready=st.sampled_from([None, True, False]),
)
slices = st.builds(
    lambda name, key, ends: EndpointSliceView(ObjectKey("shop", name), key, tuple(ends)),
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(KEYS),
    st.lists(endpoints, max_size=3),
)
entries = st.builds(
    lambda ip, key, uid: LedgerEntry(ip, "me", "blue", (EntryService(key, uid),)),
    st.sampled_from(IPS),
    st.sampled_from(KEYS),
    st.sampled_from(["u1", "u2"]),
)
nodes = st.builds(
    NodeView,
    st.sampled_from(["node1", "node2"]),
    st.sampled_from([{}, {EXCLUDE_NODE_LABEL: ""}]),
    is_network_unavailable=st.booleans(),
)
configurations = st.builds(
    lambda pools, ads: Configuration(pools=pools, bgp_advertisements=tuple(ads)),
    st.sampled_from([POOLS, ()]),
    st.lists(
        st.builds(BGPAdvertisement, st.sampled_from(["x", "y"]), aggregation_length=st.sampled_from([24, 32])),
        max_size=2,
        unique_by=lambda ad: ad.name,
    ),
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("service"), services),
        st.tuples(st.just("service gone"), st.sampled_from(KEYS)),
        st.tuples(st.just("slice"), slices),
        st.tuples(st.just("entry"), entries),
        st.tuples(st.just("entry gone"), st.sampled_from(IPS)),
        st.tuples(st.just("node"), nodes),
        st.tuples(st.just("configuration"), configurations),
        st.tuples(st.just("time"), st.integers(1, 100)),
        st.tuples(st.just("work off"), st.none()),
    ),
    max_size=30,
)


class Story:
    def __init__(self) -> None:
        self.world = World("node1")
        self.now = 0
        self.slices: dict[ObjectKey, EndpointSliceView] = {}

    def tell(self, what: str, value: object) -> None:
        match what:
            case "service":
                self.world.see_service(value.key, value)
            case "service gone":
                self.world.see_service(value, None)
            case "slice":
                self.world.see_slice(value.key, self.slices.get(value.key), value)
                self.slices[value.key] = value
            case "entry":
                self.world.see_entry(value.address, value, now=self.now)
            case "entry gone":
                self.world.see_entry(value, None, now=self.now)
            case "node":
                self.world.see_node(value.name, value)
            case "configuration":
                self.world.configure(value)
            case "time":
                self.now += value * LEDGER_LOSS_HOLD // 50
                self.world.forget_lost(now=self.now)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_event_by_event_is_the_same_as_from_scratch(events: list[tuple[str, object]]) -> None:
    story = Story()
    routes = Routes(story.world)
    routes.set_peers(PEERS)
    for what, value in events:
        if what == "work off":
            routes.work_off()
        else:
            story.tell(what, value)
    routes.work_off()
    fresh = Routes(story.world)
    story.world.dirty_services = set(story.world.services)
    fresh.work_off()
    fresh.set_peers(PEERS)
    for peer in PEERS:
        assert dict(routes.index.rib(peer.name)) == dict(fresh.index.rib(peer.name))
    assert routes.reasons == fresh.reasons
    assert routes.index.services() == fresh.index.services()
