"""Who announces, as far as it is the reference's behaviour, through plain manifests under its identity."""

import json

import pytest

from baremetal_lb.model.ids import METALLB
from tests.support.offline_plan import Planned

API = "metallb.io/v1beta1"
IP = "10.20.30.1"


def advertisement(name="all", **spec):
    return {"apiVersion": API, "kind": "L2Advertisement", "metadata": {"name": name}, "spec": spec}


def node(name, *, conditions=(), annotations=None, **labels):
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}, "annotations": annotations or {}}
    status = {"conditions": [{"type": kind, "status": state} for kind, state in conditions]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": status}


def service(name="s", *ips, policy="Cluster", annotations=None, labels=None, ports=(80,), selector=None):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": annotations or {}, "labels": labels or {}},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.1",
            "externalTrafficPolicy": policy,
            "ports": [{"port": port} for port in ports],
            "selector": selector or {"app": "x"},
        },
        "status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips or (IP,)]}},
    }


def endpoints(*nodes, of="s", ready=True, **conditions):
    items = [
        {"addresses": [f"10.244.0.{i}"], "nodeName": name, "conditions": {"ready": ready, **conditions}} for i, name in enumerate(nodes)
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{of}-{'-'.join(nodes)}-{ready}", "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "endpoints": items,
    }


POOLS = [
    {
        "apiVersion": API,
        "kind": "IPAddressPool",
        "metadata": {"name": "one", "labels": {"zone": "a"}},
        "spec": {"addresses": ["10.20.30.0/24"]},
    },
    {"apiVersion": API, "kind": "IPAddressPool", "metadata": {"name": "two"}, "spec": {"addresses": ["10.0.0.0/24"]}},
]
A, B, C = (node(f"node-{n}", rack=n) for n in "abc")
NODES = [A, B, C]
EVERYWHERE = endpoints("node-a", "node-b", "node-c")


def planned(*manifests, **options):
    return Planned(json.loads(json.dumps([*POOLS, *manifests])), identity=METALLB, **options)


@pytest.mark.parametrize(
    ("ip", "order"),
    [("10.0.0.1", ["node-b", "node-a", "node-c"]), ("10.0.0.2", ["node-b", "node-c", "node-a"]), (IP, ["node-b", "node-a"])],
)
def test_an_adopted_ip_is_announced_by_the_node_that_the_reference_elects(ip, order):
    nodes = {f"node-{n}": node(f"node-{n}") for n in "abc" if f"node-{n}" in order}
    for winner in order:
        plan = planned(advertisement(), *nodes.values(), service("s", ip), EVERYWHERE)
        assert plan.announcement(ip)["announcer"] == winner
        del nodes[winner]


NODE_STATES = [
    ("nothing special", {}, None),
    ("not ready", {"conditions": [("Ready", "False")]}, None),
    ("network unavailable", {"conditions": [("NetworkUnavailable", "True")]}, "NetworkUnavailable"),
    ("network available", {"conditions": [("NetworkUnavailable", "False")]}, None),
    ("network unknown", {"conditions": [("NetworkUnavailable", "Unknown")]}, None),
    ("excluded", {"node.kubernetes.io/exclude-from-external-load-balancers": ""}, "ExcludedByLabel"),
    ("excluded by any value", {"node.kubernetes.io/exclude-from-external-load-balancers": "false"}, "ExcludedByLabel"),
    ("draining", {"annotations": {"metallb.io/drain": "true"}}, "NodeDraining"),
]


@pytest.mark.parametrize(("state", "reason"), [row[1:] for row in NODE_STATES], ids=[row[0] for row in NODE_STATES])
def test_states_of_a_node(state, reason):
    plan = planned(advertisement(), A, node("node-b", **state), service(), EVERYWHERE)
    assert plan.exclusions(IP) == ({} if reason is None else {"node-b": reason})
    assert plan.announcement(IP)["announcer"] == ("node-b" if reason is None else "node-a")


