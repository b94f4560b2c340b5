"""Which nodes could announce an IP, and the first reason against each of the others.

Two steps. A Service first makes its *claim* on the IP: the advertisements that speak of its pool and of it, and the nodes where its
usable endpoints are; a Service that cannot make one (no advertisement, no usable endpoint) has a reason of its own. Then each node is
judged against all claims: it must be fit in itself and meet every claim, since whoever answers for a shared IP gets the traffic of all
Services on it.

A Service without a claim is left out while others have one: it loses nothing by their announcement and must not cost them theirs. One
whose claim no node meets beside those of older Services is left out, too (``elect``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.model.configuration import L2Advertisement, Pool
from baremetal_lb.model.ids import EXCLUDE_NODE_LABEL
from baremetal_lb.model.net import Family
from baremetal_lb.model.roster import Member
from baremetal_lb.model.views import EndpointView, NodeView, ServiceView, TrafficPolicy


@dataclass(frozen=True, slots=True)
class Claim:
    """What one Service asks of whoever announces its IP."""

    service: ServiceView
    advertisements: tuple[L2Advertisement, ...]
    """Those of the pool that match the Service; never empty."""
    usable_on: frozenset[str]
    """Nodes with a usable endpoint of the IP's family."""
    ready_on: Mapping[str, int]
    """Ready endpoints of the IP's family, by node."""

    @property
    def is_local(self) -> bool:
        """Tell whether only nodes with a usable endpoint will do."""
        return self.service.traffic_policy is TrafficPolicy.LOCAL


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first reason against a node, with particulars; both None/"" where there is none."""

    reason: ExclusionReason | None = None
    detail: str = ""


ELIGIBLE = Verdict()


def claim_of(
    service: ServiceView,
    *,
    family: Family,
    pool: Pool,
    advertisements: Iterable[L2Advertisement],
    endpoints: Iterable[EndpointView],
) -> Claim | ExclusionReason:
    """Return the Service's claim on an IP of this family and pool, or the reason why it has none."""
    matching = tuple(a for a in advertisements if a.selects_pool(pool.name) and a.selects_service(service.labels))
    if not matching:
        return ExclusionReason.NoAdvertisement
    if service.sharing_key is not None and any(a.service_selectors for a in matching):
        return ExclusionReason.SharedIPWithServiceSelectors
    usable = [endpoint for endpoint in endpoints if endpoint.family is family and endpoint.is_usable]
    if not usable:
        return ExclusionReason.NoUsableEndpoint
    ready_on: dict[str, int] = {}
    for endpoint in usable:
        if endpoint.node is not None and endpoint.is_ready:
            ready_on[endpoint.node] = ready_on.get(endpoint.node, 0) + 1
    return Claim(service, matching, frozenset(e.node for e in usable if e.node is not None), ready_on)


def verdict_on_node(node: NodeView | None, member: Member | None, *, ignore_exclude_lb: bool) -> Verdict:
    """Judge a node by itself, whatever the IP: its speaker first, then what its Node object says."""
    if member is None:
        return Verdict(ExclusionReason.NoSpeaker)
    if not member.is_alive:
        return Verdict(ExclusionReason.SpeakerNotAlive)
    if not member.is_serving:
        return Verdict(ExclusionReason.SpeakerNotServing)
    if node is None:
        return Verdict(ExclusionReason.NodeNotFound)
    if node.is_network_unavailable:
        return Verdict(ExclusionReason.NetworkUnavailable)
    if EXCLUDE_NODE_LABEL in node.labels and not ignore_exclude_lb:
        return Verdict(ExclusionReason.ExcludedByLabel)
    if node.is_draining:
        return Verdict(ExclusionReason.NodeDraining)
    return ELIGIBLE


def verdict_on_claim(node: NodeView, member: Member, claim: Claim, family: Family) -> Verdict:
    """Judge a node, fit in itself, against one claim."""
    selecting = [a for a in claim.advertisements if a.selects_node(node.labels)]
    if not selecting:
        return Verdict(ExclusionReason.NotSelectedByAdvertisement, f"Service {claim.service.key}")
    verdict = _verdict_on_interfaces(member, interfaces_named(selecting), family)
    if verdict.reason is not None:
        return verdict
    if claim.is_local and node.name not in claim.usable_on:
        return Verdict(ExclusionReason.NoLocalEndpoint, f"Service {claim.service.key}")
    return ELIGIBLE


def interfaces_named(advertisements: Iterable[L2Advertisement]) -> frozenset[str] | None:
    """Return the interfaces that advertisements name together; None, for all, when one of them names none."""
    named: set[str] = set()
    for advertisement in advertisements:
        if not advertisement.interfaces:
            return None
        named.update(advertisement.interfaces)
    return frozenset(named)


def _verdict_on_interfaces(member: Member, named: frozenset[str] | None, family: Family) -> Verdict:
    if member.interfaces is None:
        return ELIGIBLE
    present = [facts for facts in member.interfaces if named is None or facts.name in named]
    for facts in present:
        if facts.can_answer(family):
            return ELIGIBLE
    detail = "all interfaces" if named is None else "named: " + ", ".join(sorted(named))
    if not present:
        return Verdict(ExclusionReason.InterfaceMissing, detail)
    if not any(facts.has_carrier for facts in present):
        return Verdict(ExclusionReason.InterfaceWithoutCarrier, detail)
    return Verdict(ExclusionReason.InterfaceWithoutFamily, detail)
