"""The Lease of this speaker: what it publishes of itself, once a second and whenever it changes.

One merge patch per renewal, without precondition: nobody else writes this object, and a renewal that was retried does no harm. A Lease
that is not there (first start, or deleted by somebody) is made anew.
"""

import time
from collections.abc import Mapping
from typing import Any

from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.resources import LEASES
from baremetal_lb.kube.transport import MERGE_PATCH, Transport
from baremetal_lb.membership.facts import MemberFacts, encode
from baremetal_lb.membership.lease_roster import LEASE_PREFIX
from baremetal_lb.model.ids import Identity
from baremetal_lb.model.rfc3339 import format_microtime

COMPONENT = "speaker"
WRITE_TIMEOUT_S = 2.0


def component_selector(identity: Identity) -> str:
    """Return the label selector of all speakers' Leases."""
    return f"{identity.prefix}component={COMPONENT}"


def facts_annotation(identity: Identity) -> str:
    """Return the name of the annotation with a member's facts."""
    return f"{identity.prefix}member"


def lease_manifest(
    identity: Identity, namespace: str, node: str, facts: MemberFacts, *, holder: str, duration_s: float, now_utc: int
) -> dict[str, Any]:
    """Return the Lease as it is to be; ``holder`` "" releases it."""
    return {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {
            "name": LEASE_PREFIX + node,
            "namespace": namespace,
            "labels": {f"{identity.prefix}component": COMPONENT},
            "annotations": {facts_annotation(identity): encode(facts)},
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(duration_s)),
            "renewTime": format_microtime(now_utc),
        },
    }


class OwnLease:
    """Writes the Lease of one node."""

    def __init__(self, transport: Transport, identity: Identity, namespace: str, node: str, *, duration_s: float) -> None:
        self._transport, self._identity, self._namespace, self._node = transport, identity, namespace, node
        self._duration_s = duration_s
        self._path = LEASES.path(namespace, LEASE_PREFIX + node)

    async def renew(self, facts: MemberFacts, *, timeout_s: float = WRITE_TIMEOUT_S) -> None:
        """Publish the facts.

        Raises:
            KubeError: it may or may not have taken effect.
        """
        await self._write(facts, holder=self._node, timeout_s=timeout_s)

    async def release(self, facts: MemberFacts, *, timeout_s: float = WRITE_TIMEOUT_S) -> None:
        """Tell everybody that this speaker leaves.

        Raises:
            KubeError: it may or may not have taken effect.
        """
        await self._write(facts, holder="", timeout_s=timeout_s)

    async def _write(self, facts: MemberFacts, *, holder: str, timeout_s: float) -> None:
        lease: Mapping[str, Any] = lease_manifest(
            self._identity, self._namespace, self._node, facts, holder=holder, duration_s=self._duration_s, now_utc=time.time_ns()
        )
        try:
            await self._transport.request("PATCH", self._path, body=lease, content_type=MERGE_PATCH, total_s=timeout_s)
        except ApiError as error:
            if not error.is_not_found:
                raise
            await self._transport.request("POST", LEASES.path(self._namespace), body=lease, total_s=timeout_s)
