"""The engine as a process, with the real ExaBGP and real routers: what happens to routes when the speaker, ExaBGP or the Pod goes."""

import asyncio
import os
import signal
import socket
import stat
import sys
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from baremetal_lb.bgp.session import Attributes, SessionSpec
from baremetal_lb.lab.processes import ProcessId
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.net import Family
from tests.support.driving import Driving
from tests.support.netns import Host, Lab
from tests.support.route_monitor import RouteMonitor
from tests.support.routers import Router
from tests.support.wait import auntil, until

pytestmark = pytest.mark.netns

NODE, ROUTER, ABSENT = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.11"), IPv4Address("198.51.100.99")
V4 = frozenset({Family.IPV4})
PREFIXES = {f"203.0.113.{number}/32" for number in range(1, 31)}
ROUTES = {ip_network(prefix): Attributes() for prefix in PREFIXES}


def session(name: str = "router", remote: IPv4Address = ROUTER, **changes: object) -> SessionSpec:
    values = {"peer_asn": 65001, "local": NODE, "hold_time_s": 9, "is_graceful_restart": True, "families": V4, **changes}
    return SessionSpec(name, remote, 65000, NODE, **values)


def router(host: Host, directory: Path, kind: RouterKind = RouterKind.BIRD) -> Router:
    return Router(host, RouterSpec(kind, 65001, ROUTER, (RouterSession("node", 65000, NODE, families=V4),)), directory)


def hosts(lab: Lab) -> tuple[Host, Host]:
    return lab.host(f"{NODE}/24"), lab.host(f"{ROUTER}/24")


async def advertise(driving: Driving, at: Router, *others: SessionSpec) -> None:
    specs = (session(), *others)
    driving.engine.want_sessions({spec.peer: spec for spec in specs})
    for spec in specs:
        driving.engine.want_routes(spec.peer, ROUTES)
    await auntil(lambda: set(at.kernel_routes()) == PREFIXES, 20, lambda: (driving.describe(), at.describe()))


async def end_pod(driving: Driving) -> None:
    """End the speaker, then the engine, as a kubelet does."""
    await driving.end_speaker()
    assert driving.process is not None
    driving.process.terminate()
    assert await driving.wait_process() == 0


def is_empty(driving: Driving, at: Router):
    return auntil(lambda: not at.kernel_routes(), 10, lambda: (at.kernel_routes(), driving.describe(), at.describe()))


