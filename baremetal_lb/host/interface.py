"""One interface that announces: its packet sockets, responders, filters and group memberships.

Purpose: everything that lives and dies with the interface is here, so that an interface that went down and came up again, or was removed
and added, is simply opened anew with the IPs that are wanted on it.

    readable -> at most FRAMES_PER_WAKE frames at once -> responder, send -> counters
    put/remove -> responder at once; filter at once if it does not admit an IP yet, a narrower one a little later; joins queued

Rules: no await, no protocol meaning; a wake is bounded, so that the event loop stays responsive under a storm.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

import structlog

from baremetal_lb.host.counters import AnnouncerCounters
from baremetal_lb.host.frame_reader import FrameReader
from baremetal_lb.host.group_sockets import GroupSockets
from baremetal_lb.host.packet_socket import attach_finest, dropped_frames, open_packet_socket
from baremetal_lb.l2.filter_plan import plan_arp, plan_ndp
from baremetal_lb.l2.links import LinkFacts
from baremetal_lb.l2.probes import probe_of
from baremetal_lb.l2.reasons import DropReason
from baremetal_lb.l2.responder import Answer, ArpResponder, Conflict, NdpResponder, ProbeAnswer
from baremetal_lb.l2.templates import Templates
from baremetal_lb.model.net import IPAddress, Mac
from baremetal_lb.packet import ethernet

log = structlog.get_logger(__name__)
FRAMES_PER_WAKE = 64
_READER = FrameReader(frames=FRAMES_PER_WAKE, octets=512)
"""512: the filter hands over no more of a frame."""
_NARROW_AFTER_S = 0.2
"""How long a filter may admit more than it must after IPs went; many withdrawals in a row cost one new filter."""


class AnnouncingInterface:
    """Answers for the IPs that it was given, from ``open`` to ``close``."""

    def __init__(
        self,
        facts: LinkFacts,
        templates: Templates,
        counters: AnnouncerCounters,
        on_conflict: Callable[[IPAddress, Mac, str], None],
        on_answer: Callable[[IPAddress, Mac, str], None],
    ) -> None:
        if facts.mac is None:
            raise ValueError(f"{facts.name} has no hardware address")
        self.facts = facts
        self.addresses: set[IPAddress] = set()
        self._mac = facts.mac
        self._templates = templates
        self._counters = counters
        self._asked: set[IPAddress] = set()
        self._on_conflict, self._on_answer = on_conflict, on_answer
        self._arp = ArpResponder(templates, facts.mac)
        self._ndp = NdpResponder(templates, facts.mac)
        self._arp_plan, self._ndp_plan = plan_arp(()), plan_ndp(())
        self._arp_socket: socket.socket | None = None
        self._ndp_socket: socket.socket | None = None
        self._groups: GroupSockets | None = None
        self._narrowing: asyncio.TimerHandle | None = None

    @property
    def pending_joins(self) -> int:
        """Group memberships that are still to be changed."""
        return self._groups.pending if self._groups is not None else 0

    def open(self) -> None:
        """Open the sockets of the families that the link can do.

        Raises:
            OSError: the interface is gone, or the kernel has no memory for it.
        """
        loop = asyncio.get_running_loop()
        name, index = self.facts.name, self.facts.index
        if self.facts.has_ipv4:
            self._arp_socket = open_packet_socket(name, index, ethernet.ARP, self._arp_plan)
            loop.add_reader(self._arp_socket.fileno(), self._drain, self._arp_socket, self._arp.reply, "arp")
        if self.facts.has_ipv6:
            self._ndp_socket = open_packet_socket(name, index, ethernet.IPV6, self._ndp_plan)
            loop.add_reader(self._ndp_socket.fileno(), self._drain, self._ndp_socket, self._ndp.reply, "ndp")
            self._groups = GroupSockets(index, self._counters)

    def close(self) -> None:
        """Answer no more; leave all groups."""
        loop = asyncio.get_running_loop()
        self.count_kernel_drops()
        for opened in (self._arp_socket, self._ndp_socket):
            if opened is not None:
                loop.remove_reader(opened.fileno())
                opened.close()
        self._arp_socket = self._ndp_socket = None
        if self._groups is not None:
            self._groups.close()
        if self._narrowing is not None:
            self._narrowing.cancel()

    def set_macs(self, facts: LinkFacts, own_macs: Iterable[Mac]) -> bool:
        """Take the hardware addresses of this interface and of the node; tell whether ours has changed."""
        mac = facts.mac or self._mac
        has_changed, self._mac, self.facts = mac != self._mac, mac, facts
        own = tuple(own_macs)
        self._arp.set_macs(mac, own)
        self._ndp.set_macs(mac, own)
        return has_changed

    def put(self, addresses: Iterable[IPAddress]) -> list[IPAddress]:
        """Answer for these from now on; return those that are new here and of a family that this link can do.

        Raises:
            OSError: the kernel does not take the filter.
        """
        added = [
            address
            for address in addresses
            if address not in self.addresses and (self.facts.has_ipv4 if address.version == 4 else self.facts.has_ipv6)
        ]
        self.addresses.update(added)
        v4, v6 = _by_family(added)
        self._arp.put(v4)
        self._ndp.put(v6)
        self._admit(v4, v6)
        if self._groups is not None:
            self._groups.add(v6)
        return added

    def remove(self, addresses: Iterable[IPAddress]) -> list[IPAddress]:
        """Answer for these no more; return those that were announced here."""
        removed = [address for address in addresses if address in self.addresses]
        self.addresses.difference_update(removed)
        v4, v6 = _by_family(removed)
        self._arp.remove(v4)
        self._ndp.remove(v6)
        if self._groups is not None:
            self._groups.remove(v6)
        if removed:
            self._narrow_soon()
        return removed

    def probe(self, addresses: Iterable[IPAddress]) -> list[IPAddress]:
        """Ask once for each who has it, and listen for answers until ``end_probes``; return those whose question has left.

        Raises:
            OSError: the kernel does not take the filter.
        """
        if not self.facts.carrier:
            return []
        asked = [address for address in addresses if (self.facts.has_ipv4 if address.version == 4 else self.facts.has_ipv6)]
        self._asked.update(asked)
        v4, v6 = _by_family(asked)
        self._arp.ask(v4)
        self._ndp.ask(v6)
        self._admit(v4, v6)
        return [address for address in asked if self._ask(address)]

    def end_probes(self, addresses: Iterable[IPAddress]) -> None:
        """Listen for answers about these no more."""
        ended = [address for address in addresses if address in self._asked]
        self._asked.difference_update(ended)
        v4, v6 = _by_family(ended)
        self._arp.end_ask(v4)
        self._ndp.end_ask(v6)
        if ended:
            self._narrow_soon()

    def _ask(self, address: IPAddress) -> bool:
        opened, protocol = (self._arp_socket, "arp") if address.version == 4 else (self._ndp_socket, "ndp")
        frame = probe_of(address, self._mac, self.facts.link_local)
        if opened is None or frame is None:
            return False
        try:
            opened.send(frame)
        except OSError:
            self._counters.drops[DropReason.SendFailed] += 1
            return False
        self._counters.probes[protocol] += 1
        return True

    def announce(self, address: IPAddress) -> None:
        """Tell the neighbours, once, that the IP is here."""
        if address not in self.addresses:
            return
        if isinstance(address, IPv4Address):
            self._tell(self._arp_socket, self._templates.announcement_of_ipv4(self._mac, address), "arp")
        else:
            self._tell(self._ndp_socket, [self._templates.announcement_of_ipv6(self._mac, address)], "ndp")

    def _tell(self, opened: socket.socket | None, frames: Iterable[bytes], protocol: str) -> None:
        if opened is None:
            return
        for frame in frames:
            try:
                opened.send(frame)
                self._counters.announcements[protocol] += 1
            except OSError:
                self._counters.drops[DropReason.SendFailed] += 1

    def count_kernel_drops(self) -> None:
        """Add to the counters what the kernel dropped before we could read it."""
        for opened in (self._arp_socket, self._ndp_socket):
            if opened is not None and (drops := dropped_frames(opened)):
                self._counters.drops[DropReason.ReceiveBufferFull] += drops

    def _drain(self, opened: socket.socket, reply: Callable[[bytes], Answer], protocol: str) -> None:
        send, sent, not_sent, not_announced = opened.send, 0, 0, 0
        try:
            frames = _READER.read(opened.fileno())
        except BlockingIOError:
            return
        except OSError:
            # The link went down or away; its event is on the way.
            self._counters.drops[DropReason.ReceiveFailed] += 1
            return
        for frame in frames:
            answer = reply(frame)
            if answer.__class__ is bytes:
                try:
                    send(answer)
                    sent += 1
                except OSError:
                    not_sent += 1
            elif answer is DropReason.NotAnnounced:
                not_announced += 1
            else:
                self._refuse(answer)
        self._counters.requests[protocol] += sent + not_sent
        self._counters.replies[protocol] += sent
        if not_sent:
            self._counters.drops[DropReason.SendFailed] += not_sent
        if not_announced:
            self._counters.drops[DropReason.NotAnnounced] += not_announced

    def _refuse(self, answer: Answer) -> None:
        if isinstance(answer, Conflict):
            self._counters.conflicts += 1
            self._counters.drops[DropReason.ForeignAnnouncement] += 1
            self._on_conflict(answer.address, answer.mac, self.facts.name)
        elif isinstance(answer, ProbeAnswer):
            self._counters.drops[DropReason.AnswerToProbe] += 1
            self._counters.conflicts += answer.address in self.addresses
            self._on_answer(answer.address, answer.mac, self.facts.name)
        elif not isinstance(answer, bytes):
            self._counters.drops[answer] += 1

    def _admit(self, v4: Iterable[IPv4Address], v6: Iterable[IPv6Address]) -> None:
        """Have frames about these get through."""
        if not all(map(self._arp_plan.admits, v4)):
            self._refresh_arp_filter()
        if not all(map(self._ndp_plan.admits, v6)):
            self._refresh_ndp_filter()

    def _narrow_soon(self) -> None:
        if self._narrowing is None:
            self._narrowing = asyncio.get_running_loop().call_later(_NARROW_AFTER_S, self._narrow)

    def _narrow(self) -> None:
        self._narrowing = None
        try:
            self._refresh_arp_filter()
            self._refresh_ndp_filter()
        except OSError as error:
            # The wider filter stays, which costs processor time and nothing else.
            log.warning("filter_not_narrowed", interface=self.facts.name, error=str(error))

    def _refresh_arp_filter(self) -> None:
        if self._arp_socket is not None:
            targets, _ = _by_family(self.addresses | self._asked)
            self._arp_plan = attach_finest(self._arp_socket, lambda ranges: plan_arp(targets, max_ranges=ranges), self._arp_plan)

    def _refresh_ndp_filter(self) -> None:
        if self._ndp_socket is not None:
            _, targets = _by_family(self.addresses | self._asked)
            self._ndp_plan = attach_finest(self._ndp_socket, lambda ranges: plan_ndp(targets, max_ranges=ranges), self._ndp_plan)


def _by_family(addresses: Iterable[IPAddress]) -> tuple[list[IPv4Address], list[IPv6Address]]:
    v4, v6 = list[IPv4Address](), list[IPv6Address]()
    for address in addresses:
        if isinstance(address, IPv4Address):
            v4.append(address)
        else:
            v6.append(address)
    return v4, v6
