"""A cluster of speakers for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from baremetal_lb.kube.rights import speaker_rights
from baremetal_lb.model.ids import IDENTITIES
from tests.support.kubeserver import KubeServer
from tests.support.speakers import Speakers, install_crds


@pytest.fixture(scope="session")
def speakers_may_work(kube_server: KubeServer) -> None:
    for identity in IDENTITIES.values():
        install_crds(kube_server, identity)
        for number in (1, 2, 3):
            kube_server.grant(f"speaker-node{number}", speaker_rights(identity).everywhere)


@pytest.fixture
def cluster(kube_server: KubeServer, speakers_may_work: None, tmp_path: Path) -> Iterator[Speakers]:
    with Speakers(kube_server, tmp_path) as running:
        yield running
