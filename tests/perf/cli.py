"""How long a person waits for `bmlb`: help, and a table of many Services on the real API server.

    python -m tests.perf.cli [--services 1000] [--rounds 5]

The baseline of the same run is kubectl, asked for the same Services.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from baremetal_lb.lab.build import find_or_build
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.kubeserver import KubeServer, running_server
from tests.support.speakers import install_crds

BMLB = str(Path(sys.executable).with_name("bmlb"))
HOME = "baremetal-lb-system"


def timed(command: list[str], rounds: int, environment: dict[str, str] | None = None) -> list[float]:
    """Return how long a command took each time, in seconds."""
    took = []
    for _ in range(rounds):
        begun = time.monotonic()
        subprocess.run(command, check=False, capture_output=True, env={**os.environ, **(environment or {})})
        took.append(time.monotonic() - begun)
    return took


def fill(server: KubeServer, count: int) -> None:
    """Make Services with an IP and a condition, and a status object for each."""
    server.create("/api/v1/namespaces", {"metadata": {"name": HOME}})
    server.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    for number in range(count):
        name, ip = f"web-{number:05}", f"198.18.{number // 250}.{number % 250 + 1}"
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "allocateLoadBalancerNodePorts": False}
        path = "/api/v1/namespaces/shop/services"
        server.create(path, {"metadata": {"name": name}, "spec": spec})
        condition = {"type": "baremetal-lb.io/Satisfied", "status": "True", "reason": "Satisfied", "message": f"{ip} from pool wide.",
                     "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
        server.merge(f"{path}/{name}/status", {"status": {"loadBalancer": {"ingress": [{"ip": ip}]}, "conditions": [condition]}})
        statuses = f"/apis/baremetal-lb.io/v1beta1/namespaces/{HOME}/servicel2statuses"
        kind = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "ServiceL2Status"}
        server.create(statuses, {**kind, "metadata": {"name": f"l2-{number}"}, "spec": {}})
        status = {"node": f"node{number % 3 + 1}", "serviceName": name, "serviceNamespace": "shop", "interfaces": [{"name": "eth0"}]}
        server.merge(f"{statuses}/l2-{number}/status", {"status": status})


def told(what: str, took: list[float], target_s: float | None = None) -> None:
    """Print one line."""
    target = f"   target {target_s * 1000:.0f}" if target_s is not None else ""
    print(f"{what:<46}{min(took) * 1000:>7.0f}{statistics.median(took) * 1000:>7.0f}{max(took) * 1000:>7.0f}{target}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors at the start; ms")
    print(f"{'':<46}{'min':>7}{'p50':>7}{'max':>7}")
    told("bmlb --help", timed([BMLB, "--help"], given.rounds), 0.4)
    for group in ("pool", "ip", "svc", "node", "peer"):
        told(f"bmlb {group} --help", timed([BMLB, group, "--help"], given.rounds), 0.4)
    told("python -c pass", timed([sys.executable, "-c", "pass"], given.rounds))
    kubectl = str(find_or_build(print) / "kubectl")
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "kube") as server:
        install_crds(server, BAREMETAL_LB)
        fill(server, given.services)
        environment = {"KUBECONFIG": str(server.kubeconfig("admin"))}
        told(f"bmlb svc list -A, {given.services} Services", timed([BMLB, "svc", "list", "-A"], given.rounds, environment), 1.0)
        told("kubectl get services -A", timed([kubectl, "get", "services", "-A"], given.rounds, environment))
        told("bmlb svc explain shop/web-00500", timed([BMLB, "svc", "explain", "shop/web-00500"], given.rounds, environment))


if __name__ == "__main__":
    main()
