"""ExaBGP as the driver sees it, without a socket: what 5.0.15 was seen to do, its faults included.

It takes one command or does one thing of its own per ``step``, so that a test decides on every interleaving. A `reload` may be dropped;
each command is answered in order, but `reload` at once.
"""

import json
import re
from collections import deque
from dataclasses import dataclass, field

_BLOCK = re.compile(r"neighbor (\S+) \{\n(.*?)\n\}", re.DOTALL)
_STARTED = '{"hub": "hello", "epoch": %d, "pid": 1, "is_running": true}'


@dataclass
class ModelPeer:
    """One neighbor."""

    text: str
    router_id: str
    local_as: str
    peer_as: str
    is_up: bool = False
    rib: dict[str, str] = field(default_factory=dict)
    on_the_wire: list[tuple[str, str]] = field(default_factory=list)
    """(prefix or family, what): announcements, withdrawals and End-of-RIB since the session came up."""

    @property
    def name(self) -> tuple[str, str, str]:
        return self.router_id, self.local_as, self.peer_as


class ExaBgpModel:
    """One ExaBGP with the hub before it."""

    def __init__(self) -> None:
        self.epoch = 1
        self.file = ""
        self.peers: dict[str, ModelPeer] = {}
        self.commands: deque[str] = deque()
        self.lines: deque[str] = deque([_STARTED % 1])
        self.asns: dict[str, int] = {}
        self.drops_reloads = 0
        self.refuses: set[str] = set()
        self.most_waiting = 0

    def send(self, command: str) -> None:
        self.commands.append(command)
        self.most_waiting = max(self.most_waiting, len(self.commands))

    def restart(self) -> None:
        """ExaBGP dies and is started again with the file as it is."""
        self.epoch += 1
        self.peers, self.commands = {}, deque()
        self._load()
        self.lines = deque([_STARTED % self.epoch])

    def reconnect(self) -> None:
        """The speaker's connection is lost and made again; answers of before are the hub's to drop."""
        while self.commands:
            self.step()
        self.lines = deque([_STARTED % self.epoch])

    def set_up(self, remote: str, *, is_up: bool) -> None:
        """The router comes or goes."""
        peer = self.peers.get(remote)
        if peer is None or peer.is_up is is_up:
            return
        peer.is_up = is_up
        if is_up:
            peer.on_the_wire = [(prefix, body) for prefix, body in peer.rib.items()]
            asn = self.asns.get(remote, 64999)
            opened = {"asn": asn, "capabilities": {}}
            self._event(remote, peer, "open", {"direction": "receive", "open": opened})
            self._event(remote, peer, "negotiated", {"negotiated": {"hold_time": 9}})
        self._event(remote, peer, "state", {"state": "up" if is_up else "down", "reason": "closing connection"})

    def _event(self, remote: str, peer: ModelPeer, kind: str, rest: dict[str, object]) -> None:
        neighbor = {"address": {"local": "198.51.100.1", "peer": remote}, "asn": {"local": 65000, "peer": "PEER"}, **rest}
        asn = "None" if peer.peer_as == "auto" else peer.peer_as
        self.lines.append(json.dumps({"type": kind, "neighbor": neighbor}).replace('"PEER"', asn))

    def step(self) -> None:
        """Carry out the oldest command."""
        if self.commands:
            epoch, answer = self.epoch, "done" if self._do(self.commands.popleft()) else "error"
            if self.epoch == epoch:
                self.lines.append(answer)

    def _do(self, command: str) -> bool:
        if command == "shutdown":
            self.drops_reloads = 0
            self.restart()
            return True
        if command == "reload":
            assert not self.commands, "a reload overtakes what was sent before it"
            if self.drops_reloads:
                self.drops_reloads -= 1
            else:
                self._load()
            return True
        if command == "show neighbor summary json":
            if any(peer.peer_as == "auto" for peer in self.peers.values()):
                return False
            self.lines.append(json.dumps([_summary(remote, peer) for remote, peer in self.peers.items()]))
            return True
        if command == "show adj-rib out extensive":
            self._show_routes()
            return True
        return self._do_for_peers(command)

    def _show_routes(self) -> None:
        for remote, peer in self.peers.items():
            for prefix, body in peer.rib.items():
                next_hop, words = _groups(re.fullmatch(r"announce attributes next-hop (\S+) ?(.*)", body))
                version = "ipv6" if ":" in prefix else "ipv4"
                shown = "198.51.100.1" if next_hop == "self" else next_hop
                name = f"neighbor {remote} local-ip 198.51.100.1 local-as 65000 peer-as 1 router-id 1.1.1.1 family-allowed in-open"
                self.lines.append(f"{name} {version} unicast {prefix} next-hop {shown} {words}".rstrip())

    def _do_for_peers(self, command: str) -> bool:
        remotes = re.findall(r"neighbor (\S+)", command)
        chosen = [self.peers[remote] for remote in remotes if remote in self.peers]
        if command.endswith("clear adj-rib in"):
            name = _groups(re.search(r"local-as (\S+) peer-as (\S+) router-id (\S+)", command))
            return any((peer.local_as, peer.peer_as, peer.router_id) == name for peer in chosen)
        if "announce eor" in command:
            for peer in chosen:
                peer.on_the_wire.append((command.split()[-2], "eor"))
            return bool(chosen) and chosen[0].is_up
        body, prefixes = _groups(re.search(r"((?:announce|withdraw) .*) nlri (.*)", command))
        if not chosen or self.refuses & set(prefixes.split()):
            return False
        for peer in chosen:
            assert peer.is_up, "routes are sent to peers that are up"
            for prefix in prefixes.split():
                self._change(peer, prefix, body)
        return True

    def _change(self, peer: ModelPeer, prefix: str, body: str) -> None:
        if body.startswith("withdraw"):
            peer.rib.pop(prefix, None)
            peer.on_the_wire.append((prefix, "withdraw"))
        elif peer.rib.get(prefix) != body:
            peer.rib[prefix] = body
            peer.on_the_wire.append((prefix, body))

    def _load(self) -> None:
        wanted = {}
        for remote, text in _BLOCK.findall(self.file):
            values = dict(re.findall(r"(\S+) (\S+);", text))
            wanted[remote] = ModelPeer(text, values["router-id"], values["local-as"], values["peer-as"])
        for remote, peer in list(self.peers.items()):
            if remote not in wanted or peer.name != wanted[remote].name:
                if peer.is_up:
                    self._event(remote, peer, "state", {"state": "down", "reason": "stop, message [removed]"})
                del self.peers[remote]
            elif peer.text != wanted[remote].text:
                # ExaBGP establishes such a session anew, with the same routes; only a speaker that has just started does not know better.
                peer.text = wanted[remote].text
                self.set_up(remote, is_up=False)
        for remote, peer in wanted.items():
            self.peers.setdefault(remote, peer)


def _summary(remote: str, peer: ModelPeer) -> dict[str, object]:
    local = {"as": int(peer.local_as), "id": peer.router_id, "hold": 9}
    far = {"address": remote, "as": int(peer.peer_as), "hold": 9 if peer.is_up else None}
    return {"fsm": "ESTABLISHED" if peer.is_up else "IDLE", "local": local, "peer": far}


def _groups(match: "re.Match[str] | None") -> tuple[str, ...]:
    assert match is not None, "a command that ExaBGP does not know"
    return match.groups()
