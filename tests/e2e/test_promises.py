"""What the README promises, on a lab with each API server: nothing is lost, moved or rewritten by what goes wrong."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from baremetal_lb.kube.resources import ENDPOINT_SLICES, LEASES, SERVICES, ours
from baremetal_lb.lab import cluster
from baremetal_lb.lab.fetch import __file__ as fetch_file
from baremetal_lb.lab.layout import POD_NAMESPACE
from baremetal_lb.lab.status import leader_pid
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import IPAddress
from tests.support.lab import LabUnderTest, service, versions
from tests.support.wait import until

pytestmark = [pytest.mark.lab, pytest.mark.netns, pytest.mark.kube]
ALLOCATIONS, L2_STATUSES = ours(BAREMETAL_LB, "ipallocations"), ours(BAREMETAL_LB, "servicel2statuses")
OUTAGE_S = 12
"""Three times as long as a Lease lives."""
TAKE_OVER_S = 20
"""A Lease of a killed speaker is dead after 4 s; the rest is the machine's load."""


def test_every_line_of_the_demo_was_as_expected(lab: LabUnderTest) -> None:
    assert "NOT SO" not in lab.output
    assert "All seen in" in lab.output
    assert "ok the announcer followed the endpoint" in lab.output
    assert "http://[2001:db8:1::" in lab.output


def test_a_killed_controller_changes_nothing_when_it_is_back(lab: LabUnderTest) -> None:
    until(lambda: preferred(lab, lab.ips("local")[0]) in {None, lab.announcer(lab.ips("local")[0])}, 20)
    before = versions(lab.items(SERVICES)) | versions(lab.items(ALLOCATIONS))
    pids = {controller["pid"] for controller in lab.status()["controllers"]}
    lab.cli("fault", "kill-controller", "1")
    lab.cli("fault", "kill-controller", "2")
    until(lambda: leader_pid(lab.directory) not in {None, *pids}, 40, lambda: lab.cli("logs", "controller-1", "--tail", "5"))
    name = f"after-{time.monotonic_ns()}"
    lab.apply(service(name))
    until(lambda: lab.ips(name), 20)
    after = versions(lab.items(SERVICES)) | versions(lab.items(ALLOCATIONS))
    assert {key: after.get(key) for key in before} == before


def test_no_reply_is_lost_while_the_api_server_is_away_and_a_speaker_is_restarted(lab: LabUnderTest) -> None:
    ip = lab.ips("cluster")[0]
    announcer = lab.announcer(ip)
    lab.cli("fault", "stop-api")
    with traffic(lab, ip) as errors:
        lab.cli("fault", "kill-speaker", announcer)
        stop_at = time.monotonic() + OUTAGE_S
        until(lambda: time.monotonic() >= stop_at, OUTAGE_S + 5)
    assert errors == []
    # The speaker that was restarted meanwhile answers a client that asks anew, from what it remembers.
    until(lambda: lab.announcer(ip) == announcer, 20)
    assert not lab.client.fetch(ip, 80).error
    lab.cli("fault", "start-api")
    until(lambda: lab.items(LEASES, "baremetal-lb-system"), 20)


def test_another_speaker_announces_when_one_is_gone(lab: LabUnderTest) -> None:
    ip = lab.ips("cluster")[0]
    announcer = lab.announcer(ip)
    lab.cli("fault", "kill-speaker", announcer, "--keep-down")
    until(lambda: lab.client.asked_announcer(ip, 80) not in {None, announcer}, TAKE_OVER_S)
    assert not lab.client.fetch(ip, 80).error


def test_another_node_announces_when_the_cable_of_one_is_cut(lab: LabUnderTest) -> None:
    ip = lab.ips("cluster")[0]
    announcer = lab.announcer(ip)
    lab.cli("fault", "cut", announcer)
    until(lambda: lab.client.asked_announcer(ip, 80) not in {None, announcer}, TAKE_OVER_S)
    # Endpoints on the lost node are still listed, so some requests go there: one that gets through is what is asked for here.
    until(lambda: not lab.client.fetch(ip, 80).error, 20)
    lab.cli("fault", "heal", announcer)
    until(lambda: all(not lab.client.fetch(ip, 80).error for _ in range(6)), 20)


