"""Tables of FRR, BIRD and GoBGP as one kind of value, read by the routers' own command lines.

``LearnedPath`` says what RFC 4271 and its followers put into an UPDATE, whatever the router calls it.
"""

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from baremetal_lb.lab.routers import RouterKind

_FRR_NAMES = {"gracefulShutdown": "65535:0", "noExport": "65535:65281", "noAdvertise": "65535:65282", "localAs": "65535:65283"}
_FRR_NAMES |= {"blackhole": "65535:666", "noPeer": "65535:65284", "llgrStale": "65535:6", "noLlgr": "65535:7"}
_LINK_BANDWIDTH = 4
_BIRD_ROUTE = re.compile(r"^(?P<prefix>\S+/\d+)?\s+(?:unicast|blackhole|unreachable) \[(?P<protocol>\S+) [^]]*\](?P<best> \*)?")
_BIRD_ATTRIBUTE = re.compile(r"^\tBGP\.(\w+): (.*)$")


@dataclass(frozen=True, slots=True)
class LearnedPath:
    """One path that a router has learned from a node."""

    prefix: str
    peer: str
    """Address of the node, or the name of the session in BIRD, which does not say the address."""
    next_hops: tuple[str, ...]
    """A global one before a link-local one."""
    as_path: tuple[int, ...] = ()
    local_pref: int = 100
    """As the router ranks it: 100 where none was given."""
    med: int | None = None
    communities: frozenset[str] = frozenset()
    large_communities: frozenset[str] = frozenset()
    link_bandwidth: tuple[int, int] | None = None
    """AS number and octets per second."""
    is_best: bool = False
    is_stale: bool | None = False
    """Kept by graceful restart; None where the router does not say."""


Table = dict[str, tuple[LearnedPath, ...]]
"""Paths by prefix, the best first."""


def frr_table(answers: list[str]) -> Table:
    """Read ``show bgp FAMILY unicast json detail`` of both families."""
    paths: list[LearnedPath] = []
    for answer in answers:
        for prefix, entries in json.loads(answer).get("routes", {}).items():
            paths.extend(_frr_path(prefix, entry) for entry in entries if "peer" in entry)
    return _by_prefix(paths)


def _frr_path(prefix: str, entry: dict[str, Any]) -> LearnedPath:
    bandwidth = re.search(r"LB:(\d+):(\d+)", entry.get("extendedCommunity", {}).get("string", ""))
    # Where both are there the link-local one is used, and listed second.
    hops = [hop["ip"] for hop in entry["nexthops"]]
    return LearnedPath(
        prefix=prefix,
        peer=entry["peer"]["peerId"],
        next_hops=tuple(hops),
        as_path=tuple(asn for segment in entry["aspath"]["segments"] for asn in segment["list"]),
        local_pref=entry.get("locPrf", 100),
        med=entry.get("metric"),
        communities=frozenset(_FRR_NAMES.get(name, name) for name in entry.get("community", {}).get("list", ())),
        large_communities=frozenset(entry.get("largeCommunity", {}).get("list", ())),
        link_bandwidth=(int(bandwidth[1]), int(bandwidth[2])) if bandwidth else None,
        is_best="bestpath" in entry,
        is_stale=entry.get("stale", False),
    )


def bird_table(answer: str) -> Table:
    """Read ``show route all where source = RTS_BGP``."""
    paths = []
    prefix = ""
    for chunk in _bird_routes(answer):
        match = _BIRD_ROUTE.match(chunk[0])
        assert match is not None
        prefix = match["prefix"] or prefix
        values = {found[1]: found[2] for line in chunk if (found := _BIRD_ATTRIBUTE.match(line))}
        tuples = {name: re.findall(r"\(([^)]*)\)", values.get(name, "")) for name in ("community", "large_community", "ext_community")}
        paths.append(
            LearnedPath(
                prefix=prefix,
                peer=match["protocol"],
                next_hops=tuple(values["next_hop"].split()),
                as_path=tuple(int(asn) for asn in re.findall(r"\d+", values.get("as_path", ""))),
                local_pref=int(values.get("local_pref", 100)),
                med=int(values["med"]) if "med" in values else None,
                communities=frozenset(text.replace(",", ":").replace(" ", "") for text in tuples["community"]),
                large_communities=frozenset(text.replace(", ", ":") for text in tuples["large_community"]),
                link_bandwidth=_bird_bandwidth(tuples["ext_community"]),
                is_best=bool(match["best"]),
                is_stale=None,
            )
        )
    return _by_prefix(paths)


