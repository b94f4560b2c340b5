"""Laws of the driver, under every interleaving of wants, answers, sessions that come and go, reconnects and new ExaBGPs."""

import dataclasses
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.bgp.driver import Driver
from baremetal_lb.bgp.driver_effects import Send, WriteConfig
from baremetal_lb.bgp.driver_flight import MOST_COMMANDS
from baremetal_lb.bgp.driver_reasons import DriverReason
from baremetal_lb.bgp.session import Attributes, SessionSpec, SessionStateName
from baremetal_lb.model.bgp import Community, DynamicASN
from baremetal_lb.model.net import Family
from baremetal_lb.model.time import SECOND
from tests.support.exabgp_model import ExaBgpModel

NAMES = ("a", "b", "c")
PREFIXES = [ip_network(f"203.0.113.{number}/32") for number in range(5)]
VALUES = [Attributes(), Attributes(med=5), Attributes(communities=(Community(65000, 1),), as_path_prepend=1)]


def spec(name: str, version: int = 0) -> SessionSpec:
    """Versions differ in what ExaBGP names its RIB by, in what it compares, and in what it overlooks."""
    base = SessionSpec(
        name,
        IPv4Address(f"198.51.100.1{NAMES.index(name)}"),
        65000,
        IPv4Address("198.51.100.1"),
        peer_asn=64999,
        families=frozenset({Family.IPV4}),
    )
    changes = ({}, {"router_id": IPv4Address("198.51.100.2")}, {"hold_time_s": 9}, {"peer_asn": None, "dynamic_asn": DynamicASN.EXTERNAL})
    return dataclasses.replace(base, **changes[version])


class Play:
    """The driver, the model, and the wire between them."""

    def __init__(self) -> None:
        self.exabgp, self.driver = ExaBgpModel(), Driver("relay")
        self.now = SECOND
        self.file: WriteConfig | None = None
        self.sessions: dict[str, SessionSpec] = {}
        self.ribs: dict[str, dict] = {}
        self.is_wanted = False

    def _apply(self, effects) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.exabgp.send(effect.command)
                assert len(self.exabgp.commands) <= MOST_COMMANDS + 8
            else:
                self.file = effect

        deadline = self.driver.deadline(now=self.now)
        assert deadline is None or deadline > self.now - SECOND // 5, "a deadline that has passed would be met again and again"

    def want(self, sessions: dict[str, int], ribs: dict[str, dict]) -> None:
        self.sessions = {name: spec(name, version) for name, version in sessions.items()}
        self.ribs, self.is_wanted = {name: ribs.get(name, {}) for name in sessions}, True
        self._apply(self.driver.want_sessions(self.sessions, now=self.now, now_utc=self.now))
        for name, rib in self.ribs.items():
            self._apply(self.driver.want_routes(name, rib, now=self.now))

    def listen(self) -> None:
        if self.exabgp.lines:
            self._apply(self.driver.line(self.exabgp.lines.popleft(), now=self.now, now_utc=self.now))

    def write(self) -> None:
        if self.file is not None:
            self.exabgp.file, self.file = self.file.text, None
            self._apply(self.driver.config_written(None, now=self.now, now_utc=self.now))

    def wait(self) -> None:
        self.now += SECOND // 5
        self._apply(self.driver.tick(now=self.now))

    def lose(self, *, is_new: bool) -> None:
        self.file = None
        (self.exabgp.restart if is_new else self.exabgp.reconnect)()
        self._apply(self.driver.disconnected(now=self.now))

    def restart_speaker(self) -> None:
        self.exabgp.reconnect()
        self.driver, self.file = Driver("relay"), None

    def quiesce(self) -> None:
        """All routers come; everything has its turn, often enough."""
        for _round in range(400):
            for remote in list(self.exabgp.peers):
                self.exabgp.set_up(remote, is_up=True)
            for _turn in range(12):
                self.listen()
                self.exabgp.step()
            self.write()
            self.wait()


ribs = st.dictionaries(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from(VALUES)))
steps = st.one_of(
    st.tuples(st.just("want"), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)), ribs),
    st.tuples(st.sampled_from(["listen", "listen", "step", "step", "write", "wait", "new", "lose", "speaker", "drop"])),
    st.tuples(st.just("up"), st.sampled_from(NAMES), st.booleans()),
)


def play(script) -> Play:
    scene = Play()
    for step in script:
        match step:
            case ("want", sessions, wanted):
                scene.want(sessions, wanted)
            case ("up", name, is_up):
                scene.exabgp.set_up(str(spec(name).remote), is_up=is_up)
            case ("listen",):
                scene.listen()
            case ("step",):
                scene.exabgp.step()
            case ("write",):
                scene.write()
            case ("wait",):
                scene.wait()
            case ("new",):
                scene.lose(is_new=True)
            case ("lose",):
                scene.lose(is_new=False)
            case ("speaker",):
                scene.restart_speaker()
                if scene.is_wanted:
                    scene.want({name: version_of(each) for name, each in scene.sessions.items()}, scene.ribs)
            case ("drop",):
                scene.exabgp.drops_reloads = 9
    return scene


