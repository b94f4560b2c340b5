"""A cluster of speakers for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubeserver import KubeServer
from tests.support.speakers import RULES, Speakers, install_crds


@pytest.fixture(scope="session")
def speaker_rights(kube_server: KubeServer) -> None:
    install_crds(kube_server)
    for number in (1, 2, 3):
        kube_server.grant(f"speaker-node{number}", RULES)


@pytest.fixture
def cluster(kube_server: KubeServer, speaker_rights: None, tmp_path: Path) -> Iterator[Speakers]:
    with Speakers(kube_server, tmp_path) as running:
        yield running
