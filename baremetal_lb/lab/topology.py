"""Builds the lab's network: namespaces, the switch, addresses, routes and kernel settings; cuts and heals its cables.

Settings, and why:

* ``arp_ignore=1``, ``arp_announce=2``: a node answers ARP only for addresses of the interface that was asked, as nodes with kube-proxy
  in IPVS mode must; so nobody but the speaker ever answers for an IP of a Service.
* forwarding on, ``send_redirects`` off: a node forwards to Pods of other nodes by the interface that the packet came from.
* ``rp_filter`` off: replies of policy Local come back by the way that they went, but no node depends on that.
* duplicate address detection off: addresses are ours alone, and are there at once.
* routers spread flows over the nodes by their ports, and the client over the routers; it leaves one out whose cable has no carrier.
* neighbour tables for 1 000 addresses and more in the client: the default overflows.
"""

from collections.abc import Sequence

from baremetal_lb.lab import netns
from baremetal_lb.lab.layout import CLIENT_NETWORK_BITS, POOLS, WIRE_BITS, Host, Layout, Node, Pod, Router

SWITCH, API, CONTROL = "switch", "api", "control"
_BRIDGE = "br0"
_EVERYWHERE = (
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv4/ping_group_range", '"0 0"'),
)
_NODE = (
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/arp_ignore", "1"),
    ("ipv4/conf/all/arp_announce", "2"),
    ("!ipv4/vs/conntrack", "1"),
)
_ROUTER = (
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/fib_multipath_hash_policy", "1"),
    ("ipv6/fib_multipath_hash_policy", "1"),
)
_BEHIND_ROUTERS = tuple(
    (f"{family}/conf/{which}/ignore_routes_with_linkdown", "1") for family in ("ipv4", "ipv6") for which in ("all", "default")
)
_SWITCH = (("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1"))
_CLIENT = tuple((f"!{family}/neigh/default/gc_thresh{level}", str(8192 * level)) for family in ("ipv4", "ipv6") for level in (1, 2, 3))


def build(layout: Layout) -> None:
    """Make the network of a lab; nothing of it may be there yet.

    Raises:
        LabError: with the command that failed. ``netns.remove`` takes away what was made.
    """
    netns.batch([f"netns add {layout.namespace(host)}" for host in layout.hosts])
    for host in layout.hosts:
        netns.set_sysctls(layout.namespace(host), _EVERYWHERE)
        netns.batch(["link set lo up"], namespace=layout.namespace(host))
    _build_switch(layout)
    for node in layout.nodes:
        netns.set_sysctls(layout.namespace(node.name), _NODE)
        _plug_in(layout, node, _node_routes(layout, node))
        for pod in node.pods:
            _attach_pod(layout, pod)
    netns.set_sysctls(layout.namespace(layout.client.name), _CLIENT)
    if layout.routers:
        _build_routers(layout)
    else:
        _plug_in(layout, layout.client, [f"route add {pool} dev {layout.client.interface}" for pool in POOLS])


def _build_routers(layout: Layout) -> None:
    """Put the routers between the client and the wire."""
    client = layout.namespace(layout.client.name)
    netns.set_sysctls(client, (*_BEHIND_ROUTERS, ("ipv4/fib_multipath_hash_policy", "1"), ("ipv6/fib_multipath_hash_policy", "1")))
    for router in layout.routers:
        netns.set_sysctls(layout.namespace(router.name), _ROUTER)
        _plug_in(layout, router, [])
        _connect_client(layout, router)
    hops = (" ".join(f"nexthop via {router.inner_ips[family]} dev {router.link}" for router in layout.routers) for family in (0, 1))
    netns.batch([f"route add {pool} {to}" for pool, to in zip(POOLS, hops, strict=True)], namespace=client)
    for node in layout.nodes:
        back = [
            f"route add {network} via {ip}"
            for router in layout.routers
            for network, ip in zip(router.client_networks, router.ips, strict=True)
        ]
        netns.batch(back, namespace=layout.namespace(node.name))


