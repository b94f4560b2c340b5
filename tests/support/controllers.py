"""Real controllers on the real API server, for tests: processes, Services and pools of one test, and the rules that must always hold.

Each test has a namespace for the install, one for its Services, and a loadBalancerClass of its own, so that it sees nobody else's
Services; the ledger is cleared before each.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from baremetal_lb.api.crds import render
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.kubeserver import KubeServer
from tests.support.wait import until

GROUP = "/apis/baremetal-lb.io/v1beta1"
LEDGER = f"{GROUP}/ipallocations"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POOL_ANNOTATION = "baremetal-lb.io/ip-allocated-from-pool"
SATISFIED = "baremetal-lb.io/Satisfied"
ROOT = Path(__file__).parents[2]
NOT_COUNTED = frozenset({"leases", "events"})


def install_crds(server: KubeServer) -> None:
    """Install our CRDs and wait until the API server serves them."""
    for manifest in render(BAREMETAL_LB):
        with contextlib.suppress(HTTPError):
            server.create(CRDS, manifest)
    for manifest in render(BAREMETAL_LB):
        path = f"{CRDS}/{manifest['metadata']['name']}"
        until(partial(_is_established, server, path), 30)
    until(lambda: server.get(LEDGER), 30)


def _is_established(server: KubeServer, path: str) -> bool:
    conditions = (server.get(path) or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


HOME_KINDS = ("ipaddresspools", "l2advertisements", "servicel2statuses", "bgpadvertisements", "bfdprofiles")
"""What ``close`` removes from the namespace of an install, beside BGPPeers."""


@dataclass
class ControllerProcess:
    """One controller; ended by the fixture at the latest."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """End it with SIGTERM and return how long that took, in seconds."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=15)
        return time.monotonic() - started

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of an event."""
        found = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                value = json.loads(line)
                if value.get("event") == event:
                    found.append(value)
        return found

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mib(self) -> float:
        """Resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@dataclass
