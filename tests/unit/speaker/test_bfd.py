"""What BFD leaves of the sessions that the configuration asks for."""

from dataclasses import replace
from ipaddress import IPv4Address

from baremetal_lb.bfd.reasons import BfdReason
from baremetal_lb.bfd.spec import BfdStatus
from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import SessionSpec, SessionState, SessionStateName
from baremetal_lb.model.bgp import BFDProfile, BGPPeer
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.packet.bfd import State
from speaker.bfd import asks_for_links, watched
from speaker.bgp_status import session_objects
from speaker.sessions import Sessions

NODE = IPv4Address("198.51.100.11")


def peer(name: str, number: int, **more) -> BGPPeer:
    return BGPPeer(name, 65000, **{"peer_asn": 65001, "address": IPv4Address(f"198.51.100.{number}"), "bfd": BFDProfile("fast"), **more})


PEERS = {each.name: each for each in (peer("a", 1), peer("b", 2), peer("plain", 3, bfd=None))}
SPECS = {name: SessionSpec(name, each.address, 65000, NODE, peer_asn=65001, local=NODE) for name, each in PEERS.items()}
DECIDED = Sessions(SPECS, {"c": SessionReason.NoPassword})
FALLEN = BfdStatus("a", State.DOWN, fell_at=100)


def look(*statuses: BfdStatus, problems=(), now: int = 101):
    by_peer = {status.peer: status for status in statuses}
    return watched(DECIDED, PEERS, on_link=frozenset(), statuses=by_peer, problems=problems, limit=60, now=now)


def test_a_fall_takes_the_session_and_keeps_the_path_watched():
    found = look(FALLEN, BfdStatus("b", State.UP))
    assert found.sessions.specs.keys() == {"b", "plain"}
    assert found.sessions.reasons == {"c": SessionReason.NoPassword, "a": SessionReason.HeldDownByBFD}
    assert found.paths.keys() == {"a", "b"}
    assert (found.notes, found.deadline) == ({}, 160)


def test_after_the_limit_the_session_is_back_and_says_why():
    found = look(FALLEN, now=160)
    assert found.sessions == DECIDED
    assert found.notes == {"a": BfdReason.HoldEnded}


def test_a_fall_of_a_peer_without_bfd_now_holds_nothing():
    assert look(replace(FALLEN, peer="plain")).sessions == DECIDED


def test_a_process_that_is_not_there_is_told_of_every_path_and_takes_none():
    found = look(problems=(BfdReason.NotRunning,))
    assert (found.sessions, found.notes) == (DECIDED, {"a": BfdReason.NotRunning, "b": BfdReason.NotRunning})


def test_only_of_internal_peers_with_bfd_links_are_asked_for():
    internal = peer("i", 4, peer_asn=65000)
    assert asks_for_links([*PEERS.values(), internal, replace(internal, name="j")], {"i": SPECS["a"], **SPECS}) == ["i"]


def test_status_objects_say_the_state_of_bfd_beside_that_of_bgp():
    states = {name: SessionState(name, each.address, SessionStateName.ESTABLISHED, 0) for name, each in PEERS.items()}
    statuses = {"a": FALLEN, "b": BfdStatus("b", State.UP)}
    objects = session_objects(states, look(FALLEN, statuses["b"]), statuses, identity=BAREMETAL_LB, node="node1")
    said = {each.status["peer"]: (each.status["state"], each.status["bfdState"], each.status["reason"]) for each in objects}
    assert said == {
        "a": ("Idle", "Down", "HeldDownByBFD"),
        "b": ("Established", "Up", None),
        "plain": ("Established", None, None),
        "c": ("Idle", None, "NoPassword"),
    }
