"""Every test of this folder runs on the embedded API server and on the real one, which is the oracle.

The real server is of this suite's own, since kube-controller-manager (namespaces, EndpointSlices) runs beside it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from baremetal_lb.lab.servers import find_or_build
from tests.conformance.support import DEFINITIONS, THINGS, ApiUnderTest, EmbeddedServer, definition
from tests.support.kubeserver import running_server
from tests.support.wait import until


@pytest.fixture(scope="session")
def kubectl_path() -> Path:
    return find_or_build(lambda line: print(line, flush=True)) / "kubectl"


@pytest.fixture(scope="session")
def embedded_api(tmp_path_factory: pytest.TempPathFactory, kubectl_path: Path) -> Iterator[ApiUnderTest]:
    work = tmp_path_factory.mktemp("embedded")
    server = EmbeddedServer(work)
    server.start()
    try:
        yield ApiUnderTest("embedded", server.kubeconfig, kubectl_path, work)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def real_api(tmp_path_factory: pytest.TempPathFactory, kubectl_path: Path) -> Iterator[ApiUnderTest]:
    work = tmp_path_factory.mktemp("real")
    with running_server(work / "cluster") as server:
        server.start_controller_manager("namespace-controller", "endpointslice-controller", "serviceaccount-controller")
        yield ApiUnderTest("real", server.kubeconfig("admin"), kubectl_path, work)


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kube)])
def api(request: pytest.FixtureRequest) -> ApiUnderTest:
    """Each API server in turn."""
    server = request.getfixturevalue(f"{request.param}_api")
    assert isinstance(server, ApiUnderTest)
    return server


@pytest.fixture
def namespace(api: ApiUnderTest) -> str:
    """A namespace that no other test uses."""
    return api.new_namespace()


@pytest.fixture
def things(api: ApiUnderTest, namespace: str) -> str:
    """The path of the Things of the test's namespace; their definition is installed when it is not there."""
    created = api("POST", DEFINITIONS, definition())
    assert created.code in (201, 409)
    path = THINGS.format(namespace)
    until(lambda: api("GET", path).code == 200 and api("GET", path.replace("/v1/", "/v1beta1/")).code == 200, deadline_s=20)
    return path
