"""Ten thousand IPs of each family, little kernel memory, and no privileges."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest

from baremetal_lb.host.errors import TemplateBuildFailed
from baremetal_lb.host.template_builder import build_templates
from baremetal_lb.l2.filter_plan import MAX_INSTRUCTIONS, plan_arp, plan_ndp
from baremetal_lb.model.net import IPAddress, Mac
from tests.support.announcing import AnnouncerProcess
from tests.support.frames import TEMPLATES, arp_request, solicitation
from tests.support.netns import Host, Lab
from tests.support.wire import Wire

pytestmark = pytest.mark.netns
COUNT = 10_000
V4 = [IPv4Address("10.0.0.0") + number * 977 for number in range(COUNT)]
V6 = [IPv6Address("2001:db8:5::") + number * 977 for number in range(COUNT)]
ALL = [str(ip) for ip in (*V4, *V6)]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture
def node(lab: Lab) -> Host:
    return lab.host("198.51.100.1/24", "2001:db8::1/64")


@pytest.fixture
def client(lab: Lab) -> Host:
    return lab.host("198.51.100.7/24", "2001:db8::7/64")


def answered(wire: Wire, mac: Mac, ips: Sequence[IPAddress]) -> int:
    """Ask, a few at a time, and count the IPs that were told; as a neighbour does, ask thrice at most (RFC 4861, section 10).

    Between here and the announcer's socket the kernel may drop a frame, when the machine is short of processor time.
    """
    missing = set(ips)
    for _ in range(3):
        for at in range(0, len(ips), 50):
            asked = missing.intersection(ips[at : at + 50])
            for ip in asked:
                wire.send(arp_request(ip, mac=mac) if isinstance(ip, IPv4Address) else solicitation(ip, mac=mac))
            missing -= wire.told(mac, asked, deadline_s=5)
    return len(ips) - len(missing)


def nothing_of_ours_is_lost(announcer: AnnouncerProcess) -> bool:
    """Whether each question that came as far as the socket was read and answered."""
    return not {"ReceiveBufferFull", "ReceiveFailed", "SendFailed"} & announcer.report()["drops"].keys()


def test_ten_thousand_ips_of_each_family_are_joined_and_answered(lab: Lab, node: Host, client: Host):
    node.set_sysctl("net.core.optmem_max", 20480)
    announcer = AnnouncerProcess(lab, node)
    report = announcer.announce(*ALL)
    assert (report["failed_joins"], report["failed_opens"]) == (0, 0)
    assert node.run("ip", "maddress", "show", "dev", "eth0").count("ff02::1:ff") >= COUNT
    mac = Mac.parse(client.mac)
    with Wire(client) as wire:
        assert answered(wire, mac, V4) == COUNT
        assert answered(wire, mac, V6) == COUNT
    assert nothing_of_ours_is_lost(announcer)


def test_with_hardly_any_kernel_memory_filters_are_coarser_and_all_is_answered(lab: Lab, node: Host, client: Host):
    node.set_sysctl("net.core.optmem_max", 3_000)
    announcer = AnnouncerProcess(lab, node)
    report = announcer.announce(*(str(ip) for ip in (*V4[:1_000], *V6[:100])))
    assert (report["failed_joins"], report["failed_opens"]) == (0, 0)
    assert node.run("ip", "maddress", "show", "dev", "eth0").count("ff02::1:ff") >= 100
    mac = Mac.parse(client.mac)
    with Wire(client) as wire:
        assert answered(wire, mac, V4[:1_000]) == 1_000
        assert answered(wire, mac, V6[:100]) == 100
    assert nothing_of_ours_is_lost(announcer)


def test_withdrawing_all_but_one_of_ten_thousand_leaves_the_one(lab: Lab, node: Host, client: Host):
    announcer = AnnouncerProcess(lab, node)
    announcer.announce(*ALL)
    announcer.announce(ALL[0], ALL[-1])
    mac = Mac.parse(client.mac)
    with Wire(client) as wire:
        for frame in (arp_request(ip, mac=mac) for ip in V4[9::-1]):
            wire.send(frame)
        for frame in (solicitation(ip, mac=mac) for ip in V6[-10:]):
            wire.send(frame)
        assert wire.told(mac, [V4[0], V6[-1]], deadline_s=5) == {V4[0], V6[-1]}
    assert announcer.report()["replies"] == {"arp": 1, "ndp": 1}
    assert node.run("ip", "maddress", "show", "dev", "eth0").count("ff02::1:ff") < 10


def test_filters_of_scattered_ips_are_within_their_bound():
    assert max(len(plan_arp(V4).program), len(plan_ndp(V6).program)) <= MAX_INSTRUCTIONS


def test_without_the_capability_the_error_says_what_is_missing(lab: Lab, node: Host):
    program = (
        "import asyncio\n"
        "from baremetal_lb.host.announcer import Announcer\n"
        "from baremetal_lb.host.errors import MissingCapability\n"
        "async def main():\n"
        "    try:\n"
        "        async with Announcer(): print('entered')\n"
        "    except MissingCapability as error: print(error)\n"
        "asyncio.run(main())\n"
    )
    output = node.run("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", sys.executable, "-c", program)
    assert "takes the capability NET_RAW" in output


def test_net_raw_alone_is_enough(lab: Lab, node: Host, client: Host):
    only = ("setpriv", "--bounding-set", "-all,+net_raw", "--inh-caps", "-all,+net_raw", "--no-new-privs")
    announcer = AnnouncerProcess(lab, node, wrapper=only)
    announcer.announce(ALL[0], ALL[-1])
    mac = Mac.parse(client.mac)
    with Wire(client) as wire:
        assert answered(wire, mac, V4[:1]) == 1
        assert answered(wire, mac, V6[-1:]) == 1


async def test_the_child_process_builds_the_templates_that_scapy_builds_here():
    assert await build_templates() == TEMPLATES


async def test_without_scapy_the_error_names_it():
    with pytest.raises(TemplateBuildFailed, match=r"scapy failed: .*No module named"):
        await build_templates(module="baremetal_lb.frames_without_scapy")


async def test_a_builder_that_hangs_is_ended():
    with pytest.raises(TemplateBuildFailed, match="more than"):
        await build_templates(0.01)


async def test_a_builder_that_prints_something_else_is_refused():
    with pytest.raises(TemplateBuildFailed, match="other templates"):
        await build_templates(module="this")


def test_templates_need_no_hardware_address():
    assert all(frame[:12] == bytes(12) for frame in (TEMPLATES.arp_reply, TEMPLATES.arp_request, TEMPLATES.solicited_advertisement))


def test_the_builder_is_a_command_that_prints_its_templates():
    output = subprocess.run([sys.executable, "-m", "baremetal_lb.frames"], capture_output=True, text=True, check=True).stdout
    assert "arp_reply" in output
