"""The ledger's writes: POST to allocate, PUT with resourceVersion to change, DELETE with uid and resourceVersion to release.

Never server-side apply: two writers of one field manager would overwrite each other's list of Services without a conflict. An outcome
that is unknown (`Unreachable` with ``was_sent``) is for the caller to find out: read, and compare.
"""

from baremetal_lb.api.allocation import to_manifest
from baremetal_lb.api.names import entry_name
from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.records import IP_ALLOCATION
from baremetal_lb.kube.resources import ours
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import Identity
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry

PLURAL = "ipallocations"


def entries_path(identity: Identity) -> str:
    """Return the path of the ledger."""
    return ours(identity, PLURAL).path()


def entry_path(identity: Identity, address: IPAddress) -> str:
    """Return the path of the entry of an address."""
    return ours(identity, PLURAL).path(name=entry_name(address))


async def fetch_entry(transport: Transport, identity: Identity, address: IPAddress) -> LedgerEntry | None:
    """Read the entry of an address from the API server; None when nobody has it.

    Raises:
        DecodeError: there is one, and it cannot be read.
        KubeError: as any request.
    """
    try:
        data = await transport.request("GET", entry_path(identity, address))
    except ApiError as error:
        if error.is_not_found:
            return None
        raise
    return IP_ALLOCATION.decoder(identity)(data)


async def create_entry(transport: Transport, identity: Identity, entry: LedgerEntry) -> LedgerEntry:
    """Allocate: write a new entry and return it with uid and resourceVersion.

    Raises:
        ApiError: with ``already_exists`` when somebody has the address.
        KubeError: as any request.
    """
    data = await transport.request("POST", entries_path(identity), body=to_manifest(entry, identity))
    return IP_ALLOCATION.decoder(identity)(data)


async def update_entry(transport: Transport, identity: Identity, entry: LedgerEntry) -> LedgerEntry:
    """Replace an entry that was read (it has uid and resourceVersion) and return it with its new resourceVersion.

    Raises:
        ApiError: with ``is_conflict`` when it is not as it was read any more.
        KubeError: as any request.
    """
    _check_was_read(entry)
    data = await transport.request("PUT", entry_path(identity, entry.address), body=to_manifest(entry, identity))
    return IP_ALLOCATION.decoder(identity)(data)


async def delete_entry(transport: Transport, identity: Identity, entry: LedgerEntry) -> None:
    """Release: delete the entry if it is still as it was read; nothing happens when it is gone.

    Raises:
        ApiError: with ``is_conflict`` when it is not as it was read any more.
        KubeError: as any request.
    """
    _check_was_read(entry)
    preconditions = {"uid": entry.uid, "resourceVersion": entry.resource_version}
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    try:
        await transport.request("DELETE", entry_path(identity, entry.address), body=body)
    except ApiError as error:
        if not error.is_not_found:
            raise


def _check_was_read(entry: LedgerEntry) -> None:
    """Refuse an entry without what the preconditions are made of: without them the API server would check nothing."""
    if not entry.uid or not entry.resource_version:
        raise ValueError(f"the entry of {entry.address} was never read from the API server")