class Install:
    """One install under test: its namespaces, pools, Services and controllers."""

    server: KubeServer
    work: Path
    system: str
    namespace: str
    lb_class: str = field(default_factory=lambda: f"test.example/{uuid.uuid4().hex[:8]}")
    controllers: list[ControllerProcess] = field(default_factory=list)

    # -- controllers ---------------------------------------------------------------------------------------------------------------

    def start(
        self, *, user: str = "controller", kubeconfig: Path | None = None, is_awaited: bool = True, **settings: object
    ) -> ControllerProcess:
        """Start a controller, and wait until it leads (``is_awaited``)."""
        options = {
            "namespace": self.system,
            "lb_class": self.lb_class,
            "metrics_port": 0,
            "health_port": 0,
            "placement_delay_s": 0.2,
            **settings,
        }
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            sys.executable,
            "-m",
            "controller",
            "--kubeconfig",
            str(kubeconfig or self.server.kubeconfig(user)),
        ]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        log = self.work / f"controller-{len(self.controllers)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        controller = ControllerProcess(process, log)
        self.controllers.append(controller)
        if is_awaited:
            until(lambda: controller.lines("term_began") or process.poll() is not None, 30, lambda: log.read_text()[-2000:])
            assert process.poll() is None, log.read_text()[-2000:]
        return controller

    def close(self) -> None:
        """End everything."""
        for controller in self.controllers:
            if controller.process.poll() is None:
                controller.kill()
        self.server.clear(LEDGER)
        for name in self.services():
            self.server.delete(self.service_path(name))
        self.server.clear(*(f"{GROUP}/namespaces/{self.system}/{plural}" for plural in HOME_KINDS))

    # -- objects -------------------------------------------------------------------------------------------------------------------

    def pool(self, name: str, *addresses: str, **spec: object) -> None:
        """Create an IPAddressPool."""
        body = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": name}}
        self.server.create(f"{GROUP}/namespaces/{self.system}/ipaddresspools", {**body, "spec": {"addresses": list(addresses), **spec}})

    def peer(self, name: str, **spec: object) -> None:
        """Create a BGPPeer."""
        body = {"apiVersion": "baremetal-lb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": name}, "spec": spec}
        self.server.create(f"/apis/baremetal-lb.io/v1beta2/namespaces/{self.system}/bgppeers", body)

    def pool_object(self, name: str) -> dict[str, Any]:
        """Return an IPAddressPool."""
        return self.server.get(f"{GROUP}/namespaces/{self.system}/ipaddresspools/{name}") or {}

    def service_path(self, name: str) -> str:
        """Return the path of one of our Services."""
        return f"/api/v1/namespaces/{self.namespace}/services/{name}"

    def service(self, name: str, *, annotations: Mapping[str, str] | None = None, port: int = 80, **spec: object) -> dict[str, Any]:
        """Create a Service of type LoadBalancer."""
        body = {
            "metadata": {"name": name, "annotations": {f"baremetal-lb.io/{k}": v for k, v in (annotations or {}).items()}},
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": self.lb_class,
                "allocateLoadBalancerNodePorts": False,
                "selector": {"app": name},
                "ports": [{"port": port}],
                **spec,
            },
        }
        return self.server.create(f"/api/v1/namespaces/{self.namespace}/services", body)

    def services_at_once(self, names: list[str], clients: int = 16, **options: Any) -> None:
        """Create many Services by several clients."""
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda name: self.service(name, **options), names))

    def services(self) -> dict[str, dict[str, Any]]:
        """Return our Services by name."""
        listed = self.server.get(f"/api/v1/namespaces/{self.namespace}/services") or {"items": []}
        return {item["metadata"]["name"]: item for item in listed["items"] if item["metadata"]["name"] != "kubernetes"}

    def ips(self, name: str) -> list[str]:
        """Return the IPs in the status of a Service."""
        return ips_of(self.server.get(self.service_path(name)) or {})

    def all_ips(self) -> dict[str, list[str]]:
        """Return the IPs of all our Services by name."""
        return {name: ips_of(item) for name, item in self.services().items()}

    def condition(self, name: str) -> tuple[str, str]:
        """Return (status, reason) of our condition on a Service; ("", "") where there is none."""
        service = self.server.get(self.service_path(name)) or {}
        conditions = service.get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == SATISFIED), ("", ""))

    def ledger(self) -> dict[str, dict[str, Any]]:
        """Return the specs of the ledger's entries by address."""
        listed = self.server.get(LEDGER) or {"items": []}
        return {item["spec"]["address"]: item["spec"] for item in listed["items"]}

    def writes(self, since: int, *, user: str = "controller") -> Counter[tuple[str, str]]:
        """Count the writes since a mark of the audit log; Leases and events are never counted."""
        return Counter({what: n for what, n in self.server.writes(user=user, since=since).items() if what[1] not in NOT_COUNTED})

    # -- waiting, and what must always hold ----------------------------------------------------------------------------------------

    def all_served(self, count: int | None = None, deadline_s: float = 30) -> dict[str, list[str]]:
        """Wait until every Service has an IP (and there are ``count``), and return them."""

        def served() -> dict[str, list[str]] | None:
            ips = self.all_ips()
            return ips if all(ips.values()) and (count is None or len(ips) == count) else None

        found = until(served, deadline_s, lambda: [name for name, ips in self.all_ips().items() if not ips])
        assert found is not None
        return found

    def settled(self, deadline_s: float = 15) -> None:
        """Wait until ledger and statuses agree, exactly."""
        until(lambda: self.faults() == [], deadline_s, self.faults)

    def faults(self) -> list[str]:
        """Return what is wrong between ledger and statuses: nothing may be leaked, nothing given twice, nothing missing."""
        services, ledger = self.services(), self.ledger()
        in_status = {(item["metadata"]["uid"], ip) for item in services.values() for ip in ips_of(item)}
        in_ledger = {(user["uid"], ip) for ip, spec in ledger.items() for user in spec.get("services", [])}
        faults = [f"only in status: {x}" for x in in_status - in_ledger] + [f"only in ledger: {x}" for x in in_ledger - in_status]
        faults += [f"empty entry: {ip}" for ip, spec in ledger.items() if not spec.get("services") and not spec.get("heldFor")]
        for ip, spec in ledger.items():
            users = spec.get("services", [])
            ports = [port for user in users for port in user.get("ports", [])]
            if len(users) > 1 and (not spec.get("sharingKey") or len(ports) != len(set(ports))):
                faults.append(f"given twice: {ip}")
        return faults


def ips_of(service: Mapping[str, Any]) -> list[str]:
    """Return the IPs in the status of a Service."""
    return [entry["ip"] for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", []) if "ip" in entry]


@contextlib.contextmanager
def running_install(server: KubeServer, work: Path) -> Iterator[Install]:
    """Prepare an install, and remove what it made at the end."""
    install_crds(server)
    server.clear(LEDGER)
    install = Install(server, work, server.new_namespace("lb"), server.new_namespace("apps"))
    try:
        yield install
    finally:
        install.close()
