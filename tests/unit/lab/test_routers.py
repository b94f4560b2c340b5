"""Routers of a lab as values: what is refused, how commands reach them, and what follows from GoBGP's table."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from baremetal_lb.lab.router_gobgp_fib import commands, wanted_routes
from baremetal_lb.lab.routers import RouterCannot, RouterKind, RouterSession, RouterSpec, control_command, render
from baremetal_lb.model.bgp import BFDProfile

DIRECTORY = Path("/lab/router")
FRR_AT = ("--config_dir", "/lab/router", "--vty_socket", "/lab/router")
SESSION = RouterSession("node1", 65000, ip_address("198.51.100.11"))


def spec(kind: RouterKind, **changes) -> RouterSpec:
    return RouterSpec(kind, 65001, IPv4Address("198.51.100.1"), (replace(SESSION, **changes),))


@pytest.mark.parametrize("kind", RouterKind)
def test_nothing_of_a_router_is_outside_its_directory(kind: RouterKind):
    plan = render(spec(kind), DIRECTORY)
    words = [word for process in plan.processes for word in process.argv] + " ".join(plan.files.values()).split()
    paths = {word.strip('";') for word in words if word.startswith(("/etc", "/run", "/var"))}
    assert paths == set()
    assert not any("/" in name for name in plan.files)


@pytest.mark.parametrize("kind", RouterKind)
def test_a_password_is_in_the_configuration_and_in_nothing_that_is_printed(kind: RouterKind):
    plan = render(spec(kind, password="s3cret;{x"), DIRECTORY)
    assert any("s3cret;{x" in text for text in plan.files.values())
    assert "s3cret" not in repr(plan) + repr(spec(kind, password="s3cret;{x"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": 'a"b'}, "password"),
        ({"password": "a b"}, "password"),
        ({"remote": None}, "neither address nor interface"),
        ({"name": "node-1"}, "letters"),
        ({"name": "n\u043ede1"}, "letters"),
        ({"name": "node1\n"}, "letters"),
        ({"password": "a\nb"}, "password"),
        ({"password": "p\u00e4ss"}, "password"),
        ({"interface": 'eth0";'}, "interface"),
        ({"interface": "eth0\n"}, "interface"),
        ({"bfd": BFDProfile("fast\n")}, "BFD profile"),
        ({"has_ttl_security": True, "is_multihop": True}, "one hop"),
    ],
)
@pytest.mark.parametrize("kind", RouterKind)
def test_what_makes_no_sense_is_refused(kind: RouterKind, changes: dict, words: str):
    with pytest.raises(ValueError, match=words):
        render(spec(kind, **changes), DIRECTORY)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (RouterKind.GOBGP, {"bfd": BFDProfile("fast")}),
        (RouterKind.GOBGP, {"asn": None}),
        (RouterKind.BIRD, {"bfd": BFDProfile("fast"), "has_bfd_control_plane_check": True}),
    ],
)
def test_a_router_refuses_what_it_cannot_do(kind: RouterKind, changes: dict):
    with pytest.raises(RouterCannot):
        render(spec(kind, **changes), DIRECTORY)


@pytest.mark.parametrize(
    ("kind", "command", "reaching"),
    [
        (RouterKind.FRR, ("vtysh", "-c", "show bgp summary"), ("vtysh", *FRR_AT, "-c", "show bgp summary")),
        (RouterKind.BIRD, ("birdc", "show", "route"), ("birdc", "-s", "/lab/router/bird.ctl", "show", "route")),
        (RouterKind.GOBGP, ("gobgp", "neighbor"), ("gobgp", "--target", "unix:///lab/router/gobgp.sock", "neighbor")),
        (RouterKind.FRR, ("ip", "route"), ("ip", "route")),
        (RouterKind.BIRD, ("vtysh",), ("vtysh",)),
    ],
)
def test_command_lines_reach_their_router(kind: RouterKind, command: tuple[str, ...], reaching: tuple[str, ...]):
    assert control_command(kind, DIRECTORY, command) == reaching


def path(
    hop: str, *, asns: int = 1, local_pref: int | None = None, med: int | None = None, best: bool = False, neighbor: str = "n"
) -> dict:
    attributes = [{"type": 1, "value": 0}, {"type": 2, "as_paths": [{"segment_type": 2, "asns": [1] * asns}]}, {"type": 3, "nexthop": hop}]
    attributes += [{"type": 5, "value": local_pref}] if local_pref is not None else []
    attributes += [{"type": 4, "metric": med}] if med is not None else []
    return {"attrs": attributes, "best": best, "neighbor-ip": neighbor}


BEST = path("198.51.100.11", best=True)


@pytest.mark.parametrize(
    ("others", "hops"),
    [
        ([], ["198.51.100.11"]),
        ([path("198.51.100.12")], ["198.51.100.11", "198.51.100.12"]),
        ([path("198.51.100.12", asns=2)], ["198.51.100.11"]),
        ([path("198.51.100.12", local_pref=1)], ["198.51.100.11"]),
        ([path("198.51.100.12", med=10)], ["198.51.100.11"]),
        ([path("198.51.100.12"), path("198.51.100.13"), path("198.51.100.14")], ["198.51.100.11", "198.51.100.12", "198.51.100.13"]),
    ],
    ids=["alone", "equal", "longer", "less preferred", "further", "more than it may use"],
)
def test_the_kernel_gets_all_paths_that_are_as_good_as_the_best(others: list, hops: list[str]):
    found = wanted_routes({"203.0.113.1/32": [BEST, *others]}, 3)
    assert found == {"203.0.113.1/32": tuple((hop, "") for hop in hops)}


def test_routes_of_the_router_itself_are_not_for_the_kernel():
    assert wanted_routes({"192.0.2.0/24": [path("0.0.0.0", best=True, neighbor="")]}, 8) == {}


def test_only_what_differs_is_changed():
    have = {"203.0.113.1/32": (("198.51.100.11", ""),), "203.0.113.2/32": (("198.51.100.11", ""),)}
    want = {"203.0.113.1/32": (("198.51.100.11", ""),), "203.0.113.3/32": (("fe80::1", "eth0"), ("fe80::2", "eth0"))}
    assert commands(have, want) == [
        "route delete 203.0.113.2/32 proto bgp metric 20",
        "route replace 203.0.113.3/32 proto bgp metric 20 nexthop via inet6 fe80::1 dev eth0 nexthop via inet6 fe80::2 dev eth0",
    ]
    assert commands(want, want) == []
