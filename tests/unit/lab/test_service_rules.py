"""The nftables programme of a node, as a text."""

import json
from ipaddress import ip_address

import pytest

from baremetal_lb.kube.records import DecodeError
from baremetal_lb.lab.service_proxy import decode_service, decode_slice
from baremetal_lb.lab.service_rules import Endpoint, EndpointSlice, ServedPort, ServedService, render
from baremetal_lb.model.ids import ObjectKey

KEY = ObjectKey("default", "web")
PORT, TARGET = ServedPort("", "TCP", 80), ServedPort("", "TCP", 8080)
IP = ip_address("203.0.113.1")


def endpoint(number: int, *, is_ready: bool = True, is_usable: bool = True) -> Endpoint:
    return Endpoint(ip_address(f"10.244.{number}.10"), f"node{number}", (TARGET,), is_ready, is_usable)


def rules(*endpoints: Endpoint, is_local: bool = False, node: str = "node1") -> list[str]:
    text = render(node, [ServedService(KEY, (IP,), (PORT,), is_local)], [EndpointSlice(KEY, endpoints)])
    return [line.strip() for line in text.splitlines() if "dport" in line]


def test_policy_cluster_spreads_over_all_endpoints_and_masquerades() -> None:
    (rule,) = rules(endpoint(2), endpoint(1))
    assert rule.endswith("mod 2 map { 0 : 10.244.1.10 . 8080, 1 : 10.244.2.10 . 8080 }")
    assert "meta mark set" in rule


def test_policy_local_uses_own_endpoints_and_keeps_the_source() -> None:
    (rule,) = rules(endpoint(1), endpoint(2), is_local=True)
    assert "10.244.2.10" not in rule
    assert "meta mark set" not in rule


def test_policy_local_drops_new_connections_where_there_is_no_endpoint() -> None:
    assert rules(endpoint(2), is_local=True) == ["ip daddr 203.0.113.1 tcp dport 80 ct state new drop"]


def test_terminating_endpoints_serve_only_where_no_other_does() -> None:
    draining, gone = endpoint(2, is_ready=False), endpoint(3, is_ready=False, is_usable=False)
    assert "10.244.2.10" not in rules(endpoint(1), draining, gone)[0]
    assert "mod 1 map { 0 : 10.244.2.10 . 8080 }" in rules(draining, gone)[0]
    assert rules(gone) == []


def test_an_endpoint_of_the_other_family_is_no_target() -> None:
    assert rules(Endpoint(ip_address("fd00::1"), "node1", (TARGET,))) == []


def test_equal_inputs_give_equal_texts_in_any_order() -> None:
    services = [ServedService(ObjectKey("a", name), (ip_address(f"203.0.113.{index}"),), (PORT,)) for index, name in enumerate("xyz", 1)]
    slices = [EndpointSlice(service.key, (endpoint(1), endpoint(2))) for service in services]
    assert render("node1", services, slices) == render("node1", services[::-1], slices[::-1])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (b'{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"},{"hostname":"x"},{"ip":"nonsense"}]}}', (IP,)),
        (b'{"loadBalancer":{"ingress":[{"ip":"203.0.113.1","ipMode":"Proxy"}]}}', ()),
        (b"{}", ()),
        (b"null", ()),
    ],
)
def test_the_ips_of_a_service_are_those_that_it_has_here(status: bytes, expected: tuple[object, ...]) -> None:
    data = b'{"metadata":{"name":"web","namespace":"default"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]},"status":%s}' % status
    assert decode_service(data).ips == expected


def test_conditions_that_are_absent_mean_ready() -> None:
    metadata = b'{"name":"s","namespace":"default","labels":{"kubernetes.io/service-name":"web"}}'
    data = b'{"metadata":%s,"endpoints":[{"addresses":["10.0.0.1"]}]}' % metadata
    piece = decode_slice(data)
    assert piece.service == KEY
    assert [(each.is_ready, each.is_usable) for each in piece.endpoints] == [(True, True)]


@pytest.mark.parametrize("port", [{"port": 99999}, {"port": 0}, {"port": "80; flush ruleset"}, {"port": 80, "protocol": "tcp }"}], ids=str)
def test_a_port_that_no_rule_can_have_is_refused_where_it_is_read(port: dict):
    metadata = {"name": "web", "namespace": "shop"}
    with pytest.raises(DecodeError):
        decode_service(json.dumps({"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": [port]}}).encode())
    with pytest.raises(DecodeError):
        decode_slice(json.dumps({"metadata": metadata, "ports": [port]}).encode())
