"""Labs come and go, and leave nothing behind: also after a crash half-way, without root, and beside other labs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from baremetal_lb.lab import netns
from baremetal_lb.lab.control import Control
from baremetal_lb.lab.errors import LabError
from tests.support.lab import NOTHING, UP_S, LabUnderTest, lab_up, new_lab
from tests.support.wait import until

pytestmark = [pytest.mark.lab, pytest.mark.netns]
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
AS_ROOT_WITHOUT_RIGHTS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


def test_two_labs_stand_side_by_side_and_leave_nothing_behind(tmp_path: Path) -> None:
    with lab_up(tmp_path, "--nodes", "1", "--demo") as first, lab_up(tmp_path, "--nodes", "2", "--demo") as second:
        marks = [lab.state.mark for lab in (first, second)]
        assert [str(ip) for ip in first.ips("wanted")] == [str(ip) for ip in second.ips("wanted")] == ["203.0.113.77"]
        for lab in (first, second):
            assert not lab.client.fetch(lab.ips("wanted")[0], 80).error
        first.cli("down")
        assert first.left_behind(marks[0]) == NOTHING
        assert not second.client.fetch(second.ips("wanted")[0], 80).error
        second.cli("down")
        assert second.left_behind(marks[1]) == NOTHING


def test_down_ends_what_people_left_running_inside(tmp_path: Path) -> None:
    with lab_up(tmp_path, "--nodes", "1") as lab:
        mark = lab.state.mark
        left = subprocess.Popen(lab.command("exec", "client", "--", "env", "-i", "sleep", "600"), env=lab.env())
        until(lambda: Path(f"/proc/{left.pid}/comm").read_text().strip() == "sleep")
        lab.cli("down")
        assert left.wait(timeout=10) == -signal.SIGKILL
        assert lab.left_behind(mark) == NOTHING


def _has_namespaces(lab: LabUnderTest) -> bool:
    return bool(netns.names(f"bmlb-{lab.name}."))


def _has_processes(lab: LabUnderTest) -> bool:
    try:
        return len(Control(lab.directory).processes()) > 3
    except LabError:
        return False


@pytest.mark.parametrize("moment", [_has_namespaces, _has_processes], ids=["while the network is built", "while processes start"])
def test_down_cleans_up_after_a_crash_half_way(tmp_path: Path, moment: object) -> None:
    lab = new_lab(tmp_path)
    up = subprocess.Popen(lab.command("up"), env=lab.env(), stdout=subprocess.DEVNULL)
    try:
        until(lambda: moment(lab), 60)  # type: ignore[operator]  # a function of a lab
        mark = lab.state.mark
        up.kill()
        up.wait()
        assert lab.left_behind(mark) != NOTHING
        assert "was not built to the end" in lab.run("status").stderr
    finally:
        up.kill()
        up.wait()
        lab.cli("down")
    assert lab.left_behind(mark) == NOTHING


def test_down_cleans_up_when_the_supervisor_was_killed_and_the_state_file_is_gone(tmp_path: Path) -> None:
    with lab_up(tmp_path, "--nodes", "1") as lab:
        state = lab.state
        assert state.supervisor is not None
        os.kill(state.supervisor.pid, signal.SIGKILL)
        until(lambda: not state.supervisor.is_running)
        assert "does not answer" in lab.run("status").stderr
        (lab.directory.path / "state.json").unlink()
        lab.cli("down")
        assert lab.left_behind(state.mark) == NOTHING


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that others than root reach: pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="bmlb-e2e-", dir="/tmp") as path:
        yield Path(path)


@pytest.mark.parametrize("routers", [(), ("--routers", "frr,bird,gobgp")], ids=["on the wire", "behind routers"])
def test_a_lab_needs_no_root(open_path: Path, routers: tuple[str, ...]) -> None:
    """As a user without any right where that user can run this Python, else as root without any capability."""
    root = open_path
    prefix, bmlb, environment = _unprivileged(root)
    with lab_up(root, "--nodes", "2", *routers, "--demo", lab=new_lab(root, prefix=prefix, bmlb=bmlb, environment=environment)) as lab:
        state = lab.state
        assert "making a user namespace" in lab.output
        assert "NOT SO" not in lab.output
        assert state.owner_holder is not None
        assert not netns.names(f"bmlb-{lab.name}."), "the machine's own namespaces were touched"
        assert "NO-CARRIER" in lab.cli("fault", "cut", "node1") + lab.cli("exec", "node1", "--", "ip", "link", "show", "eth0")
        lab.cli("fault", "heal")
        document = lab.status()
        assert document["nodes"][0]["speaker_pid"]
        assert sum(controller["leader"] for controller in document["controllers"]) == 1
        holder = document["client"]["pid_namespace_holder"]
        seen = subprocess.run(
            ["nsenter", "-t", str(holder), "-U", "-n", "--preserve-credentials", "ip", "-br", "addr"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert str(state.layout.client.ips[0] if not routers else state.layout.routers[0].client_ips[0]) in seen.stdout
        lab.cli("down")
        assert lab.left_behind(state.mark) == NOTHING
        assert not state.owner_holder.is_running


def test_up_says_that_a_lab_is_there_and_leaves_it_alone(tmp_path: Path) -> None:
    with lab_up(tmp_path, "--nodes", "1") as lab:
        again = lab.run("up")
        assert again.returncode == 1
        assert "already" in again.stderr
        assert f"bmlb lab down --name {lab.name}" in again.stderr
        assert lab.status()["nodes"][0]["speaker_pid"]


def test_a_lab_that_cannot_be_built_is_taken_down_and_tells_why(tmp_path: Path) -> None:
    lab = new_lab(tmp_path, environment={"BMLB_LEASE_DURATION_S": "nonsense"})
    failed = lab.run("up", "--nodes", "1", deadline_s=UP_S)
    assert failed.returncode == 1
    assert "BMLB_LEASE_DURATION_S" in failed.stderr, "the log of the process that died"
    assert {key: lab.left_behind("none")[key] for key in ("namespaces", "files")} == {"namespaces": (), "files": []}


def test_status_is_as_documented(tmp_path: Path) -> None:
    with lab_up(tmp_path, "--nodes", "1") as lab:
        document = lab.status()
        assert set(document) == {"name", "api", "kubeconfig", "namespace", "pools", "nodes", "client", "controllers", "routers"}
        assert (document["name"], document["api"], document["routers"]) == (lab.name, "embedded", [])
        assert document["pools"] == ["203.0.113.0/24", "2001:db8:1::/64"]
        assert document["namespace"] == "baremetal-lb-system"
        host = {"ips", "mac", "interface", "pid_namespace_holder"}
        assert set(document["nodes"][0]) == {"name", "speaker_pid", "exabgp_pid", "bfd_pid", *host}
        assert set(document["client"]) == host
        assert [set(controller) for controller in document["controllers"]] == [{"pid", "leader"}] * 2
        assert lab.cli("kubeconfig").strip() == document["kubeconfig"]
        if kubectl := shutil.which("kubectl"):
            command = [kubectl, "--kubeconfig", document["kubeconfig"], "get", "pods", "-l", "app=web", "-o", "json"]
            pods = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["items"]
            assert [pod["metadata"]["name"] for pod in pods] == ["web-node1-a", "web-node1-b"]
        assert lab.run("exec", "client", "--", "sh", "-c", "exit 7").returncode == 7
        assert "there is no 'node9'" in lab.run("exec", "node9", "--", "true").stderr
        assert "there is no node 'node9'" in lab.run("fault", "cut", "node9").stderr
        assert "term_began" in lab.cli("logs", "controller-1") + lab.cli("logs", "controller-2")


def _unprivileged(root: Path) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """Return prefix, command and environment of bmlb for somebody without rights."""
    program = "from baremetal_lb.cli.main import main; main()"
    paths = os.pathsep.join([str(Path(__file__).parents[2]), sysconfig.get_path("purelib")])
    environment = {"PYTHONPATH": paths, "HOME": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        command = [*AS_NOBODY, "unshare", "-Ur", python, "-c", "import baremetal_lb.cli.lab"]
        if subprocess.run(command, env=os.environ | environment, capture_output=True, check=False).returncode == 0:
            os.chown(root, NOBODY, NOBODY)
            return AS_NOBODY, (python, "-c", program), environment
    return AS_ROOT_WITHOUT_RIGHTS, (sys.executable, "-c", program), environment
