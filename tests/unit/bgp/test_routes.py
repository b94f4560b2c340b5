"""Which routes one node has for one Service, and the reason for each address that has none."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from baremetal_lb.bgp.reasons import RouteReason as Why
from baremetal_lb.bgp.routes import Contribution, RouteInput, routes_of
from baremetal_lb.bgp.session import Attributes
from baremetal_lb.model.bgp import BGPAdvertisement, Community, LargeCommunity, ServiceAddresses
from baremetal_lb.model.configuration import Configuration, Pool, Reservation, ServiceAllocation
from baremetal_lb.model.ids import EXCLUDE_NODE_LABEL, ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import AddressRange, Family
from baremetal_lb.model.views import EndpointView, EntryService, IngressView, LedgerEntry, NodeView, ServiceView, TrafficPolicy

IP, IP6 = ip_address("203.0.113.9"), ip_address("2001:db8:1::9")
POOL = Pool("blue", (AddressRange.parse("203.0.113.0/24"), AddressRange.parse("2001:db8:1::/64")))
SERVICE = ServiceView(ObjectKey("shop", "web"), "uid-1", ingress=(IngressView(IP, str(IP)),), labels={"app": "web"})
HERE, ELSEWHERE = (EndpointView(node, Family.IPV4, ready=True) for node in ("node1", "node2"))
ENTRY = LedgerEntry(IP, "me", "blue", (EntryService(SERVICE.key, "uid-1"),))
RED = LabelSelector((Requirement("rack", Operator.IN, ("red",)),))
LEAVING = replace(HERE, ready=False, serving=True, terminating=True)
LOCAL = replace(SERVICE, traffic_policy=TrafficPolicy.LOCAL)


def given(*advertisements: BGPAdvertisement, **changes: object) -> RouteInput:
    configuration = Configuration(pools=(POOL,), bgp_advertisements=advertisements or (BGPAdvertisement("adv"),))
    values = {"node": NodeView("node1"), "configuration": configuration, "endpoints": (HERE, ELSEWHERE), "entries": {IP: ENTRY}}
    return RouteInput(**{**values, **changes})


def route(prefix: str, peers: frozenset[str] = frozenset(), endpoints: int = 0, **attributes: object) -> Contribution:
    return Contribution(ip_network(prefix), Attributes(**attributes), peers, endpoints)


def test_a_service_has_one_route_for_each_of_its_ips() -> None:
    assert routes_of(SERVICE, given()).contributions == (route("203.0.113.9/32"),)


def test_a_route_has_all_that_its_advertisement_says() -> None:
    advertisement = BGPAdvertisement(
        "adv",
        peers=frozenset({"tor"}),
        local_pref=200,
        communities=(Community(65000, 1),),
        large_communities=(LargeCommunity(1, 2, 3),),
        med=7,
        as_path_prepend=2,
        weight_by_endpoints=True,
    )
    asked = {"local_pref": 200, "med": 7, "as_path_prepend": 2, "communities": (Community(65000, 1),)}
    expected = route("203.0.113.9/32", frozenset({"tor"}), 1, **asked, large_communities=(LargeCommunity(1, 2, 3),))
    assert routes_of(SERVICE, given(advertisement)).contributions == (expected,)


def test_advertisements_of_two_lengths_make_two_routes() -> None:
    found = routes_of(SERVICE, given(BGPAdvertisement("a", aggregation_length=24), BGPAdvertisement("b")))
    assert found.contributions == (route("203.0.113.0/24"), route("203.0.113.9/32"))


REASONS = {
    "no ledger entry": (SERVICE, given(entries={}), Why.NotInLedger),
    "the ledger gives the IP to another Service": (
        SERVICE,
        given(entries={IP: replace(ENTRY, services=(EntryService(SERVICE.key, "uid-of-an-older-one"),))}),
        Why.LedgerNamesAnother,
    ),
    "no pool": (SERVICE, given(configuration=Configuration(bgp_advertisements=(BGPAdvertisement("a"),))), Why.NoPool),
    "no advertisement": (SERVICE, given(configuration=Configuration(pools=(POOL,))), Why.NoAdvertisement),
    "an advertisement of other pools": (SERVICE, given(BGPAdvertisement("a", pools=frozenset({"red"}))), Why.NoAdvertisement),
    "an advertisement of other Services": (SERVICE, given(BGPAdvertisement("a", service_selectors=(RED,))), Why.NoAdvertisement),
    "an advertisement by other nodes": (SERVICE, given(BGPAdvertisement("a", node_selectors=(RED,))), Why.NotSelectedByAdvertisement),
    "an advertisement of other addresses": (
        SERVICE,
        given(BGPAdvertisement("a", service_addresses=frozenset({ServiceAddresses.CLUSTER}))),
        Why.NoAdvertisement,
    ),
    "two local preferences": (SERVICE, given(BGPAdvertisement("a", local_pref=1), BGPAdvertisement("b")), Why.ConflictingLocalPref),
    "no Node object": (SERVICE, given(node=None), Why.NodeNotFound),
    "no network": (SERVICE, given(node=NodeView("node1", is_network_unavailable=True)), Why.NetworkUnavailable),
    "an excluded node": (SERVICE, given(node=NodeView("node1", {EXCLUDE_NODE_LABEL: ""})), Why.ExcludedByLabel),
    "no endpoint at all": (SERVICE, given(endpoints=()), Why.NoUsableEndpoint),
    "no endpoint of the family": (SERVICE, given(endpoints=(replace(HERE, family=Family.IPV6),)), Why.NoUsableEndpoint),
    "endpoints that are not ready": (SERVICE, given(endpoints=(replace(HERE, ready=False),)), Why.NoUsableEndpoint),
    "policy Local, endpoints elsewhere": (LOCAL, given(endpoints=(ELSEWHERE,)), Why.NoLocalEndpoint),
    "policy Local, an endpoint without address": (
        LOCAL,
        given(endpoints=(replace(HERE, has_address=False), ELSEWHERE)),
        Why.NoLocalEndpoint,
    ),
    "an aggregate wider than the pools": (SERVICE, given(BGPAdvertisement("a", aggregation_length=23)), Why.AggregateOutsidePools),
}


@pytest.mark.parametrize(("service", "world", "reason"), REASONS.values(), ids=REASONS)
def test_every_no_has_its_reason(service: ServiceView, world: RouteInput, reason: Why) -> None:
    found = routes_of(service, world)
    assert (found.contributions, found.reasons) == ((), ((IP, reason),))


GRANTED = {
    "an excluded node that is told to go on": (SERVICE, given(node=NodeView("node1", {EXCLUDE_NODE_LABEL: ""}), ignore_exclude_lb=True)),
    "policy Cluster, endpoints elsewhere": (SERVICE, given(endpoints=(ELSEWHERE,))),
    "policy Local, an endpoint here": (LOCAL, given()),
    "policy Local, an endpoint here that drains": (
        LOCAL,
        given(endpoints=(LEAVING, replace(ELSEWHERE, ready=False))),
    ),
    "policy Local, an endpoint whose readiness is not said": (LOCAL, given(endpoints=(replace(HERE, ready=None),))),
    "two local preferences to different peers": (
        SERVICE,
        given(BGPAdvertisement("a", local_pref=1, peers=frozenset({"x"})), BGPAdvertisement("b", pools=frozenset({"red"}))),
    ),
    "two local preferences for different nodes": (
        SERVICE,
        given(BGPAdvertisement("a", local_pref=1), BGPAdvertisement("b", node_selectors=(RED,))),
    ),
    "a cordoned node": (SERVICE, given(node=NodeView("node1", {"node.kubernetes.io/unschedulable": ""}))),
}


@pytest.mark.parametrize(("service", "world"), GRANTED.values(), ids=GRANTED)
def test_what_is_no_reason_against_a_route(service: ServiceView, world: RouteInput) -> None:
    found = routes_of(service, world)
    assert {str(each.prefix) for each in found.contributions} == {"203.0.113.9/32"}
    assert found.reasons == ()


EXTERNAL = BGPAdvertisement("ext", service_addresses=frozenset({ServiceAddresses.EXTERNAL}))
WITH_EXTERNAL = replace(SERVICE, ingress=(), external_ips=("203.0.113.77",))
OUTSIDE = replace(SERVICE, ingress=(), external_ips=("198.51.100.77",))
SEVENTY_SEVEN = ip_address("203.0.113.77")


def with_external(*pools: Pool, reserved_for: str | None = None) -> RouteInput:
    reservations = (Reservation("r", (AddressRange.parse("198.51.100.0/24"),), reserved_for),) if reserved_for else ()
    return given(configuration=Configuration(pools, reservations=reservations, bgp_advertisements=(EXTERNAL,)))


ANOTHERS = LedgerEntry(SEVENTY_SEVEN, "me", "blue", (EntryService(SERVICE.key, "x"),))
EXTERNALS = {
    "in a pool": (WITH_EXTERNAL, given(EXTERNAL), True),
    "not asked for": (WITH_EXTERNAL, given(), False),
    "in no pool": (OUTSIDE, given(EXTERNAL), False),
    "held by another": (WITH_EXTERNAL, given(EXTERNAL, entries={SEVENTY_SEVEN: ANOTHERS}), False),
    "pool of another namespace": (
        WITH_EXTERNAL,
        with_external(replace(POOL, allocation=ServiceAllocation(namespaces=frozenset({"other"})))),
        False,
    ),
    "excluded": (WITH_EXTERNAL, with_external(replace(POOL, excluded=(AddressRange.of(SEVENTY_SEVEN),))), False),
    "reserved for it": (OUTSIDE, with_external(reserved_for="shop"), True),
    "reserved for another": (OUTSIDE, with_external(reserved_for="other"), False),
}


@pytest.mark.parametrize(("service", "world", "is_advertised"), EXTERNALS.values(), ids=EXTERNALS)
def test_an_external_ip_goes_out_only_where_somebody_admits_it(service: ServiceView, world: RouteInput, *, is_advertised: bool) -> None:
    assert bool(routes_of(service, world).contributions) is is_advertised


CLUSTER = BGPAdvertisement("cip", service_addresses=frozenset({ServiceAddresses.CLUSTER}))


@pytest.mark.parametrize(
    ("cluster_ips", "cidrs", "expected"),
    [
        (("10.96.0.10",), ("10.96.0.0/12",), {"10.96.0.10/32"}),
        (("10.96.0.10", "fd00::10"), ("10.96.0.0/12",), {"10.96.0.10/32"}),
        (("10.96.0.10",), ("10.0.0.0/24",), set()),
        (("10.96.0.10",), (), set()),
        (("None",), ("10.96.0.0/12",), set()),
    ],
)
def test_a_cluster_ip_goes_out_only_inside_a_service_cidr(cluster_ips: tuple[str, ...], cidrs: tuple[str, ...], expected: set[str]) -> None:
    service = replace(SERVICE, type="ClusterIP", ingress=(), cluster_ips=cluster_ips)
    found = routes_of(service, given(CLUSTER, service_cidrs=tuple(map(AddressRange.parse, cidrs))))
    assert {str(each.prefix) for each in found.contributions} == expected


def test_each_family_needs_its_own_endpoints() -> None:
    both = replace(SERVICE, ingress=(IngressView(IP, str(IP)), IngressView(IP6, str(IP6))), traffic_policy=TrafficPolicy.LOCAL)
    entries = {IP: ENTRY, IP6: replace(ENTRY, address=IP6)}
    found = routes_of(both, given(entries=entries))
    assert [str(each.prefix) for each in found.contributions] == ["203.0.113.9/32"]
    assert found.reasons == ((IP6, Why.NoUsableEndpoint),)


def test_a_node_whose_endpoints_only_terminate_is_no_way_while_others_are_ready() -> None:
    assert routes_of(LOCAL, given(endpoints=(LEAVING, ELSEWHERE))).reasons == ((IP, Why.OnlyTerminatingEndpoints),)
    assert routes_of(SERVICE, given(endpoints=(LEAVING, ELSEWHERE))).contributions == (route("203.0.113.9/32"),)
    assert routes_of(LOCAL, given(endpoints=(LEAVING, HERE))).contributions == (route("203.0.113.9/32"),)


def test_an_endpoint_that_terminates_weighs_nothing_while_others_are_ready() -> None:
    weighed = given(BGPAdvertisement("adv", weight_by_endpoints=True), endpoints=(LEAVING, HERE, ELSEWHERE))
    assert [contribution.endpoints for contribution in routes_of(SERVICE, weighed).contributions] == [1]
    last = given(BGPAdvertisement("adv", weight_by_endpoints=True), endpoints=(LEAVING,))
    assert [contribution.endpoints for contribution in routes_of(LOCAL, last).contributions] == [1]
