"""What `settle` computes is what the controller's own decisions, Service after Service, come to: IPs, reasons and preferred announcers.

The ledger has IPs of Services that are gone, that were made anew, and that are held: for those who are there, for others, and too long.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, DeleteEntry, HoldEntry, plan_expired
from baremetal_lb.model.configuration import Configuration, L2Advertisement, Preference
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.net import Family, parse_address
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import (
    ConditionView,
    EndpointSliceView,
    EndpointView,
    EntryService,
    FamilyPolicy,
    HeldFor,
    IngressView,
    LedgerEntry,
    NodeView,
)
from baremetal_lb.settle.addresses import settle_addresses
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from baremetal_lb.settle.step import judge
from controller.dirty import Dirty
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
    (pool("a", "198.51.100.0/31", "2001:db8:a::/127", retain_for=10),),
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


@st.composite
def entries(draw):
    address = parse_address(draw(st.sampled_from(["198.51.100.0", "198.51.100.1", "203.0.113.0", "2001:db8:a::", "2001:db8:b::1"])))
    key = ObjectKey("default", f"s{draw(st.integers(1, 9))}")
    if draw(st.booleans()):
        return LedgerEntry(address, "us", "", held_for=HeldFor(key, NOW + draw(st.integers(-1, 3))))
    return LedgerEntry(address, "us", "", (EntryService(key, f"uid-of-old-{key}"),), since_utc=1)


@given(
    st.sampled_from(POOLS),
    st.sampled_from(ADVERTISEMENTS),
    st.lists(services(), max_size=7, unique_by=lambda view: view.key),
    st.lists(slices([f"s{n}" for n in range(1, 8)]), max_size=7, unique_by=lambda view: view.key),
    st.lists(entries(), max_size=5, unique_by=lambda entry: entry.address),
)
@settings(max_examples=200, deadline=None)
def test_settle_and_controller_come_to_the_same(pools, advertisements, views, endpoint_slices, ledger_before):
    configuration = Configuration(pools, advertisements)
    cluster = ClusterObjects(configuration, tuple(views), tuple(ledger_before), tuple(endpoint_slices), NODES)
    outcomes, state = settle_addresses(cluster, SettleOptions(owner="us", now_utc=NOW))

    dirty = Dirty("us", "")
    world = dirty.world
    world.nodes = {node.name: node for node in NODES}
    world.roster = Roster.of_nodes(world.nodes)
    world.reconfigure(configuration)
    for view in endpoint_slices:
        world.see_slice(view, None)
    for view in views:
        world.see_service(view)
    for entry in ledger_before:
        world.put(entry)
    for step in plan_expired(world.ledger, now_utc=NOW):
        world.drop(step.entry.address)
    dirty.agenda.begin_term([*(view.key for view in views if dirty.concerns(view)), *world.ledger.holders])
    while (key := dirty.agenda.take()) is not None:
        take_turn(dirty, key)
        dirty.agenda.done(key)
    assert world.ledger.entries() == state.ledger.entries()
    assert [world.services[outcome.service.key] for outcome in outcomes] == [outcome.service for outcome in outcomes]


def take_turn(dirty, key):
    """Let the controller decide one Service, and do what it plans."""
    world = dirty.world
    verdict = judge(world, key, identity=BAREMETAL_LB, now_utc=NOW)
    for changes in verdict.gone:
        carry_out(world, changes)
    if verdict.gone:
        successor = judge(world, key, identity=BAREMETAL_LB, now_utc=NOW)
        if successor.changes:
            world.reserve(successor.changes)
        dirty.agenda.mark(key)
        return
    if verdict.wait is None:
        dirty.waiting.discard(key)
    else:
        dirty.waiting.put(key, verdict.wait)
    if verdict.changes:
        carry_out(world, verdict.changes)


def carry_out(world, changes):
    key = changes.service
    view = world.services.get(key)
    for step in changes.steps:
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
            case HoldEntry():
                assert view is None or view.uid != changes.uid
                world.put(step.entry)
            case _:
                world.put(step.entry)
