"""Election: which node announces an IP on the local link.

A pure function of facts that every speaker has alike: all speakers with the same inputs name the same node, so no speaker asks another.

Candidates for a shared IP must meet the claim of each Service on it. Where no node does, the youngest Services are left out: going from
the oldest to the youngest, one counts if some node meets its claim beside those before it. So nobody who joins can silence an IP.

The order of preference among the eligible candidates, each rule only narrowing what the rules before it left:

1. nodes with a *ready* endpoint of each Local Service go before those whose endpoints only terminate;
2. the node that a person asks for (annotation ``announcer``);
3. the ledger's preferred announcer; this is what makes placement sticky: the controller rewrites it to whoever was elected when the
   preferred one fell out, so a node that comes back takes nothing back;
4. the greatest sum of ``preferredNodeSelectors`` weights;
5. the announcer of the other IP of a dual-stack pair;
6. rendezvous order of the IP.

Invariants: exactly one announcer if there is an eligible candidate, and it is one of them; nothing depends on the order of any input;
taking a node away that was not elected changes nothing (whoever is elected meets all claims that count, and without the other node no
claim more can be met).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from baremetal_lb.election.eligibility import Claim, Verdict, claim_of, interfaces_named, verdict_on_claim, verdict_on_node
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.election.rendezvous import rendezvous_first
from baremetal_lb.model.configuration import L2Advertisement, Pool, PreemptionPolicy
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress, family_of
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import EndpointView, NodeView, ServiceView


@dataclass(frozen=True, slots=True)
class ElectionInput:
    """All that the election of one IP reads."""

    address: IPAddress
    services: tuple[ServiceView, ...]
    """All that share the IP."""
    pool: Pool | None
    advertisements: tuple[L2Advertisement, ...]
    """All of the configuration."""
    nodes: Mapping[str, NodeView]
    endpoints: Mapping[ObjectKey, tuple[EndpointView, ...]]
    """By Service."""
    roster: Roster
    preferred: str | None = None
    """The ledger entry's announcer."""
    ignore_exclude_lb: bool = False
    sibling: str | None = None
    """Who was elected for the other IP of a dual-stack pair."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One node's case."""

    node: str
    is_eligible: bool
    reason: ExclusionReason | None = None
    detail: str = ""
    ready_endpoints: int = 0
    """Ready endpoints of the Services here, of the IP's family."""

    @property
    def message(self) -> str:
        """Return what people read: the reason's sentence with its particulars; "" for an eligible one."""
        if self.reason is None:
            return ""
        return f"{self.reason.sentence} ({self.detail})" if self.detail else self.reason.sentence


@dataclass(frozen=True, slots=True)
class Election:
    """Who announces, on which interfaces (None: all), and how each node fared."""

    announcer: str | None
    interfaces: frozenset[str] | None = None
    candidates: tuple[Candidate, ...] = ()
    """By node name."""
    reason: ExclusionReason | None = None
    """Why there is no announcer."""
    best: str | None = None
    """Who would be elected if neither a preferred nor a current announcer were there."""
    left_out: Mapping[ObjectKey, ExclusionReason] = field(default_factory=dict)
    """Services for which the IP is not announced, with their reasons: no claim, or none that fits those of older ones."""
    is_pinned: bool = False
    """Elected by wish or by the ledger: while the announcer stays a candidate, no other node's coming or going moves the IP."""
    preemption_delay: int | None = None
    """After how many ns a better candidate is to replace the announcer (the shortest delay asked for); None: never."""
    better: tuple[str, ...] = ()
    """Candidates with a greater sum of weights than the announcer, by name; told only where there is a ``preemption_delay``."""

    @property
    def eligible(self) -> tuple[str, ...]:
        """The nodes that could announce, by name."""
        return tuple(candidate.node for candidate in self.candidates if candidate.is_eligible)


def elect(subject: ElectionInput) -> Election:
    """Elect the announcer of one IP. Never raises on any input."""
    claims, left_out = _claims(subject)
    judged = {name: _judge(subject, name, claims) for name in sorted(subject.nodes.keys() | subject.roster.members.keys())}
    together = _met_together(claims, judged)
    for index in set(range(len(claims))) - set(together):
        left_out[claims[index].service.key] = ExclusionReason.LeftOutOfSharedIP
    is_whole = len(together) == len(claims)
    if not is_whole:
        claims = [claims[index] for index in together]
        judged = {name: tuple(verdicts[index] for index in together) for name, verdicts in judged.items()}
    blocked = _reason_without_claims(subject, claims, left_out)
    candidates = tuple(_candidate(name, verdicts, claims, blocked) for name, verdicts in judged.items())
    reason = blocked or (None if any(candidate.is_eligible for candidate in candidates) else ExclusionReason.NoCandidate)
    if reason is not None:
        return Election(None, candidates=candidates, reason=reason, left_out=left_out)
    nodes, are_ready = _foremost(claims, [candidate.node for candidate in candidates if candidate.is_eligible])
    best, announcer, first_choice = _place(subject, claims, nodes)
    delay = min((a.preemption_delay for c in claims for a in c.advertisements if a.preemption is PreemptionPolicy.DELAYED), default=None)
    return Election(
        announcer,
        is_pinned=are_ready and announcer == first_choice and is_whole,  # a node that comes may meet the claims of those left out, too
        interfaces=interfaces_named(_advertisements_on(announcer, subject, claims)),
        candidates=candidates,
        best=best,
        left_out=left_out,
        preemption_delay=delay,
        better=() if delay is None or announcer == best else _outweighing(announcer, nodes, subject, claims),
    )


