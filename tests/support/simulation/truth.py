"""Who may answer for which IP, told from the API server's objects and the wire alone, in as few words as can be: no code of the product.

A node may answer for an IP if the ledger and a status give the IP to a Service, an L2Advertisement selects the node, nothing in its Node
object speaks against it, and each Service on the IP that is of policy Local has a usable endpoint there. ``since`` tells how long that
has been so: knowledge travels, and a node is judged by what it could know.
"""

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from baremetal_lb.apiserver.server import ApiServer
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import IPAddress
from tests.support.simulation.laws import ENTRIES, SERVICES, ips_of

NODES, SLICES = ("", "nodes"), ("discovery.k8s.io", "endpointslices")
ADVERTISEMENTS = (BAREMETAL_LB.group, "l2advertisements")
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
DRAIN = f"{BAREMETAL_LB.prefix}drain"


@dataclass(frozen=True, slots=True)
class Fact:
    """Whether something is so, and since when (ns, monotonic)."""

    is_so: bool
    since: int


class Truth:
    """Looked at anew after every write."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.may_answer: dict[tuple[IPAddress, str], Fact] = {}
        self.was_given: set[IPAddress] = set()
        """Every IP that a Service ever had in its status."""

    def look(self, *, now: int) -> None:
        """Take note of what changed."""
        allowed = {(ip, node) for ip, nodes in self._allowed().items() for node in nodes}
        for key in allowed | self.may_answer.keys():
            fact = self.may_answer.get(key)
            if fact is None or fact.is_so != (key in allowed):
                self.may_answer[key] = Fact(key in allowed, now)

    def fact(self, ip: IPAddress, node: str) -> Fact:
        return self.may_answer.get((ip, node), Fact(is_so=False, since=0))

    def ips(self) -> list[IPAddress]:
        """Return the IPs that somebody may answer for."""
        return sorted({ip for (ip, _), fact in self.may_answer.items() if fact.is_so}, key=lambda ip: (ip.version, int(ip)))

    def _items(self, storage: tuple[str, str]) -> list[dict[str, Any]]:
        return [value for _, value in self._server.store.items(storage)]

    def _allowed(self) -> dict[IPAddress, frozenset[str]]:
        users: dict[IPAddress, list[dict[str, Any]]] = defaultdict(list)
        given = {(entry["spec"]["address"], user["uid"]) for entry in self._items(ENTRIES) for user in entry["spec"].get("services") or []}
        for service in self._items(SERVICES):
            for ip in ips_of(service):
                self.was_given.add(ip_address(ip))
                if service["spec"].get("type") == "LoadBalancer" and (ip, service["metadata"]["uid"]) in given:
                    users[ip_address(ip)].append(service)
        return {ip: self._allowed_for(ip, services) for ip, services in users.items()}

    def _allowed_for(self, ip: IPAddress, services: list[dict[str, Any]]) -> frozenset[str]:
        usable = [self._usable_on(service, ip.version) for service in services]
        if not any(usable):
            return frozenset()
        nodes = frozenset(node["metadata"]["name"] for node in self._items(NODES) if self._is_fit(node))
        for service, on in zip(services, usable, strict=True):
            if on and service["spec"].get("externalTrafficPolicy") == "Local":
                nodes &= on
        return nodes

    def _is_fit(self, node: dict[str, Any]) -> bool:
        metadata = node["metadata"]
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        is_selected = any(_selects(item["spec"].get("nodeSelectors") or [], labels) for item in self._items(ADVERTISEMENTS))
        return is_selected and EXCLUDE not in labels and annotations.get(DRAIN, "false") == "false"

    def _usable_on(self, service: dict[str, Any], version: int) -> frozenset[str]:
        name = service["metadata"]["name"]
        return frozenset(
            endpoint["nodeName"]
            for item in self._items(SLICES)
            if item["metadata"]["labels"]["kubernetes.io/service-name"] == name and item["addressType"] == f"IPv{version}"
            for endpoint in item.get("endpoints") or []
            if endpoint["conditions"]["ready"] or endpoint["conditions"]["serving"]
        )


def _selects(selectors: list[dict[str, Any]], labels: dict[str, str]) -> bool:
    return not selectors or any(all(labels.get(name) == value for name, value in item["matchLabels"].items()) for item in selectors)
