"""Speakers with engines, and a router that they have sessions with, on the real API server.

with BgpSpeakers(kube_server, tmp_path, RouterKind.BIRD) as cluster:
    cluster.configure_bgp()
    node1 = cluster.bgp_node("node1")
    cluster.service("web", "203.0.113.1", endpoints=["node1"])
    cluster.until_routed("203.0.113.1", node1)
"""

import base64
import os
import signal
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.lab.status import child_of
from baremetal_lb.model.net import Family
from tests.support.kubeserver import KubeServer
from tests.support.netns import Host
from tests.support.routers import Router
from tests.support.speakers import OWN_GROUP, SpeakerNode, Speakers
from tests.support.wait import until

ROUTER = IPv4Address("198.51.100.200")
NODES_MAX = 3
OWN_ASN, ROUTER_ASN = 64600, 64512


class BgpSpeakers(Speakers):
    """A lab of speakers with a router."""

    def __init__(
        self, server: KubeServer, work: Path, kind: RouterKind = RouterKind.BIRD, *, is_unnumbered: bool = False, **session: Any
    ) -> None:
        super().__init__(server, work)
        self._kind, self._session, self._is_unnumbered = kind, session, is_unnumbered
        self.engines: dict[str, subprocess.Popen[str]] = {}
        """Those of BGP by node, those of BFD by ``bfd-NODE``."""

    def __enter__(self) -> Self:
        super().__enter__()
        at: Host = self.lab.host(f"{ROUTER}/24")
        sessions = tuple(
            RouterSession(f"node{number}", OWN_ASN, IPv4Address(f"198.51.100.{number}"), families=frozenset({Family.IPV4}), **self._session)
            for number in range(1, NODES_MAX + 1)
        )
        if self._is_unnumbered:
            sessions = (RouterSession("node1", OWN_ASN, interface="eth0", has_extended_next_hop=True, **self._session),)
        self.router_host = at
        self.router = Router(at, RouterSpec(self._kind, ROUTER_ASN, ROUTER, sessions), self.work / "router")
        self.router.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for name in self.engines:  # shown by pytest when the test failed
            print(f"--- engine of {name}\n{self.engine_log(name)[-3000:]}")
        print(self.router.describe())
        for engine in self.engines.values():
            if engine.poll() is None:
                engine.kill()
                engine.wait()
        self.router.stop()
        super().__exit__(*exception)

    def bgp_node(self, name: str, *options: str, engine_options: tuple[str, ...] = ()) -> SpeakerNode:
        """Add a node with an engine and a speaker; they are node1, node2, node3, in this order."""
        node = self.node(name, start=False)
        status = {"status": {"addresses": [{"type": "InternalIP", "address": f"198.51.100.{name.removeprefix('node')}"}]}}
        self.server.merge(f"/api/v1/nodes/{name}/status", status)
        self.start_engine(node, *engine_options)
        node.start("--runtime-dir", str(self.work / f"{name}.run"), "--secret-interval-s", "1", *options)
        return node

    def start_engine(self, node: SpeakerNode, *options: str) -> None:
        """Start the engine of a node."""
        self._start("baremetal_lb.engine", node, node.name, options)

    def start_bfd(self, node: SpeakerNode, *options: str) -> None:
        """Start the BFD process of a node."""
        self._start("baremetal_lb.bfdd", node, f"bfd-{node.name}", options)

    def _start(self, module: str, node: SpeakerNode, name: str, options: tuple[str, ...]) -> None:
        command = [sys.executable, "-m", module, "--runtime-dir", str(self.work / f"{node.name}.run"), *options]
        with (self.work / f"{name}.engine.log").open("a") as log:
            self.engines[name] = node.host.popen(*command, stdout=log, stderr=log, cwd=os.getcwd())  # noqa: PTH109 - the checkout

    def engine_log(self, name: str) -> str:
        """Return what an engine logged."""
        return (self.work / f"{name}.engine.log").read_text()

    def kill_bfd(self, node: SpeakerNode) -> None:
        """Kill the BFD process of a node."""
        process = self.engines[f"bfd-{node.name}"]
        process.kill()
        process.wait()

    def kill_exabgp(self, node: SpeakerNode) -> None:
        """Kill ExaBGP of a node, and not its engine."""
        pid = child_of(self.engines[node.name].pid)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def stop_pod(self, node: SpeakerNode) -> None:
        """Stop a node's Pod as a kubelet does: the speaker, and when it has ended its sidecars."""
        node.signal(signal.SIGUSR1)
        assert node.process is not None
        assert node.process.wait(20) == 0, node.tail()
        for name in (node.name, f"bfd-{node.name}"):
            if name in self.engines:
                self.engines[name].terminate()
                assert self.engines[name].wait(20) == 0

    # -- objects -------------------------------------------------------------------------------------------------------------------

    def put(self, kind: str, plural: str, name: str, version: str = "v1beta1", **spec: Any) -> None:
        """Create one of our resources."""
        manifest = {"apiVersion": f"{OWN_GROUP}/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.server.create(f"/apis/{OWN_GROUP}/{version}/namespaces/{self.namespace}/{plural}", manifest)

    def configure_bgp(self, *, peer: dict[str, Any] | None = None, **advertisement: Any) -> None:
        """Make a pool, a peer and an advertisement."""
        self.put("IPAddressPool", "ipaddresspools", "blue", addresses=["203.0.113.0/24"])
        defaults = {"myASN": OWN_ASN, "peerASN": ROUTER_ASN, "peerAddress": str(ROUTER), "holdTime": "9s", "enableGracefulRestart": True}
        spec = {name: value for name, value in {**defaults, **(peer or {})}.items() if value is not None}
        self.put("BGPPeer", "bgppeers", "tor", "v1beta2", **spec)
        self.put("BGPAdvertisement", "bgpadvertisements", "adv", **advertisement)

    def secret(self, name: str, password: str, *, kind: str = "kubernetes.io/basic-auth") -> None:
        """Write a Secret; an existing one gets another password."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        data = {"username": base64.b64encode(b"x").decode(), "password": base64.b64encode(password.encode()).decode()}
        if self.server.get(f"{path}/{name}") is not None:
            self.server.merge(f"{path}/{name}", {"data": data})
            return
        self.server.create(path, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data})

    def of_namespace(self, plural: str) -> list[dict[str, Any]]:
        """Return all our objects of a kind."""
        return list((self.server.get(f"/apis/{OWN_GROUP}/v1beta1/namespaces/{self.namespace}/{plural}") or {"items": []})["items"])

    def sessions(self) -> dict[str, dict[str, Any]]:
        """Return what BGPSessionStatus objects say, by ``peer@node``."""
        said = [item.get("status", {}) for item in self.of_namespace("bgpsessionstatuses")]
        return {f"{status.get('peer')}@{status.get('node')}": status for status in said}

    def advertised(self) -> dict[str, list[str]]:
        """Return what ServiceBGPStatus objects say: the peers, by ``service@node``."""
        said = [item.get("status", {}) for item in self.of_namespace("servicebgpstatuses")]
        return {f"{status.get('serviceName')}@{status.get('node')}": status.get("peers", []) for status in said}

    # -- the router ----------------------------------------------------------------------------------------------------------------

    def gateways(self, ip: str) -> set[str]:
        """Return the nodes that the router's kernel forwards an IP to."""
        hops = self.router.kernel_routes().get(ip if "/" in ip else f"{ip}/32", ())
        return {f"node{hop.rpartition('.')[2]}" for hop in hops}

    def until_routed(self, ip: str, *nodes: SpeakerNode, deadline_s: float = 60) -> None:
        """Wait until the router forwards an IP to just these nodes."""
        wanted = {node.name for node in nodes}
        until(lambda: self.gateways(ip) == wanted, deadline_s, lambda: (self.gateways(ip), self.sessions(), self.advertised()))
