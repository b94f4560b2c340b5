"""The FRR router beside the cluster, on the nodes' network: for trials by hand; the tests run their own, with a network behind it."""

import json

from kind_cluster.commands import run, succeeds
from kind_cluster.images import OUTSIDE
from kind_cluster.places import NETWORK

ROUTER = "bmlb-router"


def run_router() -> str:
    """Run it, anew if it is there, and return its IPv4 address.

    Raises:
        CommandFailed: Docker said no; most likely there is no cluster, so no network.
    """
    remove_router()
    networks = json.loads(run("docker", "network", "inspect", "-f", "{{json .IPAM.Config}}", NETWORK))
    nodes = next(entry["Subnet"] for entry in networks if ":" not in entry["Subnet"])
    run("docker", "run", "-d", "--privileged", "--name", ROUTER, "--network", NETWORK, "-e", f"NODES4={nodes}", OUTSIDE, "run-router")
    template = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
    return run("docker", "inspect", "-f", template, ROUTER).strip()


def remove_router() -> None:
    """Remove it, if it is there."""
    if succeeds("docker", "inspect", ROUTER):
        run("docker", "rm", "-f", ROUTER)
