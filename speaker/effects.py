"""Writes of the speaker besides its Lease: status objects, and the event when a Service's announcer changes."""

import structlog

from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.events import EventRecorder, Regarding
from baremetal_lb.kube.resources import ours
from baremetal_lb.kube.transport import MERGE_PATCH, Transport
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from speaker.plan import L2Status
from speaker.status import StatusStep, StatusView, next_step, status_manifest, status_patch

log = structlog.get_logger(__name__)
WRITE_TIMEOUT_S = 10.0
ASSIGNED = "nodeAssigned"
"""Reason of the event; scripts written for the reference implementation look for it."""


class StatusWriter:
    """Brings one status object at a time to what it should say."""

    def __init__(self, transport: Transport, events: EventRecorder, *, identity: Identity, namespace: str, node: str) -> None:
        self._transport, self._events = transport, events
        self._identity, self._namespace, self._node = identity, namespace, node
        self._resource = ours(identity, "servicel2statuses")

    async def write(self, name: str, desired: L2Status | None, observed: StatusView | None, *, uid: str) -> None:
        """Do what is to be done, two requests at most.

        Raises:
            KubeError: something was not written; doing it again is right.
        """
        step = next_step(desired, observed, node=self._node)
        if step is StatusStep.DELETE:
            await self._delete(name)
        elif step is not StatusStep.NOTHING and desired is not None:
            if step is StatusStep.CREATE and await self._create(name, desired):
                self._tell(desired.service, uid)
            await self._write_status(name, desired)

    async def _create(self, name: str, desired: L2Status) -> bool:
        """Create the object; tell whether it is new."""
        body = status_manifest(desired, name, identity=self._identity, namespace=self._namespace, node=self._node)
        try:
            await self._transport.request("POST", self._resource.path(self._namespace), body=body, total_s=WRITE_TIMEOUT_S)
        except ApiError as error:
            if not error.already_exists:
                raise
            return False
        return True

    async def _write_status(self, name: str, desired: L2Status) -> None:
        path = self._resource.path(self._namespace, name, "status")
        patch = status_patch(desired, node=self._node)
        await self._transport.request("PATCH", path, body=patch, content_type=MERGE_PATCH, total_s=WRITE_TIMEOUT_S)

    async def _delete(self, name: str) -> None:
        try:
            await self._transport.request("DELETE", self._resource.path(self._namespace, name), total_s=WRITE_TIMEOUT_S)
        except ApiError as error:
            if not error.is_not_found:
                raise

    def _tell(self, service: ObjectKey, uid: str) -> None:
        self._events.record(
            Regarding(ObjectRef("Service", service), "v1", uid),
            reason=ASSIGNED,
            message=f'announcing from node "{self._node}" with protocol "layer2"',
            action="Announce",
            topic="layer2",
        )
