"""Laws of compile and of the arithmetic under it: total, indifferent to order, exact, and settled once it is recorded."""

import copy
from ipaddress import IPv4Address, summarize_address_range

from hypothesis import example, given, settings
from hypothesis import strategies as st

from baremetal_lb.api.compile import compile_objects
from baremetal_lb.api.fields import field_parts, field_path
from baremetal_lb.api.kinds import KINDS
from baremetal_lb.api.ranges import SpanMap, overlaps_within, widest_prefix_length
from baremetal_lb.api.yaml_nodes import parse_documents
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB
from baremetal_lb.model.net import AddressRange, Family

NAMESPACE = "baremetal-lb-system"
COUNT = settings(max_examples=100, deadline=None)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORDS = [
    "addresses",
    "autoAssign",
    "serviceAllocation",
    "namespaces",
    "namespaceSelectors",
    "quotas",
    "retainFor",
    "excluded",
    "ipAddressPools",
    "ipAddressPoolSelectors",
    "nodeSelectors",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "preemption",
    "policy",
    "delay",
    "communities",
    "name",
    "value",
    "aggregationLength",
    "localPref",
    "peers",
    "myASN",
    "peerASN",
    "peerAddress",
    "holdTime",
    "bfdProfile",
    "password",
    "passwordSecret",
    "routerID",
    "echoMode",
    "namespace",
    "address",
    "owner",
    "services",
]
near_specs = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**33)
    | st.sampled_from(["", "10.0.0.0/8", "1.2.3.4-1.2.3.9", "a", "In", "1:2", "30s", "x\n", "::/0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=20,
)


@st.composite
def arbitrary_objects(draw):
    kind = draw(st.sampled_from(KINDS))
    identity = draw(st.sampled_from([BAREMETAL_LB, METALLB]))
    made = {
        "apiVersion": f"{kind.group(identity)}/{draw(st.sampled_from(['v1beta1', 'v1beta2', 'v1']))}",
        "kind": kind.name,
        "metadata": draw(
            json_values
            | st.fixed_dictionaries(
                {"name": st.sampled_from(["a", "b", "c"])},
                optional={
                    "creationTimestamp": json_values,
                    "labels": json_values,
                    "generation": json_values,
                    "namespace": st.just(NAMESPACE),
                },
            )
        ),
        "spec": draw(near_specs | json_values),
        "status": draw(json_values | st.fixed_dictionaries({"lastAccepted": st.fixed_dictionaries({"spec": near_specs})})),
    }
    for key in draw(st.sets(st.sampled_from(sorted(made)), max_size=2)):
        del made[key]
    return made


def compiled(objects, **options):
    return compile_objects(objects, identity=BAREMETAL_LB, namespace=NAMESPACE, **options)


@COUNT
@given(st.lists(arbitrary_objects() | json_values, max_size=6), st.randoms(use_true_random=False))
def test_any_json_gives_a_result_and_the_order_of_objects_does_not_matter(objects, chance):
    before = copy.deepcopy(objects)
    result = compiled(objects)
    shuffled = chance.sample(objects, len(objects))
    other = compiled(shuffled)
    assert (result.configuration, result.problems, result.accepted) == (other.configuration, other.problems, other.accepted)
    assert repr(objects) == repr(before), "the objects were changed"


@st.composite
def small_ranges(draw):
    first = draw(st.integers(0, 60))
    return f"10.0.0.{first}-10.0.0.{draw(st.integers(first, min(first + 20, 63)))}"


@st.composite
def worlds(draw):
    """Pools and advertisements in little room, some accepted before, some faulty."""
    objects = []
    for number in range(draw(st.integers(0, 6))):
        metadata = {"name": draw(st.sampled_from(["a", "b"])) + str(number), "generation": 1}
        if draw(st.booleans()):
            metadata["creationTimestamp"] = f"2026-01-01T00:00:0{draw(st.integers(0, 3))}Z"
        spec = {"addresses": draw(st.lists(small_ranges() | st.just("x"), min_size=1, max_size=2))}
        made = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": spec}
        if draw(st.booleans()):
            made["status"] = {
                "lastAccepted": {"generation": 1, "spec": {"addresses": draw(st.lists(small_ranges(), min_size=1, max_size=2))}}
            }
        objects.append(made)
    for number in range(draw(st.integers(0, 3))):
        spec = {"localPref": draw(st.integers(0, 2)), "aggregationLength": draw(st.sampled_from([24, 30, 32]))}
        objects.append(
            {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "BGPAdvertisement", "metadata": {"name": f"adv{number}"}, "spec": spec}
        )
    return objects


def recorded(objects, result, skipped=frozenset()):
    """Return the objects as they are once the controller has recorded what is to be recorded, but for those skipped."""
    written = []
    for made in objects:
        ref = next((ref for ref in result.accepted if (ref.kind, ref.key.name) == (made["kind"], made["metadata"]["name"])), None)
        outcome = result.accepted.get(ref)
        if outcome is not None and outcome.spec_to_record is not None and made["metadata"]["name"] not in skipped:
            status = {"lastAccepted": {"generation": outcome.generation, "spec": outcome.spec_to_record}}
            written.append({**made, "status": status})
        else:
            written.append(made)
    return written


@st.composite
def histories(draw):
    """Objects after some rounds of edits, each compiled and recorded, or half recorded by a controller that died."""
    objects = [{key: value for key, value in made.items() if key != "status"} for made in draw(worlds())]
    names = [made["metadata"]["name"] for made in objects]
    for _ in range(draw(st.integers(1, 3))):
        skipped = draw(st.sets(st.sampled_from(names), max_size=2)) if names else set()
        objects = recorded(objects, compiled(objects), skipped)
        edits = (
            draw(st.dictionaries(st.sampled_from(names), st.lists(small_ranges() | st.just("x"), min_size=1, max_size=2))) if names else {}
        )
        objects = [
            {**made, "spec": {"addresses": edits[made["metadata"]["name"]]}}
            if made["kind"] == "IPAddressPool" and made["metadata"]["name"] in edits
            else made
            for made in objects
        ]
    return objects


@COUNT
@given(histories())
def test_once_recorded_nothing_changes_and_nothing_is_left_to_record(objects):
    first = compiled(objects)
    second = compiled(recorded(objects, first))
    assert second.configuration == first.configuration
    assert [outcome.spec_to_record for outcome in second.accepted.values()] == [None] * len(second.accepted)
    assert {ref: outcome.is_accepted for ref, outcome in first.accepted.items()} == {
        ref: outcome.is_accepted for ref, outcome in second.accepted.items()
    }


@COUNT
@given(histories())
def test_what_is_in_force_stays_in_force_when_others_are_edited_or_added(objects):
    """The ranges of a pool that was accepted and that nobody edits are in force after whatever the others do."""
    before = compiled(objects)
    objects = recorded(objects, before)
    settled = {ref.key.name for ref, outcome in before.accepted.items() if ref.kind == "IPAddressPool" and outcome.is_accepted}
    others = [made for made in objects if made["metadata"]["name"] not in sorted(settled)[:2]]
    for made in others:
        if made["kind"] == "IPAddressPool":
            made["spec"] = {"addresses": ["10.0.0.0/26"]}
    greedy = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAddressPool", "spec": {"addresses": ["10.0.0.0/8"]}}
    greedy["metadata"] = {"name": "greedy", "creationTimestamp": "2020-01-01T00:00:00Z"}
    after = compiled([*objects, greedy])
    for name in sorted(settled)[:2]:
        assert after.configuration.pool(name) == before.configuration.pool(name)


@COUNT
@given(worlds())
def test_pools_in_force_never_overlap(objects):
    spans = [span for pool in compiled(objects).configuration.pools for span in pool.ranges]
    assert not [(a, b) for i, a in enumerate(spans) for b in spans[:i] if a.overlaps(b)]


@COUNT
@given(worlds(), st.sampled_from([{"addresses": ["x"]}, {"addresses": 5}, {}, None]))
def test_a_faulty_object_changes_nothing_for_the_others(objects, spec):
    bad = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "bad"}, "spec": spec}
    alone, beside = compiled(objects), compiled([bad, *objects])
    assert beside.configuration == alone.configuration
    assert [problem for problem in beside.problems if problem.object.key.name != "bad"] == list(alone.problems)


