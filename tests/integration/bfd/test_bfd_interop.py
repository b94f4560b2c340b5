"""The BFD process with real routers, over every kind of path; and what it does with packets of nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bgp.session import TtlMode
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.net import Family, IPAddress
from baremetal_lb.model.time import MILLISECOND
from baremetal_lb.packet.bfd import ControlPacket, State, encode
from tests.support.bfd import Bfd
from tests.support.discovering import Discovering
from tests.support.driving import Driving
from tests.support.interop import FEATURES, rib
from tests.support.netns import Host, Lab
from tests.support.routers import Router
from tests.support.wait import auntil, until

pytestmark = pytest.mark.netns
NODE, ROUTER, FAR = "198.51.100.11", "198.51.100.1", "198.51.100.129"
NODE6, ROUTER6, FAR6 = "2001:db8::11", "2001:db8::1", "2001:db8:2::1"
KINDS = pytest.mark.parametrize("kind", [RouterKind.FRR, RouterKind.BIRD], ids=lambda kind: kind.value)
INTERVAL, MULTIPLIER = 100 * MILLISECOND, 5
"""Half a second: routers' processes are not realtime, and wait for a busy CPU."""
FAST = BFDProfile("fast", required_min_rx=INTERVAL, desired_min_tx=INTERVAL, detect_mult=MULTIPLIER, minimum_ttl=250)
SPEC = BfdSpec("router", ip_address(ROUTER), ip_address(NODE), desired_min_tx=INTERVAL, required_min_rx=INTERVAL, detect_mult=MULTIPLIER)


@dataclass(frozen=True)
class Case:
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)


V6 = {"remote": ip_address(ROUTER6), "local": ip_address(NODE6)}
THEIR_MULTIHOP = {"local": ip_address(ROUTER), "is_multihop": True}  # both want to know where packets come from
CASES = {
    "IPv4": Case(),
    "IPv6": Case(V6, {"remote": ip_address(NODE6)}),
    "multihop": Case({"local": ip_address(FAR), "is_multihop": True}, {"remote": ip_address(FAR), **THEIR_MULTIHOP}),
    "multihop IPv6": Case(
        {**V6, "local": ip_address(FAR6), "is_multihop": True}, {"remote": ip_address(FAR6), **THEIR_MULTIHOP, "local": ip_address(ROUTER6)}
    ),
    "we are passive": Case({"is_passive": True}),
    "router is passive": Case({}, {"bfd": replace(FAST, is_passive=True)}),
    "other intervals": Case({"desired_min_tx": 300 * MILLISECOND, "required_min_rx": 200 * MILLISECOND, "detect_mult": 7}),
}


def hosts(lab: Lab) -> tuple[Host, Host]:
    router, node = lab.host(f"{ROUTER}/25", f"{ROUTER6}/64"), lab.host(f"{NODE}/25", f"{NODE6}/64")
    for address, gateway, bits in ((FAR, NODE, 32), (FAR6, NODE6, 128)):
        node.run("ip", "address", "add", f"{address}/{bits}", "dev", "lo")
        router.run("ip", "route", "add", f"{address}/{bits}", "via", gateway)
    return router, node


def router_of(kind: RouterKind, **more: Any) -> RouterSpec:
    values = {"name": "node", "asn": 65000, "remote": ip_address(NODE), "bfd": FAST, **more}
    return RouterSpec(kind, 65001, IPv4Address(ROUTER), (RouterSession(**values),))


def bfd_of(router: Router) -> list[dict[str, Any]]:
    """What FRR says of its BFD sessions."""
    return list(json.loads(router.control("vtysh", "-c", "show bfd peers json")))


@asynccontextmanager
async def bgp_beside(node: Host, spec: BfdSpec, directory: Path) -> AsyncIterator[None]:
    """A session of BGP on the same path: without it FRR keeps no multihop session of BFD."""
    family = Family.IPV4 if spec.remote.version == 4 else Family.IPV6
    session = replace(FEATURES[0].session(), remote=spec.remote, local=spec.local, ttl=TtlMode.MULTIHOP, families=frozenset({family}))
    async with Driving(node, directory) as driving:
        driving.engine.want_sessions({"router": session})
        yield


@KINDS
@pytest.mark.parametrize("name", CASES)
async def test_a_session_comes_up_notices_a_cut_in_the_detection_time_and_comes_up_again(kind: RouterKind, name: str, tmp_path: Path):
    case = CASES[name]
    spec = replace(SPEC, **case.ours)
    if spec.is_multihop and kind is RouterKind.BIRD:
        spec = replace(spec, minimum_ttl=64)  # with which BIRD sends where more than one hop may be
    async with AsyncExitStack() as stack:
        lab = stack.enter_context(Lab())
        router_host, node = hosts(lab)
        router = stack.enter_context(Router(router_host, router_of(kind, **case.theirs), tmp_path / "router"))
        if spec.is_multihop:
            await stack.enter_async_context(bgp_beside(node, spec, tmp_path / "engine"))
        bfd = await stack.enter_async_context(Bfd(node, tmp_path / "bfd"))
        bfd.client.want({"router": spec})
        await bfd.until(State.UP)
        await auntil(lambda: bfd.client.statuses["router"].detection_time == MULTIPLIER * max(INTERVAL, spec.required_min_rx))
        if kind is RouterKind.FRR:
            (peer,) = bfd_of(router)
            assert (peer["status"], peer["multihop"]) == ("up", spec.is_multihop)
            assert peer["remote-transmit-interval"] == spec.desired_min_tx // MILLISECOND
            assert peer["remote-receive-interval"] == spec.required_min_rx // MILLISECOND
            assert peer["remote-detect-multiplier"] == spec.detect_mult
        node.cut()
        await bfd.until(State.DOWN)
        status = bfd.client.statuses["router"]
        assert (status.diagnostic, status.fell_at is not None) == (1, True)
        node.heal()
        await bfd.until(State.UP, deadline_s=40)
        assert not bfd.client.report.drops


