"""Who keeps its meaning: older before younger, accepted before new, and mistakes undo nothing."""

from baremetal_lb.api.compile import Accepted
from baremetal_lb.model.configuration import PreemptionPolicy
from baremetal_lb.model.ids import METALLB, ObjectKey, ObjectRef
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import AddressRange
from baremetal_lb.model.time import HOUR, MINUTE, SECOND
from tests.unit.api.manifests import NAMESPACE, accepted, adv, fatal, l2, manifest, peer, pool, profile, reservation, run, told

R, S, T = "10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"


def ranges(result):
    return {p.name: [str(r) for r in p.ranges] for p in result.configuration.pools}


def spans(*texts):
    return [str(AddressRange.parse(text)) for text in texts]


def was(*addresses):
    return accepted({"addresses": list(addresses)})


def outcome(result, kind, name):
    return result.accepted[ObjectRef(kind, ObjectKey(NAMESPACE, name))]


def test_a_spec_that_turns_bad_keeps_its_last_accepted_meaning_and_is_told():
    result = run(pool("a", "10.0.0.0/33", generation=2, status=was(R)))
    assert ranges(result) == {"a": spans(R)}
    assert fatal(result) == [("IPAddressPool/a", "spec.addresses[0]", "UnparsableRange")]
    assert outcome(result, "IPAddressPool", "a") == Accepted(True, None, 2, is_accepted=False)


def test_a_spec_that_turns_bad_without_having_been_accepted_means_nothing():
    result = run(pool("a", "10.0.0.0/33"))
    assert ranges(result) == {}
    assert outcome(result, "IPAddressPool", "a") == Accepted(False, None, 1, is_accepted=False)


def test_an_accepted_spec_is_to_be_recorded_once():
    first = run(pool("a", R, generation=3))
    assert outcome(first, "IPAddressPool", "a") == Accepted(False, {"addresses": [R]}, 3)
    second = run(pool("a", R, generation=3, status=accepted({"addresses": [R]}, generation=3)))
    assert outcome(second, "IPAddressPool", "a") == Accepted(False, None, 3)


def test_what_was_accepted_can_be_left_out_of_account():
    result = run(pool("a", "x", status=was(R)), last_accepted=False)
    assert ranges(result) == {}


def test_an_older_pool_cannot_be_edited_into_a_younger_one_that_was_accepted():
    result = run(pool("a", S, age=1, generation=2, status=was(R)), pool("b", S, age=2, status=was(S)))
    assert ranges(result) == {"a": spans(R), "b": spans(S)}
    assert fatal(result) == [("IPAddressPool/a", "spec.addresses[0]", "OverlapsOtherPool")]
    assert outcome(result, "IPAddressPool", "a").uses_last_accepted


def test_a_new_pool_cannot_take_what_a_faulty_one_still_means():
    result = run(pool("a", "x", age=1, status=was(R)), pool("b", R, age=2))
    assert ranges(result) == {"a": spans(R)}
    assert ("IPAddressPool/b", "spec.addresses[0]", "OverlapsOtherPool") in fatal(result)


def test_a_new_pool_takes_at_once_what_another_gives_up():
    result = run(pool("z", S, age=1, status=was(R)), pool("a", R, age=0))
    assert ranges(result) == {"a": spans(R), "z": spans(S)}
    assert fatal(result) == []


def test_pools_that_move_one_after_the_other_all_move():
    result = run(pool("a", S, age=1, status=was(R)), pool("b", T, age=2, status=was(S)))
    assert ranges(result) == {"a": spans(S), "b": spans(T)}


def test_the_same_meaning_in_other_words_is_no_edit_and_is_recorded_anew():
    old = pool("a", R, age=1, autoAssign=True, status=was(R))
    result = run(old, pool("b", R, age=0))
    assert ranges(result) == {"a": spans(R)}
    assert outcome(result, "IPAddressPool", "a") == Accepted(False, {"addresses": [R], "autoAssign": True}, 1)


