"""A control plane of one's own: stopped, started again, known by its pid files to whoever asks."""

import urllib.error

import pytest

from baremetal_lb.lab.servers import ControlPlane, ServerDied, ServerOptions, find_or_build, free_port
from tests.support.wait import until

pytestmark = pytest.mark.kube


@pytest.fixture
def options(tmp_path):
    return ServerOptions(
        find_or_build(print), tmp_path / "work", free_port(), free_port(2), users=("admin", "x"), prefix=("setpriv", "--pdeathsig", "KILL")
    )


def test_data_and_credentials_survive_a_stop_and_nothing_is_left_after_the_last(options):
    plane = ControlPlane(options)
    try:
        plane.start()
        plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
        kubeconfig = plane.kubeconfig("x").read_text()
        assert plane.kubeconfig("x").stat().st_mode & 0o77 == 0
        plane.stop_api()
        assert (plane.pid("apiserver"), plane.pid("etcd") is not None) == (None, True)
        with pytest.raises(OSError, match="refused"):
            plane.call("GET", "/readyz")
        other = ControlPlane(options)
        other.start()
        assert plane.pid("apiserver") == other.pid("apiserver")
        assert plane.call("GET", "/api/v1/namespaces/kept")
        assert other.kubeconfig("x").read_text() == kubeconfig
        with pytest.raises(urllib.error.HTTPError, match="403"):
            plane.call("GET", "/api/v1/nodes", user="x")
        with pytest.raises(KeyError):
            plane.kubeconfig("nobody")
        plane.start_controller_manager()
        assert plane.kubectl("get", "serviceaccounts", "-n", "kept", "-o", "name").split() == ["serviceaccount/default"]
    finally:
        plane.stop()
    assert [plane.pid(name) for name in ("etcd", "apiserver", "controller-manager")] == [None] * 3
    plane.stop()


def test_a_server_that_dies_is_told_with_the_end_of_its_log(options):
    plane = ControlPlane(ServerOptions(**{**{f: getattr(options, f) for f in options.__slots__}, "api_arguments": ("--no-such-option",)}))
    try:
        with pytest.raises(ServerDied, match="unknown flag: --no-such-option"):
            plane.start()
    finally:
        plane.stop()
    until(lambda: plane.pid("etcd") is None)
