"""Fixtures of the controller's tests on the real API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from baremetal_lb.kube.rights import controller_rights
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.controllers import Install, running_install
from tests.support.kubeserver import KubeServer


@pytest.fixture(scope="session")
def controllers_may_work(kube_server: KubeServer) -> None:
    """Let the users that controllers run as do what a controller may, and nothing else."""
    for user in ("controller", "controller-2"):
        kube_server.grant(user, controller_rights(BAREMETAL_LB).everywhere)


@pytest.fixture
def install(kube_server: KubeServer, controllers_may_work: None, tmp_path: Path) -> Iterator[Install]:
    """Prepare an install with namespaces of its own and an empty ledger."""
    with running_install(kube_server, tmp_path) as prepared:
        yield prepared
