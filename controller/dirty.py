"""From a change of the world to what must be looked at again: work in proportion to what changed, never to the number of Services.

    change                                   Services marked                                   also
    -----------------------------------------------------------------------------------------------------------------------
    Service came, changed, went              itself, if it concerns us                         its entries' placement
    entry lost a user, went, changed hands   waiters for its pool and family, for the IP       status of its pools
    entry got or changed a sharing key       waiters for that key
    entry changed behind our back            its users, old and new
    Namespace's labels                       those of the namespace, if a selector reads them
    configuration                            users of entries in changed pools and reserved    placement, if an advertisement
                                             ranges, and all that wait                         or a pool changed
    Node, roster, EndpointSlice              none                                              placement of entries that prefer the
                                                                                               node, that it may take over, that are
                                                                                               shared, or that the Service uses

A property test holds the result equal to deciding everything anew.
"""

from collections.abc import Callable, Iterable, Mapping

from baremetal_lb.ipam.requests import handles_service
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import AddressRange, IPAddress
from baremetal_lb.model.views import EntryService, LedgerEntry, ServiceView
from baremetal_lb.settle.agenda import Agenda, Rank
from baremetal_lb.settle.step import concerns, rank_of
from baremetal_lb.settle.waiting import Waiting
from controller.world import World


