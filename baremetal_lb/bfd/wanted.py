"""Which BFD sessions a node is to have: beside each BGP session of a peer with a BFD profile, on the same path."""

from collections.abc import Mapping

from baremetal_lb.bfd.spec import BfdSpec
from baremetal_lb.bgp.session import SessionSpec
from baremetal_lb.model.bgp import BGPPeer


def bfd_of(peer: BGPPeer, session: SessionSpec, *, is_on_link: bool) -> BfdSpec | None:
    """Return the BFD session of a peer; None where it has no profile.

    An external peer is one hop away unless it says ebgpMultiHop, an internal one where it is on a link of the node.
    """
    profile = peer.bfd
    if profile is None or session.local is None:
        return None
    return BfdSpec(
        peer=peer.name,
        remote=session.remote,
        local=session.local,
        interface=session.interface,
        is_multihop=not is_on_link if peer.is_internal else peer.is_multihop,
        desired_min_tx=profile.desired_min_tx,
        required_min_rx=profile.required_min_rx,
        detect_mult=profile.detect_mult,
        is_passive=profile.is_passive,
        minimum_ttl=profile.minimum_ttl,
    )


def bfd_sessions(peers: Mapping[str, BGPPeer], sessions: Mapping[str, SessionSpec], *, on_link: frozenset[str]) -> dict[str, BfdSpec]:
    """Return the BFD sessions beside all sessions of a node, by peer; ``on_link`` names the peers that are on a link of it."""
    found = {name: bfd_of(peers[name], session, is_on_link=name in on_link) for name, session in sessions.items()}
    return {name: spec for name, spec in found.items() if spec is not None}