def could_answer(subject: ElectionInput, node: str, election: Election) -> bool:
    """Tell whether a node meets all claims on the IP, be it fit to be elected or not: it may go on answering while another takes over.

    ``election`` is that of the subject: whoever it left out does not count.
    """
    claims = [claim for claim in _claims(subject)[0] if claim.service.key not in election.left_out]
    view, member = subject.nodes.get(node), subject.roster.members.get(node)
    if not claims or view is None or member is None or view.is_network_unavailable:
        return False
    return all(verdict_on_claim(view, member, claim, family_of(subject.address)).reason is None for claim in claims)


def _claims(subject: ElectionInput) -> tuple[list[Claim], dict[ObjectKey, ExclusionReason]]:
    """Return the claims of the Services, by key, and the reasons of those that have none."""
    claims: list[Claim] = []
    left_out: dict[ObjectKey, ExclusionReason] = {}
    if subject.pool is None:
        return claims, left_out
    for service in sorted(subject.services, key=lambda service: service.key):
        claim = claim_of(
            service,
            family=family_of(subject.address),
            pool=subject.pool,
            advertisements=subject.advertisements,
            endpoints=subject.endpoints.get(service.key, ()),
        )
        if isinstance(claim, Claim):
            claims.append(claim)
        else:
            left_out[service.key] = claim
    return claims, left_out


def _met_together(claims: list[Claim], judged: Mapping[str, tuple[Verdict, ...]]) -> list[int]:
    """Return the places of the claims that some node meets all together, older Services' first; all of them where no node meets any."""
    if len(claims) < 2:
        return list(range(len(claims)))
    meeting, counting = set(judged), []
    for place in sorted(range(len(claims)), key=lambda i: claims[i].service.age_order):
        narrowed = {name for name in meeting if judged[name][place].reason is None}
        if narrowed:
            meeting = narrowed
            counting.append(place)
    return sorted(counting) or list(range(len(claims)))


def _judge(subject: ElectionInput, name: str, claims: list[Claim]) -> tuple[Verdict, ...]:
    """Return one verdict for each claim, and at least one: the node's own wherever that is a bad one."""
    node, member = subject.nodes.get(name), subject.roster.members.get(name)
    own = verdict_on_node(node, member, ignore_exclude_lb=subject.ignore_exclude_lb)
    if own.reason is not None or node is None or member is None:
        return (own,) * max(1, len(claims))
    family = family_of(subject.address)
    return tuple([verdict_on_claim(node, member, claim, family) for claim in claims])


def _candidate(name: str, verdicts: tuple[Verdict, ...], claims: list[Claim], blocked: ExclusionReason | None) -> Candidate:
    ready = sum([claim.ready_on.get(name, 0) for claim in claims])
    for verdict in verdicts:
        if verdict.reason is not None:
            return Candidate(name, is_eligible=False, reason=verdict.reason, detail=verdict.detail, ready_endpoints=ready)
    return Candidate(name, is_eligible=blocked is None, reason=blocked, ready_endpoints=ready)


def _reason_without_claims(
    subject: ElectionInput, claims: list[Claim], left_out: Mapping[ObjectKey, ExclusionReason]
) -> ExclusionReason | None:
    """Return why no node could announce, however fit; None if there is a claim."""
    if not subject.services:
        return ExclusionReason.NoService
    if subject.pool is None:
        return ExclusionReason.NoPool
    return None if claims else left_out[min(left_out)]


def _foremost(claims: list[Claim], eligible: list[str]) -> tuple[list[str], bool]:
    """Return those who have ready endpoints of each Local Service, and True; if nobody has, all eligible, and False."""
    local = [claim for claim in claims if claim.is_local]
    ready = [node for node in eligible if all(node in claim.ready_on for claim in local)]
    return ready or eligible, bool(ready)


def _place(subject: ElectionInput, claims: list[Claim], nodes: list[str]) -> tuple[str, str, str | None]:
    """Return the best node, the announcer, and who would announce first of all, among these nodes, of which there is at least one."""
    wanted = [claim.service.wanted_announcer for claim in claims if claim.service.wanted_announcer is not None]
    asked_for = next((node for node in wanted if node in nodes), None)
    best = asked_for or _best(subject, claims, nodes)
    announcer = next((node for node in (asked_for, subject.preferred) if node in nodes), None) or best
    return best, announcer, wanted[0] if wanted else subject.preferred


def _best(subject: ElectionInput, claims: list[Claim], nodes: list[str]) -> str:
    leaders = nodes
    if any(advertisement.preferences for claim in claims for advertisement in claim.advertisements):
        scores = {node: _score(node, subject, claims) for node in nodes}
        top = max(scores.values())
        leaders = [node for node in nodes if scores[node] == top]
    if subject.sibling in leaders:
        return str(subject.sibling)
    return rendezvous_first(leaders, subject.address)


def _score(node: str, subject: ElectionInput, claims: list[Claim]) -> int:
    """Sum the weights of the matching preferences of each advertisement that selects the node."""
    labels = subject.nodes[node].labels
    return sum(
        preference.weight
        for advertisement in _advertisements_on(node, subject, claims)
        for preference in advertisement.preferences
        if preference.selector.matches(labels)
    )


def _outweighing(announcer: str, nodes: Iterable[str], subject: ElectionInput, claims: list[Claim]) -> tuple[str, ...]:
    """Return the nodes with a greater sum of weights than the announcer."""
    score = _score(announcer, subject, claims)
    return tuple(node for node in nodes if _score(node, subject, claims) > score)


def _advertisements_on(node: str, subject: ElectionInput, claims: list[Claim]) -> tuple[L2Advertisement, ...]:
    """Return the advertisements of all claims that select the node, each once, by name."""
    labels = subject.nodes[node].labels
    found = {a.name: a for claim in claims for a in claim.advertisements if a.selects_node(labels)}
    return tuple(found[name] for name in sorted(found))
