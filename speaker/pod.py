"""Whether the Pod of this process is being stopped, or only its container is."""

import asyncio

import structlog

from baremetal_lb.kube.errors import KubeError
from baremetal_lb.kube.resources import Resource
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.json_text import LONGEST_OBJECT, decode_json

log = structlog.get_logger(__name__)
PODS = Resource("", "v1", "pods")
TIMEOUT_S = 1.0


async def is_being_deleted(transport: Transport, namespace: str, name: str) -> bool:
    """Ask the API server once; False where it does not say so: the engine withdraws what is left when the Pod ends."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = decode_json(await transport.request("GET", PODS.path(namespace, name), total_s=TIMEOUT_S), longest=LONGEST_OBJECT)
    except (KubeError, TimeoutError, ValueError) as error:
        log.warning("own_pod_not_read", pod=name, error=str(error) or "no answer in time")
        return False
    metadata = found.get("metadata") if isinstance(found, dict) else None
    return isinstance(metadata, dict) and bool(metadata.get("deletionTimestamp"))
