"""Which BGP sessions this node is to have: each configured peer gives one, or a reason why not. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import SessionSpec
from baremetal_lb.bgp.sessions import NodeSurroundings, session_of
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.views import NodeView


@dataclass(frozen=True, slots=True)
class Sessions:
    """What is wanted, by name of the peer."""

    specs: Mapping[str, SessionSpec] = field(default_factory=dict)
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    """Why peers that are for this node have no session."""


def sessions_of(
    peers: Iterable[BGPPeer],
    node: NodeView,
    *,
    surroundings: Callable[[BGPPeer], NodeSurroundings],
    secret_reasons: Mapping[str, Reason],
) -> Sessions:
    """Decide on all peers, in the order of their names: where two have one address, the first has the session."""
    specs: dict[str, SessionSpec] = {}
    reasons: dict[str, Reason] = {}
    taken: set[IPAddress] = set()
    for peer in sorted(peers, key=lambda each: each.name):
        found = session_of(peer, node, surroundings(peer))
        if isinstance(found, SessionReason):
            if found is SessionReason.NodeNotSelected:
                continue
            reasons[peer.name] = secret_reasons.get(peer.password_secret or "", found) if found is SessionReason.NoPassword else found
        elif found.remote in taken:
            reasons[peer.name] = SessionReason.AddressTaken
        else:
            taken.add(found.remote)
            specs[peer.name] = found
    return Sessions(specs, reasons)
