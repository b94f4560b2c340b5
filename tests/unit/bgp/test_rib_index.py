"""RIBs of peers from contributions of Services: union, survival until the last contributor, what a kind of peer may get, and leaving."""

import random
from ipaddress import IPv4Address, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.bgp.rib_index import RibIndex, leaving
from baremetal_lb.bgp.routes import LINK_BANDWIDTH_PER_ENDPOINT, Contribution
from baremetal_lb.bgp.session import Attributes
from baremetal_lb.model.bgp import GRACEFUL_SHUTDOWN, BGPPeer, Community
from baremetal_lb.model.ids import ObjectKey

EXTERNAL = BGPPeer("ext", 65000, 65001, address=IPv4Address("198.51.100.1"))
INTERNAL = BGPPeer("int", 65000, 65000, address=IPv4Address("198.51.100.2"))
OVER_V6 = BGPPeer("six", 65000, 65001, address=ip_address("2001:db8::1"))
WEB, API = ObjectKey("shop", "web"), ObjectKey("shop", "api")


def route(prefix: str, *peers: str, endpoints: int = 0, **attributes: object) -> Contribution:
    return Contribution(ip_network(prefix), Attributes(**attributes), frozenset(peers), endpoints)


def index(*peers: BGPPeer) -> RibIndex:
    made = RibIndex()
    made.set_peers(peers)
    return made


def prefixes(made: RibIndex, peer: str) -> list[str]:
    return sorted(map(str, made.rib(peer)))


def test_a_shared_prefix_stays_until_the_last_service_goes() -> None:
    made = index(EXTERNAL)
    assert made.put(WEB, (route("203.0.113.0/24"),)) == {"ext"}
    assert made.put(API, (route("203.0.113.0/24"),)) == set()
    assert made.put(WEB, ()) == set()
    assert prefixes(made, "ext") == ["203.0.113.0/24"]
    assert made.put(API, ()) == {"ext"}
    assert prefixes(made, "ext") == []


def test_a_route_goes_to_the_peers_that_are_named_and_that_carry_its_family() -> None:
    made = index(EXTERNAL, INTERNAL, OVER_V6)
    assert made.put(WEB, (route("203.0.113.1/32", "int", "six"), route("2001:db8:1::1/128"))) == {"int", "six"}
    assert (prefixes(made, "ext"), prefixes(made, "int"), prefixes(made, "six")) == ([], ["203.0.113.1/32"], ["2001:db8:1::1/128"])
    assert made.peers_of(WEB) == ("int", "six")


def test_communities_are_united_and_a_kind_of_peer_gets_what_is_for_it() -> None:
    made = index(EXTERNAL, INTERNAL)
    one = route("203.0.113.1/32", local_pref=200, communities=(Community(1, 1),), med=9, as_path_prepend=1)
    other = route("203.0.113.1/32", local_pref=200, communities=(Community(1, 0), Community(1, 1)), med=5, as_path_prepend=3)
    made.put(WEB, (one, other))
    both = (Community(1, 0), Community(1, 1))
    assert made.rib("ext")[ip_network("203.0.113.1/32")] == Attributes(med=5, as_path_prepend=3, communities=both)
    assert made.rib("int")[ip_network("203.0.113.1/32")] == Attributes(local_pref=200, med=5, communities=both)


def test_internal_peers_are_told_the_usual_local_preference_where_none_is_given() -> None:
    made = index(INTERNAL)
    made.put(WEB, (route("203.0.113.1/32"),))
    assert made.rib("int")[ip_network("203.0.113.1/32")].local_pref == 100


def test_weights_are_summed_over_all_that_contribute() -> None:
    made = index(EXTERNAL)
    made.put(WEB, (route("203.0.113.0/24", endpoints=2),))
    made.put(API, (route("203.0.113.0/24", endpoints=3),))
    assert made.rib("ext")[ip_network("203.0.113.0/24")].link_bandwidth == 5 * LINK_BANDWIDTH_PER_ENDPOINT


def test_a_peer_that_comes_later_gets_all_and_one_that_goes_is_forgotten() -> None:
    made = index()
    made.put(WEB, (route("203.0.113.1/32"),))
    assert made.set_peers([EXTERNAL]) == {"ext"}
    assert prefixes(made, "ext") == ["203.0.113.1/32"]
    assert made.set_peers([EXTERNAL]) == set()
    assert made.set_peers([]) == set()
    assert prefixes(made, "ext") == []


def test_leaving_routes_are_asked_for_last_by_routers_with_a_policy_and_without() -> None:
    made = index(EXTERNAL, INTERNAL)
    made.put(WEB, (route("203.0.113.1/32", communities=(Community(1, 1),), as_path_prepend=1),))
    prefix = ip_network("203.0.113.1/32")
    away = (Community(1, 1), GRACEFUL_SHUTDOWN)
    assert leaving(made.rib("ext"), EXTERNAL)[prefix] == Attributes(communities=away, as_path_prepend=2)
    assert leaving(made.rib("int"), INTERNAL)[prefix] == Attributes(communities=away, local_pref=0)


PREFIXES = st.sampled_from(["203.0.113.0/24", "203.0.113.1/32", "203.0.113.2/32", "2001:db8:1::1/128"])
CONTRIBUTIONS = st.lists(
    st.builds(
        lambda prefix, peers, med, endpoints: route(prefix, *peers, med=med, endpoints=endpoints),
        PREFIXES,
        st.sets(st.sampled_from(["ext", "int", "six"]), max_size=2),
        st.sampled_from([None, 1, 2]),
        st.integers(0, 2),
    ),
    max_size=4,
).map(tuple)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["a", "b", "c"]), CONTRIBUTIONS),
        st.tuples(st.none(), st.lists(st.sampled_from([EXTERNAL, INTERNAL, OVER_V6]), unique_by=lambda peer: peer.name)),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(STEPS, st.randoms(use_true_random=False))
def test_step_by_step_is_the_same_as_all_at_once_in_any_order(steps: list, chance: random.Random) -> None:
    made, state, peers = RibIndex(), {}, []
    for name, value in steps:
        if name is None:
            peers = value
            before = {peer.name: dict(made.rib(peer.name)) for peer in peers}
            changed = made.set_peers(peers)
        else:
            before = {peer.name: dict(made.rib(peer.name)) for peer in peers}
            state[name] = value
            changed = made.put(ObjectKey("x", name), value)
        assert {peer.name for peer in peers if dict(made.rib(peer.name)) != before[peer.name]} <= changed
    whole, names = RibIndex(), list(state)
    chance.shuffle(names)
    for name in names:
        whole.put(ObjectKey("x", name), state[name])
    whole.set_peers(peers)
    for peer in peers:
        assert made.rib(peer.name) == whole.rib(peer.name)
