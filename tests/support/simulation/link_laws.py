"""The laws of who answers, looked at after every change on the wire and every write, and a few times a second."""

from collections.abc import Mapping
from ipaddress import ip_network

from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import SECOND
from tests.support.simulation.laws import Broken
from tests.support.simulation.speakers import SpeakerNode
from tests.support.simulation.truth import Truth
from tests.support.simulation.wire import Wire

NEWS = 4 * SECOND
"""What may pass between a write and its effect on a node in good weather: a watch event, a turn, a planned move (two seconds)."""
GAP = 8 * SECOND
"""What may pass without an answer for an IP after a node died: its Lease's duration, two renewals, a turn."""
OVERLAP = 3 * SECOND
"""How long two nodes may answer at once in good weather."""


class LinkLaws:
    """Checks; ``log`` keeps what happened last for the message."""

    def __init__(self, wire: Wire, truth: Truth, nodes: Mapping[str, SpeakerNode], pools: list[str]) -> None:
        self._wire, self._truth, self._nodes = wire, truth, nodes
        self._pools = [ip_network(pool) for pool in pools]
        self.log: list[str] = []
        self.must_stand: dict[IPAddress, frozenset[str]] = {}
        """While nothing but the API server is wrong: who answered before, and must go on."""
        self._answering: dict[IPAddress, frozenset[str]] = {}
        self._silent_since: dict[IPAddress, int] = {}
        self._double_since: dict[IPAddress, int] = {}
        self._disturbed = 0
        self.broken: Broken | None = None
        self.checks = 0
        self.longest_gap = self.longest_overlap = 0

    def disturb(self, what: str) -> None:
        """Take note of something done to the cluster: waits begin anew."""
        self._disturbed = self._wire.loop.now
        self.note(what)

    def note(self, what: str) -> None:
        self.log.append(f"{self._wire.loop.now / 1e9:.3f} {what}")
        del self.log[:-250]

    def look(self) -> None:
        """Check all laws on this moment."""
        now, answering = self._wire.loop.now, self._wire.answering()
        if answering != self._answering:
            for ip in sorted(answering.keys() | self._answering.keys(), key=str):
                if answering.get(ip) != self._answering.get(ip):
                    self.note(f"    {ip}: {sorted(answering.get(ip, ()))}")
            self._answering = answering
        self.checks += 1
        for ip, nodes in answering.items():
            self._only_what_was_given(ip, nodes)
            for node in nodes:
                self._only_who_may(ip, node, now)
        for ip in self._truth.ips():
            self._somebody_answers(ip, answering.get(ip, frozenset()), now)
        for ip in answering.keys() | self._double_since.keys():
            self._nobody_else_answers(ip, answering.get(ip, frozenset()), now)
        self._nothing_falls_silent(answering)

    def fail(self, law: str) -> None:
        """Remember the first failure: the code that runs just now may swallow what is raised."""
        self.broken = self.broken or Broken(f"{self._wire.loop.now / 1e9:.3f} {law}\n" + "\n".join(self.log))
        raise self.broken

    def _only_what_was_given(self, ip: IPAddress, nodes: frozenset[str]) -> None:
        """Nobody answers for an IP that no Service ever had, or that is in no pool."""
        if ip not in self._truth.was_given or not any(ip in pool for pool in self._pools):
            self.fail(f"{sorted(nodes)} answer for {ip}, which was never given to a Service")

    def _only_who_may(self, ip: IPAddress, node: str, now: int) -> None:
        """A node does not answer for longer than news takes when the objects say that it must not: above all, a Local Service's."""
        fact, knows_from = self._truth.fact(ip, node), self._nodes[node].knows_from
        if not fact.is_so and knows_from is not None and now - max(fact.since, knows_from) > NEWS:
            self.fail(f"{node} answers for {ip} and may not, since {fact.since / 1e9:.3f}")

    def _somebody_answers(self, ip: IPAddress, nodes: frozenset[str], now: int) -> None:
        """An IP that a node could answer for is answered, at most a failure detection later."""
        able = [node for node in self._nodes.values() if self._truth.fact(ip, node.name).is_so and self._is_able(node)]
        if not able or nodes or not self._is_calm(now):
            self._silent_since.pop(ip, None)
            return
        changed = max(self._truth.fact(ip, node).since for node in self._nodes)
        silent = now - max(self._silent_since.setdefault(ip, now), changed, self._disturbed)
        self.longest_gap = max(self.longest_gap, silent)
        if silent > GAP:
            self.fail(f"nobody answers for {ip}, and {[node.name for node in able]} could")

    def _nobody_else_answers(self, ip: IPAddress, nodes: frozenset[str], now: int) -> None:
        """Two nodes answer at once only for the time of a planned move."""
        if len(nodes) < 2 or not self._is_calm(now):
            self._double_since.pop(ip, None)
            return
        double = now - max(self._double_since.setdefault(ip, now), self._disturbed)
        self.longest_overlap = max(self.longest_overlap, double)
        if double > OVERLAP:
            self.fail(f"{sorted(nodes)} answer for {ip} at once")

    def _nothing_falls_silent(self, answering: Mapping[IPAddress, frozenset[str]]) -> None:
        """Nothing is withdrawn because the API server is away, a watch broke, or a list came back empty."""
        for ip, nodes in self.must_stand.items():
            if answering.get(ip, frozenset()) != nodes:
                self.fail(f"{ip} was answered by {sorted(nodes)} and is by {sorted(answering.get(ip, ()))}, for an API server that is away")

    def _is_able(self, node: SpeakerNode) -> bool:
        return node.is_running and node.port.has_carrier

    def _is_calm(self, now: int) -> bool:
        """Tell whether every process that runs has heard all for long enough, and none is suspended."""
        return all(not node.is_started or (node.knows_from is not None and now > node.knows_from) for node in self._nodes.values())
