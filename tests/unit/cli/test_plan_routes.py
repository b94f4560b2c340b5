"""The routes of ``bmlb plan``: per node and peer, with attributes, from plain manifests."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from baremetal_lb.cli.plan import app

HOME = "baremetal-lb-system"


def an(kind: str, name: str, version: str = "v1beta1", **spec: object) -> dict[str, object]:
    return {"apiVersion": f"baremetal-lb.io/{version}", "kind": kind, "metadata": {"name": name, "namespace": HOME}, "spec": spec}


def node(name: str, *, drain: bool = False, **labels: str) -> dict[str, object]:
    number = name.removeprefix("node")
    metadata = {"name": name, "labels": labels, "annotations": {"baremetal-lb.io/drain": "true"} if drain else {}}
    addresses = [{"type": "InternalIP", "address": f"198.51.100.1{number}"}, {"type": "InternalIP", "address": f"2001:db8::1{number}"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"addresses": addresses}}


def service(name: str, *ips: str, policy: str = "Cluster", **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.1",
            "ports": [{"port": 80}],
            "externalTrafficPolicy": policy,
            **spec,
        },
        "status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]}},
    }


def endpoints(name: str, *nodes: str) -> dict[str, object]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": each, "conditions": {"ready": True}} for each in nodes],
    }


POOL = an("IPAddressPool", "blue", addresses=["203.0.113.0/24", "2001:db8:1::/64"])
PEER = an("BGPPeer", "tor", "v1beta2", myASN=64600, peerASN=64512, peerAddress="198.51.100.1")
ADVERTISEMENT = an("BGPAdvertisement", "adv")
CLUSTER = (POOL, node("node1", rack="red"), node("node2"))


def routes(*objects: dict[str, object], output: str = "json") -> list[dict[str, object]]:
    result = CliRunner().invoke(app, ["-f", "-", "-o", output], input=yaml.safe_dump_all(objects))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return json.loads(result.stdout)["routes"]


def test_every_node_advertises_a_service_of_policy_cluster_to_every_peer() -> None:
    found = routes(*CLUSTER, PEER, ADVERTISEMENT, service("web", "203.0.113.1"), endpoints("web", "node1"))
    assert [(each["node"], each["peer"], each["prefix"], each["next_hop"]) for each in found] == [
        ("node1", "tor", "203.0.113.1/32", "self"),
        ("node2", "tor", "203.0.113.1/32", "self"),
    ]
    assert found[0] == {
        "node": "node1",
        "peer": "tor",
        "prefix": "203.0.113.1/32",
        "next_hop": "self",
        "local_pref": None,
        "med": None,
        "as_path_prepend": 0,
        "communities": [],
        "large_communities": [],
        "link_bandwidth": None,
        "services": ["default/web"],
    }


def test_a_service_of_policy_local_is_advertised_where_its_endpoints_are() -> None:
    found = routes(*CLUSTER, PEER, ADVERTISEMENT, service("web", "203.0.113.1", policy="Local"), endpoints("web", "node2"))
    assert [each["node"] for each in found] == ["node2"]


def test_a_drained_node_advertises_nothing() -> None:
    found = routes(
        POOL, node("node1", drain=True), node("node2"), PEER, ADVERTISEMENT, service("web", "203.0.113.1"), endpoints("web", "node1")
    )
    assert [each["node"] for each in found] == ["node2"]


def test_attributes_are_those_of_the_advertisement_and_the_kind_of_peer() -> None:
    internal = an("BGPPeer", "rr", "v1beta2", myASN=64600, peerASN=64600, peerAddress="198.51.100.2")
    advertisement = an(
        "BGPAdvertisement",
        "adv",
        communities=["65000:1", "large:1:2:3"],
        localPref=200,
        med=5,
        asPathPrepend=2,
        weightByEndpoints=True,
        nodeSelectors=[{"matchLabels": {"rack": "red"}}],
    )
    found = routes(*CLUSTER, PEER, internal, advertisement, service("web", "203.0.113.1"), endpoints("web", "node1"))
    assert [(each["peer"], each["local_pref"], each["as_path_prepend"], each["med"], each["link_bandwidth"]) for each in found] == [
        ("rr", 200, 0, 5, 125_000_000),
        ("tor", None, 2, 5, 125_000_000),
    ]
    assert (found[0]["communities"], found[0]["large_communities"]) == (["65000:1"], ["1:2:3"])


def test_an_aggregate_speaks_for_all_its_services() -> None:
    found = routes(
        *CLUSTER,
        PEER,
        an("BGPAdvertisement", "adv", aggregationLength=24),
        service("a", "203.0.113.1"),
        service("b", "203.0.113.2"),
        endpoints("a", "node1"),
        endpoints("b", "node1"),
    )
    assert [(each["node"], each["prefix"], each["services"]) for each in found] == [
        ("node1", "203.0.113.0/24", ["default/a", "default/b"]),
        ("node2", "203.0.113.0/24", ["default/a", "default/b"]),
    ]


def test_an_ipv6_route_over_an_ipv4_session_has_the_nodes_address_as_next_hop() -> None:
    dual = an("BGPPeer", "tor", "v1beta2", myASN=64600, peerASN=64512, peerAddress="198.51.100.1", dualStackAddressFamily=True)
    web = service("web", "2001:db8:1::1", ipFamilies=["IPv6"], clusterIP="fd00::1")
    slices = {**endpoints("web", "node1"), "addressType": "IPv6"}
    found = routes(*CLUSTER, dual, ADVERTISEMENT, web, slices)
    assert [(each["node"], each["prefix"], each["next_hop"]) for each in found] == [
        ("node1", "2001:db8:1::1/128", "2001:db8::11"),
        ("node2", "2001:db8:1::1/128", "2001:db8::12"),
    ]


def test_a_cluster_ip_is_advertised_inside_a_service_cidr_only() -> None:
    advertisement = an("BGPAdvertisement", "cips", serviceAddresses=["Cluster"])
    web = {**service("web"), "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": [{"port": 80}]}}
    cidr = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": ["10.96.0.0/16"]},
    }
    assert routes(*CLUSTER, PEER, advertisement, web, endpoints("web", "node1")) == []
    found = routes(*CLUSTER, PEER, advertisement, web, endpoints("web", "node1"), cidr)
    assert {each["prefix"] for each in found} == {"10.96.0.7/32"}


@pytest.mark.parametrize("output", ["json", "yaml", "table"])
def test_a_password_is_in_no_plan(output: str) -> None:
    peer = an("BGPPeer", "tor", "v1beta2", myASN=64600, peerASN=64512, peerAddress="198.51.100.1", password="hunter2")
    objects = (*CLUSTER, peer, ADVERTISEMENT, service("web", "203.0.113.1"), endpoints("web", "node1"))
    result = CliRunner().invoke(app, ["-f", "-", "-o", output], input=yaml.safe_dump_all(objects))
    assert "203.0.113.1/32" in result.stdout
    assert "hunter2" not in result.output
