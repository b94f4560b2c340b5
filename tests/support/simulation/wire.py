"""The link that all nodes are on: who answers for which IP at this moment, and who hears whom.

A port is a node's end of it; its announcer stands in for ``host.announcer``: the same interface and the same bursts, no sockets. An
announcement reaches, a little later, everybody else whose cable is in; an announcer that has the same IP tells of it, as often as the
real one would. A suspended or dead process answers nothing, since replies come from user space.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Self

from baremetal_lb.host.announcer import AnnouncerOptions
from baremetal_lb.host.counters import AnnouncerCounters
from baremetal_lb.l2.announcements import Announcements, Start, Stop
from baremetal_lb.l2.links import LinkFacts
from baremetal_lb.model.net import IPAddress, Mac
from baremetal_lb.model.time import SECOND
from tests.support.simulation.clock import MACHINE, Machine, VirtualLoop

INTERFACE = "eth0"


class Port:
    """One node's end of the link, and its cable."""

    def __init__(self, node: str, number: int) -> None:
        self.node = node
        self.mac = Mac.parse(f"02:00:00:00:00:{number:02x}")
        self.has_carrier = True
        self.machine: Machine | None = None
        self.announcer: SimulatedAnnouncer | None = None

    def answers(self, ip: IPAddress) -> bool:
        """Tell whether a question for the IP would be answered from here."""
        is_running = self.machine is not None and not self.machine.is_suspended
        return is_running and self.has_carrier and self.announcer is not None and self.announcer.has(ip)


class Wire:
    """All ports."""

    def __init__(self, loop: VirtualLoop, rng: random.Random) -> None:
        self.loop, self.rng = loop, rng
        self.ports: dict[str, Port] = {}
        self.after_change: list[Callable[[], None]] = []

    def add(self, node: str) -> Port:
        self.ports[node] = Port(node, len(self.ports) + 1)
        return self.ports[node]

    def answering(self) -> dict[IPAddress, frozenset[str]]:
        """Return who answers for each IP that anybody answers for."""
        found: dict[IPAddress, set[str]] = {}
        for port in self.ports.values():
            for ip in port.announcer.announced if port.announcer is not None else ():
                if port.answers(ip):
                    found.setdefault(ip, set()).add(port.node)
        return {ip: frozenset(nodes) for ip, nodes in found.items()}

    def changed(self) -> None:
        for listener in self.after_change:
            listener()

    def plug(self, node: str, *, is_in: bool) -> None:
        """Put a cable in or pull it out."""
        port = self.ports[node]
        port.has_carrier = is_in
        if port.announcer is not None and port.machine is not None:
            news = port.announcer.see_link
            self.loop.call_later(self.rng.uniform(0.001, 0.01), news, context=port.machine.context)
        self.changed()

    def announce(self, sender: Port, ip: IPAddress) -> None:
        """Carry one announcement to everybody else."""
        if sender.has_carrier:
            self.forge(sender, ip)

    def forge(self, sender: Port, ip: IPAddress) -> None:
        """Carry an announcement in this node's name, whoever sent it."""
        for port in self.ports.values():
            if port is not sender and port.has_carrier and port.announcer is not None and port.machine is not None:
                delay_s = self.rng.uniform(0.00005, 0.0005)
                self.loop.call_later(delay_s, port.announcer.hear, ip, sender.mac, context=port.machine.context)

    def ask(self, sender: Port, ip: IPAddress) -> None:
        """Carry one question to everybody else, and the answers back."""
        for port in self.ports.values():
            if port is not sender and port.has_carrier:
                delay_s = self.rng.uniform(0.0001, 0.001)
                self.loop.call_later(delay_s, self._answer, port, sender, ip)

    def _answer(self, port: Port, asker: Port, ip: IPAddress) -> None:
        if port.answers(ip) and asker.has_carrier and asker.announcer is not None and asker.machine is not None:
            self.loop.call_soon(asker.announcer.hear_answer, ip, port.mac, context=asker.machine.context)