@COUNT
@given(worlds())
def test_an_object_is_accepted_or_has_a_fatal_problem(objects):
    result = compiled(objects)
    at_fault = {problem.object for problem in result.problems if problem.is_fatal}
    assert {ref for ref, outcome in result.accepted.items() if not outcome.is_accepted} == at_fault


spans = st.builds(
    lambda family, first, size: AddressRange(family, first, first + size), st.sampled_from(Family), st.integers(0, 80), st.integers(0, 20)
)


@COUNT
@given(st.lists(spans, max_size=8))
def test_overlaps_within_a_list_are_found_if_and_only_if_there_are_any(ranges):
    pairs = list(overlaps_within(ranges))
    assert all(earlier < later and ranges[earlier].overlaps(ranges[later]) for earlier, later in pairs)
    assert bool(pairs) == any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[:i])


@COUNT
@given(st.lists(spans, max_size=12), spans)
def test_the_span_map_finds_exactly_what_overlaps(ranges, wanted):
    kept: list[AddressRange] = []
    spans_taken = SpanMap()
    for number, span in enumerate(ranges):
        if not any(span.overlaps(other) for other in kept):
            kept.append(span)
            spans_taken.add(span, str(number))
    assert [span for span, _ in spans_taken.overlapping(wanted)] == sorted(span for span in kept if span.overlaps(wanted))


@COUNT
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@example(0, 2**32 - 1)
@example(1, 2)
def test_the_widest_prefix_is_that_of_the_summary(a, b):
    first, last = sorted((a, b))
    expected = min(network.prefixlen for network in summarize_address_range(IPv4Address(first), IPv4Address(last)))
    assert widest_prefix_length(AddressRange(Family.IPV4, first, last)) == expected


@COUNT
@given(
    st.lists(st.text(min_size=1, max_size=6) | st.integers(0, 10**8), max_size=5).filter(
        lambda parts: not parts or isinstance(parts[0], str)
    )
)
def test_a_field_path_is_read_back(parts):
    assert field_parts(field_path(parts)) == tuple(parts)


@COUNT
@given(st.text(alphabet=st.sampled_from("abk:- \n\t{}[]\"'&*#|>!%,0x~.é\x01"), max_size=60) | st.text(max_size=40))
def test_any_text_is_documents_or_flaws(text):
    for document in parse_documents(text):
        assert document.line >= 1
        assert document.line_of(("a", 0)) >= 1
