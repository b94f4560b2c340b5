"""The renderer is the last gate: whatever was let through before, nothing but words is written."""

import dataclasses
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from baremetal_lb.bgp.driver import Driver
from baremetal_lb.bgp.driver_effects import Send, WriteConfig
from baremetal_lb.bgp.exabgp_commands import announce_body, probe, routes_command, what_is_unwritable
from baremetal_lb.bgp.exabgp_config import block_of, render
from baremetal_lb.bgp.exabgp_text import Phrase, Section, Statement, Unwritable, listed
from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import Attributes, SessionSpec, SessionStateName
from baremetal_lb.bgp.sessions import NodeSurroundings, session_of
from baremetal_lb.model.bgp import BGPPeer, Community
from baremetal_lb.model.net import Family
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import NodeView
from tests.support.exabgp_grammar import Node, parse
from tests.support.exabgp_model import ExaBgpModel
from tests.support.texts import HOSTILE_NAMES, HOSTILE_PASSWORDS, NAMES, PASSWORDS

GOOD, BAD, OWN = (IPv4Address(f"198.51.100.{number}") for number in (10, 11, 1))
ROUTE = ip_network("203.0.113.1/32")
V4 = frozenset({Family.IPV4})


def spec(peer: str = "good", remote=GOOD, **changes) -> SessionSpec:
    return dataclasses.replace(SessionSpec(peer, remote, 65000, OWN, peer_asn=64999, families=V4), **changes)


UNWRITABLE = (
    {f"interface: {name}": {"interface": text} for name, text in {**HOSTILE_NAMES, "empty": ""}.items()}
    | {f"password: {name}": {"password": text} for name, text in {**HOSTILE_PASSWORDS, "empty": "", "surrogate": "\ud800"}.items()}
    | {
        "an address with a zone": {"remote": IPv6Address("fe80::1%a;}")},
        "an own address with a zone": {"local": IPv6Address("fe80::1%a")},
        "a next hop with a zone": {"next_hops": ((Family.IPV4, IPv6Address("fe80::1%a b")),)},
        "a router id of text": {"router_id": "1.1.1.1; }"},
        "a number of text": {"hold_time_s": "9; }"},
    }
)


