"""The real API server for tests: etcd and kube-apiserver on loopback, started once per test session.

Each test isolates itself by a namespace of its own (`kube_namespace`) or by clearing the cluster-scoped collections that it wrote
(`KubeServer.clear`). Users have no right until a test grants them some; the audit log tells what each of them did.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from baremetal_lb.api.crds import render
from baremetal_lb.lab.servers import ControlPlane, ServerOptions, find_or_build, free_port
from baremetal_lb.model.ids import BAREMETAL_LB, Identity
from tests.support.wait import until

USERS = ("admin", "controller", "controller-2", "speaker-node1", "speaker-node2", "speaker-node3", "person", "nobody", "bare-1", "bare-2")
"""Users of the token file; all but admin have no right until a test grants it. What one test grants, all others see too."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One answered request, as the API server's audit log (level Metadata) has it."""

    user: str
    verb: str
    resource: str
    """``services/status``, with the subresource."""
    namespace: str
    name: str
    code: int
    uri: str

    @property
    def is_write(self) -> bool:
        """Tell whether it asked for a change."""
        return self.verb in WRITES


class KubeServer(ControlPlane):
    """A ControlPlane with what tests ask of it."""

    def new_namespace(self, prefix: str = "t") -> str:
        """Make a namespace of a name never used before and return the name."""
        name = f"{prefix}-{uuid.uuid4().hex[:10]}"
        self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def create(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """POST an object and return what was made of it."""
        return dict(json.loads(self.call("POST", path, manifest)))

    def get(self, path: str) -> dict[str, Any] | None:
        """GET an object; None where there is none."""
        try:
            return dict(json.loads(self.call("GET", path)))
        except HTTPError as error:
            if error.code == 404:
                return None
            raise

    def merge(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Send a merge patch and return the object."""
        return dict(json.loads(self.call("PATCH", path, patch, content_type="application/merge-patch+json")))

    def delete(self, path: str) -> None:
        """DELETE an object or a whole collection; nothing happens where there is none."""
        try:
            self.call("DELETE", path)
        except HTTPError as error:
            if error.code != 404:
                raise

    def install_crds(self, identity: Identity = BAREMETAL_LB) -> None:
        """Create our CustomResourceDefinitions, those that are not there, and wait until their objects are served."""
        collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        crds = render(identity)
        for crd in crds:
            if self.get(f"{collection}/{crd['metadata']['name']}") is None:
                self.create(collection, crd)
        for crd in crds:
            spec = crd["spec"]
            for version in spec["versions"]:
                if version["served"]:
                    path = f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
                    until(partial(self.get, path), 30)

    def clear(self, *paths: str) -> None:
        """Delete all objects of these collections."""
        for path in paths:
            self.delete(path)

    def grant(self, user: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Give a user these RBAC rules in the whole cluster, in addition to what it has."""
        name = f"{user}-{uuid.uuid4().hex[:8]}"
        group = "rbac.authorization.k8s.io"
        path = f"/apis/{group}/v1"
        role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}
        self.create(f"{path}/clusterroles", role)
        self.create(
            f"{path}/clusterrolebindings",
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "User", "apiGroup": group, "name": user}],
            },
        )

    def grant_all(self, user: str) -> None:
        """Give a user every right, to be told apart by name only."""
        self.grant(user, [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}])

    def token(self, user: str) -> str:
        """Return the bearer token of a user."""
        return self._tokens()[user]

    def audit_mark(self) -> int:
        """Return the place where the audit log ends now, for ``audit(since=...)``."""
        log = self.work / "audit.log"
        return log.stat().st_size if log.exists() else 0

    def audit(self, *, user: str | None = None, verb: str | None = None, resource: str | None = None, since: int = 0) -> list[AuditEvent]:
        """Return the answered requests since a mark, those of one user, verb or resource (``services/status``) if given.

        A watch counts once, when it begins.
        """
        with (self.work / "audit.log").open("rb") as log:
            log.seek(since)
            events = [event for line in log if line.endswith(b"\n") and (event := _audit_event(json.loads(line))) is not None]
        return [e for e in events if user in (None, e.user) and verb in (None, e.verb) and resource in (None, e.resource)]

    def writes(self, *, user: str | None = None, since: int = 0) -> Counter[tuple[str, str]]:
        """Count the writes since a mark by (verb, resource)."""
        return Counter((e.verb, e.resource) for e in self.audit(user=user, since=since) if e.is_write)


def _audit_event(event: Mapping[str, Any]) -> AuditEvent | None:
    is_watch = event["verb"] == "watch"
    if event["stage"] != ("ResponseStarted" if is_watch else "ResponseComplete"):
        return None
    ref = event.get("objectRef", {})
    resource = ref.get("resource", "") + (f"/{ref['subresource']}" if ref.get("subresource") else "")
    code = event.get("responseStatus", {}).get("code", 0)
    return AuditEvent(
        event["user"]["username"], event["verb"], resource, ref.get("namespace", ""), ref.get("name", ""), code, event["requestURI"]
    )


@contextmanager
def running_server(work: Path) -> Iterator[KubeServer]:
    """Run etcd and kube-apiserver in a folder; they end with the block, and with this process however it ends."""
    binaries = find_or_build(lambda line: print(line, flush=True))
    etcd_port = free_port(2)
    options = ServerOptions(
        binaries, work, free_port(), etcd_port, users=USERS, prefix=("setpriv", "--pdeathsig", "KILL"),
        api_arguments=("--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000"),
    )  # fmt: skip
    server = KubeServer(options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
