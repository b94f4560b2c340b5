"""Laws of the election: one announcer among the eligible, order of inputs is irrelevant, a loser's leaving changes nothing."""

from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.election.elect import ElectionInput, elect
from baremetal_lb.model.configuration import L2Advertisement, Pool, Preference
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import AddressRange, Family
from baremetal_lb.model.roster import InterfaceFacts, Member, Roster
from baremetal_lb.model.views import EndpointView, NodeView, ServiceView, TrafficPolicy

NAMES = [f"n{i}" for i in range(6)]
names = st.sampled_from(NAMES)
selectors = st.builds(lambda n: LabelSelector((Requirement("name", Operator.IN, tuple(sorted(n))),)), st.sets(names, min_size=1))
members = st.builds(
    Member,
    node=st.just(""),
    is_alive=st.booleans() | st.just(True),
    is_serving=st.booleans() | st.just(True),
    interfaces=st.none() | st.lists(st.builds(InterfaceFacts, st.sampled_from(["eth0", "eth1"]), st.booleans()), max_size=2).map(tuple),
)
advertisements = st.lists(
    st.builds(
        L2Advertisement,
        name=st.text("abc", min_size=1, max_size=3),
        node_selectors=st.lists(selectors, max_size=1).map(tuple),
        interfaces=st.sets(st.sampled_from(["eth0", "eth1"]), max_size=1).map(tuple),
        preferences=st.lists(st.builds(Preference, st.integers(1, 100), selectors), max_size=2).map(tuple),
    ),
    max_size=3,
    unique_by=lambda a: a.name,
)
endpoint_lists = st.lists(
    st.builds(
        EndpointView,
        st.none() | names,
        st.sampled_from(list(Family)),
        ready=st.sampled_from([None, True, False]),
        serving=st.sampled_from([None, True, False]),
    ),
    max_size=6,
).map(tuple)


@st.composite
def inputs(draw: st.DrawFn) -> ElectionInput:
    services = tuple(
        ServiceView(
            ObjectKey("ns", f"s{i}"), f"s{i}", traffic_policy=draw(st.sampled_from(TrafficPolicy)), created_utc=draw(st.integers(1, 9))
        )
        for i in range(draw(st.integers(1, 3)))
    )
    nodes = draw(st.sets(names, min_size=1))
    return ElectionInput(
        address=IPv4Address("203.0.113.0") + draw(st.integers(0, 255)),
        services=services,
        pool=Pool("p", (AddressRange.parse("203.0.113.0/24"),)),
        advertisements=tuple(draw(advertisements)),
        nodes={n: NodeView(n, {"name": n}, is_draining=draw(st.integers(0, 9)) == 0) for n in nodes},
        endpoints={s.key: draw(endpoint_lists) for s in services},
        roster=Roster({n: replace(draw(members), node=n) for n in draw(st.sets(names, min_size=1))}),
        preferred=draw(st.none() | names),
        sibling=draw(st.none() | names),
    )


@given(inputs())
@settings(max_examples=150, deadline=None)
def test_exactly_one_announcer_among_the_eligible_or_a_reason(subject: ElectionInput) -> None:
    election = elect(subject)
    assert (election.announcer is None) == (election.reason is not None) == (not election.eligible)
    assert election.announcer is None or election.announcer in election.eligible
    for candidate in election.candidates:
        assert candidate.is_eligible == (candidate.reason is None)


@given(inputs(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_inputs_is_irrelevant(subject: ElectionInput, chance: object) -> None:
    def shuffled(values: list[object]) -> list[object]:
        chance.shuffle(values)  # type: ignore[attr-defined]
        return values

    again = replace(
        subject,
        services=tuple(shuffled(list(subject.services))),
        advertisements=tuple(shuffled(list(subject.advertisements))),
        nodes=dict(shuffled(list(subject.nodes.items()))),
        endpoints={k: tuple(shuffled(list(v))) for k, v in shuffled(list(subject.endpoints.items()))},
        roster=Roster(dict(shuffled(list(subject.roster.members.items())))),
    )
    assert elect(again) == elect(subject)


@given(inputs())
@settings(max_examples=100, deadline=None)
def test_a_node_that_lost_may_leave_without_moving_the_ip(subject: ElectionInput) -> None:
    announcer = elect(subject).announcer
    for loser in subject.nodes.keys() - {announcer}:
        without = replace(subject, roster=Roster({n: m for n, m in subject.roster.members.items() if n != loser}))
        assert elect(without).announcer == announcer


@given(inputs())
@settings(max_examples=200, deadline=None)
def test_a_younger_service_that_joins_neither_silences_an_ip_nor_has_an_older_one_left_out(subject: ElectionInput) -> None:
    youngest = max(subject.services, key=lambda service: (service.created_utc, service.key))
    before = elect(replace(subject, services=tuple(service for service in subject.services if service is not youngest)))
    after = elect(subject)
    if before.announcer is not None:
        assert after.announcer is not None
        assert {key: reason for key, reason in after.left_out.items() if key != youngest.key} == before.left_out
        assert set(after.eligible) <= set(before.eligible)


@given(inputs(), members)
@settings(max_examples=100, deadline=None)
def test_a_node_that_comes_moves_no_ip_whose_announcer_is_pinned(subject: ElectionInput, member: Member) -> None:
    before = elect(subject)
    for name in subject.nodes.keys() - subject.roster.members.keys():
        roster = Roster({**subject.roster.members, name: replace(member, node=name)})
        assert not before.is_pinned or elect(replace(subject, roster=roster)).announcer == before.announcer


@given(inputs())
@settings(max_examples=100, deadline=None)
def test_a_local_service_is_never_announced_where_it_has_no_usable_endpoint(subject: ElectionInput) -> None:
    election = elect(subject)
    for service in subject.services:
        if service.traffic_policy is TrafficPolicy.LOCAL and election.announcer and service.key not in election.left_out:
            here = [e for e in subject.endpoints[service.key] if e.node == election.announcer and e.family is Family.IPV4]
            assert any(e.is_usable for e in here)
