"""Writing ledger entries: makes the API server have what the ledger in memory means, one address at a time.

    meant      confirmed    write                         answers
    ---------------------------------------------------------------------------------------------------------------
    entry      nothing      POST                          AlreadyExists -> GET, compare
    entry      other        PUT with uid, resourceVersion Conflict, NotFound -> GET, compare
    nothing    entry        DELETE with both              the same; NotFound is what we wanted
    any: no answer, or 5xx -> the outcome is unknown: GET, compare, before anything else is written there

To compare: what is found is what we mean (done: our write took effect), or what we knew (it did not: once more), or something else
(somebody wrote: take it in and decide anew).

What is written must follow from what is there: an entry that another controller made or changed while ours waited for its turn is never
written over or deleted, though its uid and resourceVersion are known by then (from a watch event); it is taken in, and decided anew.

Writes of one address are serial, and whoever waits for its turn finds its wish fulfilled when the write before it carried the wish along:
so joins to a shared IP are batched without any timer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, NoReturn, Protocol

import structlog

from baremetal_lb.kube.errors import ApiError, KubeError, Unreachable
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry
from baremetal_lb.settle.state import content
from controller.dirty import Dirty
from controller.outcome import Superseded, Unfinished

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 4
"""Writes of one address in one go, each after a GET that showed why the one before did not take effect."""


class LedgerApi(Protocol):
    """The four requests that the ledger takes; ``effects`` has them over HTTP."""

    async def create(self, entry: LedgerEntry) -> LedgerEntry:
        """POST, and return what the server made of it."""
        ...

    async def update(self, entry: LedgerEntry) -> LedgerEntry:
        """PUT with the uid and resourceVersion of the entry as preconditions."""
        ...

    async def delete(self, entry: LedgerEntry) -> None:
        """DELETE with the same preconditions."""
        ...

    async def fetch(self, address: IPAddress) -> LedgerEntry | None:
        """GET, None when there is none."""
        ...


class _Turn:
    """A lock with a count of those who hold or want it, so that it can be forgotten."""

    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wanted = 0


class EntryWriter:
    """Writes entries; everything that it learns goes into the world."""

    def __init__(self, dirty: Dirty, api: LedgerApi) -> None:
        self._dirty = dirty
        self._world = dirty.world
        self._api = api
        self._turns: dict[IPAddress, _Turn] = {}
        self._doubtful: dict[IPAddress, tuple[LedgerEntry | None, LedgerEntry | None]] = {}
        """Addresses with a write whose outcome is still unknown: what was sent (None: a deletion), and what was known then."""

    def is_writing(self, address: IPAddress) -> bool:
        """Tell whether a write of this address is under way, so that watch events of it tell nothing new."""
        return address in self._turns

    def start_over(self) -> tuple[IPAddress, ...]:
        """Forget writes whose outcome is unknown: the whole ledger was listed since. Return the addresses that are being written still.

        An older term's work has ended by then, so there are none, but for a fault of ours.
        """
        stuck = tuple(self._turns)
        self._turns.clear()
        self._doubtful.clear()
        return stuck

    async def write(self, address: IPAddress) -> None:
        """Return once the API server has what is meant for this address.

        Raises:
            Superseded: somebody else wrote; it is taken in, and whom it concerns is marked.
            Unfinished: the server cannot be asked just now.
            NotLeading: from the api.
        """
        if self._world.is_written(address) and address not in self._doubtful and address not in self._turns:
            return
        base = self._world.confirmed.get(address)
        turn = self._turns.setdefault(address, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                await self._write(address, base)
        finally:
            turn.wanted -= 1
            if not turn.wanted and self._turns.get(address) is turn:  # of an older term it is no longer
                del self._turns[address]

    async def _write(self, address: IPAddress, base: LedgerEntry | None) -> None:
        for _ in range(ATTEMPTS):
            if address in self._doubtful:
                await self._look(address)
            if self._world.is_written(address):
                return
            meant, known = self._world.ledger.entry(address), self._world.confirmed.get(address)
            if known is not None and not _follows(meant, known, base):
                self._supersede(known)
            self._doubtful[address] = (meant, known)
            try:
                await self._send(address, meant, known)
            except ApiError as error:
                if error.status != 409 and not error.is_not_found:
                    if error.status < 500:
                        self._doubtful.pop(address, None)  # refused for certain
                    raise Unfinished(str(error), retry_after_s=error.retry_after_s or 0.0) from error
            except Unreachable as error:
                if not error.was_sent:
                    self._doubtful.pop(address, None)
                    raise Unfinished(str(error)) from error
                log.info("outcome_unknown", ip=address, error=str(error))
            else:
                self._doubtful.pop(address, None)
                confirmed = self._world.confirmed.get(address)
                if meant is None or content(confirmed) == content(meant):
                    return
                if confirmed is not None:
                    self._supersede(confirmed)
                log.info("entry_lost_while_written", ip=address)
        raise Unfinished(f"{address}: still not written after {ATTEMPTS} attempts")

    async def _send(self, address: IPAddress, meant: LedgerEntry | None, known: LedgerEntry | None) -> None:
        if meant is None:
            if known is not None:
                await self._api.delete(known)
                self._world.bury(address, known.uid)
            return
        if known is None:
            self._settle(await self._api.create(replace(meant, uid="", resource_version="")))
        else:
            self._settle(await self._api.update(replace(meant, uid=known.uid, resource_version=known.resource_version)))

    def _settle(self, saved: LedgerEntry) -> None:
        """Take the answer to a write; what is meant may have moved on meanwhile."""
        self._world.confirm(saved)
        meant = self._world.ledger.entry(saved.address)
        if meant is not None:
            self._world.put(replace(meant, uid=saved.uid, resource_version=saved.resource_version))

    async def _look(self, address: IPAddress) -> None:
        """Find out what the API server has, and take it in.

        Raises:
            Superseded: it is neither what we mean nor what we knew.
            Unfinished: no answer.
        """
        found = await attempt(lambda: self._api.fetch(address))
        sent, known = self._doubtful.pop(address, (None, None))
        if found is None:
            if known is not None:
                self._world.bury(address, known.uid)
            return
        if known is not None and known.uid != found.uid:
            self._world.bury(address, known.uid)
        self._world.confirm(found)
        meant = self._world.ledger.entry(address)
        if meant is not None and content(found) in (content(meant), content(sent)):
            self._settle(found)  # our own write took effect; what is meant may have moved on, and is written next
        elif known is None or known.uid != found.uid or content(found) != content(known):
            self._supersede(found)

    def _supersede(self, found: LedgerEntry) -> NoReturn:
        """Take in what somebody else wrote, and have those whom it concerns decided again.

        Raises:
            Superseded: always.
        """
        meant = self._world.ledger.entry(found.address)
        users = {user.key for entry in (meant, found) if entry is not None for user in entry.services}
        self._world.put(found)
        self._dirty.agenda.mark_all(users)
        raise Superseded(f"{found.address} was written by somebody else")


def _follows(meant: LedgerEntry | None, known: LedgerEntry | None, base: LedgerEntry | None) -> bool:
    """Tell whether what is meant was decided upon what is known; a deletion: whether that is what was to be deleted."""
    if known is None:
        return True
    if meant is not None:
        return (meant.uid, meant.resource_version) == (known.uid, known.resource_version)
    return base is not None and base.uid == known.uid and content(base) == content(known)


async def attempt(request: "Callable[[], Awaitable[LedgerEntry | None]]") -> LedgerEntry | None:
    """Send a read.

    Raises:
        Unfinished: it failed.
    """
    try:
        return await request()
    except KubeError as error:
        wait = error.retry_after_s if isinstance(error, ApiError) else None
        raise Unfinished(str(error), retry_after_s=wait or 0.0) from error
