"""The configuration that docs/bgp.md tells people to give their FRR does what the page says."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bgp.session import TtlMode
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.bgp import GRACEFUL_SHUTDOWN, BFDProfile
from baremetal_lb.packet.bfd import State
from tests.support.bfd import Bfd
from tests.support.driving import Driving
from tests.support.interop import FEATURES, V4, rib
from tests.support.netns import Lab
from tests.support.routers import Router
from tests.support.wait import auntil

pytestmark = pytest.mark.netns
PAGE = Path(__file__).resolve().parents[3] / "docs" / "bgp.md"
ROUTER, NODES = "198.51.100.1", ("198.51.100.11", "198.51.100.12")


def documented() -> str:
    """The block of the page that begins with the community list."""
    block = PAGE.read_text().split("In FRR:\n\n")[1].split("\n\n*")[0]
    return "\n".join(line.removeprefix("    ") for line in block.splitlines())


async def test_nodes_of_a_range_have_sessions_with_bfd_and_ecmp_and_leave_with_notice(tmp_path: Path):
    # FRR runs its bfdd only where a session of the lab has a profile; this one is with nobody.
    nobody = RouterSession("nobody", 64999, ip_address("198.51.100.250"), bfd=BFDProfile("slow"))
    spec = RouterSpec(RouterKind.FRR, 64512, IPv4Address(ROUTER), (nobody,), has_graceful_shutdown_policy=False)
    with Lab() as lab:
        at, hosts = lab.host(f"{ROUTER}/24"), [lab.host(f"{node}/24") for node in NODES]
        with Router(at, spec, tmp_path / "router") as router:
            (tmp_path / "router" / "documented.conf").write_text(documented() + "\nend\n")
            router.control("vtysh", "-f", str(tmp_path / "router" / "documented.conf"))
            base = replace(FEATURES[0].session(), local_asn=64600, peer_asn=64512, ttl=TtlMode.MULTIHOP, is_graceful_restart=True)
            async with (
                Driving(hosts[0], tmp_path / "e0") as first,
                Driving(hosts[1], tmp_path / "e1") as second,
                Bfd(hosts[0], tmp_path / "b0") as bfd,
            ):
                for driving, node in zip((first, second), NODES, strict=True):
                    own = replace(base, local=ip_address(node), router_id=IPv4Address(node))
                    driving.engine.want_sessions({"router": own})
                    driving.engine.want_routes("router", rib(V4))
                await auntil(lambda: router.kernel_routes().get(V4) == set(NODES), 30, router.describe)
                bfd.client.want({"router": BfdSpec("router", ip_address(ROUTER), ip_address(NODES[0]))})
                await bfd.until(State.UP)
                leaving = replace(next(iter(rib(V4).values())), communities=(GRACEFUL_SHUTDOWN,), as_path_prepend=1)
                first.engine.want_routes("router", rib(V4, attributes=leaving))
                await auntil(lambda: router.kernel_routes().get(V4) == {NODES[1]}, 20, router.describe)
                assert {path.next_hops[0]: path.local_pref for path in router.table()[V4]} == {NODES[0]: 0, NODES[1]: 100}
