"""The demo with routers: the client reaches IPs through them alone, over as many nodes as there are.

Applies peers, a pool and Services, shows the sessions and where each router's kernel forwards an IP, fetches pages through it, moves the
endpoint of the Local Service, and pulls the cable of a node that BFD watches.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from baremetal_lb.lab.client import run_on
from baremetal_lb.lab.demo_stage import LOCAL, Outcome, Stage, manifests_of
from baremetal_lb.lab.layout import CLUSTER_ASN, Router
from baremetal_lb.lab.routers import RouterKind
from baremetal_lb.lab.state import SYSTEM_NAMESPACE
from baremetal_lb.lab.topology import SWITCH
from baremetal_lb.model.net import IPAddress

PAGES = 30
SPREAD = "cluster"


class RouterDemo(Stage):
    """A lab whose client is behind routers."""

    def _show(self) -> None:
        self._apply("A pool of addresses, and the routers to tell of them", [*manifests_of("routed.yaml"), *self._peers()])
        self._give_endpoint(self._state.layout.nodes[0].pods[0].name)
        self._apply("Services of type LoadBalancer", manifests_of("services.yaml"))
        outcomes = self._wait_for_outcomes()
        self._show_outcomes(outcomes)
        by_name = {outcome.name: outcome for outcome in outcomes}
        everywhere = {node.name for node in self._state.layout.nodes}
        self._show_routes(by_name[SPREAD], everywhere)
        self._show_sessions()
        self._fetch_through(by_name[SPREAD])
        self._move_endpoint(by_name[LOCAL])
        if len(everywhere) > 1:
            self._pull_cable(by_name[SPREAD], everywhere)

    def _peers(self) -> list[dict[str, Any]]:
        return [_peer(router) for router in self._state.layout.routers]

    def _show_routes(self, outcome: Outcome, nodes: set[str]) -> None:
        self._title(f"Where the routers forward {outcome.ips[0]}, as their kernels say")
        for router in self._state.layout.routers:
            self._until(lambda router=router: self._hops(router, outcome.ips[0]) == nodes, f"{router.name} forwarding to all nodes")  # type: ignore[misc]
            self._say(f"  {router.name:<8} {outcome.ips[0]} via {', '.join(sorted(self._hops(router, outcome.ips[0])))}")

    def _show_sessions(self) -> None:
        command = [sys.executable, "-c", "from baremetal_lb.cli.main import main; main()", "peer", "list"]
        command += ["--kubeconfig", str(self._directory.kubeconfig)]

        def are_told() -> str | None:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            rows = [line for line in done.stdout.splitlines() if "Established" in line]
            with_bfd = sum(router.kind is not RouterKind.GOBGP for router in self._state.layout.routers)
            nodes = len(self._state.layout.nodes)
            is_all = len(rows) == nodes * len(self._state.layout.routers) and sum(" Up" in row for row in rows) == nodes * with_bfd
            return done.stdout if done.returncode == 0 and is_all else None

        told = self._until(are_told, "every session Established, with BFD Up")
        self._title("The sessions of all nodes: bmlb peer list")
        for line in told.rstrip().splitlines():
            self._say(f"  {line}")

    def _fetch_through(self, outcome: Outcome) -> None:
        self._title(f"{PAGES} pages from http://{outcome.ips[0]}:{outcome.port}, fetched by the client through the routers")
        nodes = Counter(self._fetched(outcome.ips[0], outcome.port).node for _ in range(PAGES))
        self._say(f"  answered on {', '.join(f'{node}: {count}' for node, count in sorted(nodes.items()))}")

    def _move_endpoint(self, local: Outcome) -> None:
        source, target = self._state.layout.nodes[0].pods[0], self._state.layout.nodes[-1].pods[0]
        ip, routers = local.ips[0], self._state.layout.routers
        self._title("The endpoint of the Local Service moves")
        for router in routers:
            self._until(lambda router=router: self._hops(router, ip) == {source.node}, f"{router.name} forwarding {ip} to {source.node}")  # type: ignore[misc]
        self._say(f"  {ip} goes to {source.node}; now {LOCAL} selects {target.name} on {target.node} in place of {source.name}")
        began = time.monotonic()
        self._give_endpoint(target.name, source.name)
        for router in routers:
            self._until(lambda router=router: self._hops(router, ip) == {target.node}, f"{router.name} forwarding {ip} to {target.node}")  # type: ignore[misc]
        self._say(f"  {ip} goes to {target.node} on every router after {time.monotonic() - began:.2f} s")
        page = self._fetched(ip, local.port)
        own = {str(address) for router in routers for address in router.client_ips}
        self._expect(f"{local.name}: {page.pod} answers, and saw the client's own address {page.client}", is_met=page.client in own)

    def _pull_cable(self, outcome: Outcome, nodes: set[str]) -> None:
        watched = [router for router in self._state.layout.routers if router.kind is not RouterKind.GOBGP]
        if not watched:
            self._say("\n  (GoBGP has no BFD here: it would notice a lost node by its hold time of 9 s)")
            return
        node, ip = self._state.layout.nodes[0].name, outcome.ips[0]
        self._title(f"The cable of {node} is pulled")
        run_on(self._state, SWITCH, ["ip", "link", "set", node, "down"])
        began = time.monotonic()
        for router in watched:
            self._until(lambda router=router: node not in self._hops(router, ip), f"{router.name} without {node}")  # type: ignore[misc]
            self._say(f"  {router.name} forwards {ip} no more to {node} after {time.monotonic() - began:.2f} s, by BFD")
        run_on(self._state, SWITCH, ["ip", "link", "set", node, "up"])
        for router in watched:
            self._until(lambda router=router: self._hops(router, ip) == nodes, f"{router.name} forwarding to all nodes")  # type: ignore[misc]
        self._say("  the cable is in again, and every node is a next hop")

    def _hops(self, router: Router, ip: IPAddress) -> set[str]:
        """Return the nodes that a router's kernel forwards an IP to."""
        family = "-6" if ip.version == 6 else "-4"
        routes = json.loads(run_on(self._state, router.name, ["ip", "-j", family, "route", "show", str(ip)]) or "[]")
        gateways = {hop.get("gateway") for route in routes for hop in route.get("nexthops", [route])}
        return {node.name for node in self._state.layout.nodes if {str(own) for own in node.ips} & gateways}

    def _hints(self) -> list[str]:
        name, router = f"--name {self._state.name}", self._state.layout.routers[0]
        shown = {
            RouterKind.FRR: 'vtysh -c "show bgp summary"',
            RouterKind.BIRD: "birdc show route all",
            RouterKind.GOBGP: "gobgp global rib",
        }[router.kind]
        return [
            f"{self._bmlb} peer list --kubeconfig {self._directory.kubeconfig}",
            f"{self._bmlb} peer routes {router.name} --kubeconfig {self._directory.kubeconfig}",
            f"{self._bmlb} lab exec {name} {router.name} -- {shown}",
            f"{self._bmlb} lab fault {name} cut node1",
            f"{self._bmlb} lab fault {name} heal",
            f"{self._bmlb} lab fault {name} stop-pod node2",
        ]


def _peer(router: Router) -> dict[str, Any]:
    spec = {"peerAddress": str(router.ips[0]), "myASN": CLUSTER_ASN, "peerASN": router.asn, "holdTime": "9s"}
    spec |= {"dualStackAddressFamily": True, "enableGracefulRestart": True}
    if router.kind is not RouterKind.GOBGP:
        spec["bfdProfile"] = "fast"
    metadata = {"name": router.name, "namespace": SYSTEM_NAMESPACE}
    return {"apiVersion": "baremetal-lb.io/v1beta2", "kind": "BGPPeer", "metadata": metadata, "spec": spec}
