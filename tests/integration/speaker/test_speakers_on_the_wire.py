"""Speakers against the real API server, in namespaces on one bridge: who answers, and who takes over."""

import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from baremetal_lb.model.ids import METALLB
from baremetal_lb.model.net import Mac
from tests.support.frames import STRANGER, arp_request, arp_told
from tests.support.kubeserver import KubeServer
from tests.support.speakers import PATIENCE_S, SpeakerNode, Speakers
from tests.support.wait import until
from tests.support.wire import Wire

pytestmark = [pytest.mark.netns, pytest.mark.kube]
IP, IP6, OTHER = "198.51.100.200", "2001:db8::200", "198.51.100.201"


def test_one_node_answers_and_says_so(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, IP6, endpoints=["node1", "node2"], announcer="node2")
    cluster.until_answered(IP, by=node2, deadline_s=60)
    cluster.until_answered(IP6, by=node2)
    until(lambda: cluster.statuses().keys() == {"web@node2"}, describe=cluster.statuses)
    assert cluster.statuses()["web@node2"]["serviceNamespace"] == cluster.users
    node1.until_ready()
    node2.until_ready()
    assert 'baremetal_lb_speaker_announced{ip="198.51.100.200"' in node2.get("/metrics", 9121)[1]


def test_under_the_other_identity_it_reads_and_writes_that_groups_objects(kube_server: KubeServer, speakers_may_work: None, tmp_path: Path):
    with Speakers(kube_server, tmp_path, METALLB) as cluster:
        node1 = cluster.node("node1")
        cluster.configure(interfaces=["eth0"])
        cluster.service("web", IP, endpoints=["node1"], announcer="node1")
        cluster.until_answered(IP, by=node1, deadline_s=60)
        until(lambda: cluster.statuses().keys() == {"web@node1"}, describe=cluster.statuses)
        assert cluster.statuses()["web@node1"]["interfaces"] == [{"name": "eth0"}]
        assert 'metallb_speaker_announced{ip="198.51.100.200",node="node1",protocol="layer2"' in node1.get("/metrics", 9121)[1]


