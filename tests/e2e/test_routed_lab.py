"""A lab with routers, on both API servers: what the client reaches through them, whatever is broken on purpose."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from baremetal_lb.lab.build import find_or_build
from baremetal_lb.lab.client import run_on
from tests.e2e.conftest import never_granted
from tests.support.lab import LabUnderTest, lab_up, service
from tests.support.wait import until

pytestmark = [pytest.mark.lab, pytest.mark.netns]
ROUTERS = ("frr", "bird", "gobgp")
WHATEVER_THE_API = pytest.mark.parametrize("routed_lab", ["embedded"], indirect=True)
"""For what has nothing to do with the API server."""
NODES = {"node1", "node2", "node3"}


@pytest.fixture(scope="module", params=["embedded", "kube"])
def routed_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    if request.param == "kube":
        find_or_build(print)
    with lab_up(tmp_path_factory.mktemp("labs"), "--api", request.param, "--routers", ",".join(ROUTERS), "--demo") as lab:
        lab.apply(service("everywhere", externalTrafficPolicy="Local"))
        yield lab
        assert never_granted(lab) == set(), "the rights in kube/rights.py are all that the processes need"


@pytest.fixture
def lab(routed_lab: LabUnderTest) -> Iterator[LabUnderTest]:
    yield routed_lab
    routed_lab.cli("fault", "heal")


def gateways(lab: LabUnderTest, router: str, ip: object) -> set[str]:
    """Return the nodes that a router's kernel forwards an IP to."""
    family = "-6" if ":" in str(ip) else "-4"
    routes = json.loads(run_on(lab.state, router, ["ip", "-j", family, "route", "show", str(ip)]) or "[]")
    hops = [hop["gateway"] for route in routes for hop in route.get("nexthops", [route]) if "gateway" in hop]
    return {f"node{int(hop.rpartition('.' if '.' in hop else ':')[2]) - 10}" for hop in hops}


def until_routed(lab: LabUnderTest, ip: object, nodes: set[str], *, routers: tuple[str, ...] = ROUTERS, deadline_s: float = 60) -> None:
    for router in routers:
        until(
            lambda router=router: gateways(lab, router, ip) == nodes, deadline_s, lambda router=router: (router, gateways(lab, router, ip))
        )


def both(lab: LabUnderTest, name: str) -> tuple[object, ...]:
    return until(lambda: lab.ips(name), 20)


@contextmanager
def traffic(lab: LabUnderTest, ip: object, *, every_s: float = 0.05) -> Iterator[list[str]]:
    """Fetch from the client all the time; yields the list of what went wrong."""
    failures: list[str] = []
    ending = threading.Event()
    client = lab.client

    def fetch() -> None:
        while not ending.wait(every_s):
            answer = client.fetch(ip, 80)
            if answer.error:
                failures.append(f"{time.monotonic():.2f}: {answer.error}")

    thread = threading.Thread(target=fetch)
    thread.start()
    try:
        yield failures
    finally:
        ending.set()
        thread.join()


def test_every_line_of_the_demo_was_as_expected(lab: LabUnderTest) -> None:
    assert "All seen in" in lab.output
    assert "NOT SO" not in lab.output
    for router in ("frr", "bird"):
        assert f"{router} forwards 203.0.113.10 no more to node1" in lab.output


def test_every_router_forwards_to_every_node_and_the_client_reaches_both_families(lab: LabUnderTest) -> None:
    for ip in both(lab, "dual"):
        until_routed(lab, ip, NODES)
        assert len({lab.client.fetch(ip, 80).node for _ in range(20)} & NODES) >= 2


