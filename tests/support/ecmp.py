"""Nodes with engines behind one router, and a client that reaches an IP on all of them through it (ECMP).

async with Ecmp(kind, tmp_path) as ecmp:
    await ecmp.advertise()
    with ecmp.flows() as flows: ...
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Self

from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bgp.session import Attributes, Rib, SessionSpec
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.bgp import GRACEFUL_SHUTDOWN, BFDProfile
from baremetal_lb.model.net import Family
from baremetal_lb.packet.bfd import State
from tests.support.bfd import Bfd
from tests.support.driving import Driving
from tests.support.flows import EchoServer, Flows
from tests.support.netns import Lab
from tests.support.routers import Router
from tests.support.wait import auntil

VIP = "203.0.113.1"
ROUTER, CLIENT = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.99")
ROUTES: Rib = {ip_network(f"{VIP}/32"): Attributes()}
LEAVING: Rib = {ip_network(f"{VIP}/32"): Attributes(communities=(GRACEFUL_SHUTDOWN,), as_path_prepend=1)}
V4 = frozenset({Family.IPV4})


class Ecmp:
    """The lab, while it is entered."""

    def __init__(self, kind: RouterKind, directory: Path, *, nodes: int = 3, bfd: BFDProfile | None = None) -> None:
        self._kind, self._directory, self._profile = kind, directory, bfd
        self.paths: list[Bfd] = []
        """The BFD process of each node, with a profile."""
        self._stack = AsyncExitStack()
        self.addresses = [IPv4Address(f"198.51.100.{11 + number}") for number in range(nodes)]
        self.nodes: list[Driving] = []
        self._beats: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._build()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for task in self._beats:
            task.cancel()
        await self._stack.aclose()

    async def _build(self) -> None:
        lab = self._stack.enter_context(Lab())
        at, self.client = lab.host(f"{ROUTER}/24"), lab.host(f"{CLIENT}/24")
        for setting in ("net.ipv4.conf.all.send_redirects", "net.ipv4.conf.default.send_redirects", "net.ipv4.conf.eth0.send_redirects"):
            at.set_sysctl(setting, 0)
        at.set_sysctl("net.ipv4.fib_multipath_hash_policy", 1)
        self.client.run("ip", "route", "add", f"{VIP}/32", "via", str(ROUTER))
        sessions = tuple(
            RouterSession(f"node{n}", 65000, address, families=V4, bfd=self._profile) for n, address in enumerate(self.addresses)
        )
        self.hosts = [lab.host(f"{address}/24") for address in self.addresses]
        self.servers = [self._stack.enter_context(EchoServer(host, VIP)) for host in self.hosts]
        self.router = self._stack.enter_context(Router(at, RouterSpec(self._kind, 65001, ROUTER, sessions), self._directory / "router"))
        for number, host in enumerate(self.hosts):
            self.nodes.append(await self._stack.enter_async_context(Driving(host, self._directory / f"engine{number}")))
            if self._profile is not None:
                self.paths.append(await self._stack.enter_async_context(Bfd(host, self._directory / f"bfd{number}")))

    def session(self, number: int) -> SessionSpec:
        """Return the session of a node."""
        own = self.addresses[number]
        base = SessionSpec("router", ROUTER, 65000, own, peer_asn=65001, local=own, hold_time_s=9, families=V4)
        return replace(base, is_graceful_restart=True)

    def path(self, number: int) -> BfdSpec:
        """Return the BFD session of a node."""
        profile = self._profile
        assert profile is not None
        return BfdSpec(
            "router",
            ROUTER,
            self.addresses[number],
            desired_min_tx=profile.desired_min_tx,
            required_min_rx=profile.required_min_rx,
            detect_mult=profile.detect_mult,
        )

    def want(self, number: int, routes: Rib) -> None:
        """Say what a node's speaker wants."""
        self.nodes[number].engine.want_sessions({"router": self.session(number)})
        self.nodes[number].engine.want_routes("router", routes)

    async def advertise(self) -> None:
        """Have all nodes advertise, and wait until the router has all of them as next hops."""
        for number in range(len(self.nodes)):
            self.want(number, ROUTES)
        await self.until_gateways(*range(len(self.nodes)))
        for number, bfd in enumerate(self.paths):
            bfd.client.want({"router": self.path(number)})
            await bfd.until(State.UP)

    async def until_gateways(self, *numbers: int, deadline_s: float = 30) -> None:
        """Wait until the router forwards to just these nodes."""
        wanted = {str(self.addresses[number]) for number in numbers}
        await auntil(lambda: self.gateways() == wanted, deadline_s, lambda: (self.gateways(), self.router.describe()))

    def gateways(self) -> set[str]:
        """Return the next hops in the router's kernel."""
        return set(self.router.kernel_routes().get(f"{VIP}/32", ()))

    def flows(self, per_second: int = 200) -> Flows:
        """Return a stream of requests from the client."""
        return Flows(self.client, VIP, per_second=per_second)