def test_a_killed_speaker_is_replaced(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1", "node2"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    node1.kill()
    cluster.until_answered(IP, by=node2, deadline_s=60)
    until(lambda: "web@node2" in cluster.statuses(), describe=cluster.statuses)


def test_a_local_service_moves_when_its_last_endpoint_goes(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1"], announcer="node1", policy="Local")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    cluster.endpoints("web", {"node1": False, "node2": True})
    cluster.until_answered(IP, by=node2, deadline_s=2)
    cluster.endpoints("web", {})
    cluster.until_answered(IP, by=None)


def test_a_move_in_the_ledger_is_followed_without_a_gap(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    answers = Asking(cluster, IP)
    cluster.server.merge(cluster.entry_path(IP), {"spec": {"announcer": "node2"}})
    answers.until_only(node2)
    assert answers.unanswered == 0
    assert answers.seconds_of_two < 1.5
    until(lambda: cluster.statuses().keys() == {"web@node2"}, describe=cluster.statuses)


def test_a_drained_node_hands_over_without_a_gap(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    answers = Asking(cluster, IP)
    cluster.server.merge("/api/v1/nodes/node1", {"metadata": {"annotations": {"baremetal-lb.io/drain": "true"}}})
    answers.until_only(node2)
    assert answers.unanswered == 0


def test_a_speaker_that_is_told_to_stop_hands_over_without_a_gap(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, IP6, endpoints=["node1", "node2"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    answers = Asking(cluster, IP)
    assert node1.process is not None
    node1.process.terminate()
    answers.until_only(node2)
    assert node1.process.wait(10) == 0
    assert answers.unanswered == 0
    cluster.until_answered(IP6, by=node2)
    until(lambda: cluster.statuses().keys() == {"web@node2"}, describe=cluster.statuses)
    assert node1.logged("left")[-1]["still_announced"] == 0


def test_a_pulled_cable_moves_the_ip(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    node2.until_ready()
    node1.host.cut()
    cluster.until_answered(IP, by=node2, deadline_s=3)


def test_frames_that_got_no_answer_are_in_the_metrics_by_reason(cluster: Speakers):
    node1 = cluster.node("node1")
    cluster.configure()
    cluster.service("web", IP, endpoints=["node1"], announcer="node1")
    cluster.until_answered(IP, by=node1, deadline_s=60)
    with Wire(cluster.client) as wire:
        wire.send(arp_request(IPv4Address(IP), mac=Mac.parse(cluster.client.mac))[:30])
        wire.send(arp_told(STRANGER, IPv4Address(IP)))

        def metrics() -> str:
            return node1.get("/metrics", 9121)[1]

        until(lambda: "baremetal_lb_layer2_conflicts_total 1.0" in metrics(), describe=metrics)
    for reason in ("TooShort", "ForeignAnnouncement"):
        assert f'baremetal_lb_layer2_requests_dropped_total{{reason="{reason}"}} 1.0' in metrics()
    for name in ("joins_failed", "opens_failed", "link_resyncs"):
        assert f"baremetal_lb_layer2_{name}_total 0.0" in metrics()


def test_ledger_and_status_must_both_name_the_ip(cluster: Speakers):
    node1 = cluster.node("node1")
    cluster.configure()
    uid = cluster.service("web", IP, endpoints=["node1"], ledger=False)
    node1.until_ready()
    cluster.until_answered(IP, by=None)
    cluster.entry(IP, "web", uid)
    cluster.until_answered(IP, by=node1)
    cluster.server.delete(cluster.entry_path(IP))
    until(lambda: cluster.server.get(cluster.entry_path(IP)) is None)
    cluster.entry(OTHER, "web", uid)
    cluster.assign("web", IP, OTHER)
    cluster.until_answered(OTHER, by=node1)
    assert cluster.who_answers(IP, patience_s=PATIENCE_S) == {node1.host.mac}, "a lost entry must not cost the IP"
    cluster.entry(IP, "another", "another-uid")
    cluster.until_answered(IP, by=None)
    cluster.server.delete(f"/api/v1/namespaces/{cluster.users}/services/web")
    cluster.until_answered(OTHER, by=None)
    until(lambda: not cluster.statuses(), describe=cluster.statuses)


def test_all_speakers_are_restarted_in_turn_and_every_ip_stays_answered_by_one(cluster: Speakers):
    nodes = [cluster.node(name) for name in ("node1", "node2", "node3")]
    cluster.configure()
    ips = {f"198.51.100.{130 + number}": nodes[number % 3] for number in range(30)}
    for number, (ip, node) in enumerate(ips.items()):
        cluster.service(f"s{number}", ip, endpoints=[other.name for other in nodes], announcer=node.name)
    for node in nodes:
        node.until_ready()
    macs = {node.host.mac for node in nodes}

    def answers() -> dict[str, set[str]]:
        return {ip: cluster.who_answers(ip, patience_s=0.03) for ip in ips}

    def each_has_one() -> bool:
        return all(len(macs & answer) == 1 for answer in answers().values())

    until(each_has_one, 30, describe=answers)
    for node in nodes:
        watched = next(ip for ip in ips if cluster.who_answers(ip, patience_s=PATIENCE_S) == {node.host.mac})
        asking = Asking(cluster, watched)
        with ThreadPoolExecutor(1) as pool:
            leaving = pool.submit(node.terminate)
            while not leaving.done():
                asking.until_any(1)
            leaving.result()
        asking.until_any(6)
        assert asking.unanswered == 0
        assert asking.seconds_of_two < 1.0
        until(each_has_one, 20, describe=answers)
        node.start()
        node.until_ready()
        until(each_has_one, 20, describe=answers)


class Asking:
    """Asks for an IP again and again; counts the questions that nobody answered, and the time in which two did."""

    def __init__(self, cluster: Speakers, ip: str) -> None:
        self._cluster, self._ip = cluster, ip
        self.unanswered = 0
        self.seconds_of_two = 0.0

    def until_only(self, node: SpeakerNode, deadline_s: float = 10) -> None:
        """Ask until only this node answers, and some times more."""
        end, alone, answers = time.monotonic() + deadline_s, 0, set[str]()
        while alone < 10:
            begun = time.monotonic()
            assert begun < end, f"{self._ip} answered by {answers}, not by {node}\n{node.tail()}"
            answers = self._cluster.who_answers(self._ip, patience_s=PATIENCE_S)
            self.unanswered += not answers
            self.seconds_of_two += (time.monotonic() - begun) if len(answers) > 1 else 0
            alone = alone + 1 if answers == {node.host.mac} else 0

    def until_any(self, times: int) -> None:
        """Ask some times more, whoever answers."""
        for _ in range(times):
            begun = time.monotonic()
            answers = self._cluster.who_answers(self._ip, patience_s=PATIENCE_S)
            self.unanswered += not answers
            self.seconds_of_two += (time.monotonic() - begun) if len(answers) > 1 else 0
