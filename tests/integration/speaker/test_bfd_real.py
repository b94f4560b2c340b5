"""BFD between real speakers and real routers: a path that fails is left at once, and only then."""

import json
import time
from pathlib import Path

import pytest

from baremetal_lb.lab.routers import RouterKind
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.time import MILLISECOND
from tests.support.bgp_speakers import BgpSpeakers
from tests.support.kubeserver import KubeServer
from tests.support.route_monitor import RouteMonitor
from tests.support.speakers import SpeakerNode
from tests.support.wait import until

pytestmark = [pytest.mark.kube, pytest.mark.netns]
IP = "203.0.113.7"
KINDS = pytest.mark.parametrize("kind", [RouterKind.FRR, RouterKind.BIRD], ids=lambda kind: kind.value)
INTERVAL_MS, MULTIPLIER = 200, 5
"""Less than the hold time of 9 s by far, and long enough for a router whose bfdd, unlike ours, is not realtime and waits for a busy CPU."""
PROFILE = BFDProfile(
    "fast",
    required_min_rx=INTERVAL_MS * MILLISECOND,
    desired_min_tx=INTERVAL_MS * MILLISECOND,
    detect_mult=MULTIPLIER,
)


@pytest.fixture
def start(kube_server: KubeServer, speakers_may_work: None, tmp_path: Path):
    begun = []

    def enter(kind: RouterKind, *, nodes: int = 2, options: tuple[str, ...] = (), **session: object) -> BgpSpeakers:
        cluster = BgpSpeakers(kube_server, tmp_path, kind, **{"bfd": PROFILE, **session}).__enter__()
        begun.append(cluster)
        profile = {"transmitInterval": INTERVAL_MS, "receiveInterval": INTERVAL_MS, "detectMultiplier": MULTIPLIER}
        cluster.put("BFDProfile", "bfdprofiles", "fast", **profile)
        cluster.configure_bgp(peer={"bfdProfile": "fast"})
        made = [cluster.bgp_node(f"node{number}", *options) for number in range(1, nodes + 1)]
        for node in made:
            cluster.start_bfd(node)
        cluster.service("web", IP, endpoints=["node1"])
        cluster.until_routed(IP, *made)
        if session.get("bfd", PROFILE) is not None:
            until_bfd(cluster, "Up", *(node.name for node in made))
            until(lambda: all(router_says(cluster, node.name) == "up" for node in made), 20, cluster.router.describe)
            cluster.until_routed(IP, *made)  # FRR resets a session that came up later than BFD
        return cluster

    yield enter
    for cluster in begun:
        cluster.__exit__(None, None, None)


def bfd_states(cluster: BgpSpeakers) -> dict[str, str | None]:
    return {name.partition("@")[2]: status.get("bfdState") for name, status in cluster.sessions().items()}


def until_bfd(cluster: BgpSpeakers, state: str, *nodes: str) -> None:
    until(
        lambda: all(bfd_states(cluster).get(node) == state for node in nodes), 20, lambda: (cluster.sessions(), cluster.router.describe())
    )


def router_says(cluster: BgpSpeakers, node: str) -> str:
    """How the router sees its BFD session with a node."""
    address = f"198.51.100.{node.removeprefix('node')}"
    if cluster.router.spec.kind is RouterKind.FRR:
        peers = json.loads(cluster.router.control("vtysh", "-c", "show bfd peers json"))
        # Before BGP is up the session has no source, and is about to begin anew.
        return next((peer["status"] for peer in peers if peer["peer"] == address and "local" in peer), "of no BGP session")
    line = next(line for line in cluster.router.control("birdc", "show", "bfd", "sessions").splitlines() if line.startswith(address))
    return line.split()[2].lower()