def _connect_client(layout: Layout, router: Router) -> None:
    client, namespace = layout.namespace(layout.client.name), layout.namespace(router.name)
    lines = [f"link add {router.link} type veth peer name client netns {namespace}", f"link set {router.link} up"]
    inner = ["link set client up"]
    for own, theirs, bits in zip(router.client_ips, router.inner_ips, CLIENT_NETWORK_BITS, strict=True):
        lines.append(f"addr add {own}/{bits} dev {router.link}")
        inner.append(f"addr add {theirs}/{bits} dev client")
    netns.batch(lines, namespace=client)
    netns.batch(inner, namespace=namespace)


def cut(layout: Layout, host: str) -> None:
    """Pull the cable of a host: the switch's end goes down, so the host's interface loses its carrier.

    Raises:
        LabError: the switch said no.
    """
    netns.batch([f"link set {host} down"], namespace=layout.namespace(SWITCH))
    if layout.router(host) is not None:
        netns.batch(["link set client down"], namespace=layout.namespace(host))


def heal(layout: Layout, host: str) -> None:
    """Plug the cable of a host in again; nothing happens when it was.

    Raises:
        LabError: the switch said no.
    """
    netns.batch([f"link set {host} up"], namespace=layout.namespace(SWITCH))
    router = layout.router(host)
    if router is not None:
        inner = router.inner_ips[1]  # IPv6 addresses go with the link
        again = f"addr replace {inner}/{CLIENT_NETWORK_BITS[1]} dev client nodad"
        netns.batch(["link set client up", again], namespace=layout.namespace(host))


def _build_switch(layout: Layout) -> None:
    # Without IPv6 of its own the switch says nothing; packets pass it all the same.
    netns.set_sysctls(layout.namespace(SWITCH), _SWITCH)
    # No snooping and no spanning tree: a port forwards the moment it is up, as people's unmanaged switches do.
    netns.batch(
        [f"link add {_BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0", f"link set {_BRIDGE} up"],
        namespace=layout.namespace(SWITCH),
    )


def _plug_in(layout: Layout, host: Host, routes: Sequence[str]) -> None:
    switch, namespace = layout.namespace(SWITCH), layout.namespace(host.name)
    netns.batch(
        [
            f"link add {host.name} type veth peer name {host.interface} address {host.mac} netns {namespace}",
            f"link set {host.name} master {_BRIDGE}",
            f"link set {host.name} up",
        ],
        namespace=switch,
    )
    addresses = [f"addr add {ip}/{bits} dev {host.interface}" for ip, bits in zip(host.ips, WIRE_BITS, strict=True)]
    netns.batch([f"link set {host.interface} up", *addresses, *routes], namespace=namespace)


def _node_routes(layout: Layout, node: Node) -> list[str]:
    """Return the routes to the Pods of all other nodes, as a network plugin without overlay sets them."""
    return [
        f"route add {network} via {ip}"
        for other in layout.nodes
        if other is not node
        for network, ip in zip(other.pod_networks, other.ips, strict=True)
    ]


def _attach_pod(layout: Layout, pod: Pod) -> None:
    node, namespace = layout.namespace(pod.node), layout.namespace(pod.host)
    lines = [f"link add {pod.link} type veth peer name eth0 netns {namespace}", f"link set {pod.link} up"]
    inner = ["link set eth0 up"]
    for ip, gateway in zip(pod.ips, pod.gateways, strict=True):
        lines += [f"addr add {gateway}/{ip.max_prefixlen} dev {pod.link}", f"route add {ip}/{ip.max_prefixlen} dev {pod.link}"]
        inner += [
            f"addr add {ip}/{ip.max_prefixlen} dev eth0",
            f"route add {gateway}/{ip.max_prefixlen} dev eth0",
            f"route add default via {gateway} dev eth0",
        ]
    netns.batch(lines, namespace=node)
    netns.batch(inner, namespace=namespace)
