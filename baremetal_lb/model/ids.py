"""Identifiers: how objects, nodes and installs are named.

Kubernetes names objects by (namespace, name); the namespace of a cluster-scoped object is "".
"""

from dataclasses import dataclass
from typing import NamedTuple


class ObjectKey(NamedTuple):
    """(namespace, name) of one object of a known kind; namespace is "" for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return ``namespace/name``, or just the name when cluster-scoped."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """One object of any kind, as people write it: ``IPAddressPool/baremetal-lb-system/blue``."""

    kind: str
    key: ObjectKey

    def __str__(self) -> str:
        """Return ``Kind/namespace/name``."""
        return f"{self.kind}/{self.key}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Under which names an install presents itself to the API server and to scrapers.

    ``legacy_prefix`` is read, with a deprecation event, and never written.
    """

    name: str
    group: str
    prefix: str
    """Annotation and label prefix, with its slash: ``baremetal-lb.io/``."""
    legacy_prefix: str | None
    metrics_prefix: str
    default_namespace: str

    @property
    def own_group(self) -> str:
        """API group of the kinds that the reference implementation does not have; the same in each identity."""
        return "baremetal-lb.io"

    @property
    def field_manager(self) -> str:
        """Field manager of server-side apply."""
        return "baremetal-lb"


BAREMETAL_LB = Identity("baremetal-lb", "baremetal-lb.io", "baremetal-lb.io/", None, "baremetal_lb_", "baremetal-lb-system")
METALLB = Identity("metallb", "metallb.io", "metallb.io/", "metallb.universe.tf/", "metallb_", "metallb-system")
IDENTITIES = {identity.name: identity for identity in (BAREMETAL_LB, METALLB)}
EXCLUDE_NODE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
