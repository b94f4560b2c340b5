"""One installation on the kind cluster for all tests of this directory: by chart, with both modes, and with things beside it.

The tests run in the order of their files' names: test_9 removes the installation, and test_a begins without one.
"""

from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kind_cluster.commands import CommandFailed, run
from kind_cluster.places import CHECKOUT, NETWORK
from tests.support.kind import NAMESPACE, RELEASE, Kind, operator, show_way_back, until_ready
from tests.support.kind_objects import backends, configuration
from tests.support.kind_outside import BEHIND, ROUTER_BEHIND, Outside, behind_network, outside
from tests.support.pages import Block, blocks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kind)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def bare() -> Kind:
    """The cluster, with or without an installation."""
    return Kind()


@pytest.fixture(scope="session")
def client(bare: Kind) -> Iterator[Outside]:
    """A client on the nodes' network."""
    with outside("bmlb-client", NETWORK, "--cap-add", "NET_ADMIN") as made:
        yield made


@pytest.fixture(scope="session")
def router(bare: Kind) -> Iterator[Outside]:
    """FRR on the nodes' network, and on the one behind."""
    with (
        behind_network(),
        outside("bmlb-router", NETWORK, "--privileged", "-e", f"NODES4={bare.subnets[0]}", command=["sleep", "infinity"]) as made,
    ):
        run("docker", "network", "connect", "--ip", ROUTER_BEHIND[0], "--ip6", ROUTER_BEHIND[1], BEHIND, made.name)
        run("docker", "exec", "-d", made.name, "run-router")
        show_way_back(bare, made)
        yield made


@pytest.fixture(scope="session")
def guest(router: Outside) -> Iterator[Outside]:
    """A client behind the router."""
    with outside("bmlb-guest", BEHIND, "--cap-add", "NET_ADMIN") as made:
        made.run("ip", "route", "replace", "default", "via", ROUTER_BEHIND[0])
        made.run("ip", "-6", "route", "replace", "default", "via", ROUTER_BEHIND[1])
        yield made


@pytest.fixture(scope="session")
def kind(bare: Kind, client: Outside, router: Outside) -> Kind:
    """The cluster with an installation by chart, pools for both modes, and backends on every node."""
    remove_leftovers(bare)
    # kubeadm keeps control-plane nodes out of load balancing; here all three are to carry traffic.
    bare.kubectl("label", "nodes", "--all", "node.kubernetes.io/exclude-from-external-load-balancers-")
    install, label = (block.script for block in page("install.md", "With Helm"))
    operator().types(with_local_image(install) + " --set bgp.enabled=true --set 'bgp.secretNames={router-password}'")
    operator().types(label)
    bare.apply(*backends())
    until_ready(bare)
    bare.apply(*configuration(bare, router))
    bare.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    return bare


def page(name: str, heading: str) -> list[Block]:
    """Return what a page tells to type under a heading."""
    return [block for block in blocks(CHECKOUT / "docs" / "how-to" / name) if block.heading == heading]


def with_local_image(script: str) -> str:
    """Take the image that was loaded into the nodes in the place of the one that a reader has pushed somewhere."""
    return script.replace("registry.example/", "docker.io/library/")


def remove_leftovers(kind: Kind) -> None:
    """Remove what a run that was interrupted has left."""
    kind.kubectl("delete", "services,deployments", "--all", "-n", "default")
    if kind.get("namespace", NAMESPACE) is not None:
        with suppress(CommandFailed):
            kind.helm("uninstall", RELEASE, "--wait")
        kind.kubectl("delete", "namespace", NAMESPACE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.when != "teardown":
        report.sections = [*report.sections, (f"Cluster when it failed ({call.when})", _state())]
    return report


def _state() -> str:
    """Return what a person would look at first, for whoever reads a failed run: what there is of it, also of a broken cluster."""
    try:
        kind = Kind()
    except CommandFailed as error:
        return str(error)
    said = []
    for command in (
        ["get", "pods,svc,nodes", "-A", "-o", "wide"],
        ["get", "ipallocations"],
        ["get", "events", "-A", "--sort-by=.lastTimestamp"],
        ["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=controller", "--tail=40", "--prefix"],
        ["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=speaker", "--all-containers", "--tail=30", "--prefix"],
    ):
        try:
            text = kind.kubectl(*command, timeout_s=20)[-6000:]
        except CommandFailed as error:
            text = str(error)
        said.append(f"--- kubectl {' '.join(command)}\n{text}")
    return "\n".join(said)
