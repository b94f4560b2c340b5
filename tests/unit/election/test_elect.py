"""Election: vectors of the reference, eligibility and each exclusion, shared IPs, placement."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from baremetal_lb.election.elect import Election, ElectionInput, could_answer, elect
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.election.rendezvous import rendezvous_first
from baremetal_lb.model.configuration import L2Advertisement, Pool, PreemptionPolicy, Preference
from baremetal_lb.model.ids import EXCLUDE_NODE_LABEL, ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import AddressRange, Family
from baremetal_lb.model.roster import InterfaceFacts, Member, Roster
from baremetal_lb.model.views import EndpointView, NodeView, ServiceView, TrafficPolicy

V4, V6 = Family.IPV4, Family.IPV6
POOL = Pool("blue", (AddressRange.parse("10.0.0.0/8"), AddressRange.parse("2001:db8::/64")))
NODES = ("node-a", "node-b", "node-c")


def key(name: str) -> ObjectKey:
    return ObjectKey("shop", name)


def service(name: str = "web", **fields: object) -> ServiceView:
    return ServiceView(key(name), uid=name, **fields)  # type: ignore[arg-type]


def endpoint(node: str | None, family: Family = V4, **conditions: bool | None) -> EndpointView:
    return EndpointView(node, family, **conditions)  # type: ignore[arg-type]


def labelled(name: str, value: str) -> LabelSelector:
    return LabelSelector((Requirement(name, Operator.IN, (value,)),))


def subject(ip: str = "10.0.0.1", **fields: object) -> ElectionInput:
    base = ElectionInput(
        address=ip_address(ip),
        services=(service(),),
        pool=POOL,
        advertisements=(L2Advertisement("all"),),
        nodes={name: NodeView(name, {"name": name}) for name in NODES},
        endpoints={key("web"): (endpoint(None), endpoint(None, V6))},
        roster=Roster.of_nodes(NODES),
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def reason_of(election: Election, node: str) -> ExclusionReason | None:
    return next(candidate.reason for candidate in election.candidates if candidate.node == node)


@pytest.mark.parametrize(
    ("ip", "order"),
    [("10.0.0.1", "bac"), ("10.0.0.2", "bca"), ("10.20.30.1", "ba")],
)
def test_rendezvous_order_is_the_references(ip: str, order: str) -> None:
    expected = [f"node-{letter}" for letter in order]
    left, found = sorted(expected), []
    while left:
        found.append(rendezvous_first(left, ip_address(ip)))
        left.remove(found[-1])
    assert found == expected


def test_the_first_in_rendezvous_order_announces_on_all_interfaces() -> None:
    election = elect(subject())
    assert (election.announcer, election.interfaces, election.reason) == ("node-b", None, None)
    assert election.eligible == NODES


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"roster": Roster.of_nodes(["node-a", "node-c"])}, ExclusionReason.NoSpeaker),
        (
            {"roster": Roster({n: Member(n, is_alive=n != "node-b") for n in NODES})},
            ExclusionReason.SpeakerNotAlive,
        ),
        ({"roster": Roster({n: Member(n, is_serving=n != "node-b") for n in NODES})}, ExclusionReason.SpeakerNotServing),
        ({"nodes": {n: NodeView(n) for n in ("node-a", "node-c")}}, ExclusionReason.NodeNotFound),
        ({"nodes": {n: NodeView(n, is_network_unavailable=n == "node-b") for n in NODES}}, ExclusionReason.NetworkUnavailable),
        ({"nodes": {n: NodeView(n, {EXCLUDE_NODE_LABEL: ""} if n == "node-b" else {}) for n in NODES}}, ExclusionReason.ExcludedByLabel),
        ({"nodes": {n: NodeView(n, is_draining=n == "node-b") for n in NODES}}, ExclusionReason.NodeDraining),
        (
            {"advertisements": (L2Advertisement("ac", node_selectors=(labelled("name", "node-a"), labelled("name", "node-c"))),)},
            ExclusionReason.NotSelectedByAdvertisement,
        ),
        (
            {
                "advertisements": (L2Advertisement("eth1", interfaces=("eth1",)),),
                "roster": Roster({n: Member(n, interfaces=(InterfaceFacts("eth0" if n == "node-b" else "eth1"),)) for n in NODES}),
            },
            ExclusionReason.InterfaceMissing,
        ),
        (
            {"roster": Roster({n: Member(n, interfaces=(InterfaceFacts("eth0"),) if n != "node-b" else ()) for n in NODES})},
            ExclusionReason.InterfaceMissing,
        ),
        (
            {"roster": Roster({n: Member(n, interfaces=(InterfaceFacts("eth0", has_carrier=n != "node-b"),)) for n in NODES})},
            ExclusionReason.InterfaceWithoutCarrier,
        ),
        (
            {
                "roster": Roster(
                    {n: Member(n, interfaces=(InterfaceFacts("e", families=frozenset({V6 if n == "node-b" else V4})),)) for n in NODES}
                )
            },
            ExclusionReason.InterfaceWithoutFamily,
        ),
        (
            {
                "services": (service(traffic_policy=TrafficPolicy.LOCAL),),
                "endpoints": {
                    key("web"): (endpoint("node-a"), endpoint("node-c"), endpoint("node-b", ready=False), endpoint("node-b", V6)),
                },
            },
            ExclusionReason.NoLocalEndpoint,
        ),
    ],
    ids=lambda value: value.name if isinstance(value, ExclusionReason) else "",
)
def test_an_excluded_node_has_its_reason_and_the_next_one_announces(change: dict[str, object], reason: ExclusionReason) -> None:
    election = elect(subject(**change))
    assert reason_of(election, "node-b") is reason
    assert election.announcer == "node-a"
    assert election.eligible == ("node-a", "node-c")


def test_the_exclude_label_can_be_ignored() -> None:
    nodes = {n: NodeView(n, {EXCLUDE_NODE_LABEL: ""}) for n in NODES}
    assert elect(subject(nodes=nodes)).reason is ExclusionReason.NoCandidate
    assert elect(subject(nodes=nodes, ignore_exclude_lb=True)).announcer == "node-b"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"services": ()}, ExclusionReason.NoService),
        ({"pool": None}, ExclusionReason.NoPool),
        ({"advertisements": ()}, ExclusionReason.NoAdvertisement),
        ({"advertisements": (L2Advertisement("other", pools=frozenset({"green"})),)}, ExclusionReason.NoAdvertisement),
        ({"advertisements": (L2Advertisement("x", service_selectors=(labelled("app", "db"),)),)}, ExclusionReason.NoAdvertisement),
        ({"endpoints": {}}, ExclusionReason.NoUsableEndpoint),
        ({"endpoints": {key("web"): (endpoint("node-a", V6), endpoint("node-a", ready=False))}}, ExclusionReason.NoUsableEndpoint),
        (
            {
                "services": (service(sharing_key="", labels={"app": "db"}),),
                "advertisements": (L2Advertisement("x", service_selectors=(labelled("app", "db"),)), L2Advertisement("all")),
            },
            ExclusionReason.SharedIPWithServiceSelectors,
        ),
        ({"roster": Roster()}, ExclusionReason.NoCandidate),
        ({"roster": Roster(), "nodes": {}}, ExclusionReason.NoCandidate),
    ],
    ids=lambda value: value.name if isinstance(value, ExclusionReason) else "",
)
def test_nobody_announces_and_the_reason_says_why(change: dict[str, object], reason: ExclusionReason) -> None:
    election = elect(subject(**change))
    assert (election.announcer, election.reason, election.eligible) == (None, reason, ())
    assert all(candidate.message for candidate in election.candidates)


def test_a_sharing_service_that_matches_no_advertisement_with_selectors_is_announced() -> None:
    advertisements = (L2Advertisement("x", service_selectors=(labelled("app", "db"),)), L2Advertisement("all"))
    assert elect(subject(services=(service(sharing_key="k"),), advertisements=advertisements)).announcer == "node-b"


@pytest.mark.parametrize(
    ("conditions", "is_usable"),
    [
        ({"ready": True}, True),
        ({"ready": None, "serving": False}, True),
        ({"ready": False, "serving": True, "terminating": True}, True),
        ({"ready": False, "serving": None}, False),
        ({"ready": False, "serving": False}, False),
        ({"has_address": False}, False),
    ],
)
def test_endpoint_conditions_decide_as_in_the_reference(*, conditions: dict[str, bool | None], is_usable: bool) -> None:
    election = elect(subject(endpoints={key("web"): (endpoint("node-a", **conditions),)}))
    assert (election.announcer is not None) is is_usable


def test_nodes_with_ready_endpoints_go_before_nodes_with_only_terminating_ones() -> None:
    draining = endpoint("node-b", ready=False, serving=True, terminating=True)
    local = subject(
        services=(service(traffic_policy=TrafficPolicy.LOCAL, wanted_announcer="node-b"),),
        endpoints={key("web"): (draining, endpoint("node-c"))},
        preferred="node-b",
    )
    election = elect(local)
    assert election.announcer == "node-c"
    assert election.eligible == ("node-b", "node-c")
    assert elect(replace(local, endpoints={key("web"): (draining,)})).announcer == "node-b"


def test_candidates_of_a_shared_ip_are_the_intersection() -> None:
    local = {"traffic_policy": TrafficPolicy.LOCAL, "sharing_key": "k"}
    shared = subject(
        services=(service("web", **local), service("dns", **local)),
        endpoints={
            key("web"): (endpoint("node-b"), endpoint("node-c")),
            key("dns"): (endpoint("node-a"), endpoint("node-c")),
        },
    )
    assert elect(shared).announcer == "node-c"
    nobody = replace(shared, roster=Roster.of_nodes([]))
    assert elect(nobody).reason is ExclusionReason.NoCandidate


LOCAL_SHARER = {"traffic_policy": TrafficPolicy.LOCAL, "sharing_key": "k"}


@pytest.mark.parametrize(
    ("ages", "announcer", "left_out"),
    [
        ({"web": 1, "dns": 2}, "node-b", "dns"),
        ({"web": 2, "dns": 1}, "node-a", "web"),
        ({"web": 1, "dns": 1}, "node-a", "web"),
        ({"web": 1, "dns": 0}, "node-b", "dns"),
    ],
    ids=["the younger one", "by age and not by name", "equally old: the later by name", "one that was never applied is the youngest"],
)
def test_who_would_leave_a_shared_ip_without_a_candidate_is_left_out(ages: dict[str, int], announcer: str, left_out: str) -> None:
    shared = subject(
        services=tuple(service(name, created_utc=age, **LOCAL_SHARER) for name, age in ages.items()),
        endpoints={key("web"): (endpoint("node-b"),), key("dns"): (endpoint("node-a"),)},
        preferred="node-c",
    )
    election = elect(shared)
    assert (election.announcer, election.left_out) == (announcer, {key(left_out): ExclusionReason.LeftOutOfSharedIP})
    assert could_answer(shared, announcer, election)
    assert not could_answer(shared, "node-c", election)


def test_of_three_the_oldest_two_that_go_together_count() -> None:
    services = tuple(service(name, created_utc=age, **LOCAL_SHARER) for age, name in enumerate(("one", "two", "three"), start=1))
    at = {"one": ("node-a", "node-b"), "two": ("node-c",), "three": ("node-b",)}
    endpoints = {key(name): tuple(endpoint(node) for node in nodes) for name, nodes in at.items()}
    election = elect(subject(services=services, endpoints=endpoints))
    assert (election.announcer, election.left_out) == ("node-b", {key("two"): ExclusionReason.LeftOutOfSharedIP})


def test_while_a_service_is_left_out_no_announcer_is_pinned_since_a_node_that_comes_may_serve_all() -> None:
    services = (service("web", created_utc=1, **LOCAL_SHARER), service("dns", created_utc=2, **LOCAL_SHARER))
    both = {key("web"): (endpoint("node-b"), endpoint("node-c")), key("dns"): (endpoint("node-c"),)}
    alone = replace(subject(services=services, endpoints=both, preferred="node-b"), roster=Roster.of_nodes(["node-a", "node-b"]))
    assert (elect(alone).announcer, elect(alone).is_pinned) == ("node-b", False)
    assert elect(replace(alone, roster=Roster.of_nodes(["node-a", "node-b", "node-c"]))).announcer == "node-c"


def test_a_service_without_endpoints_does_not_cost_those_that_share_its_ip_theirs() -> None:
    shared = subject(services=(service("web", sharing_key="k"), service("dns", sharing_key="k", traffic_policy=TrafficPolicy.LOCAL)))
    election = elect(shared)
    assert election.announcer == "node-b"
    assert election.left_out == {key("dns"): ExclusionReason.NoUsableEndpoint}


def test_weights_of_all_matching_preferences_add_up_before_rendezvous() -> None:
    def prefers(name: str, node: str, weight: int) -> L2Advertisement:
        return L2Advertisement(name, preferences=(Preference(weight, labelled("name", node)),))

    advertisements = (prefers("one", "node-a", 30), prefers("two", "node-c", 20), prefers("three", "node-c", 20))
    assert elect(subject(advertisements=advertisements)).announcer == "node-c"
    without_c = Roster.of_nodes(["node-a", "node-b"])
    assert elect(subject(advertisements=advertisements, roster=without_c)).announcer == "node-a"


def test_an_advertisement_scores_only_the_nodes_that_it_selects() -> None:
    scoring = L2Advertisement("a", node_selectors=(labelled("name", "node-b"),), preferences=(Preference(100, labelled("name", "node-c")),))
    assert elect(subject(advertisements=(scoring, L2Advertisement("all")))).announcer == "node-b"


@pytest.mark.parametrize(
    ("change", "announcer"),
    [
        ({"preferred": "node-c"}, "node-c"),
        ({"preferred": "node-x"}, "node-b"),
        ({"preferred": "node-c", "services": (service(wanted_announcer="node-a"),)}, "node-a"),
        ({"preferred": "node-c", "services": (service(wanted_announcer="nobody"),)}, "node-c"),
        ({"sibling": "node-a"}, "node-a"),
        ({"sibling": "node-x"}, "node-b"),
        ({"sibling": "node-a", "preferred": "node-c"}, "node-c"),
    ],
)
def test_placement_follows_wishes_then_ledger_then_sibling(change: dict[str, object], announcer: str) -> None:
    assert elect(subject(**change)).announcer == announcer


def test_a_preferred_announcer_stays_though_a_better_candidate_came_back() -> None:
    weights = (L2Advertisement("w", preferences=(Preference(9, labelled("name", "node-a")),)),)
    election = elect(subject(advertisements=weights, preferred="node-c"))
    assert (election.announcer, election.best, election.preemption_delay, election.better) == ("node-c", "node-a", None, ())
    delayed = (replace(weights[0], preemption=PreemptionPolicy.DELAYED, preemption_delay=5),)
    election = elect(subject(advertisements=delayed, preferred="node-c"))
    assert (election.announcer, election.preemption_delay, election.better) == ("node-c", 5, ("node-a",))
    assert elect(subject(advertisements=delayed, preferred="node-a")).better == ()
    assert elect(subject(advertisements=delayed, services=(service(wanted_announcer="node-c"),))).better == ()


@pytest.mark.parametrize(
    ("change", "is_pinned"),
    [
        ({}, False),
        ({"preferred": "node-c"}, True),
        ({"preferred": "node-x"}, False),
        ({"services": (service(wanted_announcer="node-a"),)}, True),
        ({"services": (service(wanted_announcer="node-x"),), "preferred": "node-c"}, False),
    ],
)
def test_an_announcer_by_wish_or_ledger_is_pinned(change: dict[str, object], *, is_pinned: bool) -> None:
    assert elect(subject(**change)).is_pinned is is_pinned


def test_interfaces_are_those_named_by_the_advertisements_that_select_the_announcer() -> None:
    one = L2Advertisement("one", interfaces=("eth1",))
    two = L2Advertisement("two", interfaces=("eth2",))
    other = L2Advertisement("other", node_selectors=(labelled("name", "node-a"),))
    assert elect(subject(advertisements=(one, two, other))).interfaces == {"eth1", "eth2"}
    assert elect(subject(advertisements=(one, two, other), preferred="node-a")).interfaces is None


def test_an_unknown_set_of_interfaces_counts_as_every_interface() -> None:
    assert elect(subject(advertisements=(L2Advertisement("one", interfaces=("eth7",)),))).announcer == "node-b"


def test_every_reason_has_a_sentence_of_its_own() -> None:
    sentences = [reason.sentence for reason in ExclusionReason]
    assert len(set(sentences)) == len(sentences)
    assert all(sentence.endswith(".") for sentence in sentences)
