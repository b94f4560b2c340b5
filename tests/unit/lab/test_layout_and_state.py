"""Names, addresses and the state file of a lab."""

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from baremetal_lb.lab.backend import answer, client_of
from baremetal_lb.lab.errors import LabError, NoSuchLab, NotPossibleHere
from baremetal_lb.lab.layout import MAX_NODES, POOLS, BadName, Layout
from baremetal_lb.lab.privilege import forbidding_settings
from baremetal_lb.lab.processes import ProcessId
from baremetal_lb.lab.state import LabDirectory, LabState
from baremetal_lb.lab.tools import install_command, missing, require


def test_no_two_machines_of_the_largest_lab_share_an_address_or_a_mac() -> None:
    layout = Layout("big", MAX_NODES)
    hosts = [layout.client, *layout.nodes]
    ips = [ip for host in [*hosts, *layout.pods] for ip in host.ips]
    assert len(set(ips)) == len(ips)
    assert len({host.mac for host in hosts}) == len(hosts)
    assert not any(ip in ip_network(pool) for ip in ips for pool in POOLS)


def test_the_namespaces_of_one_lab_never_look_like_those_of_another() -> None:
    assert not Layout("a-b", 1).namespace("node1").startswith(Layout("a", 1).prefix)


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a.b", "a/b", "x" * 21])
def test_names_that_no_lab_can_have_are_refused(name: str) -> None:
    with pytest.raises(BadName, match="letters"):
        Layout(name, 3)


@pytest.mark.parametrize("nodes", [0, MAX_NODES + 1])
def test_a_lab_has_a_sane_number_of_nodes(nodes: int) -> None:
    with pytest.raises(BadName, match="nodes"):
        Layout("lab", nodes)


def test_a_state_file_says_what_was_written(tmp_path: Path) -> None:
    directory = LabDirectory(tmp_path, "lab")
    state = directory.write(LabState("lab", 3, "embedded", "mark", supervisor=ProcessId(1, 2)))
    assert directory.read() == state
    assert directory.update(state, is_up=True).is_up
    directory.remove()
    with pytest.raises(NoSuchLab, match="bmlb lab up"):
        directory.read()


def test_only_one_command_is_at_work_on_a_lab_and_its_lock_goes_with_the_lab(tmp_path: Path) -> None:
    directory = LabDirectory(tmp_path, "lab")
    with directory.lock(), pytest.raises(LabError, match="another command"), directory.lock():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_process_is_known_by_pid_and_start() -> None:
    own = ProcessId.of(os.getpid())
    assert own is not None
    assert own.is_running
    assert not ProcessId(own.pid, own.started + 1).is_running


def test_a_missing_tool_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(["ip", "nft"], "/nowhere") == ("ip", "nft")
    assert install_command(["ip", "nft"], is_root=False).endswith("iproute2 nftables")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("baremetal_lb.lab.tools.SYSTEM_DIRECTORIES", ("/nowhere",))
    with pytest.raises(NotPossibleHere, match=r"(?s)nft is not installed.*install.* nftables"):
        require(["nft"])


def test_settings_that_forbid_user_namespaces_are_named(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / "apparmor_restrict_unprivileged_userns").write_text("1\n")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "max_user_namespaces").write_text("1000\n")
    assert forbidding_settings(tmp_path) == ("kernel.apparmor_restrict_unprivileged_userns = 1",)


def test_a_backend_says_who_it_is_and_whom_it_sees() -> None:
    said = answer("node1", "web", client_of("::ffff:198.51.100.10"), b"GET / HTTP/1.1\r\n\r\n")
    assert said.endswith(b'{"node": "node1", "pod": "web", "client": "198.51.100.10"}\n')
    assert answer("n", "p", "c", b"POST / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
