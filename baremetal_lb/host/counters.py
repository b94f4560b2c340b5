"""What the announcer counts: plain numbers, for whoever exposes them."""

from collections import Counter
from dataclasses import dataclass, field

from baremetal_lb.model.reasons import Reason


@dataclass(slots=True)
class AnnouncerCounters:
    """Totals since the start; protocols are ``arp`` and ``ndp``."""

    requests: Counter[str] = field(default_factory=lambda: Counter(arp=0, ndp=0))
    """Questions for IPs that are announced, by protocol."""
    replies: Counter[str] = field(default_factory=lambda: Counter(arp=0, ndp=0))
    """Replies sent, by protocol."""
    announcements: Counter[str] = field(default_factory=lambda: Counter(arp=0, ndp=0))
    """Frames of announcements sent, by protocol."""
    probes: Counter[str] = field(default_factory=lambda: Counter(arp=0, ndp=0))
    """Questions sent for IPs that another member claims, by protocol."""
    drops: Counter[Reason] = field(default_factory=Counter)
    """Frames that got no answer, by DropReason or MalformedReason."""
    conflicts: int = 0
    """Frames in which another hardware address told that it has an IP of ours."""
    link_resyncs: int = 0
    """Times that the list of interfaces had to be read anew, since events were lost."""
    failed_joins: int = 0
    """Group memberships that the kernel refused."""
    failed_opens: int = 0
    """Interfaces whose sockets could not be opened; tried again."""
