"""Router discovery on links of unnumbered BGP sessions: makes us known to the router there, and the router to us.

Routers with unnumbered sessions (FRR: ``neighbor eth0 interface remote-as external``) learn their neighbour's link-local address from its
Router Advertisements, and close the connections of everybody else. So each interface that is wanted

* sends an advertisement when it is opened, when a new router is heard, when it is asked, and each 10 s or so; router lifetime 0, so that
  nobody takes this node for a default router; never more often than each ``_LEAST_PAUSE``, whoever asks;
* sends a solicitation while its router is unknown or was silent for long (``bgp.unnumbered``).

The link-local address of this node's own is the one that the kernel takes for packets to the link; it is looked up each second, as is
whether the interface is still the same. Sockets that fail are opened anew then, so links may come and go.

Rules of this file: no await; a wake reads a bounded number of messages; malformed ones are counted and cost nothing.
"""

import asyncio
import errno
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address

import structlog

from baremetal_lb.bgp.unnumbered import Neighbourhood, UnnumberedReason
from baremetal_lb.model.time import SECOND
from baremetal_lb.packet.malformed import MalformedPacket
from baremetal_lb.packet.router_discovery import (
    ADVERTISEMENT,
    ALL_NODES,
    ALL_ROUTERS,
    SOLICITATION,
    RouterAdvertisement,
    RouterSolicitation,
    encode,
    parse,
)

log = structlog.get_logger(__name__)
_LOOK_S = 1.0
_INTERVAL = 10 * SECOND
_ASK_INTERVAL = 4 * SECOND
"""RFC 4861 §10, RTR_SOLICITATION_INTERVAL."""
_LEAST_PAUSE = SECOND // 2
_PER_WAKE = 16
_OCTETS = 1500
_ICMP6_FILTER = 1


