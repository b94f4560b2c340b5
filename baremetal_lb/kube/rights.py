"""What each process may do with the API server: the one copy, for the lab, the manifests and the tests.

Least privilege: a request that is not listed here is refused in every test on the real API server, so a new kind of request has to come
with its rule. Nothing here names Secrets, and nobody writes ``spec`` of a Service.

Example:
    >>> speaker_rules(BAREMETAL_LB)[0]["resources"]
    ['services', 'nodes']
"""

from typing import TypedDict

from baremetal_lb.model.ids import BAREMETAL_LB, Identity

RBAC_GROUP = "rbac.authorization.k8s.io"
_CONFIGURATION = ("ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "bfdprofiles", "communities")
_READ = ("list", "watch")


class Rule(TypedDict):
    """A PolicyRule of RBAC."""

    apiGroups: list[str]
    resources: list[str]
    verbs: list[str]


def controller_rules(identity: Identity) -> list[Rule]:
    """Return all that a controller may do, in the whole cluster."""
    group, own_group = identity.group, BAREMETAL_LB.own_group
    return [
        _rule("", ("services", "nodes"), ("get", *_READ)),
        _rule("", ("namespaces",), _READ),
        _rule("", ("services/status",), ("patch",)),
        _rule("discovery.k8s.io", ("endpointslices",), _READ),
        _rule("coordination.k8s.io", ("leases",), ("get", *_READ, "create", "update")),
        _rule("events.k8s.io", ("events",), ("create",)),
        _rule(group, _CONFIGURATION, _READ),
        _rule(group, [f"{plural}/status" for plural in _CONFIGURATION], ("patch",)),
        _rule(own_group, ("ipreservations",), _READ),
        _rule(own_group, ("ipreservations/status",), ("patch",)),
        _rule(own_group, ("ipallocations",), ("get", *_READ, "create", "update", "delete")),
        _rule(group, ("servicel2statuses",), (*_READ, "delete")),
    ]


def speaker_rules(identity: Identity) -> list[Rule]:
    """Return all that a speaker may do, in the whole cluster."""
    group = identity.group
    return [
        _rule("", ("services", "nodes"), _READ),
        _rule("discovery.k8s.io", ("endpointslices",), _READ),
        _rule(BAREMETAL_LB.own_group, ("ipallocations",), _READ),
        _rule(group, ("ipaddresspools", "l2advertisements"), _READ),
        _rule(group, ("servicel2statuses",), (*_READ, "create", "delete")),
        _rule(group, ("servicel2statuses/status",), ("patch",)),
        _rule("coordination.k8s.io", ("leases",), (*_READ, "create", "patch")),
        _rule("events.k8s.io", ("events",), ("create",)),
    ]


def _rule(group: str, resources: "list[str] | tuple[str, ...]", verbs: tuple[str, ...]) -> Rule:
    return Rule(apiGroups=[group], resources=list(resources), verbs=list(verbs))