def test_peers_and_routes_are_shown_as_network_engineers_know_them(lab: LabUnderTest) -> None:
    until_routed(lab, both(lab, "dual")[0], NODES)

    def bmlb(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [*lab.bmlb, "peer", *arguments, "--kubeconfig", str(lab.directory.kubeconfig)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    listed = until(lambda: (done := bmlb("list")).returncode == 0 and done.stdout, 20, lambda: bmlb("list", "-o", "wide").stdout)
    lines = [line.split() for line in str(listed).splitlines()]
    assert lines[0] == ["NODE", "PEER", "NEIGHBOR", "AS", "STATE", "UP/DOWN", "PREFIXES", "BFD"]
    bfd = {"frr": "Up", "bird": "Up", "gobgp": "-"}
    rows = {(line[0], line[1], line[4], line[7]) for line in lines[1:]}
    assert rows == {(node, router, "Established", bfd[router]) for node in NODES for router in ROUTERS}
    assert "198.51.100.1" in bmlb("show", "frr").stdout
    shown = json.loads(bmlb("show", "frr", "-o", "json").stdout)
    assert {session["node"] for session in shown["sessions"]} == NODES
    assert shown["spec"]["peerAddress"] == next(row["neighbor"] for row in shown["sessions"])
    routes = json.loads(bmlb("routes", "bird", "-o", "json").stdout)["routes"]
    assert {(route["node"], route["peer"]) for route in routes} == {(node, "bird") for node in NODES}


def test_a_service_is_explained_by_node_and_peer(lab: LabUnderTest) -> None:
    until_routed(lab, both(lab, "dual")[0], NODES)
    rows = {row["name"]: row for row in lab.bmlb_json("svc", "list", codes=(1,))["services"]}
    assert (set(rows["cluster"]["advertised_by"]), rows["cluster"]["reason"]) == (NODES, None)
    assert (rows["impossible"]["advertised_by"], rows["impossible"]["reason"]) == ([], "AddressNotInPool")
    told = lab.bmlb_json("svc", "explain", "local")
    assert told["verdict"].endswith("reachable by BGP.")
    with_route = {route["node"]: {peer["peer"] for peer in route["peers"] if peer["advertised"]} for route in told["bgp"]}
    local = {each["node"] for each in told["endpoints"]}
    assert with_route == {node: set(ROUTERS) if node in local else set() for node in NODES}
    assert {route["reason"] for route in told["bgp"] if route["node"] not in local} == {"NoLocalEndpoint"}


@WHATEVER_THE_API
def test_a_router_is_asked_by_its_own_command_line(lab: LabUnderTest) -> None:
    until_routed(lab, both(lab, "dual")[0], NODES)
    assert "198.51.100.11" in lab.cli("exec", "frr", "--", "vtysh", "-c", "show bgp summary")
    assert "node1" in lab.cli("exec", "bird", "--", "birdc", "show", "protocols")
    assert "198.51.100.11" in lab.cli("exec", "gobgp", "--", "gobgp", "neighbor")


@WHATEVER_THE_API
@pytest.mark.parametrize(
    "fault", [("kill-speaker", "node1"), ("kill-exabgp", "node2"), ("stop-pod", "node3"), ("kill-controller",)], ids="-".join
)
def test_nothing_is_lost_while_other_ways_exist(lab: LabUnderTest, fault: tuple[str, ...]) -> None:
    ip = both(lab, "dual")[0]
    until_routed(lab, ip, NODES)
    with traffic(lab, ip) as failures:
        lab.cli("fault", *fault)
        if fault[0] == "stop-pod":
            until_routed(lab, ip, NODES - {"node3"})
            lab.cli("fault", "start-pod", "node3")
        until_routed(lab, ip, NODES)
    assert failures == []


@WHATEVER_THE_API
def test_bfd_that_is_killed_is_started_again_and_comes_up(lab: LabUnderTest) -> None:
    ip = both(lab, "dual")[0]
    until_routed(lab, ip, NODES)
    before = bfd_pid(lab)
    lab.cli("fault", "kill-bfd", "node1")
    until(lambda: bfd_pid(lab) not in (before, None), 20)
    until(lambda: "198.51.100.11" in up_in_bird(lab), 30, lambda: up_in_bird(lab))
    until_routed(lab, ip, NODES)


def bfd_pid(lab: LabUnderTest) -> int | None:
    return next(node["bfd_pid"] for node in lab.status()["nodes"] if node["name"] == "node1")


def up_in_bird(lab: LabUnderTest) -> set[str]:
    """The nodes whose BFD a BIRD sees as Up."""
    lines = lab.cli("exec", "bird", "--", "birdc", "show", "bfd", "sessions").splitlines()
    return {line.split()[0] for line in lines if " Up " in line}


@WHATEVER_THE_API
def test_a_router_that_is_cut_off_is_left_out_by_the_client_and_comes_back(lab: LabUnderTest) -> None:
    ip = both(lab, "dual")[0]
    until_routed(lab, ip, NODES)
    lab.cli("fault", "cut-router", "bird")
    # Linux may take a second until it tells the routes of a link that has no carrier.
    until(lambda: "dev to-bird weight 1 dead linkdown" in lab.cli("exec", "client", "--", "ip", "route"), 10)
    for _ in range(10):
        assert not lab.client.fetch(ip, 80).error
    lab.cli("fault", "heal", "bird")
    until_routed(lab, ip, NODES)
    for address in both(lab, "dual"):
        for _ in range(10):
            assert not lab.client.fetch(address, 80).error


def test_a_node_without_local_endpoint_drops_out_and_comes_back(lab: LabUnderTest) -> None:
    ip = both(lab, "everywhere")[0]
    until_routed(lab, ip, NODES)
    for pod in ("web-node1-a", "web-node1-b"):
        lab.cli("backend", "stop", pod)
    until_routed(lab, ip, NODES - {"node1"})
    assert {lab.client.fetch(ip, 80).client for _ in range(5)} <= {"10.200.1.2", "10.200.2.2", "10.200.3.2"}
    for pod in ("web-node1-a", "web-node1-b"):
        lab.cli("backend", "start", pod)
    until_routed(lab, ip, NODES)
