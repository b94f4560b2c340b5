"""The document that ``bmlb plan -o json`` prints; its schema is docs/reference/plan.md, and others script against it."""

from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_lb.election.elect import Candidate
from baremetal_lb.model.problem import Problem
from baremetal_lb.settle.addresses import ServiceOutcome
from baremetal_lb.settle.announcements import Announcement
from baremetal_lb.settle.routes import SettledRoute
from baremetal_lb.settle.settle import SettledState

Document = dict[str, Any]


def document(state: SettledState, problems: Iterable[Problem]) -> Document:
    """Return the document."""
    return {
        "services": [_service(outcome) for outcome in state.services],
        "announcements": [_announcement(announcement) for announcement in state.announcements],
        "routes": [route_document(route) for route in state.routes],
        "problems": [_problem(problem) for problem in problems],
    }


def _service(outcome: ServiceOutcome) -> Document:
    decision, service = outcome.decision, outcome.service
    return {
        "service": str(service.key),
        "ips": [str(address) for address in service.status_ips],
        "pool": decision.pool,
        "satisfied": decision.is_satisfied,
        "reason": None if decision.reason is None else decision.reason.name,
        "message": decision.message or None,
    }


def _announcement(announcement: Announcement) -> Document:
    election = announcement.election
    return {
        "ip": str(announcement.address),
        "services": [str(service.key) for service in announcement.services],
        "left_out": [{"service": str(key), "reason": why.name, "message": why.sentence} for key, why in sorted(election.left_out.items())],
        "announcer": election.announcer,
        "interfaces": None if election.interfaces is None else sorted(election.interfaces),
        "candidates": [_candidate(candidate) for candidate in election.candidates],
    }


def route_document(route: SettledRoute) -> Document:
    """Return one route as it is printed."""
    attributes = route.attributes
    return {
        "node": route.node,
        "peer": route.peer,
        "prefix": str(route.prefix),
        "next_hop": route.next_hop,
        "local_pref": attributes.local_pref,
        "med": attributes.med,
        "as_path_prepend": attributes.as_path_prepend,
        "communities": [str(community) for community in attributes.communities],
        "large_communities": [str(community) for community in attributes.large_communities],
        "link_bandwidth": attributes.link_bandwidth,
        "services": [str(key) for key in route.services],
    }


def _candidate(candidate: Candidate) -> Document:
    return {
        "node": candidate.node,
        "eligible": candidate.is_eligible,
        "reason": None if candidate.reason is None else candidate.reason.name,
        "message": candidate.message,
    }


def _problem(problem: Problem) -> Mapping[str, str | None]:
    return {
        "object": str(problem.object),
        "field": problem.field,
        "reason": problem.reason.name,
        "message": problem.message,
        "source": problem.source,
    }