@pytest.mark.parametrize("changes", UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_is_outside_its_alphabet_cannot_be_written_and_is_not_in_what_is_said(changes):
    bad = spec(**changes)
    what = what_is_unwritable(bad)
    assert what is not None
    assert what.isidentifier()
    if "next_hops" not in changes:
        with pytest.raises(InvariantViolation) as raised:
            render([block_of(bad)], "relay")
        assert str(raised.value) == what


@pytest.mark.parametrize("name", NAMES)
def test_names_that_a_node_can_have_are_written_as_they_are(name: str):
    (_, neighbor) = parse(render([block_of(spec(interface=name))], "relay"))
    assert Node(("source-interface", name)) in neighbor.body


@pytest.mark.parametrize("text", ["", " ", "a b", "a;", "a\nb", "{", "[", ",", '"', "a\\", "ä", "x" * 4097])
def test_no_text_but_a_word_comes_into_a_phrase(text: str):
    for make in (Phrase, lambda value: Phrase("a", value), lambda value: listed(["a", value])):
        with pytest.raises(Unwritable):
            make(text)


def test_no_plain_text_comes_into_a_tree():
    for make in (Statement, lambda text: Section(text, ())):
        with pytest.raises(Unwritable):
            make("router-id 1.1.1.1")


def test_a_helper_whose_path_is_no_word_is_refused():
    with pytest.raises(Unwritable):
        render([], "/opt/a;b/python -m relay")


@pytest.mark.parametrize("value", ["1\nshutdown", "1 ]", IPv6Address("fe80::1%x y")], ids=repr)
def test_a_command_is_one_line_or_none(value):
    for make in (
        lambda: announce_body(spec(), Family.IPV4, Attributes(med=value)),
        lambda: announce_body(spec(), Family.IPV4, Attributes(communities=(Community(value, 1),))),
        lambda: routes_command([value], Phrase("a"), [ROUTE]),
        lambda: routes_command([GOOD], Phrase("a"), [value]),
        lambda: probe(GOOD, value, 1, OWN),
    ):
        with pytest.raises(Unwritable):
            make()


def test_a_node_has_no_session_with_a_peer_that_cannot_be_written_nor_bfd_beside_it():
    peer = BGPPeer("tor", 65000, 64999, address=GOOD)
    node = NodeView("node1", internal_ips=(OWN,))
    assert isinstance(session_of(peer, node, NodeSurroundings()), SessionSpec)
    for changes in ({"vrf": "a;}"}, {"password": "a\n"}):
        assert session_of(dataclasses.replace(peer, **changes), node, NodeSurroundings()) is SessionReason.NotWritable


class Scene:
    """A driver and the model of ExaBGP; every router comes up."""

    def __init__(self) -> None:
        self.exabgp, self.driver, self.now = ExaBgpModel(), Driver("relay"), SECOND

    def want(self, *specs: SessionSpec) -> None:
        self.apply(self.driver.want_sessions({each.peer: each for each in specs}, now=self.now, now_utc=self.now))

    def route(self, peer: str, **rib) -> None:
        self.apply(self.driver.want_routes(peer, rib["rib"], now=self.now))

    def apply(self, effects) -> None:
        for effect in effects:
            match effect:
                case Send(command):
                    assert "\n" not in command
                    self.exabgp.send(command)
                case WriteConfig(text):
                    parse(text)
                    self.exabgp.file = text
                    self.apply(self.driver.config_written(None, now=self.now, now_utc=self.now))

    def settle(self) -> None:
        for _turn in range(300):
            for remote in list(self.exabgp.peers):
                self.exabgp.set_up(remote, is_up=True)
            self.exabgp.step()
            while self.exabgp.lines:
                self.apply(self.driver.line(self.exabgp.lines.popleft(), now=self.now, now_utc=self.now))
            self.now += SECOND // 5
            self.apply(self.driver.tick(now=self.now))


@pytest.mark.parametrize(
    "changes", [{"interface": "a;\n}\nprocess x { run /bin/true; }"}, {"password": "a\n"}, {"remote": IPv6Address("fe80::1%x y")}]
)
def test_a_peer_that_cannot_be_written_is_left_out_with_a_reason_and_disturbs_no_other(changes):
    scene = Scene()
    bad = dataclasses.replace(spec("bad", BAD), **changes)
    scene.want(bad, spec())
    for peer in ("good", "bad"):
        scene.route(peer, rib={ROUTE: Attributes()})
    scene.settle()
    assert list(scene.exabgp.peers) == [str(GOOD)]
    assert list(scene.exabgp.peers[str(GOOD)].rib) == [str(ROUTE)]
    states = scene.driver.states
    assert states["good"].state is SessionStateName.ESTABLISHED
    assert states["bad"].state is SessionStateName.IDLE
    assert "cannot stand in ExaBGP's configuration" in states["bad"].last_error.message
    assert scene.driver.is_settled()
    assert scene.driver.problem is None
    told_at = states["bad"].last_error.at_utc
    scene.want(bad, spec(), spec("third", IPv4Address("198.51.100.12")))
    scene.settle()
    assert scene.driver.states["bad"].last_error.at_utc == told_at, "it is told once"
    assert len(scene.exabgp.peers) == 2


def test_a_peer_that_can_be_written_again_gets_its_session():
    scene = Scene()
    scene.want(spec("bad", BAD), spec())
    scene.settle()
    scene.want(spec("bad", BAD, interface="a;"), spec())
    scene.settle()
    assert list(scene.exabgp.peers) == [str(GOOD)]
    scene.want(spec("bad", BAD, interface="eth0"), spec())
    scene.settle()
    assert set(scene.exabgp.peers) == {str(GOOD), str(BAD)}


def test_a_route_that_cannot_be_written_costs_itself_alone():
    scene = Scene()
    scene.want(spec())
    scene.route("good", rib={ROUTE: Attributes(), ip_network("203.0.113.2/32"): Attributes(communities=(Community("1 ]\n", 1),))})
    scene.settle()
    assert list(scene.exabgp.peers[str(GOOD)].rib) == [str(ROUTE)]
    assert scene.driver.problem is not None
    assert scene.driver.problem.name == "RouteRefused"


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_that_routers_take_are_written(password: str):
    assert what_is_unwritable(spec(password=password)) is None
