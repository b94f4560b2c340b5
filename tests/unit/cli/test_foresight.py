"""What a change would do to Services, foreseen by the functions that would do it."""

from baremetal_lb.cli.foresight import foresee, served_classes
from baremetal_lb.cli.manifest import with_object, without_object
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey, ObjectRef
from baremetal_lb.settle.cluster import SettleOptions
from tests.support.objects import HOME, entry, pool, service

OPTIONS = SettleOptions(BAREMETAL_LB, f"baremetal-lb/{HOME}")


def moves(before, after):
    found = foresee(before, after, namespace=HOME, options=OPTIONS)
    return [(str(move.service), [str(ip) for ip in move.before], [str(ip) for ip in move.after], move.costs) for move in found.moves]


BLUE = pool("blue", "198.51.100.0/30")
RED = pool("red", "203.0.113.0/30")
CLUSTER = [BLUE, RED, service("web", "198.51.100.3", "blue"), service("shop", "203.0.113.1", "red")]


def test_a_pool_that_goes_renumbers_who_has_an_ip_of_it_and_nobody_else():
    after = without_object(CLUSTER, ObjectRef("IPAddressPool", ObjectKey(HOME, "blue")))
    assert moves(CLUSTER, after) == [("shop/web", ["198.51.100.3"], ["203.0.113.0"], True)]


def test_a_pool_that_shrinks_says_who_gets_what_instead_and_why():
    after = with_object(CLUSTER, pool("blue", "198.51.100.0/31"))
    assert moves(CLUSTER, after) == [("shop/web", ["198.51.100.3"], ["198.51.100.0"], True)]
    (move,) = foresee(CLUSTER, after, namespace=HOME, options=OPTIONS).moves
    assert move.message == "The IP is in no pool. 198.51.100.3. 198.51.100.0 from pool blue."


def test_a_pool_that_grows_costs_nobody_anything():
    assert moves(CLUSTER, with_object(CLUSTER, pool("blue", "198.51.100.0/29"))) == []


def test_a_new_pool_gives_an_ip_to_who_waits_for_one():
    waiting = [service("web")]
    assert moves(waiting, with_object(waiting, BLUE)) == [("shop/web", [], ["198.51.100.0"], False)]


def test_a_pool_that_is_drained_takes_nothing():
    assert moves(CLUSTER, with_object(CLUSTER, pool("blue", "198.51.100.0/30", disabled=True))) == []


def test_only_faults_that_the_change_makes_are_told():
    broken = [*CLUSTER, pool("green", "nothing")]
    found = foresee(broken, with_object(broken, pool("yellow", "198.51.100.1/32")), namespace=HOME, options=OPTIONS)
    assert {problem.object.key.name for problem in found.problems} == {"yellow"}
    assert any("blue" in problem.message for problem in found.problems)


HELD = {"heldFor": {"namespace": "shop", "name": "gone", "until": "2999-01-01T00:00:00Z"}}


def test_held_ips_and_those_of_other_installs_are_told_when_their_addresses_go():
    entries = [
        entry("198.51.100.3", "web"),
        entry("198.51.100.0", **HELD),
        entry("198.51.100.1", "far", owner="other/install"),
        entry("203.0.113.1", "shop"),
        entry("203.0.113.2", **HELD),
    ]
    before = [*CLUSTER, *entries]
    after = without_object(before, ObjectRef("IPAddressPool", ObjectKey(HOME, "blue")))
    stranded = foresee(before, after, namespace=HOME, options=OPTIONS).stranded
    assert [str(each.address) for each in stranded] == ["198.51.100.0", "198.51.100.1"]


def test_a_hold_that_has_ended_is_told_of_nobody():
    before = [BLUE, entry("198.51.100.0", heldFor={"namespace": "shop", "name": "gone", "until": "1970-01-01T00:00:00Z"})]
    assert foresee(before, [], namespace=HOME, options=OPTIONS).stranded == ()


def test_the_class_that_an_install_serves_is_that_of_the_services_in_its_ledger():
    cluster = [
        service("web", lb_class="example.com/a"),
        service("waits"),
        service("far", lb_class="example.com/b"),
        entry("198.51.100.3", "web"),
        entry("198.51.100.1", "far", owner="other/install"),
    ]
    assert served_classes(cluster, OPTIONS.owner) == ("example.com/a",)
    assert served_classes([*cluster, entry("198.51.100.2", "waits")], OPTIONS.owner) == ("", "example.com/a")
    assert served_classes([service("waits")], OPTIONS.owner) == ()


def test_an_ip_of_another_install_is_never_thought_free():
    """It is named as used by a Service of this cluster, and is all the same not ours to give."""
    before = [service("far", lb_class="example.com/b"), service("web"), entry("198.51.100.0", "far", owner="other/install")]
    assert moves(before, [*before, BLUE]) == [("shop/web", [], ["198.51.100.1"], False)]
