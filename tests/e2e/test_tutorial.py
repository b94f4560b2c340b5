"""The tutorials, typed as they stand by a reader who looks at what they say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from baremetal_lb.lab.build import find_or_build
from tests.support.lab import NOTHING, LabUnderTest, lab_up
from tests.support.pages import ROOT, Block, Reader, blocks
from tests.support.wait import until

pytestmark = [pytest.mark.lab, pytest.mark.netns, pytest.mark.kube]
TUTORIALS = blocks(ROOT / "docs" / "tutorial.md")
SECOND_BEGINS = next(number for number, block in enumerate(TUTORIALS) if block.heading == "1. Sessions and routes")
ROUTERS = ("frr", "bird", "gobgp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def reader_of(lab: LabUnderTest, folder: Path) -> Reader:
    kubectl = find_or_build(print)
    path = lab.env()["PATH"]
    return Reader(folder, lab.env() | {"KUBECONFIG": str(lab.directory.kubeconfig), "HOME": str(folder), "PATH": f"{kubectl}:{path}"})


def sections(tutorial: list[Block], lab: LabUnderTest) -> Iterator[tuple[str, str]]:
    """Return heading and script of each block, for this lab."""
    for block in tutorial:
        if block.script != "make demo":  # which is `bmlb lab up --demo`, as the fixture of this lab
            yield block.heading, block.script.replace("--name demo-bgp", f"--name {lab.name}").replace("--name demo", f"--name {lab.name}")


def test_the_first_tutorial(folder: Path) -> None:
    with lab_up(folder / "labs", "--demo") as lab:
        reader = reader_of(lab, folder)
        mark, cluster_ip = lab.state.mark, str(lab.ips("cluster")[0])
        said: dict[str, str] = {}
        for heading, script in sections(TUTORIALS[:SECOND_BEGINS], lab):
            announcer = lab.announcer(lab.ips("cluster")[0]) if "cut node1" in script else ""
            # `plan` ends with 1: the demo has a Service that stays without IP on purpose.
            codes = (1,) if "bmlb plan" in script else (0,)
            said[heading] = said.get(heading, "") + reader.types(script.replace("cut node1", f"cut {announcer}"), codes=codes)
            if "loadBalancerIPs=203.0.113.250" in script:
                events = script.splitlines()[-1]
                until(lambda events=events: "AddressNotInPool" in reader.types(events), 20)
                assert str(lab.ips("mine")[0]) in said["3. A Service of your own"], "a request that fails costs nothing"
            if "patch ipaddresspool" in script:
                until(lambda: "203.0.113.250" in reader.types("kubectl get service mine"), 20)
            if announcer:
                until(lambda announcer=announcer: lab.client.asked_announcer(lab.ips("cluster")[0], 80) not in {None, announcer}, 20)
            if "start-api" in script:
                until(lambda: "node1" in reader.types("kubectl get nodes", codes=(0, 1)), 20)
        assert {cluster_ip, "ANNOUNCER"} <= set(said["1. A cluster"].split())
        assert "lladdr" in said["2. The wire"]
        assert '"pod"' in said["2. The wire"]
        assert '"pod"' in said["6. No API server"], "answered though there is no API server"
        assert "condition met" in said["3. A Service of your own"]
        assert "AddressNotInPool" in said["7. What would happen if"]
        assert lab.left_behind(mark) == NOTHING


def test_the_second_tutorial(folder: Path) -> None:
    with lab_up(folder / "labs", "--routers", ",".join(ROUTERS), "--demo") as lab:
        reader, mark = reader_of(lab, folder), lab.state.mark
        said: dict[str, str] = {}
        for heading, script in sections(TUTORIALS[SECOND_BEGINS:], lab):
            until(lambda: reader.types(".venv/bin/bmlb peer list").count("Established") == 3 * len(ROUTERS), 60)
            for line in script.splitlines():
                if "show bfd peers" in line:  # a busy machine may type faster than BFD notices
                    until(lambda line=line: "down" in reader.types(line), 10)
                said[heading] = said.get(heading, "") + reader.types(line)
        assert {"Established", "203.0.113.10/32"} <= set(said["1. Sessions and routes"].split())
        assert said["2. A speaker that crashes"].count("Established") == 3 * len(ROUTERS)
        gone = said["3. A node that leaves with notice"]
        assert "198.51.100.11" in gone
        assert "198.51.100.12" not in gone, "no route leads to node2"
        cut = said["4. A node that leaves without a word"]
        assert "198.51.100.11" in cut
        assert "via 198.51.100.13 " not in cut, "no route leads to node3"
        assert lab.left_behind(mark) == NOTHING
