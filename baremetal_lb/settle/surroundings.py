"""What elections see of a cluster, indexed once."""

from baremetal_lb.election.elect import ElectionInput
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import ServiceView
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions


class Surroundings:
    """Nodes, endpoints, roster and advertisements of one cluster."""

    def __init__(self, cluster: ClusterObjects, options: SettleOptions) -> None:
        self._configuration = cluster.configuration
        self._ignores_exclude_lb = options.ignore_exclude_lb
        self._nodes = {node.name: node for node in cluster.nodes}
        self._endpoints = cluster.endpoints()
        self._roster = cluster.roster if cluster.roster is not None else Roster.of_nodes(self._nodes)

    def subject(
        self, address: IPAddress, services: tuple[ServiceView, ...], *, preferred: str | None = None, sibling: str | None = None
    ) -> ElectionInput:
        """Return the input of the election of one IP."""
        return ElectionInput(
            address=address,
            services=services,
            pool=self._configuration.pool_of(address),
            advertisements=self._configuration.l2_advertisements,
            nodes=self._nodes,
            endpoints={service.key: self._endpoints.get(service.key, ()) for service in services},
            roster=self._roster,
            preferred=preferred,
            ignore_exclude_lb=self._ignores_exclude_lb,
            sibling=sibling,
        )