def test_the_announcer_follows_the_endpoint_of_a_local_service_within_a_second(lab: LabUnderTest) -> None:
    ip, nodes = lab.ips("local")[0], lab.state.layout.nodes
    assert lab.announcer(ip) == nodes[2].name
    until_endpoints_follow(lab)
    took = []
    for node, previous in ((nodes[1], nodes[2]), (nodes[0], nodes[1]), (nodes[2], nodes[0])):
        began = time.monotonic()
        move_label(lab, previous.pods[0].name, node.pods[0].name)
        until(lambda node=node: lab.client.asked_announcer(ip, 80) == node.name, 15, lambda: who_has(lab, "local"))
        took.append(time.monotonic() - began)
        until(lambda node=node: lab.client.fetch(ip, 80).node == node.name, 15)
    assert min(took) < 1, took


def until_endpoints_follow(lab: LabUnderTest) -> None:
    """Wait until kube-controller-manager keeps up: each of its watches pauses for up to half a minute after an outage of the API server."""
    nodes = lab.state.layout.nodes
    quick = 0
    for turn in range(20):
        source, target = (nodes[2], nodes[0]) if turn % 2 == 0 else (nodes[0], nodes[2])
        began = time.monotonic()
        move_label(lab, source.pods[0].name, target.pods[0].name)
        until(lambda target=target: [end[0] for end in who_has(lab, "local")[0]] == [target.name], 60, lambda: who_has(lab, "local"))
        quick = quick + 1 if time.monotonic() - began < 1.5 else 0
        if quick >= 2 and target is nodes[2]:
            return
    raise AssertionError("endpoints are late again and again")


def who_has(lab: LabUnderTest, service: str) -> tuple[list[tuple[str, object]], list[object]]:
    """Where the API server says that the endpoints of a Service are, and who announces it, for whoever waits in vain."""
    slices = [item for item in lab.items(ENDPOINT_SLICES) if item["metadata"]["labels"].get("kubernetes.io/service-name") == service]
    endpoints = [(end.get("nodeName"), end.get("conditions")) for item in slices for end in item.get("endpoints") or ()]
    # A status object is made first and filled by a second request: one may be seen without any status.
    statuses = [item.get("status", {}) for item in lab.items(L2_STATUSES)]
    return endpoints, [status for status in statuses if status.get("serviceName") == service]


def test_a_stopped_backend_gets_no_requests_and_gets_them_again(lab: LabUnderTest) -> None:
    ip, pod = lab.ips("cluster")[0], lab.state.layout.nodes[0].pods[1].name

    def pods(count: int) -> set[str]:
        pages = [lab.client.fetch(ip, 80) for _ in range(count)]
        assert not any(page.error for page in pages)
        return {page.pod for page in pages}

    lab.cli("backend", "stop", pod)
    until(lambda: pod not in pods(20), 20)
    lab.cli("backend", "start", pod)
    until(lambda: pod in pods(20), 20)


def preferred(lab: LabUnderTest, ip: IPAddress) -> str | None:
    """The announcer that the ledger prefers: None for an entry made before there was an endpoint, and late after a move, by design."""
    return next(item["spec"].get("announcer") for item in lab.items(ALLOCATIONS) if item["spec"]["address"] == str(ip))


def move_label(lab: LabUnderTest, source: str, target: str) -> None:
    async def move(opened: cluster.Cluster) -> None:
        await opened.merge(cluster.PODS.path(POD_NAMESPACE, source), {"metadata": {"labels": {"demo": None}}})
        await opened.merge(cluster.PODS.path(POD_NAMESPACE, target), {"metadata": {"labels": {"demo": "local"}}})

    cluster.run(lab.directory.kubeconfig, move)


@contextmanager
def traffic(lab: LabUnderTest, ip: IPAddress) -> Iterator[list[str]]:
    """Fetch without a pause meanwhile; yields the errors, complete when it ends. Fails when nothing was fetched at all."""
    errors: list[str] = []
    count, is_over = 0, threading.Event()
    command = lab.command("exec", "client", "--", sys.executable, "-I", "-S", fetch_file, *[f"http://{ip}/"] * 100)

    def fetch() -> None:
        nonlocal count
        while not is_over.is_set():
            said = subprocess.run(command, env=lab.env(), capture_output=True, text=True, check=True, timeout=300).stdout
            answers = [json.loads(line) for line in said.splitlines()]
            errors.extend(answer["error"] for answer in answers if "error" in answer)
            count += len(answers)

    thread = threading.Thread(target=fetch)
    thread.start()
    try:
        yield errors
    finally:
        is_over.set()
        thread.join()
    assert count