def test_pools_that_swap_at_once_both_stay():
    result = run(pool("a", S, age=1, status=was(R)), pool("b", R, age=2, status=was(S)))
    assert ranges(result) == {"a": spans(R), "b": spans(S)}
    assert {who for who, _, _ in fatal(result)} == {"IPAddressPool/a", "IPAddressPool/b"}


def test_recorded_specs_that_contradict_each_other_are_decided_by_age():
    result = run(pool("a", R, age=2, status=was(R)), pool("b", R, age=1, status=was(R)))
    assert ranges(result) == {"b": spans(R)}


def test_an_object_that_is_not_made_yet_is_the_youngest():
    result = run(pool("a", R), pool("b", R, age=59))
    assert ranges(result) == {"b": spans(R)}


def test_a_recorded_spec_that_is_none_is_no_excuse():
    for recorded in (None, 5, [], {"addresses": ["x"]}, {"addresses": 1}):
        assert ranges(run(pool("a", "x", status={"lastAccepted": {"spec": recorded}}))) == {}
    assert ranges(run(pool("a", "x", status={"lastAccepted": 7}))) == {}


def test_a_faulty_l2_advertisement_keeps_its_last_accepted_meaning():
    bad = manifest("L2Advertisement", "l2", {"interfaces": 5}, status=accepted({"interfaces": ["eth1"]}))
    (advertisement,) = run(pool(), bad).configuration.l2_advertisements
    assert advertisement.interfaces == ("eth1",)


def test_an_advertisement_that_was_accepted_survives_a_pool_that_it_cannot_aggregate():
    old = adv(aggregationLength=24, status=accepted({"aggregationLength": 24}))
    result = run(pool("wide", "10.0.0.0/16"), pool("narrow", "10.1.0.0/28"), old)
    assert fatal(result) == []
    assert told(result) == [("BGPAdvertisement/adv", "spec.aggregationLength", "AggregationTooShort")]


def test_a_peer_that_was_accepted_survives_the_loss_of_its_bfd_profile():
    made = peer(bfdProfile="gone")
    result = run({**made, "status": accepted(made["spec"])})
    assert (fatal(result), told(result)) == ([], [("BGPPeer/router", "spec.bfdProfile", "UnknownBFDProfile")])


def test_a_peer_that_was_accepted_survives_echo_for_ipv6():
    made = peer(bfdProfile="fast")
    result = run({**made, "status": accepted(made["spec"])}, profile(echoMode=True), pool("p", "2001:db8::/64"), adv())
    assert fatal(result) == []


def test_a_password_is_not_recorded_and_a_peer_with_one_is_recorded_once():
    made = peer(password="hunter2")
    to_record = outcome(run(made), "BGPPeer", "router").spec_to_record
    assert to_record == {key: value for key, value in made["spec"].items() if key != "password"}
    again = outcome(run({**made, "status": accepted(to_record)}), "BGPPeer", "router")
    assert again == Accepted(False, None, 1)


def test_bgppeers_of_v1beta1_are_read_under_the_identity_metallb_only():
    old = {**peer(nodeSelectors=[{"matchLabels": {"a": "b"}}]), "apiVersion": "metallb.io/v1beta1"}
    assert run(old, identity=METALLB).problems == ()
    newer = {**peer(vrf="red", myASN=0), "apiVersion": "metallb.io/v1beta1"}
    result = run(newer, identity=METALLB)
    assert fatal(result) == [("BGPPeer/router", "spec.myASN", "OutOfRange")]
    assert told(result) == [("BGPPeer/router", "spec.vrf", "UnknownField")]
    assert fatal(run({**old, "apiVersion": "baremetal-lb.io/v1beta1"})) == [("BGPPeer/router", "apiVersion", "UnknownVersion")]


def test_a_pool_is_compiled_with_every_default():
    (compiled,) = run(pool("a", R)).configuration.pools
    assert (compiled.auto_assign, compiled.avoid_buggy_ips, compiled.disabled, compiled.retain_for) == (True, False, False, 2 * MINUTE)
    assert (compiled.allocation, compiled.quotas, compiled.excluded, dict(compiled.labels)) == (None, (), (), {})