@KINDS
def test_a_cut_path_is_left_in_less_than_a_hold_time_and_comes_back(start, kind: RouterKind):
    cluster = start(kind)
    node1, node2 = cluster.nodes
    assert router_says(cluster, "node1") == "up"
    with RouteMonitor(cluster.router_host) as monitor:
        cut_at = time.monotonic()
        node1.host.cut()
        until(lambda: cluster.gateways(IP) == {"node2"}, 5, cluster.router.describe)
        assert time.monotonic() - cut_at < 5, "the hold time is 9 s"
        assert monitor.events(f"{IP}/32")[-1].gateways == ("198.51.100.2",)
    node1.host.heal()
    cluster.until_routed(IP, node1, node2, deadline_s=40)
    until_bfd(cluster, "Up", "node1")


@KINDS
def test_a_router_that_loses_bfd_is_held_down_with_a_reason_until_the_limit_and_then_tried_without(start, kind: RouterKind):
    cluster = start(kind, nodes=1, options=("--bfd-hold-limit-s", "4"))
    stop_bfd_of_router(cluster)
    held_at = time.monotonic()
    until(lambda: cluster.gateways(IP) == set(), 10, cluster.router.describe)
    until(lambda: cluster.sessions()["tor@node1"].get("reason") == "HeldDownByBFD", 5, cluster.sessions)
    held = cluster.sessions()["tor@node1"]
    assert (held["state"], held["bfdState"]) == ("Idle", "Down")
    until(lambda: cluster.gateways(IP) == {"node1"}, 30, lambda: (cluster.sessions(), cluster.router.describe()))
    assert time.monotonic() - held_at > 4

    def stands() -> tuple[str, str | None]:
        said = cluster.sessions()["tor@node1"]
        return said["state"], said.get("reason")

    until(lambda: stands() == ("Established", "HoldEnded"), 5, cluster.sessions)


def stop_bfd_of_router(cluster: BgpSpeakers) -> None:
    """End the router's side of BFD without a word, BGP going on."""
    if cluster.router.spec.kind is RouterKind.FRR:
        cluster.router.kill("bfdd")
        return
    cluster.router_host.run("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }")
    cluster.router_host.run("nft", "add rule inet t in udp dport 3784 drop; add chain inet t out { type filter hook output priority 0; }")
    cluster.router_host.run("nft", "add rule inet t out udp dport 3784 drop")


@KINDS
def test_bfd_that_ends_with_a_word_and_bfd_that_crashes_are_told_and_bgp_goes_on_without(start, kind: RouterKind):
    cluster = start(kind, nodes=1)
    (node,) = cluster.nodes
    process = cluster.engines["bfd-node1"]
    process.terminate()
    assert process.wait(10) == 0
    until(lambda: router_says(cluster, "node1") != "up", 10, cluster.router.describe)
    until(lambda: cluster.sessions()["tor@node1"].get("reason") == "NotRunning", 5, cluster.sessions)
    # RFC 5882 §3.2: AdminDown says nothing of the path, and the speaker goes on with BGP; these routers reset the session all the same.
    cluster.until_routed(IP, node, deadline_s=40)
    cluster.start_bfd(node)
    until_bfd(cluster, "Up", "node1")
    until(lambda: "reason" not in cluster.sessions()["tor@node1"], 5, cluster.sessions)
    with RouteMonitor(cluster.router_host) as monitor:  # the route may be back in less time than it takes to ask for it
        cluster.kill_bfd(node)
        until(lambda: monitor.removals(f"{IP}/32"), 10, cluster.router.describe)
    cluster.start_bfd(node)
    cluster.until_routed(IP, node, deadline_s=40)
    until_bfd(cluster, "Up", "node1")


@KINDS
def test_a_speaker_that_is_killed_moves_nothing_and_its_successor_knows_how_paths_stand(start, kind: RouterKind):
    cluster = start(kind, nodes=1)
    (node,) = cluster.nodes
    with RouteMonitor(cluster.router_host) as monitor:
        node.kill()
        assert router_says(cluster, "node1") == "up"
        node.start("--runtime-dir", str(cluster.work / "node1.run"))
        node.until_ready()
        until_bfd(cluster, "Up", "node1")
        assert monitor.events(f"{IP}/32") == []


def test_a_router_without_bfd_keeps_its_session(start):
    cluster = start(RouterKind.FRR, nodes=1, bfd=None)
    until_bfd(cluster, "Down", "node1")
    until(lambda: cluster.sessions()["tor@node1"]["state"] == "Established", 5, cluster.sessions)
    assert "reason" not in cluster.sessions()["tor@node1"]


