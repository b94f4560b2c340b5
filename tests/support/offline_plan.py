"""``bmlb plan`` on a text of manifests, without the command line around it."""

from typing import Any

import yaml

from baremetal_lb.cli.afterwards import objects_afterwards
from baremetal_lb.cli.offline import read_cluster
from baremetal_lb.cli.plan_document import document
from baremetal_lb.model.ids import BAREMETAL_LB, Identity
from baremetal_lb.settle.cluster import SettleOptions
from baremetal_lb.settle.settle import settle

NOW = 1_800_000_000_000_000_000


class _TextLoader(yaml.SafeLoader):
    """Leaves timestamps as texts, as JSON has them."""


_TextLoader.add_constructor("tag:yaml.org,2002:timestamp", lambda _loader, node: node.value)


def manifests(text: str) -> list[dict[str, Any]]:
    """Parse a multi-document text."""
    return [document_ for document_ in yaml.load_all(text, _TextLoader) if document_]


class Planned:
    """The outcome of one plan."""

    def __init__(self, text: str | list[dict[str, Any]], *, identity: Identity = BAREMETAL_LB, **options: Any) -> None:
        self.objects = manifests(text) if isinstance(text, str) else text
        namespace = identity.default_namespace
        owner = f"{identity.name}/{namespace}"
        self._identity = identity
        self.offline = read_cluster(self.objects, identity=identity, namespace=namespace, owner=owner)
        self.state = settle(self.offline.cluster, options=SettleOptions(identity, owner, now_utc=NOW, **options))
        self.document = document(self.state, (problem for problem, _ in self.offline.problems))

    def afterwards(self) -> list[dict[str, Any]]:
        """Return the objects as they would be."""
        return objects_afterwards(self.objects, self.offline, self.state, identity=self._identity, now_utc=NOW)

    def service(self, name: str) -> dict[str, Any]:
        """Return the row of a Service."""
        (row,) = [row for row in self.document["services"] if row["service"] == name]
        return dict(row)

    def ips(self, name: str) -> list[str]:
        """Return the IPs of a Service."""
        return list(self.service(name)["ips"])

    def announcement(self, ip: str) -> dict[str, Any]:
        """Return the row of an IP."""
        (row,) = [row for row in self.document["announcements"] if row["ip"] == ip]
        return dict(row)

    def eligible(self, ip: str) -> list[str]:
        """Return the eligible nodes of an IP."""
        return [candidate["node"] for candidate in self.announcement(ip)["candidates"] if candidate["eligible"]]

    def exclusions(self, ip: str) -> dict[str, str]:
        """Return the reasons of the excluded nodes of an IP."""
        return {c["node"]: c["reason"] for c in self.announcement(ip)["candidates"] if not c["eligible"]}

    def problems(self) -> list[tuple[str, str, str]]:
        """Return (object, field, reason) of each problem."""
        return [(row["object"], row["field"], row["reason"]) for row in self.document["problems"]]
