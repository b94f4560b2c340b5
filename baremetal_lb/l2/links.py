"""Links: which interfaces of this node may announce, and what each can do.

An interface is used unless its name is excluded, it is down, it is a port of another one (bridge, bond, VRF: then that one is used), or it
does no ARP by its own word. It answers ARP if it can broadcast, NDP if it has a link-local IPv6 address. A link without carrier stays
in use; it only cannot win an election meanwhile.

``LinkTable`` keeps what rtnetlink told; it is replaced as a whole when a dump is complete.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address

from baremetal_lb.model.net import Mac
from baremetal_lb.model.reasons import Reason
from baremetal_lb.packet.rtnetlink import (
    IFF_BROADCAST,
    IFF_LOOPBACK,
    IFF_LOWER_UP,
    IFF_NOARP,
    IFF_UP,
    InterfaceAddress,
    Link,
)

DEFAULT_EXCLUDED = (
    r"^docker.*",
    r"^cbr.*",
    r"^dummy.*",
    r"^virbr.*",
    r"^lxcbr.*",
    r"^veth.*",
    r"^lo$",
    r"^cali.*",
    r"^tunl.*",
    r"^flannel.*",
    r"^kube-ipvs.*",
    r"^cni.*",
    r"^nodelocaldns.*",
    r"^lxc.*",
)
"""Interfaces of container runtimes and network plugins."""


class LinkReason(Reason):
    """Why an interface announces nothing."""

    ExcludedByName = "The interface's name is excluded by configuration."
    Loopback = "The interface is a loopback."
    Down = "The interface is administratively down."
    Enslaved = "The interface is a port of a bridge, bond or VRF."
    NoArp = "The interface does not do ARP."
    NoHardwareAddress = "The interface has no Ethernet address."
    NoFamily = "The interface can neither broadcast nor has it a link-local IPv6 address."


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What others need to know of one interface of this node."""

    name: str
    index: int
    mac: Mac | None
    carrier: bool
    has_ipv4: bool
    """It can answer ARP."""
    has_ipv6: bool
    """It can answer NDP."""
    reason: LinkReason | None = None
    """Why it is not used, None when it is."""
    link_local: IPv6Address | None = None
    """The first of its link-local addresses: whom answers to our questions go to."""

    @property
    def usable(self) -> bool:
        """Tell whether IPs are announced on it."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class ExcludePatterns:
    """Regular expressions of interface names to leave alone, searched anywhere in the name.

    Raises:
        ValueError: one is no regular expression.
    """

    patterns: tuple[str, ...] = DEFAULT_EXCLUDED

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None

    def matches(self, name: str) -> bool:
        """Tell whether one of them is found in the name."""
        return any(_compiled(pattern).search(name) for pattern in self.patterns)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclass(slots=True)
class LinkTable:
    """All interfaces of this network namespace, by index."""

    links: dict[int, Link] = field(default_factory=dict)
    link_locals: dict[int, set[str]] = field(default_factory=dict)

    def apply(self, message: Link | InterfaceAddress) -> None:
        """Take one message of the kernel in."""
        if isinstance(message, Link):
            if message.is_gone:
                self.links.pop(message.index, None)
                self.link_locals.pop(message.index, None)
            else:
                self.links[message.index] = message
            return
        if message.address.version == 6 and message.address.is_link_local:
            if not message.is_gone:
                self.link_locals.setdefault(message.index, set()).add(str(message.address))
            elif message.index in self.link_locals:
                self.link_locals[message.index].discard(str(message.address))

    def facts(self, excluded: ExcludePatterns) -> tuple[LinkFacts, ...]:
        """Return every interface with what it can do, by name."""
        return tuple(sorted((self._facts(link, excluded) for link in self.links.values()), key=lambda facts: facts.name))

    def _facts(self, link: Link, excluded: ExcludePatterns) -> LinkFacts:
        reason = _reason_against(link, excluded)
        has_ipv4 = reason is None and bool(link.flags & IFF_BROADCAST)
        link_locals = self.link_locals.get(link.index)
        has_ipv6 = reason is None and bool(link_locals)
        link_local = IPv6Address(min(link_locals)) if link_locals else None
        if reason is None and not has_ipv4 and not has_ipv6:
            reason = LinkReason.NoFamily
        return LinkFacts(link.name, link.index, link.mac, bool(link.flags & IFF_LOWER_UP), has_ipv4, has_ipv6, reason, link_local)


def _reason_against(link: Link, excluded: ExcludePatterns) -> LinkReason | None:
    if link.flags & IFF_LOOPBACK:
        return LinkReason.Loopback
    if excluded.matches(link.name):
        return LinkReason.ExcludedByName
    if not link.flags & IFF_UP:
        return LinkReason.Down
    if link.master is not None:
        return LinkReason.Enslaved
    if link.flags & IFF_NOARP:
        return LinkReason.NoArp
    if link.mac is None:
        return LinkReason.NoHardwareAddress
    return None


def own_macs(links: Iterable[LinkFacts]) -> frozenset[Mac]:
    """Return every hardware address of this node: frames from these are never a conflict."""
    return frozenset(link.mac for link in links if link.mac is not None)
