"""Routes from the driver through the real ExaBGP into the kernel of a real router, and what moves there when things end and return."""

import dataclasses
import os
import signal
from ipaddress import IPv4Address, IPv4Network, ip_network
from pathlib import Path

import pytest

from baremetal_lb.bgp.session import Attributes, SessionSpec, SessionStateName
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.bgp import Community, DynamicASN, LargeCommunity
from baremetal_lb.model.net import Family
from tests.support.driving import Driving
from tests.support.netns import Host, Lab
from tests.support.route_monitor import RouteMonitor
from tests.support.routers import Router
from tests.support.wait import auntil

pytestmark = pytest.mark.netns

NODE, ROUTERS = IPv4Address("198.51.100.1"), (IPv4Address("198.51.100.11"), IPv4Address("198.51.100.12"))
V4 = frozenset({Family.IPV4})
RICH = Attributes(med=50, communities=(Community(65000, 1),), large_communities=(LargeCommunity(65000, 1, 2),), as_path_prepend=1)


def spec(number: int = 0, **changes: object) -> SessionSpec:
    base = SessionSpec(
        f"router{number}",
        ROUTERS[number],
        65000,
        NODE,
        peer_asn=65001 + number,
        local=NODE,
        hold_time_s=9,
        is_graceful_restart=True,
        families=V4,
    )
    return dataclasses.replace(base, **changes)


def router(host: Host, directory: Path, number: int = 0, **session: object) -> Router:
    wanted = RouterSession("node", 65000, NODE, families=V4, **session)
    return Router(host, RouterSpec(RouterKind.BIRD, 65001 + number, ROUTERS[number], (wanted,)), directory)


def rib(first: int, last: int, attributes: Attributes = RICH) -> dict[IPv4Network, Attributes]:
    return {ip_network(f"203.0.113.{number}/32"): attributes for number in range(first, last)}


def hosts(lab: Lab) -> tuple[Host, Host, Host]:
    return lab.host(f"{NODE}/24"), lab.host(f"{ROUTERS[0]}/24"), lab.host(f"{ROUTERS[1]}/24")


def want(driving: Driving, specs: list[SessionSpec], routes: dict, **options: frozenset[str]) -> None:
    driving.engine.want_sessions({each.peer: each for each in specs}, **options)
    for each in specs:
        driving.engine.want_routes(each.peer, routes)


async def reach(driving: Driving, at: Router, routes: dict) -> None:
    await auntil(lambda: set(at.kernel_routes()) == {str(prefix) for prefix in routes}, 20, lambda: (driving.describe(), at.describe()))


async def settle(driving: Driving) -> None:
    await auntil(driving.engine.is_settled, 20, driving.describe)


async def test_a_speaker_that_starts_again_moves_nothing_and_then_sends_the_difference_alone(tmp_path: Path):
    with Lab() as lab:
        node, one, _two = hosts(lab)
        with router(one, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec()], rib(1, 20))
                await reach(driving, there, rib(1, 20))
                assert there.table()["203.0.113.1/32"][0].as_path == (65000, 65000)
                with RouteMonitor(one) as monitor:
                    await driving.restart_speaker()
                    await auntil(lambda: driving.engine.problem is None, describe=driving.describe)
                    assert not driving.engine.is_settled()
                    want(driving, [spec()], rib(1, 20))
                    await settle(driving)
                    assert driving.engine.states["router0"].routes_advertised == 19
                    want(driving, [spec()], rib(2, 21))
                    await reach(driving, there, rib(2, 21))
                    assert {(event.is_removal, event.prefix) for event in monitor.events()} == {
                        (True, "203.0.113.1/32"),
                        (False, "203.0.113.20/32"),
                    }


async def test_a_killed_exabgp_comes_back_with_the_exact_routes_and_none_moves(tmp_path: Path):
    with Lab() as lab:
        node, one, _two = hosts(lab)
        with router(one, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec()], rib(1, 20))
                await reach(driving, there, rib(1, 20))
                await settle(driving)
                epoch, pid = driving.engine.epoch, driving.engine.pid
                assert pid is not None
                with RouteMonitor(one) as monitor:
                    os.kill(pid, signal.SIGKILL)
                    want(driving, [spec()], rib(5, 20))
                    await auntil(lambda: driving.engine.epoch != epoch, describe=driving.describe)
                    await reach(driving, there, rib(5, 20))
                    assert {event.prefix for event in monitor.removals()} == {str(prefix) for prefix in rib(1, 5)}


async def test_a_session_that_is_left_leaves_no_stale_route_and_the_other_is_untouched(tmp_path: Path):
    with Lab() as lab:
        node, one, two = hosts(lab)
        with router(one, tmp_path / "r1") as first, router(two, tmp_path / "r2", 1) as second:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec(), spec(1)], rib(1, 20))
                await reach(driving, first, rib(1, 20))
                await reach(driving, second, rib(1, 20))
                with RouteMonitor(one) as monitor:
                    want(driving, [spec()], rib(1, 20))
                    await reach(driving, second, {})
                    await settle(driving)
                    assert set(driving.engine.states) == {"router0"}
                    want(driving, [spec(), spec(1)], rib(1, 20))
                    await reach(driving, second, rib(1, 20))
                    assert monitor.events() == []


