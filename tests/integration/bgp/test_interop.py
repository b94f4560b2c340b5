"""The interoperability matrix: each feature between our engine (ExaBGP, driven as the speaker drives it) and each real router."""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from baremetal_lb.bgp.session import Rib, SessionSpec, SessionStateName
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.net import Family
from tests.support.discovering import Discovering
from tests.support.driving import Driving
from tests.support.interop import FAR, FEATURES, NODE, NODE6, ROUTER, ROUTER6, V4, V6, Feature, rib
from tests.support.netns import Host, Lab
from tests.support.route_monitor import RouteMonitor
from tests.support.routers import Router
from tests.support.wait import auntil, until

pytestmark = pytest.mark.netns
BY_NAME = {feature.name: feature for feature in FEATURES}


def kinds_of(name: str):
    return pytest.mark.parametrize("kind", [kind for kind in RouterKind if kind not in BY_NAME[name].cannot], ids=lambda kind: kind.value)


def hosts(lab: Lab) -> tuple[Host, Host]:
    """A router and a node, and the node's second address, one hop behind it."""
    router, node = lab.host(f"{ROUTER}/25", f"{ROUTER6}/64"), lab.host(f"{NODE}/25", f"{NODE6}/64")
    node.run("ip", "address", "add", f"{FAR}/32", "dev", "lo")
    router.run("ip", "route", "add", f"{FAR}/32", "via", NODE)
    return router, node


def want(driving: Driving, sessions: Mapping[str, SessionSpec], routes: Rib) -> None:
    driving.engine.want_sessions(sessions)
    for name in sessions:
        driving.engine.want_routes(name, routes)


def seen(driving: Driving, router: Router):
    return lambda: (router.kernel_routes(), driving.describe(), router.describe())


CELLS = [
    pytest.param(feature, kind, id=f"{feature.name}-{kind.value}")
    for feature in FEATURES
    for kind in RouterKind
    if not feature.has_own_test and kind not in feature.cannot
]


@pytest.mark.parametrize(("feature", "kind"), CELLS)
async def test_routes_reach_the_router_with_their_attributes_and_leave_it(feature: Feature, kind: RouterKind, tmp_path: Path):
    prefixes = {str(prefix) for prefix in feature.rib}
    with Lab() as lab:
        router_host, node_host = hosts(lab)
        with Router(router_host, feature.router_spec(kind), tmp_path / "router") as router:
            async with Driving(node_host, tmp_path / "engine") as driving:
                want(driving, {"router": feature.session()}, feature.rib)
                await auntil(lambda: set(router.kernel_routes()) == prefixes, 20, seen(driving, router))
                table = router.table()
                assert set(table) == prefixes
                feature.check(table)
                gateways = frozenset().union(*router.kernel_routes().values())
                assert {each for each in gateways if not each.startswith("fe80:")} <= feature.gateways
                state = driving.engine.states["router"]
                assert (state.state, state.peer_asn) == (SessionStateName.ESTABLISHED, feature.router_asn)
                want(driving, {"router": feature.session()}, {})
                await auntil(lambda: not router.kernel_routes(), describe=seen(driving, router))
                assert router.is_up("node")


@kinds_of("graceful restart")
async def test_a_killed_exabgp_moves_no_route_and_a_planned_end_leaves_none(kind: RouterKind, tmp_path: Path):
    feature = BY_NAME["graceful restart"]
    sessions = {"router": feature.session()}
    with Lab() as lab:
        router_host, node_host = hosts(lab)
        with Router(router_host, feature.router_spec(kind), tmp_path / "router") as router:
            async with Driving(node_host, tmp_path / "engine") as driving:
                want(driving, sessions, feature.rib)
                await auntil(lambda: len(router.kernel_routes()) == 2, 20, seen(driving, router))
                await auntil(driving.engine.is_settled, describe=seen(driving, router))
                with RouteMonitor(router_host) as monitor:
                    epoch, pid = driving.engine.epoch, driving.engine.pid
                    assert pid is not None
                    os.kill(pid, signal.SIGKILL)
                    # What is withdrawn meanwhile goes with the End-of-RIB of the new session, and nothing else does.
                    want(driving, sessions, rib(V4))
                    await auntil(lambda: driving.engine.epoch != epoch, describe=driving.describe)
                    await auntil(lambda: set(router.kernel_routes()) == {V4}, 60, seen(driving, router))
                    assert [event.prefix for event in monitor.removals()] == ["203.0.113.2/32"]
                    assert driving.engine.states["router"].state is SessionStateName.ESTABLISHED
                want(driving, {}, {})
                await auntil(lambda: not router.kernel_routes(), describe=seen(driving, router))
                await auntil(lambda: not router.is_up("node"), describe=seen(driving, router))


@kinds_of("unnumbered")
async def test_a_link_without_addresses_carries_routes_of_both_families(kind: RouterKind, tmp_path: Path):
    session = RouterSession("node", None, interface="eth0", has_extended_next_hop=True)
    spec = RouterSpec(kind, 65001, IPv4Address(ROUTER), (session,))
    with Lab() as lab:
        router_host, node_host = lab.host(), lab.host()
        with Router(router_host, spec, tmp_path / "router") as router, Discovering(node_host, ["eth0"]) as discovering:
            found = discovering.discovery
            until(lambda: found.routers.get("eth0"))
            ours = found.own["eth0"]
            wanted = replace(
                BY_NAME["IPv4"].session(),
                remote=found.routers["eth0"],
                local=ours,
                interface="eth0",
                families=frozenset(Family),
                has_extended_next_hop=True,
                next_hops=((Family.IPV4, ours), (Family.IPV6, ours)),
            )
            async with Driving(node_host, tmp_path / "engine") as driving:
                want(driving, {"router": wanted}, rib(V4, V6))
                await auntil(lambda: router.kernel_routes() == {V4: {str(ours)}, V6: {str(ours)}}, 20, seen(driving, router))
