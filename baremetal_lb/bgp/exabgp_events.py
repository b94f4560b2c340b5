"""What ExaBGP and the hub in front of it say, as values: one line, one event.

ExaBGP's JSON is put together by hand there and is not always JSON: a peer of any AS number has `"peer": None`. A line that cannot be
read is an Unreadable, which is counted and does no harm; fields of events that are missing or of another type count as that too.

    done | error                                        Ack
    {"type": "state" | "fsm" | "open" | ...}            StateChanged, FsmChanged, Opened, Negotiated, Notified
    [{"fsm": ..., "peer": {...}}, ...]                  NeighborsSeen     (`show neighbor summary json`)
    neighbor 198.51.100.1 ... ipv4 unicast 192.0.2.1/32 next-hop ...     RouteSeen    (`show adj-rib out extensive`)
    {"hub": "hello" | "withdrawn", ...}                 Hello, HubWithdrew
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from baremetal_lb.bgp.session import Prefix, SessionStateName
from baremetal_lb.model.json_text import NotJSON, decode_json
from baremetal_lb.model.net import IPAddress


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to the oldest unanswered command."""

    is_done: bool


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A session came up, or went down with this reason."""

    remote: IPAddress
    is_up: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FsmChanged:
    """The state machine of a session moved."""

    remote: IPAddress
    state: SessionStateName


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer's OPEN came."""

    remote: IPAddress
    asn: int


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both OPENs come to."""

    remote: IPAddress
    hold_time_s: int


@dataclass(frozen=True, slots=True)
class Notified:
    """A NOTIFICATION was sent or received; ``text`` is what ExaBGP made of its data."""

    remote: IPAddress
    direction: str
    code: int
    subcode: int
    text: str


@dataclass(frozen=True, slots=True)
class NeighborSeen:
    """One session that ExaBGP keeps."""

    remote: IPAddress
    local_asn: int
    peer_asn: int
    router_id: IPv4Address
    state: SessionStateName
    hold_time_s: int | None


@dataclass(frozen=True, slots=True)
class NeighborsSeen:
    """All sessions that ExaBGP keeps."""

    neighbors: tuple[NeighborSeen, ...]


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """One route that ExaBGP holds for a peer, with its attributes in ExaBGP's words."""

    remote: IPAddress
    prefix: Prefix
    next_hop: str
    words: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Hello:
    """The hub's first line, and its word on each start and end of ExaBGP; ``epoch`` counts ExaBGP processes."""

    epoch: int
    pid: int | None
    is_running: bool


@dataclass(frozen=True, slots=True)
class HubWithdrew:
    """The hub withdrew all routes by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """Text for people, in answer to a command."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that means nothing to us."""


Event = (
    Ack | StateChanged | FsmChanged | Opened | Negotiated | Notified | NeighborsSeen | RouteSeen | Hello | HubWithdrew | Output | Unreadable
)

LONGEST_LINE = 1 << 22
"""Characters of one line: the summary of thousands of neighbors."""
_LARGEST = 2**32 - 1
"""Of numbers: AS numbers are the largest."""
_NONE = re.compile(r":\s*None\b")
_ROUTE = re.compile(r"neighbor (\S+) local-ip .* family-allowed \S+ ipv[46] unicast (\S+) next-hop (\S+)(.*)")
_FSM = {name.value.upper(): name for name in SessionStateName}
_DIRECTIONS = {"send": "Sent", "receive": "Received"}


def parse_line(line: str) -> Event:
    """Return what a line says. Never raises."""
    if line in ("done", "error"):
        return Ack(line == "done")
    try:
        if line.startswith(("{", "[")):
            return _parse_json(line)
        return _parse_text(line)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Unreadable()


def _parse_text(line: str) -> Event:
    match = _ROUTE.fullmatch(line)
    if match is None:
        return Output() if line.startswith(("reload in progress", "exabgp ", "shutdown in progress")) else Unreadable()
    remote, prefix, next_hop, rest = match.groups()
    return RouteSeen(ip_address(remote), ip_network(prefix), next_hop, _words(rest.split()))


def _words(tokens: list[str]) -> dict[str, tuple[str, ...]]:
    """``med 50 community [ 1:2 3:4 ]`` -> {"med": ("50",), "community": ("1:2", "3:4")}."""
    words: dict[str, tuple[str, ...]] = {}
    rest = iter(tokens)
    for name in rest:
        value = next(rest, "")
        if value not in ("[", "("):
            words[name] = (value,)
            continue
        values = []
        for token in rest:
            if token in ("]", ")"):
                break
            values.append(token)
        words[name] = tuple(values)
    return words


def _parse_json(line: str) -> Event:
    try:
        document = decode_json(line, longest=LONGEST_LINE)
    except NotJSON:
        document = decode_json(_NONE.sub(": null", line), longest=LONGEST_LINE)
    if isinstance(document, list):
        return NeighborsSeen(tuple(_neighbor_seen(item) for item in document))
    if "hub" in document:
        return _parse_hub(document)
    neighbor = document.get("neighbor")
    if neighbor is None:
        return Output() if document.get("type") == "notification" else Unreadable()
    return _parse_event(document["type"], _address(neighbor["address"]["peer"]), neighbor)


def _parse_hub(document: dict[str, Any]) -> Event:
    if document["hub"] == "hello":
        pid = document.get("pid")
        return Hello(_number(document["epoch"]), None if pid is None else _number(pid), document["is_running"] is True)
    if document["hub"] == "withdrawn":
        return HubWithdrew(str(document.get("reason", "")))
    return Output()


def _number(value: object) -> int:
    """Return a number, which ExaBGP writes as one or as digits.

    Raises:
        ValueError: it is none that a field here can have.
    """
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, str) and len(value) > len(str(_LARGEST))):
        raise ValueError("no number")
    number = int(value)
    if not 0 <= number <= _LARGEST:
        raise ValueError("out of range")
    return number


def _address(value: object) -> IPAddress:
    """Return an address that is written as text: a number would be one, too.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError("no text")  # noqa: TRY004 - the one exception of these readers
    return ip_address(value)


def _parse_event(kind: str, remote: IPAddress, neighbor: dict[str, Any]) -> Event:
    if kind == "state":
        state = neighbor["state"]
        if state == "connected":
            return Output()
        return StateChanged(remote, is_up=state == "up", reason=str(neighbor.get("reason", "")))
    if kind == "fsm":
        return FsmChanged(remote, _FSM[neighbor["state"].upper()])
    if kind == "open":
        if neighbor["direction"] != "receive":
            return Output()
        opened = neighbor["open"]
        asn = next((value["asn4"] for value in opened["capabilities"].values() if value.get("name") == "asn4"), opened["asn"])
        return Opened(remote, _number(asn))
    if kind == "negotiated":
        return Negotiated(remote, _number(neighbor["negotiated"]["hold_time"]))
    if kind == "notification":
        told = neighbor["notification"]
        return Notified(
            remote, _DIRECTIONS[neighbor["direction"]], _number(told["code"]), _number(told["subcode"]), str(told.get("message", ""))
        )
    return Unreadable()


def _neighbor_seen(item: dict[str, Any]) -> NeighborSeen:
    local, peer = item["local"], item["peer"]
    holds = [None if side["hold"] is None else _number(side["hold"]) for side in (local, peer)]
    return NeighborSeen(
        _address(peer["address"]),
        _number(local["as"]),
        _number(peer["as"]),
        IPv4Address(str(local["id"])),
        _FSM[item["fsm"].upper()],
        None if None in holds else min(hold for hold in holds if hold is not None),
    )