NOT_A = {"key": "rack", "operator": "NotIn", "values": ["a"]}
SELECTIONS = [
    ("everything", [advertisement()], ["a", "b", "c"]),
    ("nothing", [], []),
    ("the pool by name", [advertisement(ipAddressPools=["one"])], ["a", "b", "c"]),
    ("another pool by name", [advertisement(ipAddressPools=["two"])], []),
    ("the pool by label", [advertisement(ipAddressPoolSelectors=[{"matchLabels": {"zone": "a"}}])], ["a", "b", "c"]),
    ("no pool by label", [advertisement(ipAddressPoolSelectors=[{"matchLabels": {"zone": "z"}}])], []),
    ("a node", [advertisement(nodeSelectors=[{"matchLabels": {"rack": "b"}}])], ["b"]),
    ("two nodes by two selectors", [advertisement(nodeSelectors=[{"matchLabels": {"rack": r}} for r in "ac"])], ["a", "c"]),
    ("all but a node", [advertisement(nodeSelectors=[{"matchExpressions": [NOT_A]}])], ["b", "c"]),
    ("nodes by two advertisements", [advertisement(r, nodeSelectors=[{"matchLabels": {"rack": r}}]) for r in "bc"], ["b", "c"]),
    ("no node", [advertisement(nodeSelectors=[{"matchLabels": {"rack": "z"}}])], []),
    ("the Service", [advertisement(serviceSelectors=[{"matchLabels": {"team": "x"}}])], ["a", "b", "c"]),
    ("another Service", [advertisement(serviceSelectors=[{"matchLabels": {"team": "y"}}])], []),
    ("the Service, one of two", [advertisement(serviceSelectors=[{"matchLabels": {"team": t}} for t in "yx"])], ["a", "b", "c"]),
]  # fmt: skip


@pytest.mark.parametrize(("advertisements", "nodes"), [row[1:] for row in SELECTIONS], ids=[row[0] for row in SELECTIONS])
def test_selections_of_advertisements(advertisements, nodes):
    plan = planned(*advertisements, *NODES, service(labels={"team": "x"}), EVERYWHERE)
    assert plan.eligible(IP) == [f"node-{n}" for n in nodes]
    assert (plan.announcement(IP)["announcer"] in plan.eligible(IP)) is bool(nodes)
    assert all(plan.exclusions(IP).values())


def test_interfaces_are_the_union_of_the_advertisements_on_the_announcer():
    def interfaces(*advertisements):
        return planned(*advertisements, B, service(), EVERYWHERE).announcement(IP)["interfaces"]

    assert interfaces(advertisement(interfaces=["eth1", "eth0"])) == ["eth0", "eth1"]
    assert interfaces(advertisement("x", interfaces=["eth1"]), advertisement("y", interfaces=["eth0"])) == ["eth0", "eth1"]
    assert interfaces(advertisement("x", interfaces=["eth1"]), advertisement("y")) is None
    other = advertisement("y", interfaces=["eth0"], nodeSelectors=[{"matchLabels": {"rack": "a"}}])
    assert interfaces(advertisement("x", interfaces=["eth1"]), other) == ["eth1"]


def preference(rack, weight):
    return {"weight": weight, "preference": {"matchLabels": {"rack": rack}}}


def prefers(name, rack, weight, **spec):
    return advertisement(name, preferredNodeSelectors=[preference(rack, weight)], **spec)


@pytest.mark.parametrize("status", [[IP], []], ids=["adopted", "new"])
@pytest.mark.parametrize(
    ("advertisements", "winner"),
    [
        ([advertisement(preferredNodeSelectors=[preference("c", 10)])], "node-c"),
        ([advertisement(preferredNodeSelectors=[preference("c", 10), preference("a", 11)])], "node-a"),
        ([prefers("x", "c", 10), prefers("y", "c", 10), prefers("z", "a", 15)], "node-c"),
        ([prefers("x", "c", 9, nodeSelectors=[{"matchLabels": {"rack": r}} for r in "ab"])], "node-b"),
    ],
)  # fmt: skip
def test_the_greatest_weight_wins(advertisements, winner, status):
    subject = service("s", *status) if status else {**service(), "status": {}}
    if not status:
        subject["metadata"]["annotations"]["metallb.io/loadBalancerIPs"] = IP
    plan = planned(*advertisements, *NODES, subject, EVERYWHERE)
    if winner == "node-b" and not status:
        assert plan.announcement(IP)["announcer"] in ("node-a", "node-b"), "nobody is preferred: balance decides"
    else:
        assert plan.announcement(IP)["announcer"] == winner


