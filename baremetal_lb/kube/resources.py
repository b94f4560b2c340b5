"""Where the API server keeps what: one `Resource` per kind that we read or write.

>>> SERVICES.path("shop", "web", "status")
'/api/v1/namespaces/shop/services/web/status'
"""

from dataclasses import dataclass
from urllib.parse import quote

from baremetal_lb.kube.errors import NoObjectName
from baremetal_lb.model.ids import Identity

OWN_VERSION = "v1beta1"
_SECOND_VERSION = {"bgppeers": "v1beta2"}
_OWN_GROUP_PLURALS = frozenset({"ipallocations", "ipreservations", "bgpsessionstatuses"})
"""Kinds that the reference implementation does not have stay in our own group in each identity."""
_CLUSTER_SCOPED = frozenset({"ipallocations", "ipreservations"})


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource by group, version and plural; group "" is the core group."""

    group: str
    version: str
    plural: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of a collection (no name; no namespace: of all namespaces), of an object or of its subresource.

        Raises:
            NoObjectName: the name or the namespace is "." or "..", which nothing is called (apimachinery's IsValidPathSegmentName), and
                which no quoting keeps a client from taking for a step to another path (RFC 3986 section 6.2.2.2 and 6.2.2.3).
        """
        for text in (namespace, name):
            if text in {".", ".."}:
                raise NoObjectName(f"no object is called {text!r}, and no namespace")
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace and self.is_namespaced:
            parts += ["namespaces", quote(namespace, safe=":")]
        # A name that some object refers to is anybody's text, and must not lead to another path.
        parts += [self.plural, quote(name, safe=":"), subresource]
        return "/".join(part for part in parts if part)


SERVICES = Resource("", "v1", "services")
NODES = Resource("", "v1", "nodes", is_namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", is_namespaced=False)
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
EVENTS = Resource("events.k8s.io", "v1", "events")


def ours(identity: Identity, plural: str) -> Resource:
    """Return one of our custom resources, under the group that the identity gives it."""
    group = identity.own_group if plural in _OWN_GROUP_PLURALS else identity.group
    return Resource(group, _SECOND_VERSION.get(plural, OWN_VERSION), plural, plural not in _CLUSTER_SCOPED)
