"""``python -m kind_cluster up | down | router | images | tools``: what `make kind-up` and its neighbours run.

Exit codes: 0 done; 1 something failed, and was said; 77 Docker cannot work on this machine, so nothing was tried.
"""

import argparse
import sys
import time

from baremetal_lb.lab.build import ServersUnavailable, servers_folder
from baremetal_lb.lab.gobuild import BuildFailed
from kind_cluster import cluster, images
from kind_cluster.commands import CommandFailed
from kind_cluster.daemon import DockerUnavailable, ensure_docker, remember_sysctls, remove_network, restore_sysctls, stop_docker
from kind_cluster.places import KUBECONFIG, NETWORK
from kind_cluster.programs import find_tools
from kind_cluster.router import ROUTER, remove_router, run_router

NOT_POSSIBLE = 77
_begun = time.monotonic()


def say(line: str) -> None:
    """Print a line of progress with the time since the start."""
    print(f"kind: {time.monotonic() - _begun:5.0f} s  {line}", flush=True)  # noqa: T201 - the program's progress


def up(family: str) -> None:
    """See that Docker, images and cluster are there."""
    ensure_docker(say)
    tools = find_tools(say)
    kind = tools / "kind"
    if not cluster.is_up(kind):
        remember_sysctls()
        cluster.create(kind, family, images.node_image(say), say)
    base = images.base_image(say)
    images.outside_image(base, say)
    cluster.load(kind, images.project_image(base, say), say)
    say("up; for kubectl, helm and kind in this shell:")
    print(f"export KUBECONFIG={KUBECONFIG} PATH={tools}:{servers_folder()}:$PATH")  # noqa: T201 - for people to paste


def router() -> None:
    """Run the router beside the cluster."""
    ensure_docker(say)
    say(f"{ROUTER} is at {run_router()}; `docker exec {ROUTER} vtysh` is its command line")


def prepare() -> None:
    """See that Docker, programs and images are there, for a cluster later."""
    ensure_docker(say)
    find_tools(say)
    images.node_image(say)
    base = images.base_image(say)
    images.outside_image(base, say)
    images.project_image(base, say)
    say("all images are there")


def down() -> None:
    """Remove the cluster, its network, and the daemon if we started it."""
    kind = find_tools(say) / "kind"
    try:
        remove_router()
        if cluster.is_up(kind):
            cluster.delete(kind)
        remove_network(NETWORK)
    finally:
        restore_sysctls()
        stop_docker()
    say("down")


def main() -> int:
    """Run one of the commands; return the exit code."""
    parser = argparse.ArgumentParser(prog="kind_cluster", description="A kind cluster with the project's image, for trials and tests.")
    parser.add_argument("command", choices=("up", "down", "router", "images", "tools"))
    parser.add_argument("--family", choices=cluster.FAMILIES, default="dual")
    given = parser.parse_args()
    try:
        match given.command:
            case "up":
                up(given.family)
            case "router":
                router()
            case "images":
                prepare()
            case "tools":
                find_tools(say)
            case "down":
                down()
    except DockerUnavailable as error:
        say(str(error))
        return NOT_POSSIBLE
    except (CommandFailed, BuildFailed, ServersUnavailable) as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
