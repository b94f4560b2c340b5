"""Planned changes under traffic: rollouts of backends, a drained node, our own Pods going."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import pytest

from tests.kind.test_2_bgp import next_hops
from tests.support.kind import NAMESPACE, Answers, Kind, Outside, until_ready
from tests.support.kind_objects import service
from tests.support.wait import until

PACE = 50
MOVED_AT_ONCE = 3
"""Connections under way at a time, at this pace."""


@pytest.fixture(scope="module")
def urls(kind: Kind, client: Outside, guest: Outside) -> dict[str, tuple[Outside, str]]:
    """A Service of each policy and each mode, reached."""
    made = {}
    for mode, pool, who in (("l2", "link", client), ("bgp", "routed", guest)):
        for policy in ("Cluster", "Local"):
            name = f"{mode}-{policy.lower()}"
            kind.apply(service(name, policy=policy, pool=pool, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"))
            ip = until(lambda name=name: kind.ips(name), 30)[0]
            until(lambda who=who, ip=ip: not who.ask(f"http://{ip}/", 5).errors, 30)
            made[name] = (who, f"http://{ip}/")
    return made


class Traffic:
    """Streams of requests to all Services while something changes."""

    def __init__(self, urls: dict[str, tuple[Outside, str]]) -> None:
        self._urls, self._stack, self._results = urls, ExitStack(), dict[str, list[Answers]]()

    def __enter__(self) -> Self:
        for name, (who, url) in self._urls.items():
            self._results[name] = self._stack.enter_context(who.asking(url, per_second=PACE))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        for name, (answers,) in self._results.items():
            print(f"{name}: {len(answers.answers)} requests, {len(answers.errors)} lost, longest gap {answers.gap_s * 1000:.0f} ms")

    def lost(self, *, moves: int = 0) -> dict[str, list[str]]:
        """Why requests had no answer, by Service; after the block.

        ``moves`` is how often an IP moved to another announcer, or routers chose among other next hops than before: connections that are
        under way may then come to a node whose kube-proxy does not know them, which resets them, or drops what its kernel takes for
        invalid. Nobody who moves IPs can help that. A refused connection is never forgiven: it came to a node that has no endpoint.
        """
        found = {}
        for name, (answers,) in self._results.items():
            is_forgiven = answers.cut_off == len(answers.errors) <= MOVED_AT_ONCE * moves
            if answers.errors and not is_forgiven:
                found[name] = answers.errors
        return found


def endpoints_and_hops(kind: Kind, router: Outside, service: str, ip: str) -> tuple[list[str], list[str]]:
    """Return each endpoint's node with its conditions, and the router's next hops."""
    slices = kind.get("endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
    ends = [
        f"{end.get('nodeName')}:{'+'.join(name for name, is_so in end['conditions'].items() if is_so)}"
        for each in slices
        for end in each.get("endpoints") or ()
    ]
    return sorted(ends), sorted(next_hops(router, f"{ip}/32"))


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


def test_a_rolling_update_of_the_backends_loses_nothing(kind: Kind, urls):
    with Traffic(urls) as traffic:
        kind.kubectl("rollout", "restart", "deployment/web")
        kind.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
    assert traffic.lost(moves=6) == {}


def test_the_controller_s_pods_are_deleted_and_nobody_notices(kind: Kind, urls):
    with Traffic(urls) as traffic:
        kind.kubectl("delete", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=controller", "--wait=true")
        until_ready(kind)
    assert traffic.lost() == {}
    kind.apply(service("after-the-controller"))
    until(lambda: kind.ips("after-the-controller"), 30)


def test_a_speaker_s_pod_is_deleted_and_nothing_is_lost(kind: Kind, client: Outside, urls):
    """Layer 2 hands over before the Pod goes, and routers are told before routes go."""
    ip = kind.ips("l2-cluster")[0]
    node = until(lambda: kind.announcer(client, ip), 15)
    pod = next(pod["metadata"]["name"] for pod in kind.pods("speaker") if pod["spec"]["nodeName"] == node)
    with Traffic(urls) as traffic:
        kind.kubectl("delete", "pod", pod, "-n", NAMESPACE, "--wait=true")
        until_ready(kind)
    assert traffic.lost(moves=2) == {}


def restarts(kind: Kind, pod: str) -> int:
    statuses = kind.get("pod", pod, "-n", NAMESPACE)["status"]["containerStatuses"]
    return next(int(status["restartCount"]) for status in statuses if status["name"] == "speaker")


def test_a_restarted_speaker_s_container_moves_nothing(kind: Kind, router: Outside, urls):
    """Its routes belong to ExaBGP beside it."""
    # A kubelet that does not know the Service `kubernetes` yet starts containers without its address, and they end at once: not this one,
    # or the kubelet would wait longer before it starts it again.
    pod = min((pod["metadata"]["name"] for pod in kind.pods("speaker")), key=lambda name: restarts(kind, name))
    restarted = restarts(kind, pod) + 1
    before = router.run("ip", "-4", "route", "show", "proto", "bgp")
    with Traffic({name: urls[name] for name in ("bgp-cluster", "bgp-local")}) as traffic:
        kind.kubectl("exec", "-n", NAMESPACE, pod, "-c", "speaker", "--", "python3", "-c", "import os; os.kill(1, 15)")
        until(lambda: restarts(kind, pod) == restarted, 60, lambda: kind.kubectl("describe", "pod", pod, "-n", NAMESPACE))
        until_ready(kind)
    assert traffic.lost() == {}
    assert router.run("ip", "-4", "route", "show", "proto", "bgp") == before


def test_a_drained_node_takes_nothing_with_it(kind: Kind, router: Outside, urls):
    node = kind.nodes[1]
    ip = kind.ips("bgp-local")[0]
    try:
        with Traffic(urls) as traffic, timeline(lambda: endpoints_and_hops(kind, router, "bgp-local", ip)):
            kind.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        assert traffic.lost(moves=2) == {}
    finally:
        kind.kubectl("uncordon", node)
    kind.kubectl("rollout", "restart", "deployment/web")
    kind.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
