"""A kind cluster: made, found, removed."""

import json
from pathlib import Path

from kind_cluster.commands import Report, run
from kind_cluster.places import CLUSTER, CONFIG, KUBECONFIG, STATE

FAMILIES = ("ipv4", "dual")
READY_LIMIT = "120s"


def is_up(kind: Path) -> bool:
    """Tell whether our cluster is there."""
    return CLUSTER in run(kind, "get", "clusters", "-q").split()


def create(kind: Path, family: str, image: str, report: Report) -> None:
    """Make the cluster and wait until all nodes are ready.

    Raises:
        CommandFailed: with what kind said.
    """
    report(f"making a cluster of three nodes ({family}; about half a minute)")
    STATE.mkdir(exist_ok=True)
    configuration = CONFIG / f"cluster-{family}.yaml"
    run(kind, "create", "cluster", "-q", "--name", CLUSTER, "--config", configuration, "--image", image, "--kubeconfig", KUBECONFIG,
        "--wait", READY_LIMIT)  # fmt: skip


def load(kind: Path, image: str, report: Report) -> None:
    """Bring an image of this machine to all nodes."""
    report(f"loading {image} into the nodes (twenty seconds)")
    run(kind, "load", "docker-image", image, "--name", CLUSTER)


def delete(kind: Path) -> None:
    """Remove the cluster."""
    run(kind, "delete", "cluster", "-q", "--name", CLUSTER, "--kubeconfig", KUBECONFIG)
    KUBECONFIG.unlink(missing_ok=True)


def nodes() -> list[str]:
    """Return the names of the nodes' containers, which are those of the Nodes."""
    listed = run("docker", "ps", "-a", "--filter", f"label=io.x-k8s.kind.cluster={CLUSTER}", "--format", "{{json .Names}}")
    return sorted(json.loads(line) for line in listed.splitlines())
