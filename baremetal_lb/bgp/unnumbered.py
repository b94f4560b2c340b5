"""Which router is at the other end of an interface: what an unnumbered session has instead of an address.

A router is known by its Router Advertisements (RFC 4861 §4.2), by its link-local address. Their lifetime says something else than we
want to know: for how long the router is a default router, and 0 where it is none, as on most links between routers. So a router is known
for ``MEMORY`` after it was last heard, whatever the lifetime; as routers may advertise themselves as seldom as each 30 minutes, who was
not heard for ``ASK_AFTER`` is asked (by Router Solicitations) to speak up.

Neighbours on the link that are no default routers (the speakers of other nodes among them) do not count where one is. With more than one
left it cannot be told who is meant, and there is no session: unnumbered is for links of two.

Implemented: RFC 4861 §6.3 as far as it concerns the list of routers. Not implemented: default routes, prefixes, Neighbor Unreachability
Detection: the BGP session itself tells whether the router is reachable.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address

from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.time import SECOND

MEMORY = 60 * SECOND
ASK_AFTER = 20 * SECOND
MAX_ROUTERS = 8
"""Of one interface; more change nothing."""


class UnnumberedReason(Reason):
    """Why the router of an interface is not known."""

    NoSuchInterface = "The node has no such interface, or it is not up."
    NoLinkLocalAddress = "The interface has no IPv6 link-local address."
    NotPermitted = "The speaker may not open ICMPv6 sockets, which takes the capability NET_RAW."
    NoRouterHeard = "No Router Advertisement was heard on the interface in the last minute."
    SeveralRouters = "More than one router advertises itself on the interface, so it is not clear which one is meant."


@dataclass(frozen=True, slots=True)
class _Heard:
    at: int
    is_default: bool


class Neighbourhood:
    """The routers of one interface."""

    def __init__(self) -> None:
        self._heard: dict[IPv6Address, _Heard] = {}

    def hear(self, router: IPv6Address, *, lifetime_s: int, now: int) -> bool:
        """Take an advertisement; tell whether it is of a router that was not known."""
        self._forget(now)
        is_new = router not in self._heard
        if is_new and len(self._heard) >= MAX_ROUTERS:
            return False
        self._heard[router] = _Heard(now, is_default=lifetime_s > 0)
        return is_new

    def router(self, *, now: int) -> IPv6Address | UnnumberedReason:
        """Return the one router, or why there is none."""
        self._forget(now)
        routers = [router for router, heard in self._heard.items() if heard.is_default] or list(self._heard)
        if not routers:
            return UnnumberedReason.NoRouterHeard
        return routers[0] if len(routers) == 1 else UnnumberedReason.SeveralRouters

    def must_ask(self, *, now: int) -> bool:
        """Tell whether somebody is to be asked to speak up."""
        return not self._heard or any(now - heard.at >= ASK_AFTER for heard in self._heard.values())

    def _forget(self, now: int) -> None:
        self._heard = {router: heard for router, heard in self._heard.items() if now - heard.at < MEMORY}
