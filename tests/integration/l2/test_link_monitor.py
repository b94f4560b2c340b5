"""The link monitor when the kernel loses events: it asks anew only when it has read all that was left."""

import asyncio

import pytest

from baremetal_lb.host.counters import AnnouncerCounters
from baremetal_lb.host.link_monitor import LinkMonitor
from baremetal_lb.l2.links import LinkTable
from tests.support.netns import Lab

pytestmark = pytest.mark.netns


def test_links_whose_end_was_lost_do_not_come_back_from_older_events():
    with Lab() as lab:
        node = lab.host("198.51.100.1/24")
        node.run("ip", "link", "add", "busy", "type", "bridge")
        changes = "".join(f"link set busy mtu {1400 + number % 2}\n" for number in range(2_000))

        async def until_it_knows() -> AnnouncerCounters:
            counters, knows = AnnouncerCounters(), asyncio.Event()

            def on_change(table: LinkTable) -> None:
                if {link.name for link in table.links.values()} == {"lo", "eth0", "last"}:
                    knows.set()

            # Asks anew at once: what waits in the socket is not read yet.
            async with asyncio.timeout(10), LinkMonitor(on_change, counters, retry_s=0):
                node.run("ip", "-batch", "-", text=changes + "link del busy\nlink add last type bridge\n")
                await knows.wait()
            return counters

        assert node.call(lambda: asyncio.run(until_it_knows())).link_resyncs >= 1  # more when a dump was interrupted
