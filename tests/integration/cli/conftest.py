"""An install with a controller, and the command line beside it: on the embedded API server, and on the real one."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from baremetal_lb.cli import main
from baremetal_lb.kube.rights import controller_rights
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.conformance.support import EmbeddedServer
from tests.support.controllers import GROUP, Install, running_install
from tests.support.embedded import EmbeddedKubeServer
from tests.support.kubeserver import KubeServer
from tests.support.wait import until


@dataclass
class Bmlb:
    """The command line on an install."""

    install: Install
    user: str = "admin"

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command and return what it printed on both streams; it has to end with this code."""
        done = self.run(*arguments)
        assert done.exit_code == code, f"{done.exit_code}: {done.output}"
        return str(done.output)

    def run(self, *arguments: str, kubeconfig: Path | None = None) -> Any:
        """Run a command, on another cluster if one is given."""
        return CliRunner().invoke(main.app, self._with_cluster(arguments, kubeconfig))

    def at_terminal(self, *arguments: str, meanwhile: Callable[[], object], answer: str = "y", code: int = 0) -> str:
        """Run a command as a person at a terminal: when it asks, something happens, then it gets its answer. Return what it printed."""
        ours, its = pty.openpty()
        said = self.install.work / "said"
        command = [str(Path(sys.executable).parent / "bmlb"), *self._with_cluster(arguments, None)]
        with said.open("wb") as out:
            process = subprocess.Popen(command, stdin=its, stdout=out, stderr=out)
        try:
            os.close(its)
            until(lambda: "Go on?" in said.read_text() or process.poll() is not None, 30, said.read_text)
            meanwhile()
            os.write(ours, f"{answer}\n".encode())
            assert process.wait(30) == code, said.read_text()
        finally:
            process.kill()
            process.wait()
            os.close(ours)
        return said.read_text()

    def _with_cluster(self, arguments: Sequence[str], kubeconfig: Path | None) -> list[str]:
        kubeconfig = kubeconfig or self.install.server.kubeconfig(self.user)
        home = "--install-namespace" if arguments[0] == "svc" else "--namespace"
        given = [*arguments, "--kubeconfig", str(kubeconfig), home, self.install.system]
        if arguments[0] == "svc":
            given += ["--lb-class", self.install.lb_class]
        return given


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    server = EmbeddedServer(tmp_path_factory.mktemp("embedded"))
    server.start()
    try:
        yield EmbeddedKubeServer(server.kubeconfig)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def real_server(kube_server: KubeServer) -> KubeServer:
    kube_server.grant("controller", controller_rights(BAREMETAL_LB).everywhere)
    return kube_server


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kube)])
def install(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Install]:
    with running_install(request.getfixturevalue(f"{request.param}_server"), tmp_path) as prepared:
        yield prepared
        prepared.server.clear(f"{GROUP}/ipreservations")


@pytest.fixture
def bmlb(install: Install) -> Bmlb:
    return Bmlb(install)


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the kubeconfig of an embedded API server that has none of our kinds."""
    server = EmbeddedServer(tmp_path_factory.mktemp("bare"))
    server.start()
    try:
        yield server.kubeconfig
    finally:
        server.stop()
