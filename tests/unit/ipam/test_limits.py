"""What people write may be long; what is recorded is not."""

from dataclasses import replace

import pytest

from baremetal_lb.api.allocation import PORTS_MAX, SERVICES_MAX, from_manifest, to_manifest
from baremetal_lb.api.base import TEXT_MAX
from baremetal_lb.ipam import sharing
from baremetal_lb.ipam.allocator import decide
from baremetal_lb.ipam.decision import MESSAGE_MAX
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.views import Port
from tests.support.ipam_world import World, pool, service

MANY = tuple(Port("TCP", number) for number in range(1, PORTS_MAX + 2))


def test_the_limits_are_those_of_an_entry():
    assert (sharing.KEY_MAX, sharing.PORTS_MAX, sharing.SHARERS_MAX) == (TEXT_MAX, PORTS_MAX, SERVICES_MAX)


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"sharing_key": "k" * 1025}, "SharingKeyTooLong"), ({"sharing_key": "k", "ports": MANY}, "TooManyPorts")],
)
def test_a_service_that_asks_for_more_sharing_than_can_be_recorded_gets_no_ip_and_loses_none(more, reason):
    world = World(pool("a", "198.51.100.0/24")).put(service("old"), service("new", **more))
    world.put(service("old", **more))
    assert (world.ips("old"), world.reason("old")) == ("198.51.100.0", reason)
    assert (world.ips("new"), world.reason("new")) == ("", reason)


def test_every_entry_can_be_written_and_read():
    selector = ",".join(f"key-{n}={'v' * 63}" for n in range(100))
    world = World(pool("a", "198.51.100.0/24"))
    world.put(replace(service("ports"), ports=MANY))
    world.put(service("one", shares="k", ports="TCP/1", local=selector), service("two", shares="k", ports="TCP/2", local=selector))
    world.put(service("three", shares="k", ports="TCP/3", local=selector + ",x=y"))
    assert world.ips("one") == world.ips("two") != world.ips("three")
    for entry in world.entries:
        assert from_manifest(to_manifest(entry, BAREMETAL_LB)) == entry


def test_an_ip_has_no_more_sharers_than_an_entry_can_hold():
    world = World(pool("a", "198.51.100.0/24"))
    world.put(*(service(f"s{n:03}", shares="k", ports=f"TCP/{n + 1}") for n in range(SERVICES_MAX + 1)))
    assert len(world.entries[0].services) == SERVICES_MAX
    assert world.ips(f"s{SERVICES_MAX:03}") == "198.51.100.1"


def test_the_message_of_a_condition_is_bounded():
    world = World(pool("a", "198.51.100.0/24"))
    decision = decide(service("s", ips="x" * 100_000), Ledger(world.configuration), namespaces={}, now_utc=0)
    message = decision.condition(BAREMETAL_LB).message
    assert len(message) == MESSAGE_MAX
    assert message.endswith("...")
