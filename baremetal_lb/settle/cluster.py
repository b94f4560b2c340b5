"""A cluster as far as it decides who gets which IP and who announces it: views only, in no particular order; and the state made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import BAREMETAL_LB, Identity, ObjectKey
from baremetal_lb.model.net import AddressRange
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import EndpointSliceView, EndpointView, LedgerEntry, NodeView, ServiceView
from baremetal_lb.settle.state import ClusterState


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """All that settling reads."""

    configuration: Configuration = field(default_factory=Configuration)
    services: tuple[ServiceView, ...] = ()
    """Of every type; each with a uid of its own."""
    entries: tuple[LedgerEntry, ...] = ()
    slices: tuple[EndpointSliceView, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Labels by name; a namespace that is missing has none."""
    service_cidrs: tuple[AddressRange, ...] = ()
    """Where cluster IPs of Services are from; without them none is advertised."""
    roster: Roster | None = None
    """None: a speaker serves on every node, with all interfaces."""

    def endpoints(self) -> Mapping[ObjectKey, tuple[EndpointView, ...]]:
        """Return all endpoints by Service, over all slices in the order of their names."""
        found: dict[ObjectKey, list[EndpointView]] = {}
        for endpoint_slice in sorted(self.slices, key=lambda s: s.key):
            found.setdefault(endpoint_slice.service, []).extend(endpoint_slice.endpoints)
        return {key: tuple(endpoints) for key, endpoints in found.items()}


@dataclass(frozen=True, slots=True)
class SettleOptions:
    """As which install, and when."""

    identity: Identity = BAREMETAL_LB
    owner: str = ""
    """Install id: entries of other owners are only obstacles."""
    lb_class: str = ""
    """Only Services of exactly this loadBalancerClass are ours; "" for those without."""
    ignore_exclude_lb: bool = False
    """Nodes with the label node.kubernetes.io/exclude-from-external-load-balancers count like others."""
    now_utc: int = 0
    """ns since the epoch."""


def state_of(cluster: ClusterObjects, options: SettleOptions) -> ClusterState:
    """Return the state of a cluster as it is, before anything was decided."""
    state = ClusterState(options.owner, lb_class=options.lb_class, ignore_exclude_lb=options.ignore_exclude_lb)
    state.services = {service.key: service for service in cluster.services}
    state.namespaces = dict(cluster.namespaces)
    state.nodes = {node.name: node for node in cluster.nodes}
    state.roster = cluster.roster if cluster.roster is not None else Roster.of_nodes(state.nodes)
    state.reconfigure(cluster.configuration)
    for view in cluster.slices:
        state.see_slice(view, None)
    for entry in cluster.entries:
        state.put(entry)
    return state
