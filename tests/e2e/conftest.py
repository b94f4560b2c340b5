"""One lab for each API server, with the demo's objects in it, shared by the tests of this directory."""

import json
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from baremetal_lb.lab.build import find_or_build
from tests.support.lab import LabUnderTest, lab_up


@pytest.fixture
def lab(demo_lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """The lab, healed from whatever a test did to it."""
    yield demo_lab
    demo_lab.cli("fault", "heal")


@pytest.fixture(scope="session", params=["embedded", "kube"])
def demo_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    if request.param == "kube":
        find_or_build(print)
    with lab_up(tmp_path_factory.mktemp("labs"), "--api", request.param, "--demo") as lab:
        yield lab
        assert never_granted(lab) == set(), "the rights in kube/rights.py are all that the processes need"


def never_granted(lab: LabUnderTest) -> set[tuple[str, str, str]]:
    """Return (user, verb, resource) of what the real API server refused each time; none with the embedded one, which knows no rights.

    Once is no sign: while kube-apiserver starts it refuses what it grants as soon as it has read the roles.
    """
    if lab.state.api != "kube":
        return set()
    log = (lab.directory.path / "kube" / "audit.log").read_text()
    codes = defaultdict[tuple[str, str, str], set[int]](set)
    for event in map(json.loads, log.splitlines()):
        user, asked = event["user"]["username"], event.get("objectRef", {})
        if user.startswith(("controller-", "speaker-", "kube-proxy-")):
            resource = f"{asked.get('resource', event['requestURI'])}/{asked.get('subresource', '')}"
            codes[user, event["verb"], resource].add(event.get("responseStatus", {}).get("code", 0))
    assert codes
    return {request for request, seen in codes.items() if seen == {HTTPStatus.FORBIDDEN}}
