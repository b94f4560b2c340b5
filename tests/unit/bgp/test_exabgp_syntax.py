"""ExaBGP's configuration and commands, as texts."""

from ipaddress import ip_address, ip_network

import pytest

from baremetal_lb.bgp.exabgp_commands import announce_body, attributes_of, end_of_rib, routes_command, withdraw_body
from baremetal_lb.bgp.exabgp_config import block_of, render
from baremetal_lb.bgp.session import Attributes, SessionSpec, TtlMode
from baremetal_lb.model.bgp import Community, DynamicASN, LargeCommunity
from baremetal_lb.model.net import Family

ONE, TWO = ip_address("198.51.100.11"), ip_address("2001:db8::11")
V4 = frozenset({Family.IPV4})


def spec(**changes: object) -> SessionSpec:
    values = {"peer": "a", "remote": ONE, "local_asn": 65000, "router_id": ip_address("198.51.100.1"), "peer_asn": 65001, "families": V4}
    return SessionSpec(**(values | changes))


LINES = {
    "defaults": ({}, ["peer-as 65001;", "local-address auto;", "manual-eor true;", "adj-rib-out true;", "ipv4 unicast;"]),
    "graceful restart": ({"is_graceful_restart": True}, ["graceful-restart 30;"]),
    "on one link": ({"ttl": TtlMode.SINGLE_HOP}, ["outgoing-ttl 1;"]),
    "GTSM": ({"ttl": TtlMode.SECURITY}, ["outgoing-ttl 255;", "incoming-ttl 255;"]),
    "password that could end the string": ({"password": 'a";}'}, ['md5-password "YSI7fQ==";', "md5-base64 true;"]),
    "VRF": ({"interface": "red"}, ["source-interface red;"]),
    "port": ({"port": 1790}, ["connect 1790;"]),
    "RFC 8950": ({"has_extended_next_hop": True, "families": frozenset(Family)}, ["nexthop enable;", "ipv4 unicast ipv6;"]),
    "internal peer": ({"peer_asn": None, "dynamic_asn": DynamicASN.INTERNAL}, ["peer-as 65000;"]),
    "external peer": ({"peer_asn": None, "dynamic_asn": DynamicASN.EXTERNAL}, ["peer-as auto;"]),
}


@pytest.mark.parametrize(("changes", "lines"), LINES.values(), ids=LINES.keys())
def test_each_parameter_has_its_line(changes: dict, lines: list[str]):
    text = render([block_of(spec(**changes))], "relay")
    assert set(lines) <= {line.strip() for line in text.splitlines()}


def test_what_is_not_asked_for_is_not_there_and_the_order_of_sessions_means_nothing():
    first, second = block_of(spec()), block_of(spec(remote=TWO))
    text = render([second, first], "relay")
    assert text == render([first, second], "relay")
    assert text.startswith("process speaker {")
    assert not {word for word in ("graceful-restart", "md5", "ttl", "update", "connect ") if word in text}


def test_a_password_is_in_the_file_alone():
    secret = spec(password="s3cret")
    assert "s3cret" not in repr(secret) + repr(block_of(secret))


RICH = Attributes(200, 50, 2, (Community(65000, 1),), (LargeCommunity(65000, 1, 2),), 125_000_000)
TAIL = "med 50 community [ 65000:1 ] large-community [ 65000:1:2 ] extended-community [ 0x4004FDE84CEE6B28 ]"
BODIES = {
    "external": (
        {},
        f"announce attributes next-hop self as-path [ 65000 65000 65000 ] {TAIL}",
    ),
    "internal: LOCAL_PREF, and no loop": (
        {"peer_asn": 65000},
        f"announce attributes next-hop self local-preference 200 {TAIL}",
    ),
}


@pytest.mark.parametrize(("changes", "body"), BODIES.values(), ids=BODIES.keys())
def test_attributes_are_those_that_the_kind_of_peer_may_get(changes: dict, body: str):
    assert announce_body(spec(**changes), Family.IPV4, RICH) == body


def test_an_as_number_of_four_octets_has_no_room_in_a_link_bandwidth():
    assert attributes_of(spec(local_asn=4200000001), Attributes(link_bandwidth=0))["extended-community"] == ("0x40045BA000000000",)


def test_commands_name_their_peers_and_prefixes():
    prefixes = [ip_network("192.0.2.1/32"), ip_network("192.0.2.2/32")]
    command = routes_command([ONE, TWO], announce_body(spec(), Family.IPV4, Attributes(med=0)), prefixes)
    selector = "neighbor 198.51.100.11 , neighbor 2001:db8::11"
    assert command == f"{selector} announce attributes next-hop self med 0 nlri 192.0.2.1/32 192.0.2.2/32"
    assert withdraw_body(Family.IPV6) == "withdraw attributes next-hop 2001:db8::1"
    assert end_of_rib(TWO, Family.IPV6) == "neighbor 2001:db8::11 announce eor ipv6 unicast"
    far = spec(next_hops=((Family.IPV6, TWO),))
    assert announce_body(far, Family.IPV6, Attributes()) == "announce attributes next-hop 2001:db8::11"
