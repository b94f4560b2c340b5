"""What an operator does in a day with `bmlb`, on a real cluster with both modes."""

import json

import pytest

from kind_cluster.commands import CommandFailed
from tests.support.kind import Kind
from tests.support.kind_objects import service
from tests.support.kind_outside import Outside
from tests.support.wait import until


def told(kind: Kind, *arguments: str) -> dict:
    """Return the document that a command prints."""
    return json.loads(kind.bmlb(*arguments, "-o", "json"))


def test_every_node_serves_and_every_session_is_up(kind: Kind, router: Outside):
    nodes = told(kind, "node", "list")["nodes"]
    assert [(row["node"], row["speaker"]) for row in nodes] == [(name, "serving") for name in kind.nodes]
    until(lambda: kind.bmlb_succeeds("peer", "list") and kind.bmlb("peer", "list").count("Established") == len(kind.nodes), 60)
    assert "Established" in kind.bmlb("peer", "show", "router")
    kind.apply(service("routed", pool="routed", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"))
    until(lambda: kind.bmlb_succeeds("svc", "explain", "default/routed"), 30)
    routes = told(kind, "peer", "routes", "router")["routes"]
    assert {route["node"] for route in routes} == set(kind.nodes)


def test_a_service_is_explained_with_its_pool_its_announcer_and_its_routes(kind: Kind, client: Outside):
    kind.apply(service("explained"), service("explained-bgp", pool="routed", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"))
    link, routed = (until(lambda name=name: kind.ips(name), 30)[0] for name in ("explained", "explained-bgp"))
    node = until(lambda: kind.announcer(client, link), 15)
    until(lambda: kind.bmlb_succeeds("svc", "explain", "default/explained"), 30)
    document = told(kind, "svc", "explain", "default/explained")
    assert [each["node"] for each in document["layer2"][0]["announced_by"]] == [node]
    assert document["allocation"]["pool"] == "link"
    until(lambda: kind.bmlb_succeeds("svc", "explain", "default/explained-bgp"), 30)
    routes = told(kind, "svc", "explain", "default/explained-bgp")["bgp"]
    assert {route["node"]: [peer["peer"] for peer in route["peers"]] for route in routes} == {node: ["router"] for node in kind.nodes}
    assert f"{routed}" in kind.bmlb("svc", "list", "-A")
    assert "default/explained" in kind.bmlb("ip", "who", link)


def test_a_pool_is_made_shrunk_and_deleted_with_its_consequences_told(kind: Kind):
    kind.bmlb("pool", "create", "daily", "--addresses", "198.51.100.64/30", "--no-auto-assign", "--retain-for", "0s", "--l2", "--yes")
    kind.apply(service("daily", pool="daily"))
    assert until(lambda: kind.ips("daily"), 30) == ["198.51.100.64"]
    with pytest.raises(CommandFailed, match=r"(?s)code 4: .*--renumber"):
        kind.bmlb("pool", "edit", "daily", "--remove-addresses", "198.51.100.64", "--yes")
    kind.bmlb("pool", "edit", "daily", "--remove-addresses", "198.51.100.64", "--renumber", "--yes")
    until(lambda: kind.ips("daily") == ["198.51.100.65"], 30)
    kind.kubectl("delete", "service", "daily")
    until(lambda: kind.get("ipallocation", "198.51.100.65") is None, 30)
    kind.bmlb("pool", "delete", "daily", "--yes")
    kind.kubectl("delete", "l2advertisement", "daily", "-n", "baremetal-lb-system")


def test_the_versions_of_all_parts_are_told(kind: Kind):
    told_versions = kind.bmlb("version")
    assert "baremetal-lb:" in told_versions
    assert "v1." in told_versions


def test_the_speaker_has_net_raw_by_its_file_alone(kind: Kind):
    """Its image was built, imported and loaded into the nodes, and its Pod may not escalate."""
    for pod in kind.pods("speaker"):
        name = pod["metadata"]["name"]
        lines = kind.kubectl("exec", "-n", "baremetal-lb-system", name, "-c", "speaker", "--", "cat", "/proc/1/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert status["Uid"].split() == ["65532"] * 4
        assert (status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapBnd"], 16)) == ("1", 1 << 13, 1 << 13)


def test_only_the_speaker_s_container_has_a_token(kind: Kind):
    name = kind.pods("speaker")[0]["metadata"]["name"]
    look = "ls /var/run/secrets/kubernetes.io/serviceaccount 2>/dev/null || true"
    found = {
        container: kind.kubectl("exec", "-n", "baremetal-lb-system", name, "-c", container, "--", "sh", "-c", look).split()
        for container in ("speaker", "exabgp", "bfd")
    }
    assert found == {"speaker": ["ca.crt", "namespace", "token"], "exabgp": [], "bfd": []}