def test_a_router_whose_bfd_is_shut_down_on_purpose_keeps_its_session(start):
    cluster = start(RouterKind.FRR, nodes=1)
    with RouteMonitor(cluster.router_host) as monitor:
        cluster.router.control("vtysh", "-c", "conf t", "-c", "bfd", "-c", "profile fast", "-c", "shutdown")
        until_bfd(cluster, "Down", "node1")
        assert cluster.gateways(IP) == {"node1"}
        cluster.router.control("vtysh", "-c", "conf t", "-c", "bfd", "-c", "profile fast", "-c", "no shutdown")
        until_bfd(cluster, "Up", "node1")
        assert monitor.events(f"{IP}/32") == []
    assert cluster.sessions()["tor@node1"]["state"] == "Established"


def test_other_intervals_are_negotiated_while_it_is_up(start):
    cluster = start(RouterKind.FRR, nodes=1)
    path = f"/apis/baremetal-lb.io/v1beta1/namespaces/{cluster.namespace}/bfdprofiles/fast"

    def seen() -> tuple[int, int, int]:
        peers = json.loads(cluster.router.control("vtysh", "-c", "show bfd peers json"))
        peer = next(peer for peer in peers if peer["peer"] == "198.51.100.1")
        return peer["remote-transmit-interval"], peer["remote-receive-interval"], peer["remote-detect-multiplier"]

    until(lambda: seen() == (INTERVAL_MS, INTERVAL_MS, MULTIPLIER), 10, seen)
    with RouteMonitor(cluster.router_host) as monitor:
        cluster.server.merge(path, {"spec": {"transmitInterval": 400, "receiveInterval": 300, "detectMultiplier": 7}})
        until(lambda: seen() == (400, 300, 7), 10, seen)
        assert router_says(cluster, "node1") == "up"
        assert monitor.events(f"{IP}/32") == []


def test_a_router_that_looks_at_the_c_bit_keeps_routes_of_an_exabgp_that_restarts(start):
    cluster = start(RouterKind.FRR, nodes=2, has_bfd_control_plane_check=True)
    node1, node2 = cluster.nodes

    def connections() -> int:
        neighbors = json.loads(cluster.router.control("vtysh", "-c", "show bgp neighbors 198.51.100.1 json"))
        return neighbors["198.51.100.1"]["connectionsEstablished"]

    before = connections()
    with RouteMonitor(cluster.router_host) as monitor:
        cluster.kill_exabgp(node1)
        until(lambda: connections() > before, 20, cluster.router.describe)
        assert monitor.events(f"{IP}/32") == []
        assert router_says(cluster, "node1") == "up"
    assert captured_flags(node1) & 0x08, "the C bit: BFD goes on while the control plane restarts"
    # FRR 8.4.4 takes every C bit for clear ("CPI bit no"), and with this option waits for the hold time, as without BFD.
    node1.host.cut()
    cluster.until_routed(IP, node2, deadline_s=15)


def captured_flags(node: SpeakerNode) -> int:
    """The second octet of the next BFD packet that a node sends."""
    return int(node.host.run("python3", "-c", CAPTURE))


CAPTURE = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
while True:
    frame, (_, _, kind, *_) = s.recvfrom(200)
    if kind == 4 and frame[23] == 17 and frame[36:38] == (3784).to_bytes(2, "big"):  # outgoing, UDP
        print(frame[43])
        break
"""


def test_a_port_that_another_program_has_is_told(start):
    cluster = start(RouterKind.FRR, nodes=1)
    (node,) = cluster.nodes
    cluster.kill_bfd(node)
    thief = node.host.popen("python3", "-c", THIEF)
    try:
        cluster.start_bfd(node)
        until(lambda: cluster.sessions()["tor@node1"].get("reason") == "PortTaken", 20, cluster.sessions)
    finally:
        thief.kill()
        thief.wait()
    until_bfd(cluster, "Up", "node1")


THIEF = "import socket, signal; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 3784)); signal.pause()"
