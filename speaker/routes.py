"""The routes of this node, kept up to date: which Services contribute what, why the others do not, and the RIB of each peer. Pure.

    world.dirty_services --work_off()--> decisions (`bgp.routes`) --> RibIndex --> the peers whose RIB changed

Invariant: working off what is dirty leaves the same result as deciding every Service from scratch.
"""

from collections.abc import Iterable, Mapping

from baremetal_lb.bgp.reasons import RouteReason
from baremetal_lb.bgp.rib_index import RibIndex
from baremetal_lb.bgp.routes import RouteInput, routes_of
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import AddressRange, IPAddress, parse_address
from baremetal_lb.model.views import LedgerEntry, ServiceView
from speaker.world import World


class Routes:
    """All routes of one node."""

    def __init__(self, world: World, *, service_cidrs: Iterable[AddressRange] = ()) -> None:
        self._world = world
        self._service_cidrs = tuple(service_cidrs)
        self.index = RibIndex()
        self.reasons: dict[ObjectKey, Mapping[IPAddress, RouteReason]] = {}
        """Why addresses of a Service have no route, by Service; only of those that have such addresses."""

    def set_peers(self, peers: Iterable[BGPPeer]) -> set[str]:
        """Take the peers that this node has sessions with; return those whose RIB is new or changed."""
        return self.index.set_peers(peers)

    def work_off(self) -> set[str]:
        """Decide on what is dirty; return the peers whose RIB changed."""
        keys, self._world.dirty_services = self._world.dirty_services, set()
        changed: set[str] = set()
        for key in keys:
            changed |= self._decide(key)
        return changed

    def _decide(self, key: ObjectKey) -> set[str]:
        service = self._world.services.get(key)
        if service is None:
            self.reasons.pop(key, None)
            return self.index.put(key, ())
        given = RouteInput(
            node=self._world.nodes.get(self._world.node),
            configuration=self._world.configuration,
            endpoints=self._world.endpoints(key),
            entries=self._entries(service),
            service_cidrs=self._service_cidrs,
            ignore_exclude_lb=self._world.ignore_exclude_lb,
        )
        found = routes_of(service, given)
        if found.reasons:
            self.reasons[key] = dict(found.reasons)
        else:
            self.reasons.pop(key, None)
        return self.index.put(key, found.contributions)

    def _entries(self, service: ServiceView) -> dict[IPAddress, LedgerEntry]:
        found = {}
        for address in {*service.status_ips, *_parsed(service.external_ips)}:
            entry = self._world.entry(address)
            if entry is not None:
                found[address] = entry
        return found


def _parsed(texts: Iterable[str]) -> Iterable[IPAddress]:
    for text in texts:
        try:
            yield parse_address(text)
        except ValueError:
            continue
