"""BGPSessionStatus and ServiceBGPStatus objects of this node: what each is to say, under names that are always the same. Pure.

One object per peer, respectively Service, and node. Nothing that is so already is written; a member that is None is taken out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from baremetal_lb.bfd.spec import BfdStatus
from baremetal_lb.bgp.session import SessionState
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.rfc3339 import format_time
from baremetal_lb.model.time import SECOND
from speaker.bfd import Watched
from speaker.status import label_value

SESSIONS, SERVICES = "bgpsessionstatuses", "servicebgpstatuses"
MESSAGE_MAX = 1024
Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object as it is to be."""

    plural: str
    name: str
    status: Status
    labels: Mapping[str, str]
    service: ObjectKey | None = None


def session_objects(
    states: Mapping[str, SessionState], watched: Watched, bfd: Mapping[str, BfdStatus], *, identity: Identity, node: str
) -> Iterable[Wanted]:
    """Return the objects of all sessions that there are, and of peers for this node that have none; ``bfd`` is what is known of paths."""
    for peer, state in states.items():
        if peer not in watched.sessions.reasons:
            yield _session(peer, _status_of(state, node) | _said(watched.notes.get(peer)) | _bfd(bfd.get(peer)), identity, node)
    for peer, reason in watched.sessions.reasons.items():
        yield _session(peer, {"node": node, "peer": peer, "state": "Idle"} | _said(reason) | _bfd(bfd.get(peer)), identity, node)


def _said(reason: Reason | None) -> dict[str, Any]:
    return {} if reason is None else {"reason": reason.name, "message": reason.sentence}


def _bfd(status: BfdStatus | None) -> dict[str, Any]:
    return {} if status is None else {"bfdState": status.state.title}


def _session(peer: str, status: Status, identity: Identity, node: str) -> Wanted:
    name = "session-" + sha256(f"{node}/{peer}".encode()).hexdigest()[:20]
    labels = {f"{identity.prefix}node": label_value(node), f"{identity.prefix}peer": label_value(peer)}
    return Wanted(SESSIONS, name, {member: status.get(member) for member in _MEMBERS}, labels)


_MEMBERS = (
    *("node", "peer", "state", "since", "lastError", "holdTime", "bfdState", "routesAdvertised"),
    *("remoteAddress", "remoteASN", "reason", "message"),
)


def _status_of(state: SessionState, node: str) -> dict[str, Any]:
    error = state.last_error
    told = None
    if error is not None:
        told = {
            "direction": error.direction,
            "code": error.code,
            "subcode": error.subcode,
            "message": error.message[:MESSAGE_MAX],
            "time": format_time(error.at_utc // SECOND * SECOND),
        }
    return {
        "node": node,
        "peer": state.peer,
        "state": state.state.value,
        "since": format_time(state.since_utc // SECOND * SECOND) if state.since_utc else None,
        "lastError": {key: value for key, value in told.items() if value is not None} if told else None,
        "holdTime": state.hold_time_s,
        "routesAdvertised": state.routes_advertised,
        "remoteAddress": str(state.remote),
        "remoteASN": state.peer_asn,
    }


def service_object(service: ObjectKey, peers: tuple[str, ...], *, identity: Identity, node: str) -> Wanted:
    """Return the object of a Service that this node advertises to these peers, by name."""
    labels = {
        f"{identity.prefix}node": label_value(node),
        f"{identity.prefix}service-name": label_value(service.name),
        f"{identity.prefix}service-namespace": label_value(service.namespace),
    }
    status = {"node": node, "serviceName": service.name, "serviceNamespace": service.namespace, "peers": list(peers)}
    return Wanted(SERVICES, service_object_name(service, node), status, labels, service)


def service_object_name(service: ObjectKey, node: str) -> str:
    """Return the name of the object of a Service and node."""
    return "bgp-" + sha256(f"{service.namespace}/{service.name}/{node}".encode()).hexdigest()[:20]


def says_so(observed: Status, wanted: Status) -> bool:
    """Tell whether an object says what it is to say; members that are None are absent there."""
    return all(observed.get(member) == value for member, value in wanted.items())
