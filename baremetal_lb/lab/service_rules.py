"""What kube-proxy does for IPs of Services, as one nftables table per node (the lab's part with ``--api embedded``).

A packet that reached this node for an IP in a Service's status is sent to one of the Service's endpoints:

=======  ==============================  ===========================================================================
policy   which endpoints                 source address
=======  ==============================  ===========================================================================
Cluster  all of the cluster              the node's own (masqueraded), so that replies come back through this node
Local    those on this node              the client's, as the answer shows; without any the packet is dropped
=======  ==============================  ===========================================================================

Endpoints that are ready; where none is, those that still serve while they terminate (KEP-1669). A Service port without endpoints gets no
rule: the node has no route to the IP then, and says so to the client, as a refusal would.

Not done here, since nothing in the lab asks for it: cluster IPs, node ports, session affinity, loadBalancerSourceRanges.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import Family, IPAddress, family_of

TABLE = "bmlb-lab"
_MASQUERADE = "0x4000"
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


@dataclass(frozen=True, slots=True)
class ServedPort:
    """One port of a Service; its endpoints are found by its name, "" for the only one."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class ServedService:
    """A Service with IPs to serve."""

    key: ObjectKey
    ips: tuple[IPAddress, ...]
    ports: tuple[ServedPort, ...]
    is_local: bool = False
    """Its policy is Local."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of one EndpointSlice."""

    address: IPAddress
    node: str
    ports: tuple[ServedPort, ...]
    """The numbers are those that the endpoint listens on."""
    is_ready: bool = True
    is_usable: bool = True
    """Ready, or still serving while it terminates."""


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """One EndpointSlice."""

    service: ObjectKey
    endpoints: tuple[Endpoint, ...] = ()


def render(node: str, services: Iterable[ServedService], slices: Iterable[EndpointSlice]) -> str:
    """Return the programme of one node, for ``nft -f``: it replaces the whole table in one transaction.

    Equal inputs give equal texts, in whatever order they come.
    """
    endpoints: dict[ObjectKey, list[Endpoint]] = {}
    for piece in slices:
        endpoints.setdefault(piece.service, []).extend(piece.endpoints)
    rules: list[str] = []
    drops: list[str] = []
    for service in sorted(services, key=lambda service: service.key):
        candidates = endpoints.get(service.key, [])
        for ip in service.ips:
            for port in service.ports:
                match = _match(ip, port)
                chosen = _choose(node, service, port, family_of(ip), candidates)
                if chosen:
                    rules.append(f"{match} {'' if service.is_local else _mark()}{_translation(ip, chosen)}")
                elif service.is_local:
                    drops.append(f"{match} ct state new drop")
    return _table(rules, drops)


def _choose(node: str, service: ServedService, port: ServedPort, family: Family, candidates: list[Endpoint]) -> list[tuple[IPAddress, int]]:
    """Return where this node sends packets of one port, sorted."""
    offered = [
        (endpoint, number)
        for endpoint in candidates
        if family_of(endpoint.address) is family
        and (not service.is_local or endpoint.node == node)
        and (number := _number(endpoint, port)) is not None
    ]
    ready = [(endpoint.address, number) for endpoint, number in offered if endpoint.is_ready]
    return sorted(set(ready or [(endpoint.address, number) for endpoint, number in offered if endpoint.is_usable]))


def _number(endpoint: Endpoint, port: ServedPort) -> int | None:
    return next((own.number for own in endpoint.ports if own.name == port.name and own.protocol == port.protocol), None)


def _match(ip: IPAddress, port: ServedPort) -> str:
    return f"{_word(ip)} daddr {ip} {_PROTOCOLS[port.protocol]} dport {port.number}"


def _mark() -> str:
    return f"meta mark set meta mark or {_MASQUERADE} "


def _translation(ip: IPAddress, targets: list[tuple[IPAddress, int]]) -> str:
    choice = ", ".join(f"{index} : {address} . {number}" for index, (address, number) in enumerate(targets))
    return f"dnat {_word(ip)} addr . port to numgen random mod {len(targets)} map {{ {choice} }}"


def _word(ip: IPAddress) -> str:
    return "ip" if isinstance(ip, IPv4Address) else "ip6"


def _table(rules: list[str], drops: list[str]) -> str:
    return "\n".join(
        [
            f"table inet {TABLE}",
            f"delete table inet {TABLE}",
            f"table inet {TABLE} {{",
            "  chain services {",
            *("    " + rule for rule in rules),
            "  }",
            "  chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }",
            "  chain output { type nat hook output priority -100; policy accept; jump services; }",
            "  chain postrouting {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            f"    meta mark and {_MASQUERADE} == {_MASQUERADE} masquerade",
            "  }",
            "  chain unserved {",
            "    type filter hook prerouting priority mangle; policy accept;",
            *("    " + drop for drop in drops),
            "  }",
            "}",
            "",
        ]
    )
