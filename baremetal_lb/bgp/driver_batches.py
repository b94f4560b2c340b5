"""The next commands about routes: withdrawals of all peers first, then announcements, then End-of-RIB.

Peers that differ in the same prefixes in the same way share commands. A refused route travels alone, to one peer at a time, until
ExaBGP takes it.
"""

from collections.abc import Iterable, Iterator, Sequence

from baremetal_lb.bgp.driver_flight import EndOfRib, Routes, Sent
from baremetal_lb.bgp.driver_peer import DrivenPeer
from baremetal_lb.bgp.exabgp_commands import NLRI_PER_COMMAND, PEERS_PER_COMMAND, announce_body, end_of_rib, routes_command, withdraw_body
from baremetal_lb.bgp.exabgp_text import Phrase, Unwritable
from baremetal_lb.bgp.session import Attributes, Prefix
from baremetal_lb.model.net import Family, IPAddress, family_of

_Key = tuple[Phrase, Family, tuple[IPAddress, ...], int]
_Item = tuple[Prefix, Attributes | None]


def next_commands(peers: Iterable[DrivenPeer], room: int, *, now: int) -> Iterator[tuple[Phrase, Sent]]:
    """Yield commands with about ``room`` prefixes. Marks only what cannot be written; the caller marks those that it sends."""
    peers = list(peers)
    withdrawn = [
        (withdraw_body(_family(prefix)), (prefix, None), peer)
        for peer in peers
        for prefix in peer.rib.withdrawals(room, is_closing=peer.is_closing, now=now)
    ]
    if withdrawn:
        yield from _bulk(withdrawn)
    left = room - len(withdrawn)
    if left <= 0:
        return
    announced = []
    bodies: dict[tuple[IPAddress, Family, Attributes], Phrase] = {}
    for peer in peers:
        if peer.spec is None or peer.is_closing:
            continue
        for prefix, attributes in peer.rib.announcements(left, now=now):
            key = (peer.remote, _family(prefix), attributes)
            try:
                if key not in bodies:
                    bodies[key] = announce_body(peer.spec, key[1], attributes)
                Phrase(prefix)
            except Unwritable:  # a fault of ours, which must cost this route alone: it is told as one that ExaBGP refuses
                peer.rib.refused(prefix, was_alone=True, now=now)
                continue
            announced.append((bodies[key], (prefix, attributes), peer))
    yield from _bulk(announced)


def ends_of_rib(peers: Iterable[DrivenPeer]) -> Iterator[tuple[Phrase, Sent]]:
    """Yield End-of-RIB of every peer that now has all its routes."""
    for peer in peers:
        if (
            peer.is_end_of_rib_due
            and not peer.is_closing
            and peer.spec is not None
            and peer.rib.wanted is not None
            and peer.rib.is_settled()
        ):
            for family in sorted(peer.spec.families):
                yield end_of_rib(peer.remote, family), EndOfRib(peer.remote)
            peer.is_end_of_rib_due = False


def _bulk(items: Sequence[tuple[Phrase, _Item, DrivenPeer]]) -> Iterator[tuple[Phrase, Sent]]:
    remotes_of: dict[tuple[Phrase, _Item, int], list[IPAddress]] = {}
    alone = 0
    for body, item, peer in items:
        mark = 0
        if peer.rib.is_suspect(item[0]):
            alone += 1
            mark = alone
        remotes_of.setdefault((body, item, mark), []).append(peer.remote)
    groups: dict[_Key, list[_Item]] = {}
    for (body, item, mark), remotes in remotes_of.items():
        for start in range(0, len(remotes), PEERS_PER_COMMAND):
            # ExaBGP takes all prefixes of a command for the family of the first one, and the body may be the same for both.
            key = (body, _family(item[0]), tuple(remotes[start : start + PEERS_PER_COMMAND]), mark)
            groups.setdefault(key, []).append(item)
    for (body, _of_one_family, remotes_, _mark), routes in groups.items():
        for start in range(0, len(routes), NLRI_PER_COMMAND):
            chunk = tuple(routes[start : start + NLRI_PER_COMMAND])
            yield routes_command(remotes_, body, [prefix for prefix, _attributes in chunk]), Routes(remotes_, chunk)


def _family(prefix: Prefix) -> Family:
    return family_of(prefix.network_address)