def test_a_pool_is_compiled_with_everything_given():
    selector = {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["b", "a"]}], "matchLabels": {"x": "y"}}
    (compiled,) = run(
        pool(
            "a", T, R, labels={"l": "m"}, excluded=["10.0.0.1", "10.0.0.8/30"], autoAssign=False, avoidBuggyIPs=True, disabled=True,
            retainFor="24h",
            serviceAllocation={"priority": 7, "namespaces": ["n"], "namespaceSelectors": [selector]},
            quotas=[{"addresses": 3, "namespaces": ["n"]}],
        )
    ).configuration.pools  # fmt: skip
    assert [str(r) for r in compiled.ranges] == spans(T, R)
    assert [str(r) for r in compiled.excluded] == ["10.0.0.1", "10.0.0.8-10.0.0.11"]
    assert compiled.retain_for == 24 * HOUR
    assert (compiled.auto_assign, compiled.avoid_buggy_ips, compiled.disabled) == (False, True, True)
    expected = LabelSelector((Requirement("team", Operator.NOT_IN, ("a", "b")), Requirement("x", Operator.IN, ("y",))))
    assert compiled.allocation is not None
    assert (compiled.allocation.priority, compiled.allocation.namespaces) == (7, {"n"})
    assert compiled.allocation.namespace_selectors == (expected,)
    assert [(q.addresses, q.namespaces) for q in compiled.quotas] == [(3, {"n"})]


def test_an_l2_advertisement_speaks_of_the_pools_that_it_names_and_selects():
    pools = [pool("a", R, labels={"t": "1"}), pool("b", S, labels={"t": "2"}), pool("c", T)]
    chosen = {
        name: run(*pools, l2(**spec)).configuration.l2_advertisements[0].pools
        for name, spec in {
            "all": {},
            "named": {"ipAddressPools": ["c", "gone"]},
            "selected": {"ipAddressPoolSelectors": [{"matchLabels": {"t": "1"}}, {"matchLabels": {"t": "2"}}]},
            "both": {"ipAddressPools": ["c"], "ipAddressPoolSelectors": [{"matchLabels": {"t": "1"}}]},
            "none": {"ipAddressPoolSelectors": [{"matchLabels": {"t": "3"}}]},
        }.items()
    }
    assert chosen == {"all": None, "named": {"c"}, "selected": {"a", "b"}, "both": {"a", "c"}, "none": frozenset()}


def test_preemption_has_a_delay_with_policy_delayed_only():
    def compiled(**spec):
        (advertisement,) = run(l2(**spec)).configuration.l2_advertisements
        return advertisement.preemption, advertisement.preemption_delay

    assert compiled() == (PreemptionPolicy.NEVER, 0)
    assert compiled(preemption={}) == (PreemptionPolicy.NEVER, 0)
    assert compiled(preemption={"policy": "Delayed"}) == (PreemptionPolicy.DELAYED, 60 * SECOND)
    assert compiled(preemption={"policy": "Delayed", "delay": "0s"}) == (PreemptionPolicy.DELAYED, 0)


def test_reservations_come_older_first():
    result = run(
        reservation("b", "10.0.0.1", age=2), reservation("a", "10.0.0.0/8", age=1, serviceName="web"), reservation("c", "10.0.0.2")
    )
    assert [(r.name, r.namespace, r.service_name) for r in result.configuration.reservations] == [
        ("a", "shop", "web"),
        ("b", "shop", None),
        ("c", "shop", None),
    ]
    assert [who for who, _, _ in told(result)] == ["IPReservation/b", "IPReservation/c"]


def test_problems_know_the_place_of_their_object_among_those_given():
    objects = [pool("a", R), pool("b", "x"), pool("c", R)]
    result = run(*objects)
    assert [(p.object.key.name, i) for p, i in zip(result.problems, result.origins, strict=True)] == [("b", 1), ("c", 2)]