@pytest.mark.parametrize(
    "changes",
    [{"router_id": ROUTERS[1]}, {"hold_time_s": 30}, {"is_graceful_restart": False}, {"password": 's3;c"r{t'}],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_changed_session_comes_back_with_its_routes(changes: dict, tmp_path: Path):
    with Lab() as lab:
        node, one, _two = hosts(lab)
        async with Driving(node, tmp_path / "e") as driving:
            with router(one, tmp_path / "r1") as first:
                want(driving, [spec()], rib(1, 20))
                await reach(driving, first, rib(1, 20))
                if "password" not in changes:
                    want(driving, [spec(**changes)], rib(1, 20))
                    await settle(driving)
                    await auntil(lambda: driving.engine.states["router0"].state is SessionStateName.ESTABLISHED, 20, driving.describe)
                    await settle(driving)
                    await reach(driving, first, rib(1, 20))
                    return
            with router(one, tmp_path / "r2", password="abcdef") as second:
                want(driving, [spec(password="abcdef")], rib(1, 20))
                await reach(driving, second, rib(1, 20))
                assert "abcdef" not in repr(driving.engine.states) + (tmp_path / "e" / "exabgp.conf").read_text()
                assert (tmp_path / "e" / "exabgp.conf").stat().st_mode & 0o777 == 0o600


async def test_a_peer_that_is_not_there_keeps_no_other_from_coming_and_going(tmp_path: Path):
    """With routes queued for a dead peer ExaBGP drops reloads; so there are none, and what is dropped all the same is told again."""
    with Lab() as lab:
        node, one, _two = hosts(lab)
        with router(one, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec(1)], rib(1, 20))
                await settle(driving)
                want(driving, [spec(), spec(1)], rib(1, 20))
                await reach(driving, there, rib(1, 20))
                assert driving.engine.states["router1"].routes_advertised == 0
                await settle(driving)
                assert driving.engine.problem is None


async def test_a_peer_that_was_cut_off_is_left_though_it_reads_nothing(tmp_path: Path):
    with Lab() as lab:
        node, one, _two = hosts(lab)
        with router(one, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec(is_graceful_restart=False)], rib(1, 20))
                await reach(driving, there, rib(1, 20))
                await settle(driving)
                one.cut()
                want(driving, [], {})
                await settle(driving)
                one.heal()
                await reach(driving, there, {})
                want(driving, [spec(is_graceful_restart=False)], rib(1, 20))
                await reach(driving, there, rib(1, 20))


async def test_a_session_that_flaps_has_its_new_routes_only(tmp_path: Path):
    with Lab() as lab:
        node, one, _two = hosts(lab)
        with router(one, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec()], rib(1, 20))
                await reach(driving, there, rib(1, 20))
                there.control("birdc", "disable", "node", '"maintenance at noon"')
                await auntil(lambda: driving.engine.states["router0"].last_error, describe=driving.describe)
                error = driving.engine.states["router0"].last_error
                assert error is not None
                assert (error.direction, error.code, error.subcode) == ("Received", 6, 2)
                assert error.message == 'Cease, Administrative Shutdown: "maintenance at noon"'
                want(driving, [spec()], rib(10, 30))
                there.control("birdc", "enable", "node")
                await reach(driving, there, rib(10, 30))
                await settle(driving)


async def test_the_number_of_an_external_peer_is_learned_and_our_own_is_refused(tmp_path: Path):
    dynamic = spec(peer_asn=None, dynamic_asn=DynamicASN.EXTERNAL)
    with Lab() as lab:
        node, one, _two = hosts(lab)
        async with Driving(node, tmp_path / "e") as driving:
            with router(one, tmp_path / "r") as there:
                want(driving, [dynamic], rib(1, 20))
                await reach(driving, there, rib(1, 20))
                await settle(driving)
                assert driving.engine.states["router0"].peer_asn == 65001
                with RouteMonitor(one) as monitor:
                    await driving.restart_speaker()
                    want(driving, [dynamic], rib(1, 20))
                    await settle(driving)
                    assert monitor.events() == []
        async with Driving(node, tmp_path / "e2") as driving:
            spec_of_router = RouterSpec(RouterKind.BIRD, 65000, ROUTERS[0], (RouterSession("node", 65000, NODE, families=V4),))
            with Router(one, spec_of_router, tmp_path / "r2"):
                want(driving, [dynamic], rib(1, 20))
                await auntil(lambda: driving.engine.states["router0"].last_error, 20, driving.describe)
                error = driving.engine.states["router0"].last_error
                assert error is not None
                assert "own AS number" in error.message
                assert driving.engine.states["router0"].routes_advertised == 0


async def test_a_session_that_exabgp_refuses_is_named_and_the_others_work(tmp_path: Path):
    with Lab() as lab:
        node, one, _two = hosts(lab)
        with router(one, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec(), spec(1, hold_time_s=2)], rib(1, 20))
                await reach(driving, there, rib(1, 20))
                await auntil(lambda: driving.engine.states["router1"].last_error, 20, driving.describe)
                error = driving.engine.states["router1"].last_error
                assert error is not None
                assert error.direction == "Local"
                assert "hold" in error.message
                want(driving, [spec(), spec(1)], rib(1, 20))
                await settle(driving)


async def test_five_thousand_routes_reach_the_router_and_a_withdrawal_is_not_behind_them(tmp_path: Path):
    many = {ip_network((0x0A000000 + number, 32)): RICH for number in range(5000)}
    urgent = rib(1, 2)
    with Lab() as lab:
        node, one, _two = hosts(lab)
        with router(one, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                want(driving, [spec()], urgent)
                await reach(driving, there, urgent)
                with RouteMonitor(one) as monitor:
                    want(driving, [spec()], urgent | many)
                    await auntil(monitor.events, describe=driving.describe)
                    want(driving, [spec()], many)
                    await auntil(monitor.removals, describe=driving.describe)
                    assert len([event for event in monitor.events() if event.at < monitor.removals()[0].at]) < 2000
                await reach(driving, there, many)
                want(driving, [spec()], {})
                await reach(driving, there, {})
                await settle(driving)
