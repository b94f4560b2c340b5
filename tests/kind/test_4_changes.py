"""Planned changes under traffic: rollouts of backends, a drained node, our own Pods going."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.kind import NAMESPACE, Kind, until_ready
from tests.support.kind_objects import service
from tests.support.kind_outside import Outside
from tests.support.kind_traffic import Target, Traffic
from tests.support.wait import until


@pytest.fixture(scope="module")
def targets(kind: Kind, client: Outside, guest: Outside) -> dict[str, Target]:
    """A Service of each policy and each mode, reached."""
    made = {}
    for mode, pool, who in (("l2", "link", client), ("bgp", "routed", guest)):
        for policy in ("Cluster", "Local"):
            name = f"{mode}-{policy.lower()}"
            kind.apply(service(name, policy=policy, pool=pool, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"))
            ip = until(lambda name=name: kind.ips(name), 30)[0]
            # A connection tried before is tracked as one to nobody for two minutes: one of the streams from the same port would be lost.
            until(lambda ip=ip: kind.is_programmed(ip), 30)
            target = Target(who, ip, is_routed=mode == "bgp")
            until(lambda target=target: not target.who.ask(target.url, 5).errors, 30)
            made[name] = target
    return made


def endpoints_and_hops(kind: Kind, router: Outside, service: str, ip: str) -> tuple[list[str], list[str]]:
    """Return each endpoint's node with its conditions, and the router's next hops."""
    slices = kind.get("endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
    ends = [
        f"{end.get('nodeName')}:{'+'.join(name for name, is_so in end['conditions'].items() if is_so)}"
        for each in slices
        for end in each.get("endpoints") or ()
    ]
    return sorted(ends), sorted(router.next_hops(f"{ip}/32"))


@contextmanager
def timeline(look: Callable[[], object]) -> Iterator[None]:
    """Print, afterwards, when what is looked at changed while the block ran: for whoever reads a failure."""
    seen: list[tuple[float, object]] = []
    over = threading.Event()

    def watch() -> None:
        begun = time.monotonic()
        while not over.wait(0.2):
            found = look()
            if not seen or seen[-1][1] != found:
                seen.append((time.monotonic() - begun, found))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        for at, found in seen:
            print(f"{at:6.2f} s  {found}")


def test_a_rolling_update_of_the_backends_loses_nothing(kind: Kind, router: Outside, targets):
    with Traffic(targets, router) as traffic:
        kind.kubectl("rollout", "restart", "deployment/web")
        kind.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
    assert traffic.lost(most_moves=6) == {}


def test_the_controller_s_pods_are_deleted_and_nobody_notices(kind: Kind, router: Outside, targets):
    with Traffic(targets, router) as traffic:
        kind.kubectl("delete", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=controller", "--wait=true")
        until_ready(kind)
    assert traffic.lost() == {}
    kind.apply(service("after-the-controller"))
    until(lambda: kind.ips("after-the-controller"), 30)


def test_a_speaker_s_pod_is_deleted_and_nothing_is_lost(kind: Kind, client: Outside, router: Outside, targets):
    """Layer 2 hands over before the Pod goes, and routers are told before routes go."""
    ip = kind.ips("l2-cluster")[0]
    node = until(lambda: kind.announcer(client, ip), 15)
    pod = next(pod["metadata"]["name"] for pod in kind.pods("speaker") if pod["spec"]["nodeName"] == node)
    with Traffic(targets, router) as traffic:
        kind.kubectl("delete", "pod", pod, "-n", NAMESPACE, "--wait=true")
        until_ready(kind)
    assert traffic.lost(most_moves=2) == {}


def restarts(kind: Kind, pod: str) -> int:
    statuses = kind.get("pod", pod, "-n", NAMESPACE)["status"]["containerStatuses"]
    return next(int(status["restartCount"]) for status in statuses if status["name"] == "speaker")


def test_a_restarted_speaker_s_container_moves_nothing(kind: Kind, router: Outside, targets):
    """Its routes belong to ExaBGP beside it."""
    # A kubelet that does not know the Service `kubernetes` yet starts containers without its address, and they end at once: not this one,
    # or the kubelet would wait longer before it starts it again.
    pod = min((pod["metadata"]["name"] for pod in kind.pods("speaker")), key=lambda name: restarts(kind, name))
    restarted = restarts(kind, pod) + 1
    before = router.run("ip", "-4", "route", "show", "proto", "bgp")
    with Traffic({name: targets[name] for name in ("bgp-cluster", "bgp-local")}, router) as traffic:
        kind.kubectl("exec", "-n", NAMESPACE, pod, "-c", "speaker", "--", "python3", "-c", "import os; os.kill(1, 15)")
        until(lambda: restarts(kind, pod) == restarted, 60, lambda: kind.kubectl("describe", "pod", pod, "-n", NAMESPACE))
        until_ready(kind)
    assert traffic.lost() == {}
    assert router.run("ip", "-4", "route", "show", "proto", "bgp") == before


def test_a_drained_node_takes_nothing_with_it(kind: Kind, router: Outside, targets):
    node = kind.nodes[1]
    ip = kind.ips("bgp-local")[0]
    try:
        with Traffic(targets, router) as traffic, timeline(lambda: endpoints_and_hops(kind, router, "bgp-local", ip)):
            kind.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        assert traffic.lost(most_moves=2) == {}
    finally:
        kind.kubectl("uncordon", node)
    kind.kubectl("rollout", "restart", "deployment/web")
    kind.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
