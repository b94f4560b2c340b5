"""What there is to say about one Service, as a document: from the running system's own decision functions and its live state. Pure.

    allocation   which IP since when, of which pool and why not of the others    (ipam)
    layer 2      who announces each IP since when, and how each node fared       (election, ServiceL2Status)
    BGP          who advertises each IP to whom, or why not                      (bgp, BGPSessionStatus)
    condition    what the controller wrote into the Service
    verdict      one sentence, and what to try next                              (explain_verdict)

The schema is docs/reference/explain.md; others script against it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from baremetal_lb.bgp.reasons import RouteReason
from baremetal_lb.bgp.routes import matching_advertisements
from baremetal_lb.cli.explain_verdict import verdict
from baremetal_lb.election.elect import Candidate, Election
from baremetal_lb.election.eligibility import Claim, claim_of
from baremetal_lb.ipam.admission import quota_of
from baremetal_lb.ipam.allocator import consider, decide
from baremetal_lb.ipam.decision import Decision, PoolVerdict, Refusal
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.ipam.requests import handles_service
from baremetal_lb.model.bgp import ServiceAddresses
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress, family_of
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.rfc3339 import format_time
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import EndpointView, ServiceView
from baremetal_lb.settle.announcements import announcements_of
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions, state_of
from baremetal_lb.settle.route_cases import PeerCase, RouteCase, route_cases

Document = dict[str, Any]
NO_SESSION = "no session"


@dataclass(frozen=True, slots=True)
class Reports:
    """What the speakers report: status objects as they stand, plain, each with ``since``, when it was made."""

    l2: tuple[Mapping[str, Any], ...] = ()
    sessions: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """A cluster with what is asked about all of its Services; made once, however many are explained."""

    cluster: ClusterObjects
    options: SettleOptions
    services: Mapping[ObjectKey, ServiceView]
    ledger: Ledger
    endpoints: Mapping[ObjectKey, tuple[EndpointView, ...]]
    preferred: Mapping[IPAddress, str | None]
    """The announcers that the ledger names."""
    elections: Mapping[IPAddress, Election]
    alive: frozenset[str]
    """Nodes whose speakers are alive, by the roster."""

    @classmethod
    def of(cls, cluster: ClusterObjects, options: SettleOptions) -> Self:
        """Return the scene of a cluster."""
        state = state_of(cluster, options)
        ledger = state.ledger
        preferred = {entry.address: entry.announcer for entry in ledger.entries()}
        announcements = announcements_of(state)
        roster = cluster.roster if cluster.roster is not None else Roster.of_nodes(node.name for node in cluster.nodes)
        return cls(
            cluster,
            options,
            {service.key: service for service in cluster.services},
            ledger,
            cluster.endpoints(),
            preferred,
            {each.address: each.election for each in announcements},
            frozenset(name for name, member in roster.members.items() if member.is_alive),
        )


def explain(key: ObjectKey, scene: Scene, reports: Reports) -> Document | None:
    """Return the document about one Service; None where there is none of this name."""
    service = scene.services.get(key)
    if service is None:
        return None
    cluster, options, endpoints = scene.cluster, scene.options, scene.endpoints.get(key, ())
    is_ours = handles_service(service, options.lb_class)
    decision = decide(service, scene.ledger, namespaces=cluster.namespaces, now_utc=options.now_utc) if is_ours else None
    document: Document = {
        "service": str(key),
        "type": service.type,
        "external_traffic_policy": service.traffic_policy.value,
        "load_balancer_class": service.load_balancer_class,
        "ips": [str(address) for address in service.status_ips],
        "endpoints": _endpoints(endpoints),
        "allocation": _not_ours() if decision is None else _allocation(service, scene, decision),
        "condition": _condition(service),
        "layer2": [_layer2(address, service, scene, reports.l2) for address in service.status_ips],
        "bgp": [_route(case, service, scene, reports.sessions) for case in route_cases(service, endpoints, scene.ledger, cluster, options)],
    }
    said = verdict(service, decision, document)
    return document | {"verdict": said.sentence, "reached": said.is_reached, "reason": said.reason, "next": said.command}


def _endpoints(endpoints: Iterable[EndpointView]) -> list[Document]:
    """Return how many endpoints each node has: ready, and those that still serve while they terminate."""
    found: dict[str, Document] = {}
    for endpoint in endpoints:
        counts = found.setdefault(endpoint.node or "-", {"node": endpoint.node or "-", "ready": 0, "terminating": 0})
        counts["ready"] += endpoint.is_ready
        counts["terminating"] += endpoint.is_usable and not endpoint.is_ready
    return [found[node] for node in sorted(found)]


def _not_ours() -> Document:
    sentence = "This install does not serve the Service: it is not of type LoadBalancer, or has another loadBalancerClass."
    told: Document = {"satisfied": False, "reason": "NotOurs", "message": sentence, "pool": None, "since": None, "asked_for": None}
    return told | {"shares_with": [], "quota": None, "reservations": [], "pools": []}


def _allocation(service: ServiceView, scene: Scene, decision: Decision) -> Document:
    ledger, namespaces = scene.ledger, scene.cluster.namespaces
    considered = consider(service, ledger, decision, namespaces=namespaces, now_utc=scene.options.now_utc)
    entries = list(ledger.entries_of(service.uid))
    return {
        "satisfied": decision.is_satisfied,
        "reason": None if decision.reason is None else decision.reason.name,
        "message": decision.message,
        "pool": decision.pool,
        "since": format_time(min(e.since_utc for e in entries)) if entries and all(e.since_utc for e in entries) else None,
        "asked_for": {
            "pool": service.requested_pool,
            "ips": service.requested_ips or service.spec_load_balancer_ip,
            "sharing_key": service.sharing_key,
        },
        "shares_with": sorted({str(user.key) for entry in entries for user in entry.services if user.uid != service.uid}),
        "quota": _quota(service.key.namespace, scene, decision.pool),
        "reservations": [each.name for each in ledger.configuration.reservations if each.admits(service.key)],
        "pools": _pools(considered, decision),
    }


def _quota(namespace: str, scene: Scene, pool_name: str | None) -> Document | None:
    """Return how many addresses of its pool the namespace uses and may use; None where it may use any number."""
    pool = scene.ledger.configuration.pool(pool_name or "")
    limit = None if pool is None else quota_of(pool, namespace, scene.cluster.namespaces.get(namespace, {}))
    return None if pool is None or limit is None else {"used": scene.ledger.addresses_used_by(pool.name, namespace), "limit": limit}


def _pools(considered: tuple[PoolVerdict, ...] | Refusal, decision: Decision) -> list[Document]:
    if isinstance(considered, Refusal):
        return []
    could = "It could serve the Service."
    return [
        {
            "pool": each.pool,
            "reason": None if each.reason is None else each.reason.name,
            "message": each.message or ("It gives the Service its IP." if each.pool == decision.pool else could),
        }
        for each in considered
    ]


def _condition(service: ServiceView) -> Document | None:
    condition = service.condition
    if condition is None:
        return None
    since = format_time(condition.last_transition_utc) if condition.last_transition_utc else None
    return {"status": condition.status, "reason": condition.reason, "message": condition.message, "since": since}


def _layer2(address: IPAddress, service: ServiceView, scene: Scene, reports: Iterable[Mapping[str, Any]]) -> Document:
    key, election = service.key, scene.elections.get(address)
    left_out = election.left_out.get(key) if election is not None else None
    reason = left_out or (election.reason if election is not None else _reason_without_election(address, scene))
    said = [each for each in reports if (each.get("serviceNamespace"), each.get("serviceName")) == (key.namespace, key.name)]
    return {
        "ip": str(address),
        "announced_by": [_announcer(each, scene.alive) for each in sorted(said, key=lambda each: str(each.get("node")))],
        "elected": election.announcer if election is not None and left_out is None else None,
        "preferred": scene.preferred.get(address),
        "advertisements": _l2_advertisements(address, service, scene),
        "left_out": sorted(str(each) for each in election.left_out if each != key) if election is not None else [],
        **_why(reason),
        "candidates": [_candidate(each) for each in election.candidates] if election is not None else [],
    }


def _announcer(report: Mapping[str, Any], alive: frozenset[str]) -> Document:
    return {
        "node": str(report.get("node")),
        "interfaces": [str(each.get("name")) for each in report.get("interfaces") or ()],
        "since": report.get("since"),
        "alive": report.get("node") in alive,
    }


def _l2_advertisements(address: IPAddress, service: ServiceView, scene: Scene) -> list[str]:
    """Return the L2Advertisements that speak of the IP, by name."""
    configuration = scene.cluster.configuration
    pool = configuration.pool_of(address)
    if pool is None:
        return []
    family, endpoints = family_of(address), scene.endpoints.get(service.key, ())
    claim = claim_of(service, family=family, pool=pool, advertisements=configuration.l2_advertisements, endpoints=endpoints)
    return [each.name for each in claim.advertisements] if isinstance(claim, Claim) else []


def _reason_without_election(address: IPAddress, scene: Scene) -> Reason:
    """Return why nobody is elected for an IP that the status names."""
    return RouteReason.NotInLedger if scene.ledger.entry(address) is None else RouteReason.LedgerNamesAnother


def _candidate(candidate: Candidate) -> Document:
    return {
        "node": candidate.node,
        "eligible": candidate.is_eligible,
        "ready_endpoints": candidate.ready_endpoints,
        "reason": None if candidate.reason is None else candidate.reason.name,
        "message": candidate.message,
    }


def _route(case: RouteCase, service: ServiceView, scene: Scene, sessions: Iterable[Mapping[str, Any]]) -> Document:
    states = {str(each.get("peer")): each for each in sessions if each.get("node") == case.node}
    kind, configuration = ServiceAddresses.LOAD_BALANCER, scene.cluster.configuration
    return {
        "ip": str(case.address),
        "node": case.node,
        "advertisements": [each.name for each in matching_advertisements(service, case.address, kind, configuration)],
        "peers": [_peer(each, states.get(each.peer, {})) for each in case.peers],
        **_why(case.reason),
    }


def _peer(case: PeerCase, session: Mapping[str, Any]) -> Document:
    return {
        "peer": case.peer,
        "advertised": case.reason is None,
        "state": str(session.get("state", NO_SESSION)),
        "since": session.get("since"),
        "error": session.get("message") or (session.get("lastError") or {}).get("message"),
        **_why(case.reason),
    }


def _why(reason: Reason | None) -> Document:
    return {"reason": None, "message": ""} if reason is None else {"reason": reason.name, "message": reason.sentence}
