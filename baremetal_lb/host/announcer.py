r"""The announcer: makes IPs reachable on this node's links, and keeps them so whatever happens to the links.

    set_announced(IPs) --> per interface: responder, filter, groups --> replies
                      \--> bursts (machine) --> announcements, paced
    rtnetlink events  --> facts of links --> open / close / new hardware address / carrier --> bursts again
                                        \--> on_links

Purpose: the shell around ``l2``, where it is decided what to answer and when to announce; here is opened, read, sent and re-armed.
Rules: all work happens in callbacks of one event loop; a callback handles a bounded number of frames, joins or announcements.

Invariants: an IP is answered on an interface exactly while it is announced, allowed there and the link is usable; new IPs are
announced before others are withdrawn; a link that came (back) in any way - up, carrier, added, link-local address, hardware address -
is as if all its IPs were announced there for the first time.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

import structlog

from baremetal_lb.host.counters import AnnouncerCounters
from baremetal_lb.host.errors import MissingCapability
from baremetal_lb.host.interface import AnnouncingInterface
from baremetal_lb.host.link_monitor import LinkMonitor
from baremetal_lb.host.template_builder import build_templates
from baremetal_lb.l2.announcements import Announcements, Start, Stop
from baremetal_lb.l2.links import ExcludePatterns, LinkFacts, LinkTable, own_macs
from baremetal_lb.l2.templates import Templates
from baremetal_lb.model.net import IPAddress, Mac
from baremetal_lb.model.time import SECOND

log = structlog.get_logger(__name__)
_REOPEN_AFTER_S = 1.0

Subject = tuple[int, IPAddress]
"""(interface index, IP): what a burst is about."""


@dataclass(frozen=True, slots=True)
class AnnouncerOptions:
    """Settings of layer 2 on this node."""

    excluded: ExcludePatterns = field(default_factory=ExcludePatterns)
    """Interfaces never to announce on; default: those of container runtimes and network plugins."""
    conflict_interval: int = SECOND // 5
    """ns; about one IP ``on_conflict`` is called at most this often. Short against the half second in which two announcers must agree."""


class Announcer:
    """Announces IPs on the links of this network namespace, from ``async with`` on.

    ``on_links`` gets all links whenever one has changed; ``on_conflict`` gets (IP, hardware address, interface) when another host tells
    that it has an IP of ours, ``on_answer`` the same when it answers to ``probe``.

    Raises (on entering):
        MissingCapability: without CAP_NET_RAW.
        TemplateBuildFailed: scapy is not there, or does not work.
    """

    def __init__(
        self,
        options: AnnouncerOptions | None = None,
        *,
        on_links: Callable[[tuple[LinkFacts, ...]], None] | None = None,
        on_conflict: Callable[[IPAddress, Mac, str], None] | None = None,
        on_answer: Callable[[IPAddress, Mac, str], None] = lambda _ip, _mac, _interface: None,
    ) -> None:
        self._options = options or AnnouncerOptions()
        self._on_links = on_links
        self._on_conflict, self._on_answer = on_conflict, on_answer
        self._counters = AnnouncerCounters()
        self._templates: Templates | None = None
        self._announced: dict[IPAddress, frozenset[str] | None] = {}
        self._interfaces: dict[int, AnnouncingInterface] = {}
        self._links: tuple[LinkFacts, ...] = ()
        self._bursts: Announcements[Subject] = Announcements()
        self._burst_timer: asyncio.TimerHandle | None = None
        self._reopen_timer: asyncio.TimerHandle | None = None
        self._reported: dict[IPAddress, int] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        _require_capability()
        self._templates = await build_templates()
        async with AsyncExitStack() as stack:
            stack.callback(self._close)
            await stack.enter_async_context(LinkMonitor(self._on_table, self._counters))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._stack.aclose()

    @property
    def links(self) -> tuple[LinkFacts, ...]:
        """All interfaces of this network namespace, by name, the unusable ones with their reason."""
        return self._links

    @property
    def announced(self) -> Mapping[IPAddress, frozenset[str] | None]:
        """What was last set."""
        return self._announced

    @property
    def counters(self) -> AnnouncerCounters:
        """Totals, the kernel's drops up to now included."""
        for interface in self._interfaces.values():
            interface.count_kernel_drops()
        return self._counters

    @property
    def pending_joins(self) -> int:
        """Group memberships that are still to be changed: solicitations of the newest IPv6 IPs may not arrive yet on all switches."""
        return sum(interface.pending_joins for interface in self._interfaces.values())

    def set_announced(self, announced: Mapping[IPAddress, frozenset[str] | None]) -> None:
        """Announce exactly these IPs, each on the interfaces named (None: on all usable ones). Costs O(IPs)."""
        missing = object()
        changed = {ip: names for ip, names in announced.items() if self._announced.get(ip, missing) != names}
        gone = [ip for ip in self._announced if ip not in announced]
        self.update_announced(changed, gone)

    def update_announced(self, changed: Mapping[IPAddress, frozenset[str] | None], withdrawn: Iterable[IPAddress] = ()) -> None:
        """Announce or move ``changed``, then withdraw; all other IPs stay. Costs O(changes)."""
        withdrawn = list(withdrawn)
        self._announced.update(changed)
        for interface in list(self._interfaces.values()):
            self._put(interface, [ip for ip, names in changed.items() if names is None or interface.facts.name in names])
        for interface in self._interfaces.values():
            elsewhere = [ip for ip, names in changed.items() if names is not None and interface.facts.name not in names]
            self._remove(interface, [*elsewhere, *withdrawn])
        for ip in withdrawn:
            self._announced.pop(ip, None)
            self._reported.pop(ip, None)

    def probe(self, asked: Mapping[IPAddress, frozenset[str] | None]) -> set[IPAddress]:
        """Ask once for each IP who has it, on the interfaces named (None: on all usable ones); return those that no link took.

        Whether they are announced here makes no difference. ``end_probes`` ends listening for answers.
        """
        unsent = set(asked)
        for interface in list(self._interfaces.values()):
            try:
                unsent.difference_update(
                    interface.probe([ip for ip, names in asked.items() if names is None or interface.facts.name in names])
                )
            except OSError as error:
                self._give_up(interface, error)
        return unsent

    def end_probes(self, ips: Iterable[IPAddress]) -> None:
        """Listen for answers about these no more."""
        ips = list(ips)
        for interface in self._interfaces.values():
            interface.end_probes(ips)

    def _put(self, interface: AnnouncingInterface, ips: Iterable[IPAddress]) -> None:
        try:
            added = interface.put(ips)
        except OSError as error:
            self._give_up(interface, error)
            return
        self._burst(Start([(interface.facts.index, ip) for ip in added]))

    def _remove(self, interface: AnnouncingInterface, ips: Iterable[IPAddress]) -> None:
        removed = interface.remove(ips)
        if removed:
            self._burst(Stop([(interface.facts.index, ip) for ip in removed]))

    def _burst(self, event: Start[Subject] | Stop[Subject]) -> None:
        self._send(self._bursts.handle(event, now=time.monotonic_ns()))

    def _on_burst_timer(self) -> None:
        self._burst_timer = None
        self._send(self._bursts.tick(now=time.monotonic_ns()))

    def _send(self, subjects: Iterable[Subject]) -> None:
        """Announce what is due, and come back when more is."""
        for index, ip in subjects:
            if index in self._interfaces:
                self._interfaces[index].announce(ip)
        if self._burst_timer is not None:
            self._burst_timer.cancel()
            self._burst_timer = None
        deadline = self._bursts.deadline()
        if deadline is not None:
            delay_s = max(0, deadline - time.monotonic_ns()) / SECOND
            self._burst_timer = asyncio.get_running_loop().call_later(delay_s, self._on_burst_timer)

    def _on_table(self, table: LinkTable) -> None:
        links = table.facts(self._options.excluded)
        if links == self._links:
            return
        before, self._links = {link.index: link for link in self._links}, links
        usable = {link.index: link for link in links if link.usable}
        for index in [index for index in self._interfaces if index not in usable]:
            self._close_interface(index)
        macs = own_macs(links)
        for index, facts in usable.items():
            self._follow(facts, before.get(index), macs)
        if self._on_links is not None:
            self._on_links(links)

    def _follow(self, facts: LinkFacts, before: LinkFacts | None, macs: frozenset[Mac]) -> None:
        """Bring one usable interface up to date."""
        interface = self._interfaces.get(facts.index)
        if interface is not None and _identity(interface.facts) != _identity(facts):
            self._close_interface(facts.index)
            interface = None
        if interface is None:
            self._open_interface(facts, macs)
            return
        has_new_mac = interface.set_macs(facts, macs)
        has_carrier_again = facts.carrier and before is not None and not before.carrier
        if has_new_mac or has_carrier_again:
            self._burst(Start([(facts.index, ip) for ip in interface.addresses]))

    def _open_interface(self, facts: LinkFacts, macs: frozenset[Mac]) -> None:
        assert self._templates is not None
        interface = AnnouncingInterface(facts, self._templates, self._counters, self._report_conflict, self._on_answer)
        interface.set_macs(facts, macs)
        try:
            interface.open()
        except OSError as error:
            self._give_up(interface, error)
            return
        self._interfaces[facts.index] = interface
        log.info("interface_opened", interface=facts.name, ipv4=facts.has_ipv4, ipv6=facts.has_ipv6)
        self._put(interface, [ip for ip, names in self._announced.items() if names is None or facts.name in names])

    def _close_interface(self, index: int) -> None:
        interface = self._interfaces.pop(index)
        self._burst(Stop([(index, ip) for ip in interface.addresses]))
        interface.close()
        log.info("interface_closed", interface=interface.facts.name)

    def _give_up(self, interface: AnnouncingInterface, error: OSError) -> None:
        """Close what could not be opened or filled, and try again soon: an event comes only if the link itself was the cause."""
        self._counters.failed_opens += 1
        log.warning("interface_failed", interface=interface.facts.name, error=str(error))
        if self._interfaces.get(interface.facts.index) is interface:
            self._close_interface(interface.facts.index)
        else:
            interface.close()
        if self._reopen_timer is None:
            self._reopen_timer = asyncio.get_running_loop().call_later(_REOPEN_AFTER_S, self._reopen)

    def _reopen(self) -> None:
        self._reopen_timer = None
        macs = own_macs(self._links)
        for facts in self._links:
            if facts.usable and facts.index not in self._interfaces:
                self._open_interface(facts, macs)

    def _report_conflict(self, ip: IPAddress, mac: Mac, interface: str) -> None:
        now = time.monotonic_ns()
        last = self._reported.get(ip)
        if self._on_conflict is None or (last is not None and now - last < self._options.conflict_interval):
            return
        self._reported[ip] = now
        self._on_conflict(ip, mac, interface)

    def _close(self) -> None:
        for timer in (self._burst_timer, self._reopen_timer):
            if timer is not None:
                timer.cancel()
        for interface in self._interfaces.values():
            interface.close()
        self._interfaces.clear()


def _identity(facts: LinkFacts) -> tuple[str, bool, bool]:
    """What cannot change while the sockets stay open."""
    return facts.name, facts.has_ipv4, facts.has_ipv6


def _require_capability() -> None:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        raise MissingCapability from None