class SimulatedAnnouncer:
    """``host.announcer.Announcer`` on one port."""

    def __init__(
        self,
        wire: Wire,
        options: AnnouncerOptions,
        *,
        on_links: Callable[[tuple[LinkFacts, ...]], None],
        on_conflict: Callable[[IPAddress, Mac, str], None],
        on_answer: Callable[[IPAddress, Mac, str], None],
    ) -> None:
        machine = MACHINE.get()
        assert machine is not None
        self._wire, self._options, self._on_links = wire, options, on_links
        self._on_conflict, self._on_answer = on_conflict, on_answer
        self._asked: set[IPAddress] = set()
        self._port = wire.ports[machine.name]
        self.announced: dict[IPAddress, frozenset[str] | None] = {}
        self.counters = AnnouncerCounters()
        self._bursts: Announcements[IPAddress] = Announcements()
        self._timer: asyncio.TimerHandle | None = None
        self._reported: dict[IPAddress, int] = {}
        self._has_carrier = True

    async def __aenter__(self) -> Self:
        await asyncio.sleep(self._wire.rng.uniform(0.1, 0.6))  # templates are built in a process of their own
        self._has_carrier = self._port.has_carrier
        if self._port.machine is MACHINE.get():  # else somebody was killed meanwhile
            self._port.announcer = self
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._port.announcer is self:
            self._port.announcer = None
            self._wire.changed()

    @property
    def links(self) -> tuple[LinkFacts, ...]:
        return (LinkFacts(INTERFACE, 2, self._port.mac, self._has_carrier, has_ipv4=True, has_ipv6=True),)

    def has(self, ip: IPAddress) -> bool:
        names = self.announced.get(ip, frozenset())
        return names is None or INTERFACE in names

    def update_announced(self, changed: Mapping[IPAddress, frozenset[str] | None], withdrawn: Iterable[IPAddress] = ()) -> None:
        before = {ip for ip in self.announced if self.has(ip)}
        self.announced.update(changed)
        self._burst(Start([ip for ip in changed if self.has(ip) and ip not in before]))
        withdrawn = list(withdrawn)
        for ip in withdrawn:
            self.announced.pop(ip, None)
            self._reported.pop(ip, None)
        self._burst(Stop([*withdrawn, *(ip for ip in changed if not self.has(ip))]))
        self._wire.changed()

    def probe(self, asked: Mapping[IPAddress, frozenset[str] | None]) -> set[IPAddress]:
        here = {ip for ip, names in asked.items() if self._has_carrier and (names is None or INTERFACE in names)}
        self._asked |= here
        for ip in sorted(here, key=str):
            self._wire.ask(self._port, ip)
        return set(asked) - here

    def end_probes(self, ips: Iterable[IPAddress]) -> None:
        self._asked.difference_update(ips)

    def hear_answer(self, ip: IPAddress, mac: Mac) -> None:
        """Take that another host answered a question."""
        if self._port.announcer is self and ip in self._asked:
            self._on_answer(ip, mac, INTERFACE)

    def _burst(self, event: Start[IPAddress] | Stop[IPAddress]) -> None:
        self._send(self._bursts.handle(event, now=self._wire.loop.now))

    def _send(self, due: Iterable[IPAddress]) -> None:
        for ip in due:
            self._wire.announce(self._port, ip)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (deadline := self._bursts.deadline()) is not None:
            delay_s = max(0, deadline - self._wire.loop.now) / SECOND
            self._timer = self._wire.loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._send(self._bursts.tick(now=self._wire.loop.now))

    def see_link(self) -> None:
        """Take the news that the cable was put in or pulled out."""
        if self._port.announcer is not self or self._has_carrier == self._port.has_carrier:
            return
        self._has_carrier = self._port.has_carrier
        if self._has_carrier:
            self._burst(Start([ip for ip in self.announced if self.has(ip)]))
        self._on_links(self.links)

    def hear(self, ip: IPAddress, mac: Mac) -> None:
        """Take that another host announced an IP."""
        now, last = self._wire.loop.now, self._reported.get(ip)
        if self._port.announcer is not self or not self.has(ip) or (last is not None and now - last < self._options.conflict_interval):
            return
        self._reported[ip] = now
        self._on_conflict(ip, mac, INTERFACE)