def _bird_routes(answer: str) -> Iterator[list[str]]:
    chunk: list[str] = []
    for line in answer.splitlines():
        if _BIRD_ROUTE.match(line):
            if chunk:
                yield chunk
            chunk = [line]
        elif chunk:
            chunk.append(line)
    if chunk:
        yield chunk


def _bird_bandwidth(communities: list[str]) -> tuple[int, int] | None:
    for text in communities:
        kind, asn, value = text.split(", ")
        if kind.removeprefix("unknown ") in ("0x4004", "0x0004"):
            return int(asn), _octets(int(value))
    return None


def _octets(bits: int) -> int:
    """Return the value of an IEEE single."""
    (value,) = struct.unpack("!f", struct.pack("!I", bits))
    return int(value)


def gobgp_table(answers: list[str]) -> Table:
    """Read ``gobgp -j global rib`` of both families."""
    paths: list[LearnedPath] = []
    for answer in answers:
        for prefix, entries in json.loads(answer).items():
            paths.extend(_gobgp_path(prefix, entry) for entry in entries if entry.get("neighbor-ip"))
    return _by_prefix(paths)


def _gobgp_path(prefix: str, entry: dict[str, Any]) -> LearnedPath:
    values = {attribute["type"]: attribute for attribute in entry["attrs"]}
    extended = [each for each in values.get(16, {}).get("value", ()) if each.get("subtype") == _LINK_BANDWIDTH and "bandwidth" in each]
    large = values.get(32, {}).get("value", ())
    return LearnedPath(
        prefix=prefix,
        peer=entry["neighbor-ip"],
        next_hops=tuple(values[kind]["nexthop"] for kind in (3, 14) if kind in values and values[kind].get("nexthop")),
        as_path=tuple(asn for segment in values.get(2, {}).get("as_paths", ()) for asn in segment["asns"]),
        local_pref=values.get(5, {"value": 100})["value"],
        med=values.get(4, {}).get("metric"),
        communities=frozenset(f"{value >> 16}:{value & 0xFFFF}" for value in values.get(8, {}).get("communities", ())),
        large_communities=frozenset(f"{each['ASN']}:{each['LocalData1']}:{each['LocalData2']}" for each in large),
        link_bandwidth=(extended[0]["asn"], int(extended[0]["bandwidth"])) if extended else None,
        is_best=entry["best"],
        is_stale=entry["stale"],
    )


def _by_prefix(paths: list[LearnedPath]) -> Table:
    table: dict[str, list[LearnedPath]] = {}
    for path in sorted(paths, key=lambda each: not each.is_best):
        table.setdefault(path.prefix, []).append(path)
    return {prefix: tuple(found) for prefix, found in table.items()}


@dataclass(frozen=True, slots=True)
class SessionView:
    """How a router sees one session."""

    is_established: bool
    state: str
    """In the router's words."""
    uptime_key: str
    """Differs after each new session: when it came up, in the router's notation."""
    text: str
    """All that the router says of it."""


def session_command(kind: RouterKind, name: str, remote: str) -> tuple[str, ...]:
    """Return the command that shows one session."""
    return {
        RouterKind.FRR: ("vtysh", "-c", f"show bgp neighbors {remote} json"),
        RouterKind.BIRD: ("birdc", "show", "protocols", "all", name),
        RouterKind.GOBGP: ("gobgp", "-j", "neighbor", remote),
    }[kind]


def session_view(kind: RouterKind, answer: str) -> SessionView:
    """Read the answer to ``session_command``."""
    if kind is RouterKind.BIRD:
        match = re.search(r"^\S+\s+BGP\s+\S+\s+(\S+)\s+(\S+)\s*(.*)$", answer, re.MULTILINE)
        state = re.search(r"BGP state:\s+(\S+)", answer)
        word = state[1] if state else "none"
        return SessionView(word == "Established", word, match[2] if match else "", answer)
    document = json.loads(answer)
    if kind is RouterKind.FRR:
        neighbor = next((each for each in document.values() if isinstance(each, dict)), {})
        state = neighbor.get("bgpState", "none")
        return SessionView(state == "Established", state, str(neighbor.get("bgpTimerUpEstablishedEpoch")), answer)
    number = document.get("state", {}).get("session_state", 0)
    uptime = document.get("timers", {}).get("state", {}).get("uptime", {}).get("seconds", "")
    return SessionView(number == 6, str(number), str(uptime), answer)
