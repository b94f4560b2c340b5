"""The ledger in memory: who has which IP, and what is free."""

from collections.abc import Iterable

from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry


class Ledger:
    """Index over the entries of the ledger for one Configuration. ``owner`` is our install id: entries of others are only obstacles."""

    def __init__(self, configuration: Configuration, entries: Iterable[LedgerEntry] = (), owner: str = "") -> None:
        self.configuration = configuration
        self.owner = owner
        self._entries: dict[IPAddress, LedgerEntry] = {}
        for entry in entries:
            self.put(entry)

    def put(self, entry: LedgerEntry) -> None:
        """Add an entry, or replace the one of its address."""
        self._entries[entry.address] = entry

    def drop(self, address: IPAddress) -> None:
        """Forget the entry of an address, if there is one."""
        self._entries.pop(address, None)

    def entry(self, address: IPAddress) -> LedgerEntry | None:
        """Return the entry of an address."""
        return self._entries.get(address)

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return all entries, by family and address."""
        raise NotImplementedError

    def entries_of(self, uid: str) -> tuple[LedgerEntry, ...]:
        """Return our own entries that a Service uses, by family and address."""
        raise NotImplementedError

    def reconfigure(self, configuration: Configuration) -> None:
        """Take another Configuration; entries stay."""
        raise NotImplementedError
