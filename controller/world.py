"""What the controller knows: the observed objects, the ledger as it is meant to be, and the ledger as the API server has it.

Two ledgers stand side by side:

* ``ledger`` (ipam) is *meant*: it changes the moment something is decided, so that the next decision sees the reservation;
* ``confirmed`` is what the API server last said of each entry, in a response or a watch event. Where the two differ there is something
  to write (``is_written``).

Watch events come late and out of step with our own responses. The newest resourceVersion of one uid wins, and events of entries that we
deleted (``_buried``) are not news. So a decision never reads something older than this process's own last write.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import EndpointSliceView, EndpointView, LedgerEntry, NodeView, ServiceView

BURIED_MAX = 10_000
"""Deleted entries that are remembered until their watch event came; more than can be on their way at once."""

EntryListener = Callable[[LedgerEntry | None, LedgerEntry | None], None]


def is_newer(version: str, than: str) -> bool:
    """Tell whether a resourceVersion of one object is later than another (they are decimal numbers that grow; KEP-5504)."""
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than


def content(entry: LedgerEntry | None) -> LedgerEntry | None:
    """Return what an entry says, without what the API server added."""
    return None if entry is None else replace(entry, uid="", resource_version="")


class World:
    """Everything that decisions read; pure bookkeeping. ``on_entry(old, new)`` hears every change of the meant ledger."""

    def __init__(self, owner: str, on_entry: EntryListener = lambda _old, _new: None) -> None:
        self.owner = owner
        self.configuration = Configuration()
        self.ledger = Ledger(self.configuration, (), owner)
        self.confirmed: dict[IPAddress, LedgerEntry] = {}
        self.services: dict[ObjectKey, ServiceView] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.nodes: dict[str, NodeView] = {}
        self.roster = Roster()
        self._slices: dict[ObjectKey, dict[ObjectKey, EndpointSliceView]] = {}
        self._buried: dict[str, None] = {}
        self._on_entry = on_entry

    # -- the ledger as it is meant -----------------------------------------------------------------------------------------------

    def put(self, entry: LedgerEntry) -> None:
        """Mean this entry for its address."""
        old = self.ledger.entry(entry.address)
        if old == entry:
            return
        self.ledger.put(entry)
        self._tell(old, entry)

    def drop(self, address: IPAddress) -> None:
        """Mean no entry for this address."""
        old = self.ledger.entry(address)
        if old is not None:
            self.ledger.drop(address)
            self._tell(old, None)

    def reset(self, entries: Iterable[LedgerEntry]) -> None:
        """Start anew from what a consistent LIST says; what was meant and not written is forgotten."""
        listed = list(entries)
        self.confirmed = {entry.address: entry for entry in listed}
        self._buried.clear()
        self.ledger = Ledger(self.configuration, (), self.owner)
        for entry in listed:
            self.put(entry)

    def _tell(self, old: LedgerEntry | None, new: LedgerEntry | None) -> None:
        if content(old) != content(new):
            self._on_entry(old, new)

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

    def see_slice(self, view: EndpointSliceView | None, old: EndpointSliceView | None) -> None:
        """Take an EndpointSlice as observed (None: gone)."""
        if old is not None and (view is None or view.service != old.service):
            slices = self._slices.get(old.service, {})
            slices.pop(old.key, None)
            if not slices:
                self._slices.pop(old.service, None)
        if view is not None:
            self._slices.setdefault(view.service, {})[view.key] = view

    def endpoints(self, service: ObjectKey) -> tuple[EndpointView, ...]:
        """Return the endpoints of all slices of a Service, in the order of the slices' names."""
        slices = self._slices.get(service, {})
        return tuple(endpoint for key in sorted(slices) for endpoint in slices[key].endpoints)

    def reconfigure(self, configuration: Configuration) -> None:
        """Take another Configuration."""
        self.configuration = configuration
        self.ledger.reconfigure(configuration)

    def users_of(self, entry: LedgerEntry) -> tuple[ServiceView, ...]:
        """Return the Services that use an entry, as far as they are there (by uid)."""
        views = (self.services.get(user.key) for user in entry.services)
        uids = {user.uid for user in entry.services}
        return tuple(view for view in views if view is not None and view.uid in uids)
