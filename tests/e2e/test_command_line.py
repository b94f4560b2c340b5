"""The command line on a lab with each API server: what it says of Services and nodes is what is so, also while something fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from baremetal_lb.lab.build import find_or_build
from tests.support.lab import LabUnderTest
from tests.support.wait import until

pytestmark = [pytest.mark.lab, pytest.mark.netns, pytest.mark.kube]


def rows(lab: LabUnderTest) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in lab.bmlb_json("svc", "list", codes=(1,))["services"]}


def speakers(lab: LabUnderTest, *codes: int) -> dict[str, str]:
    return {row["node"]: row["speaker"] for row in lab.bmlb_json("node", "list", codes=codes)["nodes"]}


def test_the_list_names_who_answers_for_each_ip_and_why_nobody_does(lab: LabUnderTest) -> None:
    for name in ("cluster", "local", "shared-a", "wanted"):
        (ip,) = lab.ips(name)
        until(lambda ip=ip, name=name: rows(lab)[name]["announced_by"] == [lab.announcer(ip)], 20, lambda: rows(lab))
    assert (rows(lab)["impossible"]["ips"], rows(lab)["impossible"]["reason"]) == ([], "AddressNotInPool")


def test_an_explanation_has_what_elected_the_announcer(lab: LabUnderTest) -> None:
    (ip,) = lab.ips("local")
    told = lab.bmlb_json("svc", "explain", "default/local")
    (layer2,) = told["layer2"]
    local = {each["node"] for each in told["endpoints"]}
    assert layer2["elected"] == lab.announcer(ip)
    assert {each["node"] for each in layer2["candidates"] if each["eligible"]} == local
    assert {each["reason"] for each in layer2["candidates"] if each["node"] not in local} == {"NoLocalEndpoint"}
    assert (told["allocation"]["pool"], told["condition"]["status"], told["next"]) == ("demo", "True", None)
    assert "IPAllocated" in {event["reason"] for event in told["events"]}
    assert lab.bmlb_json("svc", "explain", "shared-a")["allocation"]["shares_with"] == ["default/shared-b"]


def test_a_speaker_that_hangs_is_dead_to_the_list_and_excluded_in_the_explanation(lab: LabUnderTest) -> None:
    until(lambda: set(speakers(lab, 0).values()) == {"serving"}, 20)
    announcer = lab.announcer(lab.ips("cluster")[0])
    lab.cli("fault", "pause-speaker", announcer)
    until(lambda: speakers(lab, 0, 1)[announcer] == "dead", 30, lambda: speakers(lab, 0, 1))
    assert set(speakers(lab, 1).values()) == {"serving", "dead"}
    told = lab.bmlb_json("svc", "explain", "cluster", codes=(0, 1))
    case = next(each for each in told["layer2"][0]["candidates"] if each["node"] == announcer)
    assert case["reason"] == "SpeakerNotAlive"
    assert told["layer2"][0]["elected"] not in {None, announcer}


def test_kubectl_runs_it_as_a_plugin_on_the_cluster_of_its_kubeconfig(lab: LabUnderTest) -> None:
    environment = os.environ | {"KUBECONFIG": str(lab.directory.kubeconfig), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [str(find_or_build(print) / "kubectl"), "bmlb", "svc", "explain", "clustr"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "near to it: default/cluster" in done.stderr) == (1, True), done.stderr
