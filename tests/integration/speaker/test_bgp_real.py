"""Speakers with engines on the real API server, and a real router: what it forwards, and what the status objects say."""

import time
from pathlib import Path

import pytest

from baremetal_lb.kube.rights import speaker_rights
from baremetal_lb.lab.routers import RouterKind
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.bgp_speakers import BgpSpeakers
from tests.support.kubeserver import KubeServer
from tests.support.route_monitor import RouteMonitor
from tests.support.speakers import OWN_GROUP
from tests.support.wait import until

pytestmark = [pytest.mark.kube, pytest.mark.netns]
IP = "203.0.113.7"
KINDS = pytest.mark.parametrize("kind", [RouterKind.FRR, RouterKind.BIRD], ids=lambda kind: kind.value)


@pytest.fixture
def start(kube_server: KubeServer, speakers_may_work: None, tmp_path: Path):
    with_exit = []

    def enter(kind: RouterKind = RouterKind.BIRD, **session: object) -> BgpSpeakers:
        cluster = BgpSpeakers(kube_server, tmp_path, kind, **session).__enter__()
        with_exit.append(cluster)
        return cluster

    yield enter
    for cluster in with_exit:
        cluster.__exit__(None, None, None)


@KINDS
def test_a_route_goes_to_every_node_and_a_local_service_only_where_its_endpoints_are(start, kind):
    cluster = start(kind)
    cluster.configure_bgp()
    nodes = [cluster.bgp_node(f"node{number}") for number in (1, 2, 3)]
    cluster.service("web", IP, endpoints=["node1"])
    cluster.service("local", "203.0.113.8", endpoints=["node2", "node3"], policy="Local")
    cluster.until_routed(IP, *nodes)
    cluster.until_routed("203.0.113.8", *nodes[1:])
    cluster.endpoints("local", {"node2": True, "node3": False})
    cluster.until_routed("203.0.113.8", nodes[1])
    cluster.endpoints("local", {"node1": True, "node2": False})
    cluster.until_routed("203.0.113.8", nodes[0])
    cluster.server.delete(f"/api/v1/namespaces/{cluster.users}/services/web")
    cluster.until_routed(IP)


def test_a_speaker_that_is_killed_and_started_again_moves_no_route(start):
    cluster = start()
    cluster.configure_bgp(communities=["65000:1"])
    node = cluster.bgp_node("node1")
    cluster.service("web", IP, endpoints=["node1"])
    cluster.until_routed(IP, node)
    with RouteMonitor(cluster.router_host) as monitor:
        node.kill()
        cluster.service("late", "203.0.113.9", endpoints=["node1"])
        node.start("--runtime-dir", str(cluster.work / "node1.run"))
        cluster.until_routed("203.0.113.9", node)
        assert monitor.events(f"{IP}/32") == []


def test_what_stands_is_told_in_status_objects_and_written_on_change_only(start, kube_server):
    cluster = start()
    cluster.configure_bgp()
    node = cluster.bgp_node("node1")
    cluster.service("web", IP, endpoints=["node1"])
    cluster.until_routed(IP, node)
    until(lambda: cluster.sessions().get("tor@node1", {}).get("routesAdvertised") == 1, 10, cluster.sessions)
    session = cluster.sessions()["tor@node1"]
    assert (session["state"], session["holdTime"], session["remoteASN"], session["remoteAddress"]) == (
        "Established",
        9,
        64512,
        "198.51.100.200",
    )
    until(lambda: cluster.advertised() == {"web@node1": ["tor"]}, 10, cluster.advertised)
    mark = kube_server.audit_mark()
    with RouteMonitor(cluster.router_host) as monitor:
        node.kill()
        node.start("--runtime-dir", str(cluster.work / "node1.run"))
        node.until_ready()
        cluster.service("late", "203.0.113.9", endpoints=["node1"])
        until(lambda: cluster.advertised() == {"web@node1": ["tor"], "late@node1": ["tor"]}, 10, cluster.advertised)
        until(lambda: cluster.sessions()["tor@node1"]["routesAdvertised"] == 2, 10, cluster.sessions)
        assert monitor.events(f"{IP}/32") == []
    written = [event for event in kube_server.audit(since=mark) if event.is_write and "bgp" in event.resource]
    assert len([event for event in written if event.resource.startswith("servicebgpstatuses")]) == 2
    assert len([event for event in written if event.resource.startswith("bgpsessionstatuses")]) <= 3
    cluster.server.delete(f"/api/v1/namespaces/{cluster.users}/services/late")
    until(lambda: cluster.advertised() == {"web@node1": ["tor"]}, 10, cluster.advertised)