class RouterDiscovery:
    """Learns the routers of the interfaces that are wanted; calls ``on_change`` whenever one of its mappings has changed."""

    def __init__(
        self, on_change: Callable[[], None], *, clock: Callable[[], int] = time.monotonic_ns, chance: random.Random | None = None
    ) -> None:
        self._on_change = on_change
        self._clock, self._chance = clock, chance or random.Random()
        self._links: dict[str, _Link] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.routers: Mapping[str, IPv6Address] = {}
        """Link-local address of the one router, by interface."""
        self.own: Mapping[str, IPv6Address] = {}
        """Our own link-local address, by interface."""
        self.reasons: Mapping[str, UnnumberedReason] = {}
        """Why the router is not known, of all other interfaces that are wanted."""
        self.malformed: Counter[str] = Counter()
        """Messages that were discarded, by MalformedReason."""

    def want(self, interfaces: Iterable[str]) -> None:
        """Discover on these interfaces, and on no others."""
        wanted = set(interfaces)
        for name in self._links.keys() - wanted:
            self._links.pop(name).close()
        for name in sorted(wanted - self._links.keys()):
            self._links[name] = _Link(name, self._clock, self._chance, self._publish, self.malformed)
        self._look()

    def close(self) -> None:
        """Stop."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for link in self._links.values():
            link.look()
        self._publish()
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look) if self._links else None

    def _publish(self) -> None:
        found = {name: link.router() for name, link in self._links.items()}
        routers = {name: router for name, router in found.items() if isinstance(router, IPv6Address)}
        reasons = {name: router for name, router in found.items() if isinstance(router, UnnumberedReason)}
        own = {name: link.own for name, link in self._links.items() if link.own is not None}
        if (routers, reasons, own) != (self.routers, self.reasons, self.own):
            self.routers, self.reasons, self.own = routers, reasons, own
            self._on_change()


class _Link:
    """One interface."""

    def __init__(
        self, name: str, clock: Callable[[], int], chance: random.Random, on_change: Callable[[], None], malformed: Counter[str]
    ) -> None:
        self._name, self._clock, self._chance = name, clock, chance
        self._on_change, self._malformed = on_change, malformed
        self._neighbourhood = Neighbourhood()
        self._socket: socket.socket | None = None
        self._index = 0
        self._fault: UnnumberedReason | None = UnnumberedReason.NoSuchInterface
        self._advertise_at = self._ask_at = 0
        self._advertised_at = -_INTERVAL
        self._answer: asyncio.TimerHandle | None = None
        self.own: IPv6Address | None = None

    def router(self) -> IPv6Address | UnnumberedReason:
        """Return the router, or why it is not known."""
        return self._fault or self._neighbourhood.router(now=self._clock())

    def look(self) -> None:
        """See that all is as it was, and send what is due."""
        try:
            index = socket.if_nametoindex(self._name)
        except (OSError, ValueError):  # none is called so, or none can be
            index = 0
        if index != self._index:
            self.close()
            self._index = index
        self.own = _own_address(index) if index else None
        if not index:
            self._fault = UnnumberedReason.NoSuchInterface
        elif self.own is None:
            self._fault = UnnumberedReason.NoLinkLocalAddress
        elif self._socket is None:
            self._open()
        else:
            self._fault = None
        if self._fault is None:
            self._send_due()

    def close(self) -> None:
        """Close the socket and forget everybody."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None
        self._neighbourhood = Neighbourhood()
        self._advertise_at = self._ask_at = 0

    def _open(self) -> None:
        try:
            self._socket = _open_socket(self._name, self._index)
        except OSError as error:
            is_forbidden = error.errno in (errno.EPERM, errno.EACCES)
            self._fault = UnnumberedReason.NotPermitted if is_forbidden else UnnumberedReason.NoSuchInterface
            return
        self._fault = None
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._drain)

    def _send_due(self) -> None:
        now = self._clock()
        if now >= self._advertise_at:
            self._advertise()
        if now >= self._ask_at and self._neighbourhood.must_ask(now=now):
            self._ask_at = now + _ASK_INTERVAL
            self._send(encode(RouterSolicitation()), ALL_ROUTERS)

    def _advertise(self) -> None:
        self._answer = None
        now = self._clock()
        self._advertised_at = now
        # RFC 4861 §6.2.4: jittered, so that routers that started together do not speak together for ever.
        self._advertise_at = now + round(_INTERVAL * self._chance.uniform(0.8, 1.0))
        self._send(encode(RouterAdvertisement()), ALL_NODES)

    def _advertise_soon(self) -> None:
        """Advertise now, or as soon as the last one is long enough ago."""
        if self._answer is None:
            wait = max(0, self._advertised_at + _LEAST_PAUSE - self._clock())
            self._answer = asyncio.get_running_loop().call_later(wait / SECOND, self._advertise)

    def _send(self, message: bytes, group: IPv6Address) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message, (str(group), 0, 0, self._index))
        except OSError as error:
            # The link is down or gone; the next look tells which.
            log.debug("router_message_not_sent", interface=self._name, error=str(error))

    def _drain(self) -> None:
        for _ in range(_PER_WAKE):
            if self._socket is None:
                return
            try:
                message, ancillary, _flags, sender = self._socket.recvmsg(_OCTETS, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("router_message_not_read", interface=self._name, error=str(error))
                return
            self._take(message, IPv6Address(sender[0].partition("%")[0]), _hop_limit(ancillary))

    def _take(self, message: bytes, source: IPv6Address, hop_limit: int) -> None:
        if source == self.own:
            return
        try:
            parsed = parse(message, source=source, hop_limit=hop_limit)
        except MalformedPacket as error:
            self._malformed[error.reason.name] += 1
            return
        if isinstance(parsed, RouterSolicitation):
            self._advertise_soon()
            return
        before = self.router()
        if self._neighbourhood.hear(source, lifetime_s=parsed.router_lifetime_s, now=self._clock()):
            # It may have started this moment, and know nobody yet.
            self._advertise_soon()
        if self.router() != before:
            self._on_change()


def _open_socket(name: str, index: int) -> socket.socket:
    """Return a non-blocking ICMPv6 socket for router messages on this interface.

    Raises:
        OSError: without CAP_NET_RAW, or the interface is gone.
    """
    opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _filter(SOLICITATION, ADVERTISEMENT))
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, ALL_ROUTERS.packed + struct.pack("@I", index))
    except BaseException:
        opened.close()
        raise
    return opened


def _filter(*passed: int) -> bytes:
    """Return an ICMPv6 filter (RFC 3542 §3.2): a bit that is set blocks its type; words in host byte order."""
    words = [0xFFFFFFFF] * 8
    for kind in passed:
        words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("=8I", *words)


def _own_address(index: int) -> IPv6Address | None:
    """Return the link-local address that the kernel sends from on this interface; no packet is sent."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((str(ALL_NODES), 9, 0, index))
        except OSError:
            return None
        address = IPv6Address(asked.getsockname()[0].partition("%")[0])
    return address if address.is_link_local else None


def _hop_limit(ancillary: Iterable[tuple[int, int, bytes]]) -> int:
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT):
            return int(struct.unpack("@i", value[:4])[0])
    return 0
