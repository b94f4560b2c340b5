"""The RIB of each peer, kept up to date as the routes of single Services change.

    put(Service, contributions) --> the prefixes that it touched --> those are united anew --> the RIBs that changed

Work is proportional to what a Service contributes and to who else contributes the same prefixes. Invariant (a property test holds it):
the result is that of putting everything into a new index, in any order.
"""

from collections.abc import Iterable
from dataclasses import replace

from baremetal_lb.bgp.reasons import RouteReason
from baremetal_lb.bgp.routes import LINK_BANDWIDTH_PER_ENDPOINT, Contribution
from baremetal_lb.bgp.session import Attributes, Prefix, Rib
from baremetal_lb.model.bgp import GRACEFUL_SHUTDOWN, BGPPeer
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import family_of

USUAL_LOCAL_PREF = 100
"""What internal peers are told where an advertisement says nothing (RFC 4271 leaves it to us; routers take 100)."""


class RibIndex:
    """Contributions by Service and by prefix."""

    def __init__(self) -> None:
        self._of_service: dict[ObjectKey, tuple[Contribution, ...]] = {}
        self._of_prefix: dict[Prefix, dict[ObjectKey, tuple[Contribution, ...]]] = {}
        self._peers: dict[str, BGPPeer] = {}
        self._ribs: dict[str, dict[Prefix, Attributes]] = {}

    def set_peers(self, peers: Iterable[BGPPeer]) -> set[str]:
        """Take the peers that there are; return those whose RIB is new or changed."""
        wanted = {peer.name: peer for peer in peers}
        changed = {name for name, peer in wanted.items() if self._peers.get(name) != peer}
        self._peers = wanted
        self._ribs = {name: rib for name, rib in self._ribs.items() if name in wanted}
        for name in changed:
            self._ribs[name] = {}
            for prefix in self._of_prefix:
                self._update(name, prefix)
        return changed

    def put(self, service: ObjectKey, contributions: tuple[Contribution, ...]) -> set[str]:
        """Take what a Service contributes from now on; return the peers whose RIB changed."""
        before = self._of_service.get(service, ())
        if before == contributions:
            return set()
        touched = {contribution.prefix for contribution in (*before, *contributions)}
        self._of_service[service] = contributions
        if not contributions:
            del self._of_service[service]
        for prefix in touched:
            own = tuple(contribution for contribution in contributions if contribution.prefix == prefix)
            users = self._of_prefix.setdefault(prefix, {})
            if own:
                users[service] = own
            else:
                users.pop(service, None)
            if not users:
                del self._of_prefix[prefix]
        return {name for name in self._peers for prefix in touched if self._update(name, prefix)}

    def rib(self, peer: str) -> Rib:
        """Return what a peer is to have; empty for one that is not known."""
        return self._ribs.get(peer, {})

    def services_of(self, prefix: Prefix, peer: str) -> tuple[ObjectKey, ...]:
        """Return the Services that a route to a peer is for, by key."""
        users = self._of_prefix.get(prefix, {})
        return tuple(sorted(key for key, own in users.items() if any(contribution.is_for(peer) for contribution in own)))

    def peers_of(self, service: ObjectKey) -> tuple[str, ...]:
        """Return the peers that a Service is advertised to, by name."""
        own = self._of_service.get(service, ())
        return tuple(
            name for name in sorted(self._peers) if any(each.is_for(name) and each.prefix in self._ribs.get(name, {}) for each in own)
        )

    def services(self) -> frozenset[ObjectKey]:
        """Return the Services that contribute anything."""
        return frozenset(self._of_service)

    def _update(self, name: str, prefix: Prefix) -> bool:
        """Unite what there is of a prefix for a peer; tell whether that changed its RIB."""
        rib, peer = self._ribs[name], self._peers[name]
        users = self._of_prefix.get(prefix, {})
        contributions = [contribution for service in sorted(users) for contribution in users[service]]
        before = rib.get(prefix)
        if peer_refusal(contributions, peer) is not None:
            rib.pop(prefix, None)
            return before is not None
        rib[prefix] = united((contribution for contribution in contributions if contribution.is_for(name)), peer)
        return rib[prefix] != before


def peer_refusal(contributions: Iterable[Contribution], peer: BGPPeer) -> RouteReason | None:
    """Return why a peer of this node is told nothing of what Services contribute to one prefix; None if it is told."""
    told = [contribution for contribution in contributions if contribution.is_for(peer.name)]
    if not told:
        return RouteReason.PeerNotNamed
    return None if family_of(told[0].prefix.network_address) in peer.families else RouteReason.FamilyNotCarried


def united(contributions: Iterable[Contribution], peer: BGPPeer) -> Attributes:
    """Return the attributes of a route that at least one contribution asks for, as this kind of peer may get them."""
    own = list(contributions)
    asked = [contribution.attributes for contribution in own]
    preferences = [attributes.local_pref for attributes in asked if attributes.local_pref is not None]
    meds = [attributes.med for attributes in asked if attributes.med is not None]
    endpoints = sum(contribution.endpoints for contribution in own)
    return Attributes(
        local_pref=max(preferences, default=USUAL_LOCAL_PREF) if peer.is_internal else None,
        med=min(meds, default=None),
        as_path_prepend=0 if peer.is_internal else max(attributes.as_path_prepend for attributes in asked),
        communities=tuple(sorted({community for attributes in asked for community in attributes.communities})),
        large_communities=tuple(sorted({community for attributes in asked for community in attributes.large_communities})),
        link_bandwidth=endpoints * LINK_BANDWIDTH_PER_ENDPOINT if endpoints else None,
    )


def leaving(rib: Rib, peer: BGPPeer) -> Rib:
    """Return the RIB of a node that is about to go: the same routes, so little wanted that routers take every other way first.

    The community asks those that have a policy for it (RFC 8326), the longer path and the lowest local preference all others.
    """
    return {prefix: _leaving(attributes, peer) for prefix, attributes in rib.items()}


def _leaving(attributes: Attributes, peer: BGPPeer) -> Attributes:
    communities = tuple(sorted({*attributes.communities, GRACEFUL_SHUTDOWN}))
    if peer.is_internal:
        return replace(attributes, communities=communities, local_pref=0)
    return replace(attributes, communities=communities, as_path_prepend=attributes.as_path_prepend + 1)
