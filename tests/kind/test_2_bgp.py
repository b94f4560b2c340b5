"""BGP: routes of a real router beside the cluster, and a client that reaches IPs through it only."""

import pytest

from tests.support.kind import NAMESPACE, Kind
from tests.support.kind_objects import deployment, service
from tests.support.kind_outside import Outside
from tests.support.wait import until

FAMILIES = [pytest.param("ip", "IPv4", id="IPv4"), pytest.param("ipv6", "IPv6", id="IPv6")]


def sessions(kind: Kind) -> dict[str, tuple[str, str]]:
    """Return state and BFD's state of each node's session."""
    # A status object is made first and filled by a second request: one may be seen without any status.
    said = [item.get("status") or {} for item in kind.get("bgpsessionstatuses", "-n", NAMESPACE)["items"]]
    return {status["node"]: (status.get("state", ""), status.get("bfdState", "")) for status in said if "node" in status}


def test_every_node_has_a_session_with_bfd(kind: Kind, router: Outside):
    until(lambda: sessions(kind) == dict.fromkeys(kind.nodes, ("Established", "Up")), 60, lambda: sessions(kind))
    listed = kind.bmlb("peer", "list")
    assert listed.count("Established") == 3


@pytest.mark.parametrize(("_", "family"), FAMILIES)
def test_a_service_is_reached_through_all_nodes(kind: Kind, router: Outside, guest: Outside, _: str, family: str):
    if family == "IPv6" and not kind.has_ipv6:
        pytest.skip("the cluster has no IPv6; `make kind-up FAMILY=dual` makes one that has")
    name = f"routed-{family.lower()}"
    kind.apply(service(name, pool="routed", ipFamilies=[family], ipFamilyPolicy="SingleStack"))
    ip = until(lambda: kind.ips(name), 30)[0]
    prefix = f"{ip}/128" if family == "IPv6" else f"{ip}/32"
    nodes = set(kind.node_addresses(6 if family == "IPv6" else 4).values())
    until(lambda: router.next_hops(prefix) == nodes, 30, lambda: (router.next_hops(prefix), router.run("vtysh", "-c", "show bgp summary")))
    url = f"http://[{ip}]/" if family == "IPv6" else f"http://{ip}/"
    until(lambda: len(guest.ask(url, 20).pods) == 3, 30, lambda: guest.ask(url, 20))


def test_a_node_without_local_endpoint_drops_out_and_returns(kind: Kind, router: Outside, guest: Outside):
    kind.apply(deployment("narrow", node=kind.nodes[1]), service("narrow", app="narrow", policy="Local", pool="routed"))
    ip = until(lambda: kind.ips("narrow"), 30)[0]
    addresses = kind.node_addresses()
    until(lambda: router.next_hops(f"{ip}/32") == {addresses[kind.nodes[1]]}, 60, lambda: router.next_hops(f"{ip}/32"))
    until(lambda: not guest.ask(f"http://{ip}/").errors, 15)
    answers = guest.ask(f"http://{ip}/", 5)
    assert (answers.errors, answers.sources) == ([], {guest.address("bmlb-behind")})
    kind.kubectl("scale", "deployment/narrow", "--replicas=0")
    until(lambda: router.next_hops(f"{ip}/32") == set(), 60)
    kind.kubectl("scale", "deployment/narrow", "--replicas=1")
    until(lambda: router.next_hops(f"{ip}/32") == {addresses[kind.nodes[1]]}, 60)


def test_a_node_with_the_label_of_those_that_balance_no_load_drops_out_and_returns(kind: Kind, router: Outside):
    ip, addresses = kind.ips("routed-ipv4")[0], kind.node_addresses()
    node, label = kind.nodes[0], "node.kubernetes.io/exclude-from-external-load-balancers"
    kind.kubectl("label", "node", node, f"{label}=")
    try:
        rest = {address for name, address in addresses.items() if name != node}
        until(lambda: router.next_hops(f"{ip}/32") == rest, 30, lambda: router.next_hops(f"{ip}/32"))
    finally:
        kind.kubectl("label", "node", node, f"{label}-")
    until(lambda: router.next_hops(f"{ip}/32") == set(addresses.values()), 30, lambda: router.next_hops(f"{ip}/32"))


def test_a_password_comes_from_the_secret_that_the_install_names(kind: Kind, router: Outside):
    """The router refuses sessions without it, as is seen first; so one that is established after has used it."""
    kind.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "router-password", "namespace": NAMESPACE},
            "type": "kubernetes.io/basic-auth",
            "stringData": {"password": "kind-of-secret"},
        }
    )
    try:
        router.run("vtysh", "-c", "configure", "-c", "router bgp 64513", "-c", "neighbor nodes password kind-of-secret")
        until(lambda: "Established" not in {state for state, _ in sessions(kind).values()}, 60, lambda: sessions(kind))
        kind.kubectl(
            "patch", "bgppeer", "router", "-n", NAMESPACE, "--type=merge", "-p", '{"spec":{"passwordSecret":{"name":"router-password"}}}'
        )
        until(lambda: sessions(kind) == dict.fromkeys(kind.nodes, ("Established", "Up")), 90, lambda: sessions(kind))
    finally:
        router.run("vtysh", "-c", "configure", "-c", "router bgp 64513", "-c", "no neighbor nodes password")
        kind.kubectl("patch", "bgppeer", "router", "-n", NAMESPACE, "--type=merge", "-p", '{"spec":{"passwordSecret":null}}')
    until(lambda: sessions(kind) == dict.fromkeys(kind.nodes, ("Established", "Up")), 90, lambda: sessions(kind))
    for pod in kind.pods("speaker"):
        logs = kind.kubectl("logs", "-n", NAMESPACE, pod["metadata"]["name"], "--all-containers")
        assert "kind-of-secret" not in logs