def version_of(session: SessionSpec) -> int:
    return next(version for version in range(4) if spec(session.peer, version) == session)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=60), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3), min_size=1), ribs)
def test_in_the_end_every_peer_holds_what_is_wanted_and_was_told_that_this_is_all(script, sessions, wanted):
    scene = play(script)
    scene.want(sessions, wanted)
    scene.quiesce()
    assert scene.driver.is_settled(), (scene.driver.problem, scene.driver.states)
    assert scene.driver.problem is None
    assert set(scene.exabgp.peers) == {str(each.remote) for each in scene.sessions.values()}
    for name, session in scene.sessions.items():
        peer = scene.exabgp.peers[str(session.remote)]
        assert set(peer.rib) == {str(prefix) for prefix in scene.ribs[name]}
        state = scene.driver.states[name]
        assert (state.state, state.routes_advertised) == (SessionStateName.ESTABLISHED, len(peer.rib))
        told = [what for _prefix, what in peer.on_the_wire]
        assert "eor" in told


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=40), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), min_size=1), ribs)
def test_a_new_speaker_that_wants_the_same_changes_nothing_on_the_wire(script, sessions, wanted):
    scene = play(script)
    scene.want(sessions, wanted)
    scene.quiesce()
    for peer in scene.exabgp.peers.values():
        peer.on_the_wire.clear()
    scene.restart_speaker()
    scene.want({name: version_of(each) for name, each in scene.sessions.items()}, scene.ribs)
    scene.quiesce()
    assert scene.driver.is_settled()
    for peer in scene.exabgp.peers.values():
        assert {what for _prefix, what in peer.on_the_wire} <= {"eor"}


def test_a_speaker_that_wants_nothing_yet_withdraws_nothing():
    scene = play([])
    scene.want({"a": 0}, {"a": {PREFIXES[0]: VALUES[0]}})
    scene.quiesce()
    scene.restart_speaker()
    scene.quiesce()
    assert scene.exabgp.peers["198.51.100.10"].rib
    assert scene.driver.states == {}


def test_withdrawals_go_before_announcements_and_wait_for_few_commands():
    scene = play([])
    many = {ip_network((0x0A000000 + number, 32)): VALUES[0] for number in range(3000)}
    scene.want({"a": 0}, {"a": {PREFIXES[0]: VALUES[0]}})
    scene.quiesce()
    peer = scene.exabgp.peers["198.51.100.10"]
    peer.on_the_wire.clear()
    scene.want({"a": 0}, {"a": {PREFIXES[0]: VALUES[0], **many}})
    scene.want({"a": 0}, {"a": many})
    scene.quiesce()
    at = peer.on_the_wire.index((str(PREFIXES[0]), "withdraw"))
    assert at <= 800
    assert len(peer.rib) == 3000


def test_a_refused_route_keeps_no_other_back_and_is_named():
    scene = play([])
    scene.exabgp.refuses = {str(PREFIXES[2])}
    scene.want({"a": 0}, {"a": dict.fromkeys(PREFIXES, VALUES[0])})
    scene.quiesce()
    assert set(scene.exabgp.peers["198.51.100.10"].rib) == {str(prefix) for prefix in PREFIXES} - scene.exabgp.refuses
    assert scene.driver.problem is DriverReason.RouteRefused
    assert scene.driver.refused_commands <= 10


@pytest.mark.parametrize("rounds", range(12))
def test_a_session_may_be_given_up_at_any_point_of_its_beginning(rounds: int):
    scene = play([])
    scene.want({"a": 0}, {"a": {PREFIXES[0]: VALUES[0]}})
    for _round in range(rounds):
        scene.listen()
        scene.write()
        scene.exabgp.step()
        scene.exabgp.set_up("198.51.100.10", is_up=True)
    scene.want({"b": 0}, {"b": {PREFIXES[1]: VALUES[0]}})
    scene.quiesce()
    assert scene.driver.is_settled()
    assert set(scene.exabgp.peers) == {"198.51.100.11"}


def test_what_the_hub_withdrew_is_announced_again():
    scene = play([])
    scene.want({"a": 0}, {"a": {PREFIXES[0]: VALUES[0]}})
    scene.quiesce()
    peer = scene.exabgp.peers["198.51.100.10"]
    peer.rib.clear()
    scene.exabgp.lines.append('{"hub": "withdrawn", "reason": "SpeakerLost"}')
    scene.quiesce()
    assert set(peer.rib) == {str(PREFIXES[0])}
