"""Keeps the BGP status objects of this node: at most one look a second, nothing written that is so already.

Objects are compared with what the watch brought; until a write of ours has come back it counts as observed. A write that fails is tried
again at the next look.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

import structlog

from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.events import EventRecorder, Regarding
from baremetal_lb.kube.resources import Resource, ours
from baremetal_lb.kube.transport import MERGE_PATCH, Transport
from baremetal_lb.model.ids import Identity, ObjectKey, ObjectRef
from baremetal_lb.model.views import ServiceView
from speaker.bgp_status import SERVICES, SESSIONS, Status, Wanted, says_so, service_object, session_objects
from speaker.bgp_task import BgpTask
from speaker.effects import ASSIGNED, WRITE_TIMEOUT_S

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 1.0
ECHO_S = 3.0
_KINDS = {SESSIONS: "BGPSessionStatus", SERVICES: "ServiceBGPStatus"}
_GONE: Status = {}

Observed = Mapping[ObjectKey, Mapping[str, object]]


def bgp_objects(task: BgpTask, *, identity: Identity, node: str) -> Iterable[Wanted]:
    """Return every status object that is to be; none once the node has left for good."""
    if task.has_left:
        return
    yield from session_objects(task.states, task.watched, task.bfd.statuses, identity=identity, node=node)
    for service, peers in task.advertised().items():
        yield service_object(service, peers, identity=identity, node=node)


class BgpStatusTask:
    """``wanted`` returns every object that is to be; ``observed`` are the reflectors' stores, by plural."""

    def __init__(
        self,
        transport: Transport,
        events: EventRecorder,
        *,
        identity: Identity,
        namespace: str,
        node: str,
        wanted: Callable[[], Iterable[Wanted]],
        observed: Mapping[str, Observed],
        services: Mapping[ObjectKey, ServiceView],
    ) -> None:
        self._transport, self._events = transport, events
        self._namespace, self._node = namespace, node
        self._wanted, self._observed, self._services = wanted, observed, services
        self._resources: dict[str, Resource] = {plural: ours(identity, plural) for plural in _KINDS}
        self._written: dict[tuple[str, str], tuple[Status, float]] = {}

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Bring every object to what it is to say."""
        wanted = {(each.plural, each.name): each for each in self._wanted()}
        now = time.monotonic()
        self._written = {place: (status, at) for place, (status, at) in self._written.items() if now - at < ECHO_S}
        places = wanted.keys() | {(plural, key.name) for plural, store in self._observed.items() for key in store}
        for place in sorted(places):
            try:
                await self._reconcile(place, wanted.get(place))
            except KubeError as error:
                log.warning("status_not_written", object=place[1], error=str(error))
                return

    async def _reconcile(self, place: tuple[str, str], wanted: Wanted | None) -> None:
        plural, name = place
        seen = self._observed[plural].get(ObjectKey(self._namespace, name))
        status = seen.get("status") if seen is not None else None
        echo = self._written.get(place)
        if wanted is None:
            if seen is not None and (echo is None or echo[0] is not _GONE):
                await self._delete(plural, name)
                self._written[place] = (_GONE, time.monotonic())
            return
        if echo is not None and echo[0] == wanted.status:
            return
        if isinstance(status, dict) and says_so(status, wanted.status):
            return
        if seen is None and (echo is None or echo[0] is _GONE):
            await self._create(wanted)
        await self._patch(wanted)
        self._written[place] = (wanted.status, time.monotonic())

    async def _create(self, wanted: Wanted) -> None:
        resource = self._resources[wanted.plural]
        manifest = {
            "apiVersion": resource.api_version,
            "kind": _KINDS[wanted.plural],
            "metadata": {"name": wanted.name, "namespace": self._namespace, "labels": dict(wanted.labels)},
            "spec": {},
        }
        try:
            await self._transport.request("POST", resource.path(self._namespace), body=manifest, total_s=WRITE_TIMEOUT_S)
        except ApiError as error:
            if not error.already_exists:
                raise
            return
        service = self._services.get(wanted.service) if wanted.service is not None else None
        if wanted.service is not None and service is not None:
            self._events.record(
                Regarding(ObjectRef("Service", wanted.service), "v1", service.uid),
                reason=ASSIGNED,
                message=f'announcing from node "{self._node}" with protocol "bgp"',
                action="Announce",
                topic="bgp",
            )

    async def _patch(self, wanted: Wanted) -> None:
        path = self._resources[wanted.plural].path(self._namespace, wanted.name, "status")
        body = {"status": dict(wanted.status)}
        await self._transport.request("PATCH", path, body=body, content_type=MERGE_PATCH, total_s=WRITE_TIMEOUT_S)

    async def _delete(self, plural: str, name: str) -> None:
        try:
            await self._transport.request("DELETE", self._resources[plural].path(self._namespace, name), total_s=WRITE_TIMEOUT_S)
        except ApiError as error:
            if not error.is_not_found:
                raise
