"""Peers that misbehave: whatever one of them says or does, the others keep their routes, ExaBGP stays, and the reason can be read."""

import random
from dataclasses import replace
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest

from baremetal_lb.bgp.session import Attributes, SessionSpec, SessionStateName
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.net import Family
from tests.support.bgp_peer import Conversation, ScriptedPeer, Stage, reset_at, say, stay_silent
from tests.support.bgp_wire import (
    KEEPALIVE,
    NOTIFICATION,
    OPEN,
    ROUTE_REFRESH,
    UPDATE,
    announce,
    message,
    notification,
    open_message,
    update,
)
from tests.support.driving import Driving
from tests.support.netns import Lab
from tests.support.route_monitor import RouteMonitor
from tests.support.routers import Router
from tests.support.wait import auntil

pytestmark = pytest.mark.netns

NODE, GOOD, BAD = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.11"), IPv4Address("198.51.100.12")
V4 = frozenset({Family.IPV4})
PREFIXES = {f"203.0.113.{number}/32" for number in range(1, 21)}
ROUTES = {ip_network(prefix): Attributes() for prefix in PREFIXES}
_GOOD = SessionSpec("good", GOOD, 65000, NODE, peer_asn=65001, local=NODE, hold_time_s=9, families=V4)
SESSIONS = {"good": _GOOD, "bad": replace(_GOOD, peer="bad", remote=BAD, peer_asn=65002)}
FLAPS = 60
GROWTH_MAX_KIB = 30 * 1024
"""Of ExaBGP's memory, over what it has with both peers: a peer's largest message is 64 KiB."""

NOISE = random.Random(4271).randbytes(4000)


def flap(conversation: Conversation) -> None:
    """Come up, and go at once."""
    conversation.establish()
    conversation.reset()


def flood(conversation: Conversation) -> None:
    """Announce forty thousand routes that nobody asked for."""
    conversation.establish()
    for number in range(200):
        conversation.send(announce([65002], str(BAD), *(f"10.{number}.1.{low}/32" for low in range(200))))
    conversation.listen()


def opening(body: bytes) -> bytes:
    return message(OPEN, body)


USUAL = open_message(65002, str(BAD))
SCRIPTS = {
    "never speaks": stay_silent,
    **{f"resets when it is {stage.value}": reset_at(stage) for stage in Stage},
    "comes up and goes at once": flap,
    "floods with routes": flood,
    "OPEN of noise": say(NOISE, first=True),
    "OPEN of version 3": say(open_message(65002, str(BAD), version=3), first=True),
    "OPEN of another AS": say(open_message(65009, str(BAD)), first=True),
    "OPEN of hold time 1": say(open_message(65002, str(BAD), hold_time_s=1), first=True),
    "OPEN of router id 0": say(open_message(65002, "0.0.0.0"), first=True),
    "OPEN of no octets": say(opening(b""), first=True),
    "OPEN with a parameter that is cut": say(opening(USUAL[19:28] + b"\x10\x02\x20"), first=True),
    "OPEN with a capability that is cut": say(opening(USUAL[19:28] + b"\x04\x02\x02\x41\x04"), first=True),
    "OPEN of 4 096 octets": say(message(OPEN, USUAL[19:28] + b"\xff" * 4068), first=True),
    "message longer than allowed": say(message(UPDATE, b"\0" * 40, length=60000)),
    "message shorter than its header": say(message(KEEPALIVE, length=3)),
    "marker of zeros": say(message(KEEPALIVE, marker=bytes(16))),
    "type 77": say(message(77, b"?")),
    "UPDATE of noise": say(message(UPDATE, NOISE)),
    "UPDATE of no octets": say(message(UPDATE)),
    "UPDATE whose attributes are longer than it": say(message(UPDATE, b"\0\0\xff\xff")),
    "UPDATE with a prefix of 255 bits": say(update(attributes=b"", nlri=b"\xff\1")),
    "KEEPALIVE with a body": say(message(KEEPALIVE, b"x" * 100)),
    "ROUTE-REFRESH of noise": say(message(ROUTE_REFRESH, b"\xff\xff\xff\xff\xff")),
    "NOTIFICATION of no octets": say(message(NOTIFICATION)),
    "NOTIFICATION of unknown code": say(notification(200, 200, b"\xff" * 100)),
    "NOTIFICATION with words that are none": say(notification(6, 2, b"\x20" + b"\xff" * 32)),
    "noise instead of a message": say(NOISE),
}
TELLS = {
    "OPEN of another AS": "AS",
    "OPEN of hold time 1": "old",
    "NOTIFICATION of unknown code": "200",
    "marker of zeros": "",
}
"""Words that the last error of the bad peer's session must have, beside being there."""


def memory_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(next(line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")))


@pytest.mark.parametrize("name", SCRIPTS)
async def test_one_bad_peer_costs_the_others_nothing(name: str, tmp_path: Path):
    router = RouterSpec(RouterKind.BIRD, 65001, GOOD, (RouterSession("node", 65000, NODE, families=V4),))
    with Lab() as lab:
        node, good, bad = lab.host(f"{NODE}/24"), lab.host(f"{GOOD}/24"), lab.host(f"{BAD}/24")
        with (
            Router(good, router, tmp_path / "good") as there,
            ScriptedPeer(bad, asn=65002, router_id=str(BAD), script=SCRIPTS[name]) as peer,
        ):
            async with Driving(node, tmp_path / "engine") as driving:
                driving.engine.want_sessions({"good": _GOOD})
                driving.engine.want_routes("good", ROUTES)
                await auntil(lambda: set(there.kernel_routes()) == PREFIXES, 20, lambda: (driving.describe(), there.describe()))
                epoch, pid = driving.engine.epoch, driving.engine.pid
                assert pid is not None
                before = memory_kib(pid)
                with RouteMonitor(good) as monitor:
                    driving.engine.want_sessions(SESSIONS)
                    for each in SESSIONS:
                        driving.engine.want_routes(each, ROUTES)
                    await auntil(lambda: len(peer.conversations) >= 1 and has_acted(peer), 20, driving.describe)
                    if SCRIPTS[name] is flap:
                        await auntil(lambda: len(peer.conversations) >= FLAPS, 90, lambda: (len(peer.conversations), driving.describe()))
                    # The good peer still gets what is new.
                    driving.engine.want_routes("good", {**ROUTES, ip_network("203.0.113.99/32"): Attributes()})
                    await auntil(lambda: "203.0.113.99/32" in there.kernel_routes(), 10, lambda: (driving.describe(), there.describe()))
                    assert monitor.removals() == []
                assert driving.engine.epoch == epoch
                assert driving.engine.states["good"].state is SessionStateName.ESTABLISHED
                assert memory_kib(pid) - before < GROWTH_MAX_KIB
                if name in TELLS:
                    error = await auntil(lambda: driving.engine.states["bad"].last_error, 10, driving.describe)
                    assert TELLS[name] in error.message


def has_acted(peer: ScriptedPeer) -> bool:
    """Tell whether the first conversation is over, or the peer has said what it has to say."""
    first = peer.conversations[0]
    return first.ended_at is not None or bool(first.messages)