class Dirty:
    """What is to be looked at again. ``lb_class`` is the loadBalancerClass that we serve ("": none), ``clock`` the agenda's."""

    def __init__(self, owner: str, lb_class: str, *, ignore_exclude_lb: bool = False, clock: Callable[[], int] = lambda: 0) -> None:
        self.world = World(owner, self._entry_changed, lb_class=lb_class, ignore_exclude_lb=ignore_exclude_lb)
        self.agenda = Agenda(self._rank, clock=clock)
        self.waiting = Waiting()
        self.pools: set[str] = set()
        """Pools whose counters may have changed."""
        self.placements: set[IPAddress] = set()
        """Addresses whose preferred announcer may no longer do."""
        self._shared: set[IPAddress] = set()
        """Addresses with more than one user: any node's coming or going may decide for whom of them the IP is announced."""
        self._in_namespace: dict[str, set[ObjectKey]] = {}

    def concerns(self, view: ServiceView) -> bool:
        """Tell whether a Service is ours to serve, or was, so that something is to be cleared."""
        return concerns(view, self.world)

    def _rank(self, key: ObjectKey) -> Rank:
        return rank_of(key, self.world)

    # -- observed objects ----------------------------------------------------------------------------------------------------------

    def service_changed(self, old: ServiceView | None, new: ServiceView | None) -> None:
        """Take a watch event, or a response, of a Service."""
        known = self.world.services.get((new or old).key) if (new or old) else None  # type: ignore[union-attr]  # one of them is there
        if new is not None:
            if not self.world.see_service(new):
                return
            self._note_namespace(new)
            if self.concerns(new):
                self.agenda.mark(new.key)
            if known is None or _places(known) != _places(new):
                self.placements.update(entry.address for entry in self.world.ledger.entries_of(new.uid))
        elif old is not None and self.world.lose_service(old.key, old.uid):
            self._leave_namespace(old.key)
            self.waiting.discard(old.key)
            if old.key in self.world.ledger.holders:
                self.agenda.mark(old.key)
            else:
                self.agenda.forget(old.key)

    def _note_namespace(self, view: ServiceView) -> None:
        if handles_service(view, self.world.lb_class):
            self._in_namespace.setdefault(view.key.namespace, set()).add(view.key)
        else:
            self._leave_namespace(view.key)
            self.waiting.discard(view.key)

    def _leave_namespace(self, key: ObjectKey) -> None:
        """Forget a Service, and its namespace with the last one: names of namespaces that come and go must not add up."""
        keys = self._in_namespace.get(key.namespace)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._in_namespace[key.namespace]

    def namespace_changed(self, name: str, labels: Mapping[str, str] | None) -> None:
        """Take a Namespace's labels; None: it is gone."""
        if labels is None:
            self.world.namespaces.pop(name, None)
        elif self.world.namespaces.get(name) != labels:
            is_new = name not in self.world.namespaces
            self.world.namespaces[name] = labels
            if not is_new or labels:
                self.agenda.mark_all(self._in_namespace.get(name, ()))

    def configuration_changed(self, new: Configuration) -> None:
        """Take another Configuration, and mark what it may mean something else for."""
        old = self.world.configuration
        if old == new:
            return
        changed = {pool.name for pool in set_difference(old.pools, new.pools)}
        ranges = [r for reservation in set_difference(old.reservations, new.reservations) for r in reservation.ranges]
        self.world.reconfigure(new)
        for entry in self.world.ledger.entries():
            pool = new.pool_of(entry.address) if changed else None
            if entry.pool in changed or (pool is not None and pool.name in changed) or _is_in(entry.address, ranges):
                self.agenda.mark_all(user.key for user in entry.services)
        self.agenda.mark_all(self.waiting.keys())
        self.pools |= changed
        self.waiting.pools_changed(changed)
        if changed or old.l2_advertisements != new.l2_advertisements:
            self.placements.update(entry.address for entry in self.world.ledger.entries())

    # -- the ledger ----------------------------------------------------------------------------------------------------------------

    def start_over(self, entries: Iterable[LedgerEntry]) -> None:
        """Start a term from what a consistent LIST says; what was reserved and not written, and who waits for what, is found out anew."""
        self.waiting = Waiting()
        self._shared.clear()
        self.world.reset(entries)

    def _entry_changed(self, old: LedgerEntry | None, new: LedgerEntry | None) -> None:
        self.pools.update(entry.pool for entry in (old, new) if entry is not None)
        self.agenda.mark_all(self.waiting.woken_by(old, new, self.world.ledger))
        self._note_sharing(old, new)

    def _note_sharing(self, old: LedgerEntry | None, new: LedgerEntry | None) -> None:
        for entry in (old, new):
            if entry is not None and len(entry.services) > 1 and _users(old) != _users(new):
                self.placements.add(entry.address)
        if new is not None and len(new.services) > 1:
            self._shared.add(new.address)
        elif old is not None:
            self._shared.discard(old.address)

    def entry_observed(self, entry: LedgerEntry, *, is_being_written: bool) -> None:
        """Take an entry from a watch event or a response that we did not expect.

        What the API server has is what is meant from now on, and whoever it concerns is decided again; except while a write of ours is
        under way, whose response will say more.
        """
        if not self.world.confirm(entry) or is_being_written:
            return
        old = self.world.ledger.entry(entry.address)
        self.world.put(entry)
        if old is not None and old.announcer != entry.announcer:
            self.placements.add(entry.address)
        if not self.world.is_written(entry.address) or _users(old) != _users(entry):
            self.agenda.mark_all({user.key for user in (*_users(old), *entry.services)})

    def entry_lost(self, address: IPAddress, uid: str, *, is_being_written: bool, is_leading: bool) -> tuple[EntryService, ...]:
        """Take that an entry is gone which we did not delete; return its users, for whom it is to be made again."""
        if not self.world.bury(address, uid) or is_being_written:
            return ()
        entry = self.world.ledger.entry(address)
        if entry is None:
            return ()
        if not is_leading or not entry.services or entry.owner != self.world.owner:
            self.world.drop(address)
            self.agenda.mark_all(user.key for user in entry.services)
            return ()
        self.agenda.mark_all(user.key for user in entry.services)
        return entry.services

    # -- placement -----------------------------------------------------------------------------------------------------------------

    def nodes_changed(self, names: Iterable[str]) -> None:
        """Mark the entries that prefer one of these nodes, those that another node may take over, and those that are shared."""
        changed = set(names)
        self.placements |= self._shared
        configuration = self.world.configuration
        preemptible = {pool.name for pool in configuration.pools if any(a.may_preempt(pool.name) for a in configuration.l2_advertisements)}
        if preemptible or any(self.world.ledger.load[name] for name in changed):
            self.placements.update(e.address for e in self.world.ledger.entries() if e.announcer in changed or e.pool in preemptible)

    def endpoints_changed(self, service: ObjectKey) -> None:
        """Mark the entries that the Service uses."""
        for uid in self.world.ledger.holders.get(service, ()):
            self.placements.update(entry.address for entry in self.world.ledger.entries_of(uid))


def set_difference(old: Iterable, new: Iterable) -> list:  # type: ignore[type-arg]  # pools or reservations: compared, then read
    """Return the values of either side that are not equal on both, by name."""
    left, right = {value.name: value for value in old}, {value.name: value for value in new}
    return [
        side[name]
        for name in sorted(left.keys() | right.keys())
        for side in (left, right)
        if name in side and left.get(name) != right.get(name)
    ]


def _users(entry: LedgerEntry | None) -> tuple[EntryService, ...]:
    return entry.services if entry is not None else ()


def _is_in(address: IPAddress, ranges: list[AddressRange]) -> bool:
    return any(address in r for r in ranges)


def _places(view: ServiceView) -> tuple[object, ...]:
    """Return what of a Service its placement reads."""
    return (view.wanted_announcer, view.traffic_policy, view.labels, view.sharing_key)
