"""What a lab consists of: names and addresses, computed from its name and the number of nodes alone.

Nothing in here is remembered or measured, so that every command (and a test) finds the same lab. All of it exists only inside the
lab's namespaces, so labs with equal addresses stand side by side.

=============  ======================================  ================================================
what           IPv4                                    IPv6
=============  ======================================  ================================================
the wire       198.51.100.0/24 (RFC 5737)              2001:db8::/64 (RFC 3849)
nodes          198.51.100.11 and up                    2001:db8::11 and up (decimal digits, to look alike)
client         198.51.100.10                           2001:db8::10
pools          203.0.113.0/24 (RFC 5737)               2001:db8:1::/64
Pods of node N 10.244.N.0/24                           fd00:10:244:N::/64
routers        198.51.100.1 and up                     2001:db8::1 and up
router N and   10.200.N.0/30, the router has .1        fd00:200:N::/64, the router has ::1
the client
=============  ======================================  ================================================

With routers the client is not on the wire: it has one cable to each router, and reaches the pools through them alone.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address

from baremetal_lb.lab.router_spec import RouterKind
from baremetal_lb.model.net import IPAddress

PREFIX = "bmlb-"
NAME_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
POOLS = ("203.0.113.0/24", "2001:db8:1::/64")
WIRE_BITS = (24, 64)
POD_PORT = 8080
POD_LABELS = {"app": "web"}
POD_NAMESPACE = "default"
MAX_NODES = 50
INTERFACE = "eth0"
CLUSTER_ASN = 64600
ROUTER_ASNS = {RouterKind.FRR: 64512, RouterKind.BIRD: 64513, RouterKind.GOBGP: 64514}
CLIENT_NETWORK_BITS = (30, 64)


class BadName(ValueError):
    """A lab cannot be called this, or have this many nodes."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One backend: an HTTP server in a namespace of its own, behind its node."""

    name: str
    node: str
    host: str
    """Its namespace, without the lab's prefix."""
    ips: tuple[IPAddress, IPAddress]
    gateways: tuple[IPAddress, IPAddress]
    """The node's addresses on the link between the two."""
    link: str
    """Name of the node's end of the link. It starts with ``veth``, as no speaker announces there."""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine on the wire: a node or the client."""

    name: str
    ips: tuple[IPAddress, IPAddress]
    mac: str
    interface: str = INTERFACE


@dataclass(frozen=True, slots=True)
class Node(Host):
    """A node of the cluster, with its Pods."""

    pods: tuple[Pod, ...] = ()
    pod_networks: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Router(Host):
    """A router between the client and the nodes; it is called what its program is."""

    kind: RouterKind = RouterKind.BIRD
    asn: int = 0
    inner_ips: tuple[IPAddress, IPAddress] = (ip_address("10.200.0.1"), ip_address("fd00:200::1"))
    """Its addresses on the cable to the client."""
    client_ips: tuple[IPAddress, IPAddress] = (ip_address("10.200.0.2"), ip_address("fd00:200::2"))
    """The client's there."""
    client_networks: tuple[str, str] = ("", "")

    @property
    def link(self) -> str:
        """Name of the client's end of the cable; the router's is called ``client``."""
        return f"to-{self.name}"


@dataclass(frozen=True)
class Layout:
    """All names and addresses of one lab."""

    name: str
    node_count: int
    router_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.router_names) - {kind.value for kind in RouterKind}
        if unknown or len(set(self.router_names)) != len(self.router_names):
            kinds = ", ".join(kind.value for kind in RouterKind)
            raise BadName(f"routers are some of {kinds}, each once; not {','.join(self.router_names)}")
        if not NAME_PATTERN.fullmatch(self.name):
            raise BadName(f"a lab is called by up to 20 lower case letters, digits and dashes; {self.name!r} is no such name")
        if not 1 <= self.node_count <= MAX_NODES:
            raise BadName(f"a lab has between 1 and {MAX_NODES} nodes, not {self.node_count}")

    @property
    def prefix(self) -> str:
        """How each namespace of this lab begins. The dot cannot be in a lab's name, so no lab's prefix begins another's."""
        return f"{PREFIX}{self.name}."

    def namespace(self, host: str) -> str:
        """Return the name of the network namespace of a host: ``client``, ``node1``, ``switch``, ``api``, ``control`` or a Pod."""
        return self.prefix + host

    @cached_property
    def client(self) -> Host:
        """The machine outside of the cluster from which people look."""
        if self.routers:
            first = self.routers[0]
            return Host("client", first.client_ips, "02:00:00:00:00:10", first.link)
        return Host("client", (ip_address("198.51.100.10"), ip_address("2001:db8::10")), "02:00:00:00:00:10")

    @cached_property
    def routers(self) -> tuple[Router, ...]:
        """The routers, in the order in which they were named."""
        return tuple(_router(number, RouterKind(name)) for number, name in enumerate(self.router_names, start=1))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, by number."""
        return tuple(_node(number) for number in range(1, self.node_count + 1))

    @property
    def pods(self) -> tuple[Pod, ...]:
        """All Pods, node by node."""
        return tuple(pod for node in self.nodes for pod in node.pods)

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts: those that ``lab exec`` can go to."""
        return (
            "switch",
            "api",
            "control",
            self.client.name,
            *(router.name for router in self.routers),
            *(node.name for node in self.nodes),
            *(pod.host for pod in self.pods),
        )

    def node(self, name: str) -> Node | None:
        """Return the node of this name."""
        return next((node for node in self.nodes if node.name == name), None)

    def router(self, name: str) -> Router | None:
        """Return the router of this name."""
        return next((router for router in self.routers if router.name == name), None)

    def pod(self, name: str) -> Pod | None:
        """Return the Pod of this name."""
        return next((pod for pod in self.pods if pod.name == name), None)


def _router(number: int, kind: RouterKind) -> Router:
    return Router(
        name=kind.value,
        ips=(ip_address(f"198.51.100.{number}"), ip_address(f"2001:db8::{number}")),
        mac=f"02:00:00:00:02:{number:02x}",
        kind=kind,
        asn=ROUTER_ASNS[kind],
        inner_ips=(ip_address(f"10.200.{number}.1"), ip_address(f"fd00:200:{number}::1")),
        client_ips=(ip_address(f"10.200.{number}.2"), ip_address(f"fd00:200:{number}::2")),
        client_networks=(f"10.200.{number}.0/30", f"fd00:200:{number}::/64"),
    )


def _node(number: int) -> Node:
    name = f"node{number}"
    networks = (f"10.244.{number}", f"fd00:10:244:{number}:")
    pods = tuple(
        Pod(
            name=f"web-{name}-{letter}",
            node=name,
            host=f"web-{name}-{letter}",
            ips=(ip_address(f"{networks[0]}.{index}0"), ip_address(f"{networks[1]}:{index}0")),
            gateways=(ip_address(f"{networks[0]}.{index}"), ip_address(f"{networks[1]}:{index}")),
            link=f"veth-{letter}",
        )
        for index, letter in enumerate("ab", start=1)
    )
    return Node(
        name=name,
        ips=(ip_address(f"198.51.100.{10 + number}"), ip_address(f"2001:db8::{10 + number}")),
        mac=f"02:00:00:00:01:{number:02x}",
        pods=pods,
        pod_networks=(f"{networks[0]}.0/24", f"{networks[1]}:/64"),
    )
