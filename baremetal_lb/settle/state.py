"""What the steps of allocation and placement read: the observed objects, and the ledger as it is meant to be.

The ledger changes the moment something is decided, so that the next decision sees it. The controller keeps one such state up to date; a
plan makes one of a cluster's objects.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from baremetal_lb.ipam.changes import (
    AssignStatus,
    ClearStatus,
    CreateEntry,
    DeleteEntry,
    HoldEntry,
    ServiceChanges,
    UpdateEntry,
    status_after,
)
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import EndpointSliceView, EndpointView, LedgerEntry, NodeView, ServiceView

EntryListener = Callable[[LedgerEntry | None, LedgerEntry | None], None]


def content(entry: LedgerEntry | None) -> LedgerEntry | None:
    """Return what an entry says, without what the API server added."""
    return None if entry is None else replace(entry, uid="", resource_version="")


class ClusterState:
    """Pure bookkeeping. ``owner`` is our install id; ``on_entry(old, new)`` hears every change of what an entry says."""

    def __init__(
        self, owner: str, on_entry: EntryListener = lambda _old, _new: None, *, lb_class: str = "", ignore_exclude_lb: bool = False
    ) -> None:
        self.owner, self.lb_class, self.ignore_exclude_lb = owner, lb_class, ignore_exclude_lb
        self.configuration = Configuration()
        self.ledger = Ledger(self.configuration, (), owner)
        self.services: dict[ObjectKey, ServiceView] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        """Labels by name; a namespace that is missing has none."""
        self.nodes: dict[str, NodeView] = {}
        self.roster = Roster()
        self._slices: dict[ObjectKey, dict[ObjectKey, EndpointSliceView]] = {}
        self.on_entry = on_entry

    def reconfigure(self, configuration: Configuration) -> None:
        """Take another Configuration."""
        self.configuration = configuration
        self.ledger.reconfigure(configuration)

    # -- the ledger ------------------------------------------------------------------------------------------------------------------

    def put(self, entry: LedgerEntry) -> None:
        """Mean this entry for its address."""
        old = self.ledger.entry(entry.address)
        if old != entry:
            self.ledger.put(entry)
            self._tell(old, entry)

    def drop(self, address: IPAddress) -> None:
        """Mean no entry for this address."""
        old = self.ledger.entry(address)
        if old is not None:
            self.ledger.drop(address)
            self._tell(old, None)

    def _tell(self, old: LedgerEntry | None, new: LedgerEntry | None) -> None:
        if content(old) != content(new):
            self.on_entry(old, new)

    def reserve(self, changes: ServiceChanges) -> None:
        """Mean the entries that the steps take; before anything else is decided."""
        for step in changes.gains:
            self.put(step.entry)

    def apply(self, changes: ServiceChanges) -> None:
        """Take all steps of a Service as done, those on its status too."""
        for step in changes.steps:
            match step:
                case CreateEntry(entry) | UpdateEntry(entry) | HoldEntry(entry):
                    self.put(entry)
                case DeleteEntry(entry):
                    self.drop(entry.address)
                case AssignStatus() | ClearStatus():
                    self.services[step.service] = status_after(self.services[step.service], step)

    def entry(self, address: IPAddress) -> LedgerEntry | None:
        """Return the entry of an address, of whatever owner."""
        return self.ledger.entry(address)

    def users_of(self, entry: LedgerEntry) -> tuple[ServiceView, ...]:
        """Return the Services that use an entry, as far as they are there (by uid)."""
        views = (self.services.get(user.key) for user in entry.services)
        uids = {user.uid for user in entry.services}
        return tuple(view for view in views if view is not None and view.uid in uids)

    def ips_of(self, service: ServiceView) -> tuple[IPAddress, ...]:
        """Return the IPs whose entries of ours the Service uses, IPv4 first."""
        return tuple(entry.address for entry in self.ledger.entries_of(service.uid))

    # -- endpoints -------------------------------------------------------------------------------------------------------------------

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
