"""The demo: what a newcomer sees first. Each line that it prints was observed a moment before: in the API, or by the client on the wire.

Applies the pool, the advertisement and the Services of ``manifests/``, shows who got which IP and why one got none, fetches a page
through each IP, then moves the endpoint of the Local Service to another node and watches the announcer follow.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from baremetal_lb.kube.resources import SERVICES
from baremetal_lb.lab import cluster
from baremetal_lb.lab.client import Client, Page
from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.layout import POD_NAMESPACE
from baremetal_lb.lab.state import LabDirectory, LabState
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import IPAddress, family_of, parse_address

T = TypeVar("T")
DEADLINE_S = 30.0
IMPOSSIBLE, LOCAL = "impossible", "local"
_MARK = {"demo": "local"}
_CONDITION = BAREMETAL_LB.prefix + "Satisfied"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the API says of one Service."""

    name: str
    policy: str
    port: int
    ips: tuple[IPAddress, ...]
    pool: str
    is_satisfied: bool | None
    """None: the controller has not said yet."""
    reason: str
    message: str


class Demo:
    """One showing, on one lab."""

    def __init__(self, directory: LabDirectory, state: LabState, console: Console) -> None:
        self._directory, self._state, self._console = directory, state, console
        self._client = Client(state)
        self._failures = 0

    def run(self) -> bool:
        """Show everything; False when something was not as it should be."""
        began = time.monotonic()
        try:
            self._apply("A pool of addresses, and how to announce them", "pool.yaml")
            self._give_endpoint(self._state.layout.nodes[0].pods[0].name)
            self._apply("Services of type LoadBalancer", "services.yaml")
            outcomes = self._wait_for_outcomes()
            self._show(outcomes)
            self._fetch_all(outcomes)
            self._move_endpoint(next(outcome for outcome in outcomes if outcome.name == LOCAL))
        except LabError as error:
            self._expect(str(error), is_met=False)
        self._say(f"\nAll seen in {time.monotonic() - began:.0f} s." if not self._failures else f"\n{self._failures} things went wrong.")
        self._say_how_to_go_on()
        return not self._failures

    # --- the acts ---

    def _apply(self, title: str, file: str) -> None:
        self._console.print(f"\n[bold]{escape(title)}[/]", soft_wrap=True)
        manifests = list(yaml.safe_load_all((files("baremetal_lb.lab") / "manifests" / file).read_text()))

        async def apply(opened: cluster.Cluster) -> None:
            for manifest in manifests:
                await opened.apply(manifest)

        cluster.run(self._directory.kubeconfig, apply)
        for manifest in manifests:
            addresses = manifest["spec"].get("addresses")
            self._say(f"  applied {manifest['kind']} {manifest['metadata']['name']}{': ' + ', '.join(addresses) if addresses else ''}")

    def _wait_for_outcomes(self) -> list[Outcome]:
        def are_said() -> list[Outcome] | None:
            outcomes = self._outcomes()
            return outcomes if all(outcome.is_satisfied is not None for outcome in outcomes) else None

        began = time.monotonic()
        outcomes = self._until(are_said, "a verdict of the controller on each Service")
        self._say(f"  the controller has decided on all of them, {time.monotonic() - began:.1f} s after the last was applied")
        return outcomes

    def _show(self, outcomes: list[Outcome]) -> None:
        table = Table("SERVICE", "POLICY", "IP", "POOL", "WHY NOT", box=None)
        for outcome in outcomes:
            ips = "\n".join(map(str, outcome.ips)) or "none"
            table.add_row(outcome.name, outcome.policy, ips, outcome.pool or "-", outcome.reason if not outcome.is_satisfied else "")
        self._console.print("\n[bold]Who got what[/]")
        self._console.print(table)
        for outcome in outcomes:
            if not outcome.is_satisfied:
                self._say(f"  {outcome.name}: {outcome.message}")
        by_name = {outcome.name: outcome for outcome in outcomes}
        for outcome in outcomes:
            if outcome.name != IMPOSSIBLE:
                self._expect(f"{outcome.name} has an IP of the pool", is_met=bool(outcome.ips) and outcome.is_satisfied is True)
        impossible = by_name[IMPOSSIBLE]
        self._expect(f"{IMPOSSIBLE} has none, and a reason", is_met=not impossible.ips and bool(impossible.reason))
        self._expect("dual has one of each family", is_met=[ip.version for ip in by_name["dual"].ips] == [4, 6])
        self._expect("shared-a and shared-b have the same IP", is_met=by_name["shared-a"].ips == by_name["shared-b"].ips)
        self._expect("wanted has the IP that it asked for", is_met=[str(ip) for ip in by_name["wanted"].ips] == ["203.0.113.77"])

    def _fetch_all(self, outcomes: list[Outcome]) -> None:
        self._console.print("\n[bold]A page through each IP, fetched by the client on the wire[/]")
        for outcome in outcomes:
            for ip in outcome.ips:
                page = self._fetched(ip, outcome.port)
                announcer = self._until(lambda ip=ip: self._client.announcer(ip), f"a MAC address for {ip}")  # type: ignore[misc]
                address = f"[{ip}]" if ip.version == 6 else str(ip)
                seen = f"announced by {announcer}, answered by {page.pod} on {page.node}, which saw {page.client}"
                self._say(f"  http://{address}:{outcome.port}  {seen}")
                if outcome.policy == "Local":
                    own = next(own for own in self._state.layout.client.ips if family_of(own) is family_of(ip))
                    self._expect(f"{outcome.name}: the Pod is on the announcer", is_met=page.node == announcer)
                    self._expect(f"{outcome.name}: the Pod saw the client's own address", is_met=page.client == str(own))

    def _move_endpoint(self, local: Outcome) -> None:
        source, target = self._state.layout.nodes[0].pods[0], self._state.layout.nodes[-1].pods[0]
        ip = local.ips[0]
        self._console.print("\n[bold]The endpoint of the Local Service moves[/]")
        before = self._client.announcer(ip)
        self._say(f"  {ip} is announced by {before}; now {LOCAL} selects {target.name} on {target.node} in place of {source.name}")
        if source.node == target.node:
            self._say("  a lab with one node has nowhere to move to")
            return
        began = time.monotonic()
        self._give_endpoint(target.name, source.name)
        self._until(lambda: self._client.asked_announcer(ip, local.port) == target.node, f"{ip} announced by {target.node}")
        took = time.monotonic() - began
        page = self._fetched(ip, local.port)
        self._say(f"  {ip} is announced by {self._client.announcer(ip)} after {took:.2f} s; answered by {page.pod} on {page.node}")
        self._expect("the announcer followed the endpoint", is_met=page.node == target.node == self._client.announcer(ip))

    # --- looking ---

    def _outcomes(self) -> list[Outcome]:
        async def read(opened: cluster.Cluster) -> list[Outcome]:
            services = await opened.items(SERVICES, POD_NAMESPACE)
            return [_outcome(service) for service in services if service["spec"]["type"] == "LoadBalancer"]

        return cluster.run(self._directory.kubeconfig, read)

    def _fetched(self, ip: IPAddress, port: int) -> Page:
        last: list[Page] = []

        def fetch() -> Page | None:
            last[:] = [self._client.fetch(ip, port)]
            return None if last[0].error else last[0]

        try:
            return self._until(fetch, f"a page from {ip} port {port}")
        except LabError as error:
            raise LabError(f"{error}: {last[0].error}") from None

    def _give_endpoint(self, pod: str, taken_from: str | None = None) -> None:
        """Let the Local Service select this Pod, and no longer that one."""

        async def label(opened: cluster.Cluster) -> None:
            if taken_from is not None:
                gone = {"metadata": {"labels": dict.fromkeys(_MARK)}}
                await opened.merge(cluster.PODS.path(POD_NAMESPACE, taken_from), gone)
            await opened.merge(cluster.PODS.path(POD_NAMESPACE, pod), {"metadata": {"labels": _MARK}})

        cluster.run(self._directory.kubeconfig, label)

    def _until(self, look: Callable[[], T | None], what: str) -> T:
        end = time.monotonic() + DEADLINE_S
        while True:
            if seen := look():
                return seen
            if time.monotonic() > end:
                raise LabError(f"{what} was not seen within {DEADLINE_S:g} s")
            time.sleep(0.02)

    # --- saying ---

    def _expect(self, what: str, *, is_met: bool) -> None:
        if is_met:
            self._console.print(f"  [green]ok[/] {escape(what)}", soft_wrap=True, highlight=False)
            return
        self._failures += 1
        self._console.print(f"  [bold red]NOT SO[/] {escape(what)}", soft_wrap=True, highlight=False)

    def _say(self, text: str) -> None:
        self._console.print(escape(text), soft_wrap=True, highlight=False)

    def _say_how_to_go_on(self) -> None:
        bmlb = "bmlb" if shutil.which("bmlb") else os.path.relpath(sys.argv[0])
        name = f"--name {self._state.name}"
        pod = self._state.layout.nodes[-1].pods[0].name
        self._console.print("\n[bold]Go on by hand[/]")
        lines = [
            f"{bmlb} lab status {name}",
            f"{bmlb} lab exec {name} client -- ip neigh",
            f"{bmlb} lab fault {name} cut node1",
            f"{bmlb} lab fault {name} heal",
            f"{bmlb} lab backend stop {name} {pod}",
        ]
        if shutil.which("kubectl"):
            kubectl = f"kubectl --kubeconfig {self._directory.kubeconfig}"
            lines += [
                f"{kubectl} get services",
                f"{kubectl} get ipallocations,servicel2statuses -A",
                f"{kubectl} describe service {IMPOSSIBLE}",
            ]
        for line in (*lines, f"{bmlb} lab down {name}"):
            self._say(f"  {line}")


def _outcome(service: dict[str, Any]) -> Outcome:
    metadata, spec, status = service["metadata"], service["spec"], service.get("status") or {}
    condition = next((condition for condition in status.get("conditions") or () if condition["type"] == _CONDITION), None)
    ingress = (status.get("loadBalancer") or {}).get("ingress") or []
    return Outcome(
        name=metadata["name"],
        policy=spec.get("externalTrafficPolicy", "Cluster"),
        port=spec["ports"][0]["port"],
        ips=tuple(parse_address(entry["ip"]) for entry in ingress if "ip" in entry),
        pool=(metadata.get("annotations") or {}).get(BAREMETAL_LB.prefix + "ip-allocated-from-pool", ""),
        is_satisfied=None if condition is None else condition["status"] == "True",
        reason=condition["reason"] if condition else "",
        message=condition["message"] if condition else "",
    )
