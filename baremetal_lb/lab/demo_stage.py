"""What every demo has: a lab, a console, and eyes. Each line that is printed was observed a moment before, in the API or on the wire."""

import os
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from baremetal_lb.kube.resources import SERVICES
from baremetal_lb.lab import cluster
from baremetal_lb.lab.client import Client, Page
from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.layout import POD_NAMESPACE
from baremetal_lb.lab.state import LabDirectory, LabState
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import IPAddress, parse_address

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


class Stage(ABC):
    """One showing, on one lab."""

    def __init__(self, directory: LabDirectory, state: LabState, console: Console) -> None:
        self._directory, self._state, self._console = directory, state, console
        self._client = Client(state)
        self._failures = 0
        self._bmlb = "bmlb" if shutil.which("bmlb") else os.path.relpath(sys.argv[0])

    def run(self) -> bool:
        """Show everything; False when something was not as it should be."""
        began = time.monotonic()
        try:
            self._show()
        except LabError as error:
            self._expect(str(error), is_met=False)
        self._say(f"\nAll seen in {time.monotonic() - began:.0f} s." if not self._failures else f"\n{self._failures} things went wrong.")
        self._say_how_to_go_on()
        return not self._failures

    @abstractmethod
    def _show(self) -> None:
        """Show the acts, one after the other."""

    @abstractmethod
    def _hints(self) -> list[str]:
        """Return commands to go on with, beside those that every lab has."""

    # --- acts of every demo ---

    def _apply(self, title: str, manifests: Iterable[dict[str, Any]]) -> None:
        self._title(title)
        objects = list(manifests)

        async def apply(opened: cluster.Cluster) -> None:
            for each in objects:
                await opened.apply(each)

        cluster.run(self._directory.kubeconfig, apply)
        for each in objects:
            spec = each["spec"]
            said = spec.get("addresses") or [spec[name] for name in ("peerAddress",) if name in spec]
            self._say(f"  applied {each['kind']} {each['metadata']['name']}{': ' + ', '.join(said) if said else ''}")

    def _wait_for_outcomes(self) -> list[Outcome]:
        """Wait for what the Services should get, and show what they got, whatever it is.

        The controller watches each kind by itself: on a busy API server it may see a Service before the pool that was there first, and
        say that there is none, until it sees that too.
        """

        def are_said() -> list[Outcome] | None:
            outcomes = self._outcomes()
            is_settled = all(outcome.is_satisfied is not None for outcome in outcomes)
            is_good = all(outcome.is_satisfied for outcome in outcomes if outcome.name != IMPOSSIBLE)
            return outcomes if is_settled and (is_good or time.monotonic() > began + DEADLINE_S / 2) else None

        began = time.monotonic()
        outcomes = self._until(are_said, "a verdict of the controller on each Service")
        self._say(f"  the controller has decided on all of them, {time.monotonic() - began:.1f} s after the last was applied")
        return outcomes

    def _show_outcomes(self, outcomes: list[Outcome]) -> None:
        table = Table("SERVICE", "POLICY", "IP", "POOL", "WHY NOT", box=None)
        for outcome in outcomes:
            ips = Text("\n".join(map(str, outcome.ips)) or "none")  # a line each: a string is one
            table.add_row(outcome.name, outcome.policy, ips, outcome.pool or "-", outcome.reason if not outcome.is_satisfied else "")
        self._title("Who got what")
        self._console.print(table)
        for outcome in outcomes:
            if not outcome.is_satisfied:
                self._say(f"  {outcome.name}: {outcome.message}")
        by_name = {outcome.name: outcome for outcome in outcomes}
        for outcome in outcomes:
            if outcome.name != IMPOSSIBLE:
                self._expect(f"{outcome.name} has an IP of the pool", is_met=bool(outcome.ips) and outcome.is_satisfied is True)
        if self._failures:
            raise LabError("without these IPs there is no more to show")
        impossible = by_name[IMPOSSIBLE]
        self._expect(f"{IMPOSSIBLE} has none, and a reason", is_met=not impossible.ips and bool(impossible.reason))
        self._expect("dual has one of each family", is_met=[ip.version for ip in by_name["dual"].ips] == [4, 6])
        self._expect("shared-a and shared-b have the same IP", is_met=by_name["shared-a"].ips == by_name["shared-b"].ips)
        self._expect("wanted has the IP that it asked for", is_met=[str(ip) for ip in by_name["wanted"].ips] == ["203.0.113.77"])

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
            self._console.print(Text.assemble("  ", ("ok", "green"), f" {what}"), soft_wrap=True, highlight=False)
            return
        self._failures += 1
        self._console.print(Text.assemble("  ", ("NOT SO", "bold red"), f" {what}"), soft_wrap=True, highlight=False)

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True, highlight=False)

    def _title(self, text: str) -> None:
        self._console.print(Text(f"\n{text}", style="bold"), soft_wrap=True)

    def _say_how_to_go_on(self) -> None:
        name = f"--name {self._state.name}"
        self._title("Go on by hand")
        lines = [f"{self._bmlb} lab status {name}", *self._hints()]
        if shutil.which("kubectl"):
            kubectl = f"kubectl --kubeconfig {self._directory.kubeconfig}"
            lines += [f"{kubectl} get services", f"{kubectl} describe service {IMPOSSIBLE}"]
        for line in (*lines, f"{self._bmlb} lab down {name}"):
            self._say(f"  {line}")


def manifests_of(file: str) -> list[dict[str, Any]]:
    """Return the objects of one file of ``manifests/``."""
    return list(yaml.safe_load_all((files("baremetal_lb.lab") / "manifests" / file).read_text()))


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
