"""Fixtures that several suites share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubeserver import KubeServer, running_server
from tests.support.proxy import FaultProxy
from tests.support.skips import pytest_sessionfinish, pytest_terminal_summary

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary"]
# Of the controller's modules as many as make the lanes of scripts/test equally long: neither minds where it runs.
ASK_API_SERVERS = tuple(
    Path(__file__).parent / name
    for name in (
        *("conformance", "integration/api", "integration/kube", "integration/cli"),
        *(f"integration/controller/test_{name}_real.py" for name in ("allocation", "bad_input", "pool_rules")),
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what only asks API servers, so that it can run beside what waits for packets (scripts/test)."""
    for item in items:
        if any(place in (item.path, *item.path.parents) for place in ASK_API_SERVERS):
            item.add_marker(pytest.mark.api)


@pytest.fixture(scope="session")
def kube_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    """Run the real etcd and kube-apiserver, built once and cached; one for the whole session."""
    with running_server(tmp_path_factory.mktemp("kube")) as server:
        yield server


@pytest.fixture
def kube_namespace(kube_server: KubeServer) -> str:
    """Make a namespace that no other test uses."""
    return kube_server.new_namespace()


@pytest.fixture
def kube_proxy(kube_server: KubeServer) -> Iterator[FaultProxy]:
    """Put a fault-injecting proxy in front of the API server, for one test."""
    with FaultProxy(kube_server.url, ca=kube_server.work / "certs" / "apiserver.crt") as proxy:
        yield proxy