def test_a_password_comes_from_its_secret_and_a_secret_that_does_not_do_is_told(start, kube_server):
    cluster = start(RouterKind.FRR, password="right")
    kube_server.grant("speaker-node1", speaker_rights(BAREMETAL_LB, secrets=["tor-password"]).everywhere)
    cluster.configure_bgp(peer={"passwordSecret": {"name": "tor-password"}})
    node = cluster.bgp_node("node1")
    cluster.service("web", IP, endpoints=["node1"])

    def reason() -> str | None:
        return cluster.sessions().get("tor@node1", {}).get("reason")

    until(lambda: reason() == "SecretMissing", 10, cluster.sessions)
    cluster.secret("tor-password", "wrong")
    until(lambda: "tor@node1" in cluster.sessions() and reason() is None, 10, cluster.sessions)
    assert cluster.gateways(IP) == set()
    cluster.secret("tor-password", "right")
    cluster.until_routed(IP, node, deadline_s=90)
    said = node.log.read_text() + (cluster.work / "node1.engine.log").read_text() + str(cluster.sessions())
    assert "right" not in said
    assert "cmlnaHQ" not in said


def test_a_secret_that_is_not_granted_has_its_own_reason(start, kube_server):
    cluster = start()
    cluster.secret("hidden", "x")
    cluster.configure_bgp(peer={"passwordSecret": {"name": "hidden"}})
    cluster.bgp_node("node1")
    until(lambda: cluster.sessions().get("tor@node1", {}).get("reason") == "SecretNotGranted", 10, cluster.sessions)


@KINDS
def test_a_drained_node_gives_notice_and_withdraws_and_comes_back(start, kind):
    cluster = start(kind)
    cluster.configure_bgp()
    nodes = [cluster.bgp_node(f"node{number}", "--shutdown-wait-s", "1") for number in (1, 2)]
    cluster.service("web", IP, endpoints=["node1"])
    cluster.until_routed(IP, *nodes)
    cluster.server.merge("/api/v1/nodes/node1", {"metadata": {"annotations": {"baremetal-lb.io/drain": "true"}}})
    cluster.until_routed(IP, nodes[1])
    until(lambda: cluster.sessions()["tor@node1"]["routesAdvertised"] == 0, 10, cluster.sessions)
    assert cluster.router.is_up("node1")
    cluster.server.merge("/api/v1/nodes/node1", {"metadata": {"annotations": {"baremetal-lb.io/drain": None}}})
    cluster.until_routed(IP, *nodes)


def test_a_pod_that_is_stopped_withdraws_with_notice_and_an_ordinary_end_does_not(start):
    cluster = start()
    cluster.configure_bgp()
    nodes = [cluster.bgp_node(f"node{number}", "--shutdown-wait-s", "1") for number in (1, 2)]
    cluster.service("web", IP, endpoints=["node1"])
    cluster.until_routed(IP, *nodes)
    with RouteMonitor(cluster.router_host) as monitor:
        nodes[1].terminate()
        nodes[1].start("--runtime-dir", str(cluster.work / "node2.run"))
        nodes[1].until_ready()
        assert monitor.events(f"{IP}/32") == []
    cluster.stop_pod(nodes[0])
    assert cluster.gateways(IP) == {"node2"}
    assert nodes[0].logged("leaving_phase")[-1]["phase"] == "gone"
    assert set(cluster.sessions()) == {"tor@node2"}
    assert set(cluster.advertised()) == {"web@node2"}


@KINDS
def test_pods_that_are_all_stopped_leave_no_route_behind_though_routers_help_at_restarts(start, kind):
    cluster = start(kind)
    cluster.configure_bgp()
    nodes = [cluster.bgp_node(f"node{number}", "--shutdown-wait-s", "0.5") for number in (1, 2)]
    cluster.service("web", IP, endpoints=["node1"])
    cluster.until_routed(IP, *nodes)
    for node in nodes:
        cluster.stop_pod(node)
    cluster.until_routed(IP, deadline_s=2)
    assert cluster.router.table() == {}
    assert (cluster.sessions(), cluster.advertised()) == ({}, {})


