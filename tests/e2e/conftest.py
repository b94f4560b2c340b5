"""One lab for each API server, with the demo's objects in it, shared by the tests of this directory."""

from collections.abc import Iterator

import pytest

from baremetal_lb.lab.build import find_or_build
from tests.support.lab import LabUnderTest, lab_up


@pytest.fixture
def lab(demo_lab: LabUnderTest) -> Iterator[LabUnderTest]:
    """The lab, healed from whatever a test did to it."""
    yield demo_lab
    demo_lab.cli("fault", "heal")


@pytest.fixture(scope="module", params=["embedded", "kube"])
def demo_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    if request.param == "kube":
        find_or_build(print)
    with lab_up(tmp_path_factory.mktemp("labs"), "--api", request.param, "--demo") as lab:
        yield lab
