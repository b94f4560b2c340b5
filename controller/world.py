"""What the controller knows: the observed objects, the ledger as it is meant to be, and the ledger as the API server has it.

Two ledgers stand side by side:

* ``ledger`` (ipam) is *meant*: it changes the moment something is decided, so that the next decision sees the reservation;
* ``confirmed`` is what the API server last said of each entry, in a response or a watch event. Where the two differ there is something
  to write (``is_written``).

Watch events come late and out of step with our own responses. The newest resourceVersion of one uid wins, and events of entries that we
deleted (``_buried``) are not news. So a decision never reads something older than this process's own last write.
"""

from collections.abc import Iterable

from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.state import ClusterState, EntryListener, content

BURIED_MAX = 10_000
"""Deleted entries that are remembered until their watch event came; more than can be on their way at once."""


def is_newer(version: str, than: str) -> bool:
    """Tell whether a resourceVersion of one object is later than another (they are decimal numbers that grow; KEP-5504)."""
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than


class World(ClusterState):
    """Everything that decisions read, and what the API server has; pure bookkeeping."""

    def __init__(
        self, owner: str, on_entry: EntryListener = lambda _old, _new: None, *, lb_class: str = "", ignore_exclude_lb: bool = False
    ) -> None:
        super().__init__(owner, on_entry, lb_class=lb_class, ignore_exclude_lb=ignore_exclude_lb)
        self.confirmed: dict[IPAddress, LedgerEntry] = {}
        self._buried: dict[str, None] = {}

    def reset(self, entries: Iterable[LedgerEntry]) -> None:
        """Start anew from what a consistent LIST says; what was meant and not written is forgotten."""
        listed = list(entries)
        self.confirmed = {entry.address: entry for entry in listed}
        self._buried.clear()
        self.ledger = Ledger(self.configuration, (), self.owner)
        for entry in listed:
            self.put(entry)

    # -- the ledger as the API server has it ---------------------------------------------------------------------------------------

    def is_written(self, address: IPAddress) -> bool:
        """Tell whether the API server has what is meant for this address."""
        return content(self.ledger.entry(address)) == content(self.confirmed.get(address))

    def confirm(self, entry: LedgerEntry) -> bool:
        """Take what the API server says of an entry; tell whether it was news. The meant ledger is not touched."""
        if entry.uid in self._buried:
            return False
        known = self.confirmed.get(entry.address)
        if known is not None and not is_newer(entry.resource_version, known.resource_version):
            return False  # also of another uid: a late event of the entry that stood there before
        self.confirmed[entry.address] = entry
        return True

    def bury(self, address: IPAddress, uid: str) -> bool:
        """Take that the API server no longer has this entry; tell whether it was news."""
        if uid:
            self._buried[uid] = None
            while len(self._buried) > BURIED_MAX:
                del self._buried[next(iter(self._buried))]
        known = self.confirmed.get(address)
        if known is None or known.uid != uid:
            return False
        del self.confirmed[address]
        return True

    # -- observed objects ----------------------------------------------------------------------------------------------------------

    def see_service(self, view: ServiceView) -> bool:
        """Take a Service as observed; tell whether that was news."""
        known = self.services.get(view.key)
        if known is not None and not is_newer(view.resource_version, known.resource_version):
            return False  # also of another uid: a slow answer about the Service that had this name before
        self.services[view.key] = view
        return known != view

    def lose_service(self, key: ObjectKey, uid: str) -> bool:
        """Take that the Service with this uid is gone; tell whether that was news."""
        known = self.services.get(key)
        if known is None or known.uid != uid:
            return False
        del self.services[key]
        return True
