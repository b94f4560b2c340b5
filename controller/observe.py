"""What comes in: a reflector for each kind that we read, and where its changes go.

Reflectors run in every process, leading or not, so that a standby knows everything when its turn comes. What they bring goes into the
world; whether anything is done about it is the loop's business.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from baremetal_lb.kube.records import ENDPOINT_SLICE, IP_ALLOCATION, LEASE, NAMESPACE, NODE, SERVICE, raw_object
from baremetal_lb.kube.reflector import Reflector
from baremetal_lb.kube.resources import ENDPOINT_SLICES, LEASES, NAMESPACES, NODES, SERVICES, ours
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.views import EndpointSliceView, LeaseView, LedgerEntry, NamespaceView, NodeView, ServiceView
from controller.dirty import Dirty
from controller.garbage import PLURALS, Garbage, StatusRecord, status_record
from controller.resources import CONFIGURATION_KINDS, Resources
from controller.roster import SpeakerRoster

log = structlog.get_logger(__name__)
LIST_HOLD_S = 60.0
"""Seconds for which a list that came back empty, or older than what was seen, takes nothing away. After that it is listed again: what a
watch from a wrong list never tells would be missing for ever."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that observation feeds."""

    dirty: Dirty
    resources: Resources
    roster: SpeakerRoster
    garbage: Garbage


class Observation:
    """The reflectors. ``on_change`` is called after each change; ``is_leading`` and ``is_writing`` tell how to read the ledger's."""

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        namespace: str,
        knowledge: Knowledge,
        *,
        on_change: Callable[[], None],
        on_entry_lost: Callable[[LedgerEntry], None],
        on_entry_seen: Callable[[LedgerEntry], None],
    ) -> None:
        self._knowledge = knowledge
        self._world = knowledge.dirty.world
        self._on_change = on_change
        self._on_entry_lost = on_entry_lost
        self._on_entry_seen = on_entry_seen
        self.reflectors: dict[str, Reflector[Any]] = {
            "services": Reflector(transport, SERVICES.path(), SERVICE.decoder(identity), self._service, shrink_hold_s=LIST_HOLD_S),
            "namespaces": Reflector(transport, NAMESPACES.path(), NAMESPACE.decoder(identity), self._namespace, shrink_hold_s=LIST_HOLD_S),
            "nodes": Reflector(transport, NODES.path(), NODE.decoder(identity), self._node, shrink_hold_s=LIST_HOLD_S),
            "endpointslices": Reflector(
                transport, ENDPOINT_SLICES.path(), ENDPOINT_SLICE.decoder(identity), self._slice, shrink_hold_s=LIST_HOLD_S
            ),
            "leases": Reflector(transport, LEASES.path(namespace), LEASE.decoder(identity), self._lease, on_relist=self._leases_relisted),
            "ipallocations": Reflector(
                transport,
                ours(identity, "ipallocations").path(),
                IP_ALLOCATION.decoder(identity),
                self._entry,
                shrink_hold_s=LIST_HOLD_S,
            ),
        }
        for plural in PLURALS:
            decode = partial(status_record, plural=plural)
            self.reflectors[plural] = Reflector(transport, ours(identity, plural).path(namespace), decode, self._status)
        for kind in CONFIGURATION_KINDS:
            path = ours(identity, kind.plural).path("" if kind.is_cluster_scoped else namespace)
            on_change = partial(self._resource, kind.name)
            self.reflectors[kind.plural] = Reflector(transport, path, raw_object, on_change, shrink_hold_s=LIST_HOLD_S)

    async def run(self) -> None:
        """Observe until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self.reflectors.values():
                group.create_task(reflector.run())

    async def synced(self) -> None:
        """Wait for the first complete list of every kind."""
        for reflector in self.reflectors.values():
            await reflector.has_synced.wait()

    def complaint(self) -> str | None:
        """Return what keeps us from knowing the cluster, as a sentence; None when nothing does."""
        waiting = [name for name, reflector in self.reflectors.items() if not reflector.has_synced.is_set()]
        if not waiting:
            return None
        missing = [name for name in waiting if "is not served" in (self.reflectors[name].problem or "")]
        if missing:
            return f"the API server does not know {', '.join(missing)}; install the CRDs with: bmlb crds | kubectl apply -f -"
        problems = [f"{name} ({self.reflectors[name].problem or 'no answer yet'})" for name in waiting]
        return f"not listed yet: {', '.join(problems)}"

    # -- changes -----------------------------------------------------------------------------------------------------------------------

    def _service(self, _key: ObjectKey, old: ServiceView | None, new: ServiceView | None) -> None:
        self._knowledge.dirty.service_changed(old, new)
        if new is None and old is not None:
            self._knowledge.garbage.service_gone(old.key)
        self._on_change()

    def _namespace(self, key: ObjectKey, _old: NamespaceView | None, new: NamespaceView | None) -> None:
        self._knowledge.dirty.namespace_changed(key.name, new.labels if new is not None else None)
        self._on_change()

    def _node(self, key: ObjectKey, _old: NodeView | None, new: NodeView | None) -> None:
        if new is None:
            self._world.nodes.pop(key.name, None)
            self._knowledge.garbage.node_gone(key.name)
        else:
            self._world.nodes[key.name] = new
        self._knowledge.dirty.nodes_changed((key.name,))
        self._on_change()

    def _slice(self, _key: ObjectKey, old: EndpointSliceView | None, new: EndpointSliceView | None) -> None:
        self._world.see_slice(new, old)
        for view in (old, new):
            if view is not None:
                self._knowledge.dirty.endpoints_changed(view.service)
        self._on_change()

    def _lease(self, _key: ObjectKey, old: LeaseView | None, new: LeaseView | None) -> None:
        nodes = self._knowledge.roster.lease_changed(old, new, now=time.monotonic_ns(), now_utc=time.time_ns())
        if nodes:
            self._world.roster = self._knowledge.roster.roster
            self._knowledge.dirty.nodes_changed(nodes)
            for node in nodes:
                self._knowledge.garbage.speaker_changed(node)
            self._on_change()

    def _leases_relisted(self) -> None:
        self._knowledge.roster.relisted(now=time.monotonic_ns())

    def _entry(self, _key: ObjectKey, old: LedgerEntry | None, new: LedgerEntry | None) -> None:
        if new is not None:
            self._on_entry_seen(new)
            if old is not None and old.uid != new.uid:
                self._world.bury(old.address, old.uid)
        elif old is not None:
            self._on_entry_lost(old)
        self._on_change()

    def _status(self, _key: ObjectKey, old: StatusRecord | None, new: StatusRecord | None) -> None:
        self._knowledge.garbage.status_changed(old, new)

    def _resource(self, kind: str, key: ObjectKey, _old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        self._knowledge.resources.changed(kind, key, new)
        self._on_change()
