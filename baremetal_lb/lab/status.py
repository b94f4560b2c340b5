"""What there is of a lab, as people and scripts see it (``bmlb lab status``; the document's schema is in docs/reference)."""

from pathlib import Path
from typing import Any

from baremetal_lb.lab import cluster
from baremetal_lb.lab.control import Control, Running
from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.layout import POOLS, Host
from baremetal_lb.lab.programs import Programs
from baremetal_lb.lab.state import SYSTEM_NAMESPACE, LabDirectory, LabState

Document = dict[str, Any]


def document(directory: LabDirectory, state: LabState) -> Document:
    """Return the document of ``bmlb lab status -o json``; who leads is asked of the API server, and nobody does while it is away.

    Raises:
        LabError: the lab's supervisor does not answer.
    """
    processes = Control(directory).processes()
    layout = state.layout
    leader = leader_pid(directory)
    return {
        "name": state.name,
        "api": state.api,
        "kubeconfig": str(directory.kubeconfig),
        "namespace": SYSTEM_NAMESPACE,
        "pools": list(POOLS),
        "nodes": [
            {
                "name": node.name,
                **_host(node, processes),
                "speaker_pid": _pid(processes, f"speaker-{node.name}"),
                "exabgp_pid": child_of(_pid(processes, f"engine-{node.name}")),
                "bfd_pid": _pid(processes, f"bfd-{node.name}"),
            }
            for node in layout.nodes
        ],
        "client": _host(layout.client, processes),
        "controllers": [
            {"pid": process.pid, "leader": process.pid is not None and process.pid == leader}
            for name, process in processes.items()
            if name.startswith("controller-")
        ],
        "routers": [
            {
                "name": router.name,
                "asn": router.asn,
                "ips": [str(ip) for ip in router.ips],
                "mac": router.mac,
                "pid_namespace_holder": _pid(processes, f"holder-{router.name}"),
            }
            for router in layout.routers
        ],
    }


def leader_pid(directory: LabDirectory) -> int | None:
    """Return the pid of the controller that holds the Lease, as the Lease has it; None when nobody does or nobody can say."""
    try:
        holder = cluster.run(directory.kubeconfig, lambda opened: cluster.lease_holder(opened, Programs.LEASE))
    except LabError:
        return None
    parts = (holder or "").rsplit("_", 2)  # HOST_PID_CHANCE
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else None


def child_of(pid: int | None) -> int | None:
    """Return the first child of a process: ExaBGP, of an engine."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _host(host: Host, processes: dict[str, Running]) -> Document:
    return {
        "ips": [str(ip) for ip in host.ips],
        "mac": host.mac,
        "interface": host.interface,
        "pid_namespace_holder": _pid(processes, f"holder-{host.name}"),
    }


def _pid(processes: dict[str, Running], name: str) -> int | None:
    process = processes.get(name)
    return process.pid if process else None