@pytest.mark.parametrize("kind", [RouterKind.FRR, RouterKind.BIRD], ids=lambda kind: kind.value)
async def test_the_end_of_the_pod_leaves_no_route_behind_under_graceful_restart_though_a_peer_is_away(kind: RouterKind, tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r", kind) as there:
            async with Driving(node, tmp_path / "e") as driving:
                await advertise(driving, there, session("absent", ABSENT))
                await end_pod(driving)
                await is_empty(driving, there)
                assert '"reason": "Stopping"' in driving.log.read_text()


@pytest.mark.parametrize("kind", [RouterKind.FRR, RouterKind.BIRD], ids=lambda kind: kind.value)
async def test_a_signal_to_all_processes_of_a_node_that_shuts_down_leaves_no_route_behind(kind: RouterKind, tmp_path: Path):
    """ExaBGP and its helper come first here, as they may when systemd stops everything at once: only the engine's end is to count."""
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r", kind) as there:
            async with Driving(node, tmp_path / "e") as driving:
                await advertise(driving, there)
                exabgp, helper = driving.engine.pid, helper_of(driving.engine.pid)
                assert exabgp is not None
                assert helper is not None
                for pid in (exabgp, helper):
                    os.kill(pid, signal.SIGTERM)
                await end_pod(driving)
                await is_empty(driving, there)
                assert '"event": "exabgp_ended"' not in driving.log.read_text()


async def test_a_speaker_that_is_gone_keeps_its_routes_until_the_limit_and_gets_them_back_when_it_returns(tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e", "--speaker-loss-limit-s", "3") as driving:
                beating = asyncio.create_task(driving.beat(0.5))
                await advertise(driving, there)
                beating.cancel()
                await driving.end_speaker()
                await is_empty(driving, there)
                await auntil(lambda: '"reason": "SpeakerLost"' in driving.log.read_text(), describe=driving.describe)
                driving.start_speaker()
                beating = asyncio.create_task(driving.beat(0.5))
                await advertise(driving, there)
                beating.cancel()


async def test_a_speaker_whose_loop_hangs_is_lost_though_its_connection_is_open_and_is_told(tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e", "--speaker-loss-limit-s", "2") as driving:
                beating = asyncio.create_task(driving.beat(0.5))
                await advertise(driving, there)
                beating.cancel()
                await is_empty(driving, there)
                # It wakes up: reads anew what ExaBGP holds, and sends what is missing.
                beating = asyncio.create_task(driving.beat(0.5))
                await auntil(lambda: set(there.kernel_routes()) == PREFIXES, 10, driving.describe)
                beating.cancel()


async def test_a_hung_exabgp_is_killed_and_its_routes_come_back_without_a_move(tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e", "--stall-limit-s", "2") as driving:
                await advertise(driving, there)
                await auntil(driving.engine.is_settled, describe=driving.describe)
                epoch, pid = driving.engine.epoch, driving.engine.pid
                assert pid is not None
                with RouteMonitor(at) as monitor:
                    os.kill(pid, signal.SIGSTOP)
                    await auntil(lambda: driving.engine.epoch != epoch, 20, driving.describe)
                    await auntil(driving.engine.is_settled, 20, driving.describe)
                    assert monitor.removals() == []
                assert '"reason": "EngineHung"' in driving.log.read_text()


async def test_a_killed_helper_moves_nothing_and_its_sixth_death_is_one_of_exabgp(tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                await advertise(driving, there)
                await auntil(driving.engine.is_settled, describe=driving.describe)
                epoch = driving.engine.epoch
                with RouteMonitor(at) as monitor:
                    for _ in range(6):
                        helper = await auntil(lambda: helper_of(driving.engine.pid), describe=driving.describe)
                        os.kill(helper, signal.SIGKILL)
                        await auntil(
                            lambda dead=helper: helper_of(driving.engine.pid) not in (None, dead) or driving.engine.epoch != epoch, 20
                        )
                    await auntil(lambda: driving.engine.epoch != epoch, 20, driving.describe)
                    await auntil(driving.engine.is_settled, 20, driving.describe)
                    assert monitor.removals() == []


def helper_of(exabgp: int | None) -> int | None:
    """Return the process of ExaBGP's helper."""
    try:
        children = Path(f"/proc/{exabgp}/task/{exabgp}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


async def test_a_killed_engine_leaves_no_process_behind(tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                await advertise(driving, there)
                pid = driving.engine.pid
                assert pid is not None
                left = [ProcessId.of(each) for each in (pid, helper_of(pid)) if each is not None]
                assert driving.process is not None
                driving.process.kill()
                await driving.wait_process()
                await auntil(lambda: not any(process is not None and process.is_running for process in left), describe=driving.describe)
                # A new one starts from the file that is there, before any speaker says a word, and no route moves.
                with RouteMonitor(at) as monitor:
                    (driving.directory / "engine.sock").unlink()
                    await driving.start_process()
                    await auntil(lambda: there.is_up("node"), 30, lambda: (driving.describe(), there.describe()))
                    await auntil(driving.engine.is_settled, 20, driving.describe)
                    assert monitor.removals() == []


async def test_a_speaker_that_reads_nothing_costs_no_session(tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                await advertise(driving, there)
                await driving.end_speaker()
                deaf = socket.socket(socket.AF_UNIX)
                deaf.connect(str(driving.directory / "engine.sock"))
                deaf.settimeout(20)
                command = b"do show adj-rib out extensive\n"
                with RouteMonitor(at) as monitor:
                    deaf.sendall(command * 500)
                    # The engine answers somebody else while that one is deaf: a new speaker, which replaces it.
                    driving.start_speaker()
                    await advertise(driving, there)
                    await auntil(driving.engine.is_settled, 60, driving.describe)
                    assert monitor.removals() == []
                deaf.close()


async def test_half_a_line_of_a_speaker_that_died_is_no_command_and_joins_no_other(tmp_path: Path):
    with Lab() as lab:
        node, at = hosts(lab)
        with router(at, tmp_path / "r") as there:
            async with Driving(node, tmp_path / "e") as driving:
                await advertise(driving, there)
                await driving.end_speaker()
                dying = socket.socket(socket.AF_UNIX)
                dying.connect(str(driving.directory / "engine.sock"))
                dying.sendall(b"do withdraw route 203.0.113.1/32")
                dying.close()
                with RouteMonitor(at) as monitor:
                    driving.start_speaker()
                    await advertise(driving, there)
                    await auntil(driving.engine.is_settled, 20, driving.describe)
                    assert monitor.removals() == []


async def test_only_the_owner_can_read_what_has_passwords_and_no_process_list_or_log_shows_one(tmp_path: Path):
    password = "correct-horse-battery"
    with Lab() as lab:
        node, _at = hosts(lab)
        async with Driving(node, tmp_path / "e") as driving:
            spec = session(password=password)
            driving.engine.want_sessions({"router": spec})
            driving.engine.want_routes("router", ROUTES)
            config = driving.directory / "exabgp.conf"
            await auntil(lambda: "md5-password" in config.read_text(), describe=driving.describe)
            assert stat.S_IMODE(driving.directory.stat().st_mode) == 0o700
            for path in driving.directory.iterdir():
                assert stat.S_IMODE(path.stat().st_mode) & 0o177 == 0, path
            said = driving.log.read_text() + repr(spec) + repr(driving.describe())
            pid = driving.engine.pid
            for process in (driving.process.pid if driving.process else None, pid, helper_of(pid)):
                said += Path(f"/proc/{process}/cmdline").read_text() + Path(f"/proc/{process}/environ").read_text()
            assert password not in said
            assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in said


def test_a_directory_of_somebody_else_is_refused_with_a_sentence(tmp_path: Path):
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, 12345, 12345)
    with Lab() as lab:
        node, _at = hosts(lab)
        log = tmp_path / "log"
        with log.open("w") as out:
            process = node.popen(sys.executable, "-m", "baremetal_lb.engine", "--runtime-dir", str(directory), stdout=out, stderr=out)
        until(lambda: process.poll() is not None)
        assert process.returncode == 1
        assert "--runtime-dir" in log.read_text()
