"""What `settle` computes is what the controller's own decisions, Service after Service, come to: IPs, reasons and preferred announcers."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.ipam.adoption import allocation_order
from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, DeleteEntry
from baremetal_lb.model.configuration import Configuration, L2Advertisement, Preference
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import Family
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import ConditionView, EndpointSliceView, EndpointView, FamilyPolicy, IngressView, NodeView
from baremetal_lb.settle.addresses import settle_addresses
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from controller.decide import judge
from controller.world import World
from tests.support.ipam_world import pool, service

NOW = 10**9
NODES = tuple(NodeView(name, {"rack": name}) for name in ("n1", "n2", "n3"))
RACK = LabelSelector((Requirement("rack", Operator.IN, ("n2",)),))
ADVERTISEMENTS = [
    (L2Advertisement("all"),),
    (L2Advertisement("some", node_selectors=(RACK,)),),
    (L2Advertisement("prefers", preferences=(Preference(5, RACK),)),),
    (),
]
POOLS = [
    (pool("a", "198.51.100.0/30", "2001:db8:a::/126"),),
    (pool("a", "198.51.100.0/31"), pool("b", "203.0.113.0/30", "2001:db8:b::/127")),
    (),
]


@st.composite
def services(draw):
    families = draw(st.sampled_from(["4", "4", "6", "46"]))
    return service(
        f"s{draw(st.integers(1, 7))}",
        families,
        policy=draw(st.sampled_from(list(FamilyPolicy))) if families == "46" else FamilyPolicy.SINGLE_STACK,
        ips=draw(st.sampled_from([None, None, None, "198.51.100.1", "rubbish"])),
        wants_pool=draw(st.sampled_from([None, None, None, "b"])),
        shares=draw(st.sampled_from([None, None, "k"])),
        ports=draw(st.sampled_from(["TCP/80", "TCP/81"])),
        local=draw(st.sampled_from([None, "app=web"])),
        wanted_announcer=draw(st.sampled_from([None, None, None, "n3", "nobody"])),
        created_utc=draw(st.integers(1, 50)),
        load_balancer_class=draw(st.sampled_from([None, None, None, "other"])),
        type=draw(st.sampled_from(["LoadBalancer"] * 5 + ["ClusterIP"])),
    )


@st.composite
def slices(draw, names):
    nodes = draw(st.lists(st.sampled_from(["n1", "n2", "n3"]), max_size=4))
    key = ObjectKey("default", draw(st.sampled_from(names)))
    family = draw(st.sampled_from(list(Family)))
    endpoints = tuple(EndpointView(node, family, ready=draw(st.booleans())) for node in nodes)
    return EndpointSliceView(ObjectKey("default", f"{key.name}-{family.value.lower()}"), key, endpoints)


@given(
    st.sampled_from(POOLS),
    st.sampled_from(ADVERTISEMENTS),
    st.lists(services(), max_size=7, unique_by=lambda view: view.key),
    st.lists(slices([f"s{n}" for n in range(1, 8)]), max_size=7, unique_by=lambda view: view.key),
)
@settings(max_examples=150, deadline=None)
def test_settle_and_controller_come_to_the_same(pools, advertisements, views, endpoint_slices):
    configuration = Configuration(pools, advertisements)
    cluster = ClusterObjects(configuration, tuple(views), (), tuple(endpoint_slices), NODES)
    outcomes, ledger = settle_addresses(cluster, SettleOptions(owner="us", now_utc=NOW))

    world = World("us")
    world.nodes = {node.name: node for node in NODES}
    world.roster = Roster.of_nodes(world.nodes)
    world.reconfigure(configuration)
    for view in endpoint_slices:
        world.see_slice(view, None)
    for view in views:
        world.see_service(view)
    order = [view.key for view in sorted(views, key=allocation_order)]
    for _ in range(10):
        changed = [decide_one(world, key) for key in order]
        if not any(changed):
            break
    assert world.ledger.entries() == ledger.entries()
    assert [world.services[outcome.service.key] for outcome in outcomes] == [outcome.service for outcome in outcomes]


def decide_one(world, key):
    """Let the controller decide one Service, and do what it plans."""
    verdict = judge(world, key, identity=BAREMETAL_LB, lb_class="", now_utc=NOW)
    view = world.services[key]
    for step in verdict.changes.steps if verdict.changes else ():
        match step:
            case AssignStatus() | ClearStatus():
                addresses = step.addresses if isinstance(step, AssignStatus) else ()
                condition = step.condition and ConditionView(
                    str(step.condition.is_true), step.condition.reason, step.condition.message, step.condition.observed_generation
                )
                view = replace(
                    view,
                    ingress=tuple(IngressView(address, str(address), "VIP") for address in addresses),
                    allocated_from_pool=step.pool if isinstance(step, AssignStatus) else None,
                    condition=condition,
                )
                world.services[key] = view
            case DeleteEntry():
                world.drop(step.entry.address)
            case _:
                world.put(step.entry)
    return bool(verdict.changes)