@KINDS
async def test_link_local_paths_are_watched(kind: RouterKind, tmp_path: Path):
    """Beside an unnumbered session of BGP: both sides learn each other's address from Router Advertisements."""
    session = RouterSession("node", None, interface="eth0", has_extended_next_hop=True, bfd=FAST)
    spec = RouterSpec(kind, 65001, IPv4Address(ROUTER), (session,))
    with Lab() as lab:
        router_host, node_host = lab.host(), lab.host()
        with Router(router_host, spec, tmp_path / "router") as router, Discovering(node_host, ["eth0"]) as discovering:
            found = discovering.discovery
            until(lambda: found.routers.get("eth0"))
            theirs, ours = found.routers["eth0"], found.own["eth0"]
            families = {"families": frozenset(Family), "has_extended_next_hop": True, "next_hops": ((Family.IPV4, ours),)}
            bgp = replace(FEATURES[0].session(), remote=theirs, local=ours, interface="eth0", **families)
            async with Driving(node_host, tmp_path / "engine") as driving, Bfd(node_host, tmp_path / "bfd") as bfd:
                driving.engine.want_sessions({"router": bgp})
                driving.engine.want_routes("router", rib("203.0.113.1/32"))
                bfd.client.want({"router": replace(SPEC, remote=theirs, local=ours, interface="eth0")})
                await bfd.until(State.UP)
                await auntil(router.kernel_routes, 20, router.describe)
                node_host.cut()
                await auntil(lambda: not router.kernel_routes(), 5, router.describe)
                await bfd.until(State.DOWN)


@pytest.mark.parametrize("source", [ip_address(ROUTER), None], ids=["update-source", "no update-source"])
async def test_frr_resets_bgp_once_that_comes_up_after_bfd(source: IPAddress | None, tmp_path: Path):
    """As docs/bgp.md says: it begins BFD anew then, and takes the end of the first for a failed path."""
    with Lab() as lab:
        router_host, node = hosts(lab)
        with Router(router_host, router_of(RouterKind.FRR, local=source), tmp_path / "router") as router:
            async with Bfd(node, tmp_path / "bfd") as bfd:
                bfd.client.want({"router": SPEC})
                await bfd.until(State.UP)

                def connections() -> tuple[int, int, str]:
                    told = json.loads(router.control("vtysh", "-c", f"show bgp neighbors {NODE} json"))[NODE]
                    return told["connectionsEstablished"], told["connectionsDropped"], told["bgpState"]

                async with bgp_beside(node, SPEC, tmp_path / "engine"):
                    await auntil(lambda: connections() == (2, 1, "Established"), 20, connections)
                    await bfd.until(State.UP)
                    assert connections()[1] == 1


async def test_a_process_that_is_told_to_end_says_admin_down_and_one_that_is_killed_does_not(tmp_path: Path):
    with Lab() as lab:
        router_host, node = hosts(lab)
        with Router(router_host, router_of(RouterKind.FRR), tmp_path / "router") as router:
            async with Bfd(node, tmp_path / "bfd") as bfd:

                def remote_diagnostic() -> tuple[str, str]:
                    (peer,) = bfd_of(router)
                    return peer["status"], peer["remote-diagnostic"]

                for end, said in (("terminate", "administratively down"), ("kill", "ok")):
                    bfd.client.want({"router": SPEC})
                    await bfd.until(State.UP)
                    assert bfd.process is not None
                    getattr(bfd.process, end)()
                    await auntil(lambda said=said: remote_diagnostic() == ("down", said), 10, remote_diagnostic)
                    await asyncio.to_thread(bfd.process.wait)
                    bfd.start()


async def test_packets_of_nobody_change_nothing_and_are_counted(tmp_path: Path):
    with Lab() as lab:
        router_host, node = hosts(lab)
        stranger = lab.host("198.51.100.2/25")
        with Router(router_host, router_of(RouterKind.BIRD), tmp_path / "router"):
            async with Bfd(node, tmp_path / "bfd") as bfd:
                bfd.client.want({"router": SPEC})
                await bfd.until(State.UP)
                since = bfd.client.statuses["router"].since
                down = encode(ControlPacket(State.DOWN, 9, 0, 3, 50_000, 50_000))
                flood = f"""
import socket
s = socket.socket(type=socket.SOCK_DGRAM)
for ttl in (255, 64):
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    for payload in ({down!r}, {down[:20]!r}, {b"A" * 300!r}):
        for _ in range(500):
            s.sendto(payload, ("{NODE}", 3784))
"""
                await asyncio.to_thread(stranger.run, "python3", "-c", flood)
                await auntil(lambda: set(bfd.client.report.drops) == {"NoSession", "TooShort", "NotVersion1"}, describe=bfd.describe)
                near = flood.replace("(255, 64)", "(64,)").replace("500", "1")
                await asyncio.to_thread(router_host.run, "python3", "-c", near)
                await auntil(lambda: bfd.client.report.drops.get("WrongTTL"), describe=bfd.describe)
                assert (bfd.state(), bfd.client.statuses["router"].since) == (State.UP, since)
