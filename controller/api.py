"""The requests that the controller's effects need, over the transport, each write behind a look at whether we still lead.

A write is refused by us when the term has ended (`NotLeading`), so that a process which was suspended, or whose renewals fail, writes
nothing however late it wakes up. Reads are free.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from baremetal_lb.ipam.changes import AssignStatus, ClearStatus
from baremetal_lb.kube import ledger as entries
from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.patches import ReplacedObject, apply_service_status, merge_status
from baremetal_lb.kube.records import SERVICE, DecodeError
from baremetal_lb.kube.resources import SERVICES
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.telemetry.metrics import Counter
from controller.outcome import NotLeading, Superseded, Unfinished

UNREADABLE_OWNER = "(unreadable)"
"""Owner that an entry which cannot be read stands under in memory: nobody's, so that its address is taken and never touched."""


class Api:
    """Implements the ports of ``effects`` and ``entry_writes``."""

    def __init__(self, transport: Transport, identity: Identity, may_write: Callable[[], bool], writes: Counter) -> None:
        self._transport = transport
        self._identity = identity
        self._may_write = may_write
        self._writes = writes
        self._decode_service = SERVICE.decoder(identity)

    def guard(self, kind: str) -> None:
        """Count a write that is about to be sent.

        Raises:
            NotLeading: it must not be.
        """
        if not self._may_write():
            raise NotLeading
        self._writes.inc(kind)

    # -- ledger ------------------------------------------------------------------------------------------------------------------------

    async def create(self, entry: LedgerEntry) -> LedgerEntry:
        """POST an entry."""
        self.guard("ipallocation")
        return await entries.create_entry(self._transport, self._identity, entry)

    async def update(self, entry: LedgerEntry) -> LedgerEntry:
        """PUT an entry with its preconditions."""
        self.guard("ipallocation")
        return await entries.update_entry(self._transport, self._identity, entry)

    async def delete(self, entry: LedgerEntry) -> None:
        """DELETE an entry with its preconditions."""
        self.guard("ipallocation")
        await entries.delete_entry(self._transport, self._identity, entry)

    async def fetch(self, address: IPAddress) -> LedgerEntry | None:
        """GET an entry; one that cannot be read is an obstacle at this address."""
        try:
            return await entries.fetch_entry(self._transport, self._identity, address)
        except DecodeError:
            return LedgerEntry(address, UNREADABLE_OWNER, "", uid=UNREADABLE_OWNER)

    # -- Services ----------------------------------------------------------------------------------------------------------------------

    async def get(self, key: ObjectKey) -> ServiceView | None:
        """GET a Service.

        Raises:
            Unfinished: no answer, or one that cannot be read.
        """
        try:
            return self._decode_service(await self._transport.request("GET", SERVICES.path(key.namespace, key.name)))
        except ApiError as error:
            if error.is_not_found:
                return None
            raise Unfinished(str(error), retry_after_s=error.retry_after_s or 0.0) from error
        except (KubeError, DecodeError) as error:
            raise Unfinished(str(error)) from error

    async def apply_status(self, service: ServiceView, step: AssignStatus | ClearStatus) -> ServiceView:
        """Write the status of a Service, for its uid.

        Raises:
            Superseded: another Service has the name now.
        """
        self.guard("service_status")
        ips, pool = (step.addresses, step.pool) if isinstance(step, AssignStatus) else ((), None)
        try:
            return await apply_service_status(
                self._transport,
                self._identity,
                service,
                ips=ips,
                pool=pool,
                condition=step.condition,
                now_utc=time.time_ns(),
            )
        except ReplacedObject as error:
            raise Superseded(str(error)) from error
        except DecodeError as error:
            raise Unfinished(str(error)) from error

    # -- our own resources -------------------------------------------------------------------------------------------------------------

    async def merge_status(self, path: str, status: Mapping[str, Any]) -> bytes:
        """Merge-patch the status of one of our resources."""
        self.guard("resource_status")
        return await merge_status(self._transport, path, status)

    async def remove(self, path: str, uid: str) -> None:
        """DELETE one of our resources, if it is still this one."""
        self.guard("garbage")
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            await self._transport.request("DELETE", path, body=body)
        except ApiError as error:
            if not error.is_not_found and error.status != 409:
                raise
