"""The demo on the wire: what a newcomer sees first.

Applies the pool, the advertisement and the Services of ``manifests/``, shows who got which IP and why one got none, fetches a page
through each IP, then moves the endpoint of the Local Service to another node and watches the announcer follow.
"""

import shutil
import time

from baremetal_lb.lab.demo_stage import LOCAL, Outcome, Stage, manifests_of
from baremetal_lb.model.net import family_of


class LinkDemo(Stage):
    """A lab whose client is on the nodes' own wire."""

    def _show(self) -> None:
        self._apply("A pool of addresses, and how to announce them", manifests_of("pool.yaml"))
        self._give_endpoint(self._state.layout.nodes[0].pods[0].name)
        self._apply("Services of type LoadBalancer", manifests_of("services.yaml"))
        outcomes = self._wait_for_outcomes()
        self._show_outcomes(outcomes)
        self._fetch_all(outcomes)
        self._move_endpoint(next(outcome for outcome in outcomes if outcome.name == LOCAL))

    def _fetch_all(self, outcomes: list[Outcome]) -> None:
        self._title("A page through each IP, fetched by the client on the wire")
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
        self._title("The endpoint of the Local Service moves")
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

    def _hints(self) -> list[str]:
        name, pod = f"--name {self._state.name}", self._state.layout.nodes[-1].pods[0].name
        hints = [
            f"{self._bmlb} lab exec {name} client -- ip neigh",
            f"{self._bmlb} lab fault {name} cut node1",
            f"{self._bmlb} lab fault {name} heal",
            f"{self._bmlb} lab backend stop {name} {pod}",
        ]
        if shutil.which("kubectl"):
            hints.append(f"kubectl --kubeconfig {self._directory.kubeconfig} get ipallocations,servicel2statuses -A")
        return hints
