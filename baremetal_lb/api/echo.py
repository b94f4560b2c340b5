"""BFD echo and IPv6: echo does not work there, so IPv6 addresses must not go to a peer whose profile has it.

Four objects make the fault together (pool, advertisement, peer, profile) and each can be somebody else's, so all four are told. The
peer is at fault: its profile can be another one. A peer that was accepted stays in force.
"""

from collections.abc import Iterable, Sequence

from baremetal_lb.api.compile_peers import BFDDraft, PeerDraft
from baremetal_lb.api.compile_routes import RouteDraft
from baremetal_lb.api.faults import Fault
from baremetal_lb.api.precedence import Claimant
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.model.configuration import Pool
from baremetal_lb.model.net import Family


def echo_conflicts(
    pools: Sequence[Claimant[Pool]],
    profiles: Sequence[Claimant[BFDDraft]],
    peers: Sequence[Claimant[PeerDraft]],
    routes: Sequence[Claimant[RouteDraft]],
) -> None:
    """Add the faults to the four objects of each conflict, once for each object."""
    with_echo = {c.item.name: c for c in profiles if c.in_force is not None and c.in_force.has_echo}
    suspects = {c.item.name: c for c in peers if c.in_force is not None and c.in_force.bfd_profile in with_echo}
    ipv6_pools = [c for c in pools if c.in_force is not None and Family.IPV6 in c.in_force.families]
    if not suspects or not ipv6_pools:
        return
    told: set[int] = set()
    for route in routes:
        if route.in_force is None:
            continue
        pool = _first_chosen(route.in_force, ipv6_pools)
        if pool is None:
            continue
        for name in route.in_force.peers or sorted(suspects):
            if name in suspects:
                profile = with_echo[_profile_of(suspects[name])]
                _tell(told, pool, route, suspects[name], profile)


def _profile_of(peer: Claimant[PeerDraft]) -> str:
    return peer.in_force.bfd_profile if peer.in_force is not None else ""


def _first_chosen(route: RouteDraft, pools: Iterable[Claimant[Pool]]) -> Claimant[Pool] | None:
    candidates = [c for c in pools if c.in_force is not None]
    chosen = route.choice.of(c.in_force for c in candidates if c.in_force is not None)
    return next((c for c in candidates if chosen is None or c.item.name in chosen), None)


def _tell(
    told: set[int], pool: Claimant[Pool], route: Claimant[RouteDraft], peer: Claimant[PeerDraft], profile: Claimant[BFDDraft]
) -> None:
    detail = f"Pool {pool.item.name} is advertised by {route.item.name} to peer {peer.item.name}, with echo in profile {profile.item.name}."
    fields = ((pool, "spec.addresses"), (route, "spec"), (profile, "spec.echoMode"))
    for claimant, field in fields:
        if id(claimant) not in told:
            told.add(id(claimant))
            claimant.conflicts = [*claimant.conflicts, Fault(field, Why.EchoWithIPv6, detail, is_fatal=False)]
    if id(peer) not in told:
        told.add(id(peer))
        is_incumbent = peer.is_unchanged or not peer.is_accepted
        peer.conflicts = [*peer.conflicts, Fault("spec.bfdProfile", Why.EchoWithIPv6, detail, is_fatal=not is_incumbent)]
        if not is_incumbent:
            peer.in_force, peer.is_accepted = peer.recorded, False