def test_an_outage_of_the_api_moves_no_route_not_even_with_a_speaker_killed_in_it(start):
    cluster = start()
    cluster.configure_bgp()
    node = cluster.bgp_node("node1", engine_options=("--speaker-loss-limit-s", "10"))
    cluster.service("web", IP, endpoints=["node1"])
    cluster.until_routed(IP, node)
    with RouteMonitor(cluster.router_host) as monitor:
        cluster.cut(node)
        node.kill()
        node.start("--runtime-dir", str(cluster.work / "node1.run"))
        until(lambda: node.logged("api_server_away"), 10, node.tail)
        until(passed(11.0), 20)
        cluster.heal(node)
        cluster.service("late", "203.0.113.9", endpoints=["node1"])
        cluster.until_routed("203.0.113.9", node)
        assert monitor.events(f"{IP}/32") == []


def passed(seconds: float):
    """Return a predicate that holds when so much time has passed: here longer than the engine waits for a speaker that is lost."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


@KINDS
def test_an_unnumbered_peer_is_found_by_its_router_advertisements_and_watched_by_bfd(start, kind):
    cluster = start(kind, is_unnumbered=True, bfd=BFDProfile("fast"))
    cluster.put("BFDProfile", "bfdprofiles", "fast", detectMultiplier=3)
    node = cluster.bgp_node("node1")
    cluster.start_bfd(node)
    cluster.configure_bgp(peer={"peerAddress": None, "interface": "eth0", "bfdProfile": "fast"})
    cluster.service("web", IP, endpoints=["node1"])
    until(lambda: cluster.router.kernel_routes().get(f"{IP}/32"), 40, lambda: (cluster.sessions(), cluster.router.describe()))
    until(lambda: cluster.sessions()["tor@node1"].get("bfdState") == "Up", 20, cluster.sessions)
    told = cluster.sessions()["tor@node1"]
    assert (told["state"], told["remoteAddress"].startswith("fe80:")) == ("Established", True)
    node.host.cut()
    until(lambda: not cluster.router.kernel_routes(), 5, cluster.router.describe)


def test_external_and_cluster_ips_of_other_services_have_routes_where_that_is_asked_for_and_right(start):
    cluster = start()
    cluster.server.create(
        f"/apis/{OWN_GROUP}/v1beta1/ipreservations", RESERVATION | {"spec": RESERVATION["spec"] | {"namespace": cluster.users}}
    )
    try:
        cluster.configure_bgp(serviceAddresses=["LoadBalancer"])
        node = cluster.bgp_node("node1", "--service-cidrs", "10.0.0.0/8")
        external = {"externalIPs": ["203.0.113.50", "198.18.0.7", "198.18.0.9"]}
        services = f"/api/v1/namespaces/{cluster.users}/services"
        made = cluster.server.create(services, {"metadata": {"name": "inside"}, "spec": {"ports": [{"port": 80}], **external}})
        cluster.endpoints("inside", {"node1": True})
        cluster.service("web", IP, endpoints=["node1"])
        cluster.until_routed(IP, node)
        path = f"/apis/{OWN_GROUP}/v1beta1/namespaces/{cluster.namespace}/bgpadvertisements/adv"
        cluster.server.merge(path, {"spec": {"serviceAddresses": ["LoadBalancer", "External", "Cluster"]}})
        own = cluster.server.get(f"{services}/web")["spec"]["clusterIP"]
        wanted = {f"{ip}/32" for ip in (IP, "203.0.113.50", "198.18.0.7", made["spec"]["clusterIP"], own)}
        until(lambda: set(cluster.router.kernel_routes()) >= wanted, 20, cluster.router.kernel_routes)
        assert cluster.gateways("198.18.0.9") == set(), "neither a pool nor a reservation admits it"
        with RouteMonitor(cluster.router_host) as monitor:
            node.kill()
            node.start("--runtime-dir", str(cluster.work / "node1.run"), "--service-cidrs", "10.0.0.0/8")
            cluster.service("late", "203.0.113.9", endpoints=["node1"])
            cluster.until_routed("203.0.113.9", node)
            assert monitor.removals() == []
        cluster.server.merge(f"{services}/inside", {"spec": {"type": "LoadBalancer", "loadBalancerClass": "another", "externalIPs": None}})
        cluster.until_routed("203.0.113.50")
        assert cluster.gateways(made["spec"]["clusterIP"]) == {"node1"}
        cluster.server.delete(f"{services}/inside")
        cluster.until_routed(made["spec"]["clusterIP"])
    finally:
        cluster.server.delete(f"/apis/{OWN_GROUP}/v1beta1/ipreservations/extra")


RESERVATION = {
    "apiVersion": f"{OWN_GROUP}/v1beta1",
    "kind": "IPReservation",
    "metadata": {"name": "extra"},
    "spec": {"addresses": ["198.18.0.7/32"]},
}
