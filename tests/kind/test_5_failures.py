"""Nodes that freeze and nodes that die."""

from kind_cluster.commands import run
from tests.support.kind import Kind, show_way_back, until_ready
from tests.support.kind_objects import service
from tests.support.kind_outside import Outside
from tests.support.wait import until


def ready_nodes(kind: Kind) -> int:
    return sum(
        any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"]) for node in kind.get("nodes")["items"]
    )


def test_another_node_takes_over_from_a_frozen_one_and_routes_avoid_it(kind: Kind, client: Outside, router: Outside, guest: Outside):
    """A frozen node neither answers nor closes: Leases tell on layer 2, BFD tells routers."""
    kind.apply(service("frozen-l2"), service("frozen-bgp", pool="routed", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"))
    link, routed = until(lambda: kind.ips("frozen-l2"), 30)[0], until(lambda: kind.ips("frozen-bgp"), 30)[0]
    addresses = kind.node_addresses()
    until(lambda: router.next_hops(f"{routed}/32") == set(addresses.values()), 30)
    first = until(lambda: kind.announcer(client, link), 15)
    node = first if first != kind.nodes[0] else kind.nodes[1]
    kind.apply(service("frozen-l2", annotations={"baremetal-lb.io/announcer": node}))
    until(lambda: kind.announcer(client, link) == node, 30)
    run("docker", "pause", node)
    try:
        until(lambda: router.next_hops(f"{routed}/32") == {a for name, a in addresses.items() if name != node}, 10)
        until(lambda: kind.announcer(client, link) not in (None, node), 30)
    finally:
        run("docker", "unpause", node)
    until(lambda: router.next_hops(f"{routed}/32") == set(addresses.values()), 90, lambda: router.next_hops(f"{routed}/32"))
    until(lambda: ready_nodes(kind) == 3, 90)
    until_ready(kind)
    until(lambda: not client.ask(f"http://{link}/", 10).errors and not guest.ask(f"http://{routed}/", 10).errors, 60)


def test_a_node_that_is_shut_down_and_started_again_comes_back(kind: Kind, client: Outside, router: Outside, guest: Outside):
    link, routed = kind.ips("frozen-l2")[0], kind.ips("frozen-bgp")[0]
    node, addresses = kind.nodes[2], kind.node_addresses()
    kind.apply(service("frozen-l2", annotations={"baremetal-lb.io/announcer": node}))
    until(lambda: kind.announcer(client, link) == node, 30)
    run("docker", "stop", "--time", "20", node)
    try:
        until(lambda: router.next_hops(f"{routed}/32") == {a for name, a in addresses.items() if name != node}, 10)
        until(lambda: kind.announcer(client, link) not in (None, node), 30)
    finally:
        run("docker", "start", node)
        show_way_back(kind, router)
    until(lambda: ready_nodes(kind) == 3, 120)
    until_ready(kind, 180)
    until(lambda: router.next_hops(f"{routed}/32") == set(kind.node_addresses().values()), 90, lambda: router.next_hops(f"{routed}/32"))
    until(lambda: not client.ask(f"http://{link}/", 10).errors and not guest.ask(f"http://{routed}/", 10).errors, 60)
