"""What each process may do with the API server: the one copy, for the lab, the manifests and the tests.

Least privilege: a request that is not listed here is refused in every test on the real API server, so a new kind of request has to come
with its rule. Secrets are granted one by one, by name, in the namespace of the install alone; nobody writes ``spec`` of a Service.

Example:
    >>> speaker_rights(BAREMETAL_LB).cluster[0]["resources"]
    ['services', 'nodes']
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from baremetal_lb.model.ids import BAREMETAL_LB, METALLB, Identity

RBAC_GROUP = "rbac.authorization.k8s.io"
_CONFIGURATION = ("ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "bfdprofiles", "communities")
_READ = ("list", "watch")
GOVERN = "govern"
"""The verb on ipallocations of whoever may write the ledger."""
CONTROLLER_LEASE = "controller"
"""Name of the Lease by which one of several controllers leads, by default."""


class Rule(TypedDict):
    """A PolicyRule of RBAC."""

    apiGroups: list[str]
    resources: list[str]
    verbs: list[str]
    resourceNames: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class Rights:
    """What a process may do: in the whole cluster, and in the namespace of its install."""

    cluster: tuple[Rule, ...]
    home: tuple[Rule, ...]

    @property
    def everywhere(self) -> list[Rule]:
        """All of it as if the whole cluster were its home; for labs and tests, whose namespaces come and go."""
        return [*self.cluster, *self.home]


def controller_rights(identity: Identity) -> Rights:
    """Return all that a controller may do."""
    group, own_group = identity.group, BAREMETAL_LB.own_group
    cluster = [
        _rule("", ("services", "nodes"), ("get", *_READ)),
        _rule("", ("namespaces",), _READ),
        _rule("discovery.k8s.io", ("endpointslices",), _READ),
        # The status of Services, and by the same request the annotation that names the pool.
        _rule("", ("services/status",), ("patch",)),
        _rule("events.k8s.io", ("events",), ("create",)),
        # `govern` is no verb of the API server: the admission policy of the ledger asks for it.
        _rule(own_group, ("ipallocations",), ("get", *_READ, "create", "update", "delete", GOVERN)),
        _rule(own_group, ("ipreservations",), _READ),
        _rule(own_group, ("ipreservations/status",), ("patch",)),
    ]
    home = [
        _rule("coordination.k8s.io", ("leases",), (*_READ, "create")),
        _rule("coordination.k8s.io", ("leases",), ("get", "update"), names=(CONTROLLER_LEASE,)),
        _rule(group, _CONFIGURATION, _READ),
        _rule(group, [f"{plural}/status" for plural in _CONFIGURATION], ("patch",)),
        # Those of nodes and Services that are gone are removed.
        _rule(group, ("servicel2statuses", "servicebgpstatuses"), (*_READ, "delete")),
        _rule(own_group, ("bgpsessionstatuses",), (*_READ, "delete")),
    ]
    if identity is METALLB:  # whether MetalLB itself is still there
        webhook = ("metallb-webhook-configuration",)
        cluster.append(_rule("admissionregistration.k8s.io", ("validatingwebhookconfigurations",), ("get",), names=webhook))
        home.append(_rule("apps", ("deployments",), ("get",), names=("controller", "metallb-controller")))
    return Rights(tuple(cluster), tuple(home))


def speaker_rights(identity: Identity, *, has_bgp: bool = True, secrets: Sequence[str] = ()) -> Rights:
    """Return all that a speaker may do; ``secrets`` are the names of those with passwords of BGPPeers."""
    group, own_group = identity.group, BAREMETAL_LB.own_group
    cluster = [
        _rule("", ("services", "nodes"), _READ),
        _rule("discovery.k8s.io", ("endpointslices",), _READ),
        _rule("events.k8s.io", ("events",), ("create",)),
        _rule(own_group, ("ipallocations",), _READ),
    ]
    home = [
        # By the admission policy: the Lease and the status objects of its own node only.
        _rule("coordination.k8s.io", ("leases",), (*_READ, "create", "patch")),
        _rule(group, ("ipaddresspools", "l2advertisements"), _READ),
        _rule(group, ("servicel2statuses",), (*_READ, "create", "delete")),
        _rule(group, ("servicel2statuses/status",), ("patch",)),
    ]
    if has_bgp:
        cluster.append(_rule(own_group, ("ipreservations",), _READ))
        home += [
            _rule(group, ("bgpadvertisements", "bgppeers", "bfdprofiles", "communities"), _READ),
            _rule(group, ("servicebgpstatuses",), (*_READ, "create", "delete")),
            _rule(group, ("servicebgpstatuses/status",), ("patch",)),
            _rule(own_group, ("bgpsessionstatuses",), (*_READ, "create", "delete")),
            _rule(own_group, ("bgpsessionstatuses/status",), ("patch",)),
            # Whether its own Pod is being stopped, or only a container of it.
            _rule("", ("pods",), ("get",)),
        ]
    if secrets:
        home.append(_rule("", ("secrets",), ("get",), names=secrets))
    return Rights(tuple(cluster), tuple(home))


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] = ()) -> Rule:
    rule = Rule(apiGroups=[group], resources=list(resources), verbs=list(verbs))
    if names:
        rule["resourceNames"] = list(names)
    return rule
