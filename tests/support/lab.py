"""Labs for end-to-end tests: made and unmade by the command line, as people do it, under names and a state directory of their own.

with lab_up(tmp_path, "embedded", "--demo") as lab:
    lab.cli("fault", "cut", "node1")
    lab.client.fetch(ip, 80)
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baremetal_lb.kube.resources import SERVICES, Resource
from baremetal_lb.lab import cluster, netns
from baremetal_lb.lab.client import Client
from baremetal_lb.lab.processes import inside, marked
from baremetal_lb.lab.state import ROOT_VARIABLE, LabDirectory, LabState
from baremetal_lb.model.net import IPAddress, parse_address
from tests.support.wait import until

BMLB = (sys.executable, "-c", "from baremetal_lb.cli.main import main; main()")
UP_S, COMMAND_S = 180, 90


@dataclass
class LabUnderTest:
    """One lab; it may not be up yet, or no more."""

    root: Path
    name: str
    prefix: tuple[str, ...] = ()
    """Before each command: another user, say."""
    environment: dict[str, str] = field(default_factory=dict)
    bmlb: tuple[str, ...] = BMLB
    output: str = ""
    """What ``up`` said."""

    @property
    def directory(self) -> LabDirectory:
        return LabDirectory(self.root, self.name)

    @property
    def state(self) -> LabState:
        return self.directory.read()

    @property
    def client(self) -> Client:
        return Client(self.state)

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``bmlb lab`` for this lab."""
        words = 2 if arguments[0] == "backend" else 1
        return [*self.prefix, *self.bmlb, "lab", *arguments[:words], "--name", self.name, *arguments[words:]]

    def env(self) -> dict[str, str]:
        return os.environ | {ROOT_VARIABLE: str(self.root)} | self.environment

    def run(self, *arguments: str, deadline_s: float = COMMAND_S) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*arguments), env=self.env(), capture_output=True, text=True, check=False, timeout=deadline_s)

    def cli(self, *arguments: str, deadline_s: float = COMMAND_S) -> str:
        done = self.run(*arguments, deadline_s=deadline_s)
        assert done.returncode == 0, f"bmlb lab {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def bmlb_json(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """What a command of the whole cluster says, as a document; it has to end with one of these codes."""
        command = [*self.bmlb, *arguments, "--kubeconfig", str(self.directory.kubeconfig), "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_S)
        assert done.returncode in codes, f"bmlb {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return dict(json.loads(done.stdout))

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.cli("status", "-o", "json")))

    def items(self, resource: Resource, namespace: str = "") -> list[dict[str, Any]]:
        return cluster.run(self.directory.kubeconfig, lambda opened: opened.items(resource, namespace))

    def apply(self, *manifests: dict[str, Any]) -> None:
        async def apply(opened: cluster.Cluster) -> None:
            for manifest in manifests:
                await opened.apply(manifest)

        cluster.run(self.directory.kubeconfig, apply)

    def ips(self, service: str) -> tuple[IPAddress, ...]:
        found = next(item for item in self.items(SERVICES, "default") if item["metadata"]["name"] == service)
        ingress = found.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        return tuple(parse_address(entry["ip"]) for entry in ingress)

    def announcer(self, ip: IPAddress) -> str:
        """Who answers for an IP now, asked anew."""
        client = self.client
        client.forget()
        client.fetch(ip, 80)
        return until(lambda: client.announcer(ip), describe=lambda: f"no MAC address for {ip}") or ""

    def left_behind(self, mark: str) -> dict[str, object]:
        """All that there still is of the lab: empty values when it is gone."""
        namespaces = netns.inodes(f"bmlb-{self.name}.")
        return {
            "namespaces": netns.names(f"bmlb-{self.name}."),
            "processes": [*marked(mark), *inside([("net", inode) for inode in namespaces])],
            "files": [str(path) for path in self.root.iterdir() if path.name.startswith(self.name)] if self.root.exists() else [],
        }


NOTHING: dict[str, object] = {"namespaces": (), "processes": [], "files": []}


def new_lab(root: Path, **more: Any) -> LabUnderTest:
    return LabUnderTest(root, f"e2e-{uuid.uuid4().hex[:8]}", **more)


@contextmanager
def lab_up(root: Path, *arguments: str, lab: LabUnderTest | None = None) -> Iterator[LabUnderTest]:
    """Bring a lab up, and take it down whatever happens."""
    lab = lab or new_lab(root)
    try:
        lab.output = lab.cli("up", *arguments, deadline_s=UP_S)
        yield lab
    finally:
        lab.run("down")


def service(name: str, *, selector: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Service of type LoadBalancer, port 80 to the Pods of the lab."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "selector": selector or {"app": "web"},
            "ports": [{"port": 80, "targetPort": 8080}],
            **spec,
        },
    }


def versions(items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Name to resourceVersion."""
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}
