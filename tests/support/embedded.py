"""The embedded API server with what tests ask of the real one, so that the same tests run on both."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubeserver import KubeServer


class EmbeddedKubeServer(KubeServer):
    """An embedded server that runs already. It has one user, who may do everything: nothing is granted, and every name is that user's."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self.work, self.url = kubeconfig.parent, config["clusters"][0]["cluster"]["server"]
        self._path = kubeconfig
        self._token = config["users"][0]["user"]["token"]

    def kubeconfig(self, user: str) -> Path:  # noqa: ARG002 - there is one
        """Return the kubeconfig."""
        return self._path

    def grant(self, user: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Do nothing."""

    def call(self, method: str, path: str, body: Any = None, *, user: str = "admin", content_type: str = "application/json") -> bytes:  # noqa: ARG002 - there is one
        """Send one request and return the body of the answer."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return bytes(answer.read())
