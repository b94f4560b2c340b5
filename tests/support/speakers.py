"""Speakers as they run: one process per namespace-node, the real API server, objects as the controller would write them.

with Speakers(kube_server, tmp_path) as cluster:
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.service("web", "198.51.100.200", endpoints=["node1", "node2"], announcer="node1")
    cluster.until_answered("198.51.100.200", by=node1)
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from http.client import HTTPConnection
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError

from scapy.layers.inet6 import ICMPv6ND_NA
from scapy.layers.l2 import ARP

from baremetal_lb.api.crds import render
from baremetal_lb.api.names import entry_name
from baremetal_lb.model.ids import BAREMETAL_LB, Identity
from baremetal_lb.model.net import Mac
from tests.support.frames import arp_request, solicitation
from tests.support.kubeserver import KubeServer
from tests.support.netns import Host, Lab
from tests.support.proxy import FaultProxy
from tests.support.reach import Reach
from tests.support.wait import until
from tests.support.wire import Wire

OWN_GROUP = BAREMETAL_LB.own_group
PATIENCE_S = 2.0
"""For an answer that must come."""
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def install_crds(server: KubeServer, identity: Identity = BAREMETAL_LB) -> None:
    """Have our kinds served."""
    for crd in render(identity):
        name = crd["metadata"]["name"]
        if server.get(f"{CRDS}/{name}") is None:
            try:
                server.create(CRDS, crd)
            except HTTPError as error:
                if error.code != 409:
                    raise

        def is_established(name: str = name) -> bool:
            conditions = (server.get(f"{CRDS}/{name}") or {}).get("status", {}).get("conditions")
            return any(c["type"] == "Established" and c["status"] == "True" for c in conditions or ())

        until(is_established, deadline_s=60)


class SpeakerNode:
    """One node: its namespace, and its speaker while that runs."""

    def __init__(self, cluster: "Speakers", name: str, host: Host, kubeconfig: Path) -> None:
        self.cluster, self.name, self.host, self.kubeconfig = cluster, name, host, kubeconfig
        self.process: subprocess.Popen[str] | None = None
        self.log = cluster.work / f"{name}.log"
        self.state_file = cluster.work / f"{name}.state"

    def start(self, *options: str, wrapper: tuple[str, ...] = ()) -> None:
        """Start the speaker."""
        command = [*wrapper, sys.executable, "-m", "speaker", "--kubeconfig", str(self.kubeconfig)]
        command += [
            "--identity",
            self.cluster.identity.name,
            "--namespace",
            self.cluster.namespace,
            "--node-name",
            self.name,
            "--state-file",
            str(self.state_file),
        ]
        command += ["--state-interval-s", "0.2", *options]
        with self.log.open("a") as out:
            self.process = self.host.popen(*command, stdout=out, stderr=out, cwd=os.getcwd())  # noqa: PTH109 - the checkout

    def kill(self) -> None:
        """Kill it, as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> float:
        """Tell it to stop; return how many seconds it took."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.terminate()
        assert self.process.wait(10) == 0, self.tail()
        return time.monotonic() - begun

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def tail(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text().splitlines()[-25:]) if self.log.exists() else ""

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of its log with this event."""
        lines = [line for line in self.log.read_text().splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def get(self, path: str, port: int = 17473) -> tuple[int, str]:
        """GET from the speaker's health or metrics port; (0, reason) when nobody listens."""

        def ask() -> tuple[int, str]:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except OSError as error:
                return 0, str(error)
            finally:
                connection.close()

        return self.host.call(ask)

    def until_ready(self, deadline_s: float = 60) -> None:
        """Wait until it says that it is ready."""
        until(lambda: self.get("/readyz")[0] == 200, deadline_s, describe=lambda: f"{self.get('/readyz')}\n{self.tail()}")

    def __repr__(self) -> str:
        return self.name


class Speakers:
    """A lab with a client and nodes, a namespace of its own on the API server, and what is written there."""

    def __init__(self, server: KubeServer, work: Path, identity: Identity = BAREMETAL_LB) -> None:
        self.server, self.work, self.identity = server, work, identity
        self.lab = Lab()
        self.nodes: list[SpeakerNode] = []
        self._reach: Reach | None = None

    def __enter__(self) -> Self:
        self.namespace = self.server.new_namespace("lb")
        self.users = self.server.new_namespace("shop")
        self.lab.__enter__()
        self._reach = Reach(self.server.options.port)
        self.lab.on_exit(self._reach.close)
        self.client = self.lab.host("198.51.100.250/24", "2001:db8::250/64")
        self.wire = Wire(self.client)
        self.lab.on_exit(lambda: self.wire.__exit__(None, None, None))
        self._clear()
        return self

    def __exit__(self, *exception: object) -> None:
        for node in self.nodes:  # shown by pytest when the test failed
            print(f"--- {node.name}\n{node.tail()}")
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()
        self.lab.__exit__(*exception)
        self._clear()

    def _clear(self) -> None:
        self.server.clear(f"/apis/{OWN_GROUP}/v1beta1/ipallocations", "/api/v1/nodes")

    # -- nodes ---------------------------------------------------------------------------------------------------------------------

    def node(self, name: str, *options: str, start: bool = True, through: FaultProxy | None = None) -> SpeakerNode:
        """Add a node and start its speaker; ``through``: it reaches the API server through this proxy."""
        number = len(self.nodes) + 1
        kubeconfig = self.server.kubeconfig(f"speaker-{name}")
        if through is not None:
            kubeconfig = through.kubeconfig(self.server.token(f"speaker-{name}"), self.work / f"{name}.kubeconfig")
        node = SpeakerNode(self, name, self.lab.host(f"198.51.100.{number}/24", f"2001:db8::{number:x}/64"), kubeconfig)
        self.nodes.append(node)
        self.server.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        if through is None:
            self.heal(node)
        else:
            to_proxy = Reach(int(through.url.rpartition(":")[2]))
            self.lab.on_exit(to_proxy.close)
            to_proxy.heal(node.host)
        if start:
            node.start(*options)
        return node

    def cut(self, node: SpeakerNode) -> None:
        """Take the API server away from one node."""
        assert self._reach is not None
        self._reach.cut(node.host)

    def heal(self, node: SpeakerNode) -> None:
        """Give it back."""
        assert self._reach is not None
        self._reach.heal(node.host)

    # -- objects -------------------------------------------------------------------------------------------------------------------

    def configure(self, **advertisement: Any) -> None:
        """Make a pool of 198.51.100.128/25 and 2001:db8::/64, and an advertisement of it."""
        path = f"/apis/{self.identity.group}/v1beta1/namespaces/{self.namespace}"
        kind = {"apiVersion": f"{self.identity.group}/v1beta1", "metadata": {"name": "blue"}}
        addresses = {"addresses": ["198.51.100.128/25", "2001:db8::/64"]}
        self.server.create(f"{path}/ipaddresspools", {**kind, "kind": "IPAddressPool", "spec": addresses})
        self.server.create(f"{path}/l2advertisements", {**kind, "kind": "L2Advertisement", "spec": advertisement})

    def service(
        self,
        name: str,
        *ips: str,
        endpoints: Iterable[str] = (),
        announcer: str | None = None,
        policy: str = "Cluster",
        ledger: bool = True,
    ) -> str:
        """Make a Service with IPs, its EndpointSlices, and the ledger's entries; return its uid."""
        families = ["IPv6" if ":" in ip else "IPv4" for ip in ips]
        made = self.server.create(
            f"/api/v1/namespaces/{self.users}/services",
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name},
                "spec": {
                    "type": "LoadBalancer",
                    "ports": [{"port": 80}],
                    "externalTrafficPolicy": policy,
                    "ipFamilyPolicy": "RequireDualStack" if len(ips) == 2 else "SingleStack",
                    "ipFamilies": families or ["IPv4"],
                },
            },
        )
        uid = str(made["metadata"]["uid"])
        for family in families:
            self.endpoints(name, dict.fromkeys(endpoints, True), family=family)
        if ledger:
            for ip in ips:
                self.entry(ip, name, uid, announcer=announcer)
        self.assign(name, *ips)
        return uid

    def assign(self, name: str, *ips: str) -> None:
        """Write the Service's status."""
        status = {"status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]}}}
        self.server.merge(f"/api/v1/namespaces/{self.users}/services/{name}/status", status)

    def entry(self, ip: str, name: str, uid: str, *, announcer: str | None = None) -> None:
        """Write a ledger entry."""
        spec: dict[str, Any] = {"address": ip, "owner": "test", "pool": "blue"}
        spec["services"] = [{"namespace": self.users, "name": name, "uid": uid, "ports": ["TCP/80"]}]
        if announcer is not None:
            spec["announcer"] = announcer
        entry = {
            "apiVersion": f"{OWN_GROUP}/v1beta1",
            "kind": "IPAllocation",
            "metadata": {"name": entry_name(ip_address(ip))},
            "spec": spec,
        }
        self.server.create(f"/apis/{OWN_GROUP}/v1beta1/ipallocations", entry)

    def entry_path(self, ip: str) -> str:
        """Return the path of an entry."""
        return f"/apis/{OWN_GROUP}/v1beta1/ipallocations/{entry_name(ip_address(ip))}"

    def endpoints(self, name: str, nodes: dict[str, bool], *, family: str = "IPv4") -> None:
        """Write the EndpointSlice of one family: node name to readiness."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.users}/endpointslices"
        prefix = "10.0.0." if family == "IPv4" else "fd00::"
        endpoints = [
            {"addresses": [f"{prefix}{number}"], "nodeName": node, "conditions": {"ready": is_ready, "serving": is_ready}}
            for number, (node, is_ready) in enumerate(sorted(nodes.items()), start=1)
        ]
        slice_name = f"{name}-{family.lower()}"
        if self.server.get(f"{path}/{slice_name}") is not None:
            self.server.merge(f"{path}/{slice_name}", {"endpoints": endpoints})
            return
        labels = {"kubernetes.io/service-name": name}
        self.server.create(
            path,
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": slice_name, "labels": labels},
                "addressType": family,
                "endpoints": endpoints,
            },
        )

    def statuses(self) -> dict[str, dict[str, Any]]:
        """Return the ServiceL2Status objects, by ``service@node``."""
        listed = self.server.get(f"/apis/{self.identity.group}/v1beta1/namespaces/{self.namespace}/servicel2statuses") or {"items": []}
        said = [item.get("status", {}) for item in listed["items"]]
        return {f"{status.get('serviceName')}@{status.get('node')}": status for status in said}

    # -- the wire ------------------------------------------------------------------------------------------------------------------

    def who_answers(self, ip: str, *, patience_s: float = 0.05) -> set[str]:
        """Ask for an IP once; return the hardware addresses that answer: the first within ``patience_s``, others in the moment after it.

        Where an answer must come, give ``PATIENCE_S``: on a busy machine a late one is none that was lost.
        """
        address, mac = ip_address(ip), Mac.parse(self.client.mac)
        if isinstance(address, IPv4Address):
            self.wire.send(arp_request(address, source=IPv4Address("198.51.100.250"), mac=mac))
        else:
            self.wire.send(solicitation(address, source=IPv6Address("2001:db8::250"), mac=mac))

        def is_answer(frame: Any) -> bool:
            if ARP in frame:
                return bool(frame[ARP].op == 2 and frame.dst == self.client.mac and frame[ARP].psrc == ip)
            return ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].S == 1 and ip_address(frame[ICMPv6ND_NA].tgt) == address

        return {frame.src for frame in self.wire.frames(quiet_s=min(0.15, patience_s), wanted=is_answer, patience_s=patience_s)}

    def until_answered(self, ip: str, *, by: SpeakerNode | None, deadline_s: float = 30) -> float:
        """Wait until just this node answers (None: nobody), three times in a row; return after how many seconds.

        Once is not enough: on a busy machine the answer of another node may come too late to be counted.
        """
        wanted = set() if by is None else {by.host.mac}
        begun = time.monotonic()
        until(
            lambda: all(self.who_answers(ip) == wanted for _ in range(3)),
            deadline_s,
            describe=lambda: (
                f"{ip} answered by {self.who_answers(ip)}, wanted {wanted}\n" + "\n".join(f"{n}: {n.tail()}" for n in self.nodes)
            ),
        )
        return time.monotonic() - begun


def new_name(prefix: str) -> str:
    """Return a name that nobody used."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"