ENDPOINTS = [
    ("Local", [endpoints("node-a")], ["a"]),
    ("Local", [endpoints("node-a"), endpoints("node-c", ready=False)], ["a"]),
    ("Local", [endpoints("node-a", ready=False), endpoints("node-c", ready=False)], []),
    ("Local", [endpoints("node-a", ready=False, serving=True, terminating=True)], ["a"]),
    ("Local", [endpoints("node-a", ready=False, serving=False, terminating=True)], []),
    ("Local", [endpoints("node-a", ready=None), endpoints("node-b")], ["a", "b"]),
    ("Local", [endpoints("elsewhere")], []),
    ("Local", [], []),
    ("Cluster", [endpoints("node-a")], ["a", "b", "c"]),
    ("Cluster", [endpoints("elsewhere")], ["a", "b", "c"]),
    ("Cluster", [endpoints("node-a", ready=False)], []),
    ("Cluster", [], []),
    ("Cluster", [endpoints("node-a", of="another")], []),
]


@pytest.mark.parametrize(("policy", "slices", "nodes"), ENDPOINTS)
def test_endpoints_and_traffic_policy(policy, slices, nodes):
    plan = planned(advertisement(), *NODES, service(policy=policy), *slices)
    assert plan.eligible(IP) == [f"node-{n}" for n in nodes]
    assert plan.announcement(IP)["announcer"] in (plan.eligible(IP) or [None])


def test_a_sharing_annotation_and_service_selectors_do_not_go_together():
    selecting = advertisement(serviceSelectors=[{"matchLabels": {"team": "x"}}])
    for key in ("k", ""):
        subject = service(annotations={"metallb.io/allow-shared-ip": key}, labels={"team": "x"})
        plan = planned(selecting, *NODES, subject, EVERYWHERE)
        assert set(plan.exclusions(IP).values()) == {"SharedIPWithServiceSelectors"}
        assert planned(advertisement(), *NODES, subject, EVERYWHERE).announcement(IP)["announcer"] == "node-b"


def test_an_ip_that_no_pool_has_is_not_announced():
    plan = planned(advertisement(), *NODES, service("s", "203.0.113.7"), EVERYWHERE)
    assert "203.0.113.7" not in [row["ip"] for row in plan.document["announcements"]]


def test_a_person_may_ask_for_an_announcer_and_it_is_recorded():
    plan = planned(advertisement(), *NODES, service(annotations={"metallb.io/announcer": "node-c"}), EVERYWHERE)
    assert plan.announcement(IP)["announcer"] == "node-c"
    assert [entry.announcer for entry in plan.state.entries] == ["node-c"]
    plan = planned(advertisement(), *NODES, service(annotations={"metallb.io/announcer": "nobody"}), EVERYWHERE)
    assert (plan.announcement(IP)["announcer"], plan.state.entries[0].announcer) == ("node-b", None)


def test_an_announcer_that_fell_out_is_replaced_for_good():
    first = planned(advertisement(), *NODES, {**service(), "status": {}}, EVERYWHERE)
    ip = first.ips("default/s")[0]
    winner = first.announcement(ip)["announcer"]
    after = first.afterwards()
    without = Planned([m for m in after if m["metadata"]["name"] != winner], identity=METALLB)
    other = without.announcement(ip)["announcer"]
    assert other not in (None, winner)
    back = Planned([*without.afterwards(), *(m for m in after if m["metadata"]["name"] == winner)], identity=METALLB)
    assert back.announcement(ip)["announcer"] == other, "a node that comes back takes nothing back"


def test_a_better_node_that_comes_back_is_preferred_in_the_end_only_with_preemption():
    weighted = {"preferredNodeSelectors": [preference("c", 10)]}
    for preemption, announcer in ((None, "node-a"), ({"policy": "Never"}, "node-a"), ({"policy": "Delayed", "delay": "5m"}, "node-c")):
        spec = weighted | ({"preemption": preemption} if preemption else {})
        first = planned(advertisement(**spec), A, service(annotations={"metallb.io/announcer": "node-a"}), EVERYWHERE)
        objects = [m for m in first.afterwards() if m["kind"] != "Service"]
        plan = Planned([*objects, B, C, service()], identity=METALLB)
        assert plan.announcement(IP)["announcer"] == announcer
        assert [entry.announcer for entry in plan.state.entries] == [announcer]
