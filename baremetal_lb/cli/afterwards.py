"""The objects of a plan's input as they would be afterwards, so that the output of one plan is the input of the next.

Services get their status (ingress, condition) and annotation, the ledger's entries are made, changed and taken away, and our own resources
record the spec that was accepted (``status.lastAccepted``). Everything else is printed as it came, in its order; new entries come last.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from baremetal_lb.api.allocation import to_manifest
from baremetal_lb.api.compile import Accepted
from baremetal_lb.cli.offline import OfflineCluster
from baremetal_lb.model.ids import Identity, ObjectRef
from baremetal_lb.model.net import parse_address
from baremetal_lb.model.rfc3339 import format_exact
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.settle import SettledState

Manifest = dict[str, Any]
POOL_ANNOTATION = "ip-allocated-from-pool"
CONDITION = "Satisfied"


def objects_afterwards(
    objects: Sequence[Mapping[str, Any]], offline: OfflineCluster, state: SettledState, *, identity: Identity, now_utc: int
) -> list[Manifest]:
    """Return all objects, changed where the controller would have changed them."""
    before = {service.key: service for service in offline.cluster.services}
    after = {outcome.service.key: outcome.service for outcome in state.services}
    entries = {entry.address: entry for entry in state.entries}
    accepted = {(ref.kind, ref.key.name): (ref, outcome) for ref, outcome in offline.compiled.accepted.items()}
    result: list[Manifest] = []
    for place, original in enumerate(objects):
        manifest = copy.deepcopy(dict(original)) if isinstance(original, Mapping) else original
        ref = offline.keys.get(place)
        if ref is not None and ref.kind == "Service" and after[ref.key] != before[ref.key]:
            _write_status(manifest, after[ref.key], identity, now_utc)
        elif ref is not None and ref.kind == "IPAllocation":
            entry = entries.pop(parse_address(str(manifest["spec"]["address"])), None)
            if entry is None:
                continue
            manifest = _entry_manifest(manifest, entry, identity)
        elif isinstance(manifest, dict):
            _record_accepted(manifest, accepted)
        result.append(manifest)
    return result + [to_manifest(entry, identity) for entry in entries.values()]


def _write_status(manifest: Manifest, service: ServiceView, identity: Identity, now_utc: int) -> None:
    status = manifest.get("status")
    status = manifest["status"] = dict(status) if isinstance(status, Mapping) else {}
    ingress = [{"ip": str(entry.ip), "ipMode": entry.ip_mode or "VIP"} for entry in service.ingress if entry.ip is not None]
    status["loadBalancer"] = {"ingress": ingress} if ingress else {}
    metadata = manifest["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(identity.prefix + POOL_ANNOTATION, None)
    if service.allocated_from_pool is not None:
        annotations[identity.prefix + POOL_ANNOTATION] = service.allocated_from_pool
    if annotations or "annotations" in metadata:
        metadata["annotations"] = annotations
    kept = list(_others(status.get("conditions") or (), identity))
    if service.condition is not None:
        condition: Manifest = {
            "type": identity.prefix + CONDITION,
            "status": service.condition.status,
            "reason": service.condition.reason,
            "message": service.condition.message,
            "lastTransitionTime": _transition(status.get("conditions") or (), service, identity, now_utc),
        }
        if service.condition.observed_generation:
            condition["observedGeneration"] = service.condition.observed_generation
        kept.append(condition)
    if kept or "conditions" in status:
        status["conditions"] = kept


def _others(conditions: Iterable[Any], identity: Identity) -> Iterable[Any]:
    return (c for c in conditions if not (isinstance(c, Mapping) and c.get("type") == identity.prefix + CONDITION))


def _transition(conditions: Iterable[Any], service: ServiceView, identity: Identity, now_utc: int) -> str:
    """Return when the condition took the status that it has."""
    for condition in conditions:
        if isinstance(condition, Mapping) and condition.get("type") == identity.prefix + CONDITION:
            since = condition.get("lastTransitionTime")
            if since and service.condition is not None and condition.get("status") == service.condition.status:
                return str(since)
    return format_exact(now_utc)


def _entry_manifest(original: Manifest, entry: LedgerEntry, identity: Identity) -> Manifest:
    """Return the entry's manifest with the metadata of the one it was."""
    manifest = to_manifest(entry, identity)
    manifest["metadata"] = {**original["metadata"], **manifest["metadata"]}
    return manifest


def _record_accepted(manifest: Manifest, accepted: Mapping[tuple[str, str], tuple[ObjectRef, Accepted]]) -> None:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        return
    found = accepted.get((str(manifest.get("kind")), str(metadata.get("name"))))
    if found is None or metadata.get("namespace") not in (None, "", found[0].key.namespace) or found[1].spec_to_record is None:
        return
    status = manifest.get("status")
    status = manifest["status"] = dict(status) if isinstance(status, Mapping) else {}
    status["lastAccepted"] = {"generation": found[1].generation, "spec": found[1].spec_to_record}
