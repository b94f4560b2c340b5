"""What we write besides the ledger: the status of Services and of our own objects, and whole objects of which we own every field.

A Service is written by one forced server-side apply on its status subresource that names our annotation, the ingress and our own
condition, nothing else: a merge patch would delete other controllers' conditions, an unforced apply would fail for ever on a field
that somebody else wrote once. The uid goes along, so that a Service made anew under the same name is never given its predecessor's IP.

Server-side apply takes away only what we own alone. What a foreign writer co-owns (an ingress that it wrote with update, say) outlives
an apply that no longer names it; `apply_service_status` looks at the answer and removes the rest by a merge patch that is guarded by
the answer's resourceVersion.
Rights needed: patch on services/status and on the status of our kinds; nothing on services themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.records import CONDITION_NAME, SERVICE
from baremetal_lb.kube.resources import SERVICES
from baremetal_lb.kube.transport import APPLY_PATCH, DEFAULT_TOTAL_S, MERGE_PATCH, Transport
from baremetal_lb.model.condition import Condition
from baremetal_lb.model.ids import Identity
from baremetal_lb.model.json_text import UNDECODABLE
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.rfc3339 import format_time
from baremetal_lb.model.views import ServiceView

POOL_ANNOTATION = "ip-allocated-from-pool"
_MESSAGE_LIMIT = 32_768
"""Longest message of a condition that the API server takes."""


class ReplacedObject(KubeError):
    """The object that was meant is gone; another one has its name now."""


async def apply_object(
    transport: Transport,
    path: str,
    manifest: Mapping[str, Any],
    *,
    field_manager: str,
    total_s: float = DEFAULT_TOTAL_S,
) -> bytes:
    """Send a forced server-side apply (KEP-555) to an object or its subresource and return the object.

    Raises:
        ReplacedObject: the manifest has a uid, and the object another one.
        KubeError: as any request.
    """
    query = [("fieldManager", field_manager), ("force", "true")]
    try:
        return await transport.request("PATCH", path, query, body=dict(manifest), content_type=APPLY_PATCH, total_s=total_s)
    except ApiError as error:
        if manifest.get("metadata", {}).get("uid") and _names_uid(error):
            raise ReplacedObject(f"{path}: {error.message}") from error
        raise


def _names_uid(error: ApiError) -> bool:
    """Tell whether a refusal is about the uid: 422 where the object has another one, 409 where there is none to be created."""
    return error.status in {409, 422} and "uid" in error.message.lower()


async def merge_patch(transport: Transport, path: str, patch: Mapping[str, Any]) -> bytes:
    """Send a merge patch (RFC 7386) and return the object; with ``metadata.resourceVersion`` in it, a stale one is a conflict.

    Raises:
        KubeError: as any request.
    """
    return await transport.request("PATCH", path, body=dict(patch), content_type=MERGE_PATCH)


async def merge_status(transport: Transport, path: str, status: Mapping[str, Any], *, resource_version: str | None = None) -> bytes:
    """Merge fields into the status of one of our objects (``path`` is the object's); None removes a field.

    Raises:
        KubeError: as any request; a conflict when ``resource_version`` is given and stale.
    """
    patch: dict[str, Any] = {"status": dict(status)}
    if resource_version is not None:
        patch["metadata"] = {"resourceVersion": resource_version}
    return await merge_patch(transport, f"{path}/status", patch)


async def apply_service_status(
    transport: Transport,
    identity: Identity,
    service: ServiceView,
    *,
    ips: Sequence[IPAddress],
    pool: str | None,
    condition: Condition | None,
    now_utc: int,
) -> ServiceView:
    """Make a Service's status say exactly this (no IPs: cleared) and return the Service as it is then.

    ``condition`` keeps its transition time while its status stays the same; None removes our condition.

    Raises:
        ReplacedObject: the Service that was meant is gone and another one has its name.
        KubeError: as any request; a 404 when there is none of this name, a conflict when it has changed since it was read.
    """
    path = SERVICES.path(service.key.namespace, service.key.name, "status")
    metadata: dict[str, Any] = {"name": service.key.name, "namespace": service.key.namespace, "uid": service.uid}
    if service.resource_version:
        # Decided upon an older Service, it is no longer right: another controller that thinks it leads may have written meanwhile.
        metadata["resourceVersion"] = service.resource_version
    if pool is not None:
        metadata["annotations"] = {identity.prefix + POOL_ANNOTATION: pool}
    status: dict[str, Any] = {}
    if ips:
        status["loadBalancer"] = {"ingress": [{"ip": str(ip), "ipMode": "VIP"} for ip in ips]}
    if condition is not None:
        status["conditions"] = [_condition(condition, identity, service, now_utc)]
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "status": status}
    read = SERVICE.decoder(identity)
    written = read(await apply_object(transport, path, manifest, field_manager=identity.field_manager))
    leftovers = _leftovers(written, identity, ips=ips, pool=pool)
    if leftovers:
        written = read(await merge_patch(transport, path, leftovers))
    return written


def _condition(condition: Condition, identity: Identity, service: ServiceView, now_utc: int) -> dict[str, Any]:
    before = service.condition
    status = "True" if condition.is_true else "False"
    since_utc = before.last_transition_utc if before is not None and before.status == status and before.last_transition_utc else now_utc
    value = {
        "type": identity.prefix + CONDITION_NAME,
        "status": status,
        "reason": condition.reason,
        "message": condition.message[:_MESSAGE_LIMIT],
        "lastTransitionTime": format_time(since_utc),
    }
    return value if condition.observed_generation is None else {**value, "observedGeneration": condition.observed_generation}


def _leftovers(written: ServiceView, identity: Identity, *, ips: Sequence[IPAddress], pool: str | None) -> dict[str, Any] | None:
    """Return the merge patch that removes what an apply could not, or None."""
    patch: dict[str, Any] = {}
    if written.ingress and not ips:
        patch["status"] = {"loadBalancer": {"ingress": None}}
    if written.allocated_from_pool is not None and pool is None:
        names = [prefix for prefix in (identity.prefix, identity.legacy_prefix) if prefix is not None]
        patch["metadata"] = {"annotations": {prefix + POOL_ANNOTATION: None for prefix in names}}
    if not patch:
        return None
    patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": written.resource_version}
    return patch


def decode_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises:
        KubeError: it is none.
    """
    try:
        value = msgspec.json.decode(data)
    except UNDECODABLE as error:
        raise KubeError(f"the answer is no JSON object: {error}") from None
    if not isinstance(value, dict):
        raise KubeError("the answer is no JSON object")
    return value
