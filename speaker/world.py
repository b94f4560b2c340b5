"""What this speaker knows of the cluster, and which IPs are to be looked at again.

    observed objects --see_*()--> indexes --> dirty: the IPs that an event can have touched, and no others

* A Service touches the IPs in its status, before and after; an EndpointSlice those of its Service; a ledger entry its own.
* An IP may follow another one: the announcer of the second IP of a dual-stack Service prefers the announcer of the first. So with an IP
  all IPs of the Services on it are dirty.
* A member that falls out touches only the IPs that it was elected for (taking a loser away changes nothing; a law of ``election``).
  Any other change of a member, and of a Node, touches also the IPs whose announcer is not pinned: elected neither by wish nor by ledger.
* A configuration touches the IPs of pools that changed, or whose advertisements did.

For BGP the unit is the Service (``dirty_services``): what its routes on this node follow from. So it is touched by itself, its slices and
the ledger entries of its IPs; by this node's Node object, but by no other node; by pools, reservations and BGPAdvertisements.

A ledger entry that vanishes while its Services still have the IP is kept as *lost* for ``LEDGER_LOSS_HOLD`` (architecture: the controller
re-creates it): every speaker does so, so a failover in that time is answered too.

Pure bookkeeping: no decision, no clock. Invariant: working off ``dirty`` leaves the same result as deciding everything from scratch.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_lb.membership.lease_roster import MemberChange, is_same_for_election
from baremetal_lb.model.configuration import Configuration, L2Advertisement, Pool
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import Member, Roster
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import EndpointSliceView, EndpointView, LedgerEntry, NodeView, ServiceView

LEDGER_LOSS_HOLD = 60 * SECOND


@dataclass(frozen=True, slots=True)
class LostEntry:
    """A ledger entry that vanished under a Service that still has the IP."""

    entry: LedgerEntry
    until: int
    """ns, monotonic."""


class World:
    """Everything that decisions read."""

    def __init__(self, node: str, *, ignore_exclude_lb: bool = False) -> None:
        self.node = node
        self.ignore_exclude_lb = ignore_exclude_lb
        self.configuration = Configuration()
        self.services: dict[ObjectKey, ServiceView] = {}
        self.entries: dict[IPAddress, LedgerEntry] = {}
        self.lost: dict[IPAddress, LostEntry] = {}
        self.nodes: dict[str, NodeView] = {}
        self.roster = Roster()
        self.elected: dict[IPAddress, str] = {}
        """Whom the last decision on an IP named; written by ``note_elected``."""
        self.dirty: set[IPAddress] = set()
        self.dirty_services: set[ObjectKey] = set()
        self._slices: dict[ObjectKey, dict[ObjectKey, EndpointSliceView]] = {}
        self._users: dict[IPAddress, set[ObjectKey]] = {}
        """Services whose status names the IP."""
        self._elected_for: dict[str, set[IPAddress]] = {}
        self._pinned: set[IPAddress] = set()

    # -- what is known -------------------------------------------------------------------------------------------------------------

    def entry(self, address: IPAddress) -> LedgerEntry | None:
        """Return the ledger's entry for an IP, a lost one while it is kept."""
        lost = self.lost.get(address)
        return self.entries.get(address) or (lost.entry if lost else None)

    def endpoints(self, service: ObjectKey) -> tuple[EndpointView, ...]:
        """Return the endpoints of a Service, in the order of its slices' names."""
        slices = self._slices.get(service, {})
        return tuple(endpoint for name in sorted(slices) for endpoint in slices[name].endpoints)

    def slices(self, service: ObjectKey) -> tuple[EndpointSliceView, ...]:
        """Return the slices of a Service, by name."""
        slices = self._slices.get(service, {})
        return tuple(slices[name] for name in sorted(slices))

    def named_by_status(self, address: IPAddress) -> list[ServiceView]:
        """Return the Services whose status names the IP, by key."""
        return [self.services[key] for key in sorted(self._users.get(address, ()))]

    def users_of(self, entry: LedgerEntry) -> tuple[ServiceView, ...]:
        """Return the Services that ledger and status give the entry's IP to, by key."""
        return tuple(service for service in self.named_by_status(entry.address) if entry.has_service(service.uid))

    def ips_of(self, service: ServiceView) -> tuple[IPAddress, ...]:
        """Return the IPs that ledger and status give to the Service."""
        found = ((address, self.entry(address)) for address in service.status_ips)
        return tuple(address for address, entry in found if entry is not None and entry.has_service(service.uid))

    def addresses(self) -> frozenset[IPAddress]:
        """Return every IP that a Service's status or the ledger names."""
        return frozenset(self._users.keys() | self.entries.keys() | self.lost.keys() | self.elected.keys())

    def is_named(self, address: IPAddress) -> bool:
        """Tell whether a Service's status or the ledger names the IP."""
        return address in self._users or address in self.entries or address in self.lost

    # -- what is seen --------------------------------------------------------------------------------------------------------------

    def see_service(self, key: ObjectKey, view: ServiceView | None) -> None:
        """Take a Service as observed; None: it is gone, or none of ours any more."""
        old = self.services.get(key)
        if old == view:
            return
        self.dirty_services.add(key)
        if old is not None:
            self._touch_service(old)
            for address in set(old.status_ips):
                users = self._users[address]
                users.discard(key)
                if not users:
                    del self._users[address]
            del self.services[key]
        if view is not None:
            self.services[key] = view
            for address in view.status_ips:
                self._users.setdefault(address, set()).add(key)
            self._touch_service(view)
        for address in set(old.status_ips) if old is not None else ():
            if address not in self._users:
                self.lost.pop(address, None)

    def see_slice(self, key: ObjectKey, old: EndpointSliceView | None, view: EndpointSliceView | None) -> None:
        """Take an EndpointSlice as it was and as it is; None: it is gone."""
        if old is not None and (view is None or view.service != old.service):
            self._put_slice(old.service, key, None)
        if view is not None:
            self._put_slice(view.service, key, view)

    def _put_slice(self, service: ObjectKey, key: ObjectKey, view: EndpointSliceView | None) -> None:
        slices = self._slices.setdefault(service, {})
        before = slices.get(key)
        if view is None:
            slices.pop(key, None)
        else:
            slices[key] = view
        if not slices:
            del self._slices[service]
        if service in self.services and (before.endpoints if before else ()) != (view.endpoints if view else ()):
            self._touch_service(self.services[service])
            self.dirty_services.add(service)

    def see_node(self, name: str, view: NodeView | None) -> None:
        """Take a Node as observed; None: it is gone."""
        if self.nodes.get(name) == view:
            return
        if view is None:
            del self.nodes[name]
        else:
            self.nodes[name] = view
        self._touch_node(name, is_loss=False)
        if name == self.node:
            self.dirty_services.update(self.services)

    def see_entry(self, address: IPAddress, view: LedgerEntry | None, *, now: int) -> None:
        """Take a ledger entry as observed; None: it is gone."""
        old = self.entries.get(address)
        if old == view:
            return
        if view is not None:
            self.entries[address] = view
            self.lost.pop(address, None)
        elif old is not None:
            del self.entries[address]
            if any(old.has_service(service.uid) for service in self.named_by_status(address)):
                self.lost[address] = LostEntry(old, now + LEDGER_LOSS_HOLD)
        self._touch(address)
        self._touch_users(address)

    def forget_lost(self, *, now: int) -> None:
        """Forget the lost entries whose time is over."""
        for address, lost in list(self.lost.items()):
            if now >= lost.until:
                del self.lost[address]
                self._touch(address)
                self._touch_users(address)

    def see_roster(self, roster: Roster, changes: Iterable[MemberChange]) -> None:
        """Take the roster with what changed in it."""
        self.roster = roster
        for change in changes:
            if is_same_for_election(change.before, change.after):
                continue
            self._touch_node(change.node, is_loss=_can_announce(change.before) and not _can_announce(change.after))

    def configure(self, configuration: Configuration) -> None:
        """Take a compiled configuration."""
        old, self.configuration = self.configuration, configuration
        if _for_routes(old) != _for_routes(configuration):
            self.dirty_services.update(self.services)
        before, after = _by_pool(old), _by_pool(configuration)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        if not changed:
            return
        for address in self.addresses():
            pools = (old.pool_of(address), configuration.pool_of(address))
            if any(pool is not None and pool.name in changed for pool in pools):
                self._touch(address)

    def note_elected(self, address: IPAddress, node: str | None, *, is_pinned: bool) -> None:
        """Remember whom a decision named, so that what happens to a node finds the IPs that it can move."""
        if is_pinned:
            self._pinned.add(address)
        else:
            self._pinned.discard(address)
        old = self.elected.get(address)
        if old == node:
            return
        if old is not None:
            self._elected_for[old].discard(address)
            if not self._elected_for[old]:
                del self._elected_for[old]
        if node is None:
            self.elected.pop(address, None)
        else:
            self.elected[address] = node
            self._elected_for.setdefault(node, set()).add(address)

    # -- what is touched -----------------------------------------------------------------------------------------------------------

    def _touch_node(self, name: str, *, is_loss: bool) -> None:
        """Mark the IPs that a change of this node can move: all that are not pinned, but with a loss just those that it announced."""
        if not is_loss:
            for address in self.addresses() - self._pinned:
                self._touch(address)
        for address in self._elected_for.get(name, ()):
            self._touch(address)

    def _touch_service(self, view: ServiceView) -> None:
        for address in view.status_ips:
            self._touch(address)

    def _touch_users(self, address: IPAddress) -> None:
        """Mark the Services whose status names the IP, for their routes."""
        self.dirty_services.update(self._users.get(address, ()))

    def _touch(self, address: IPAddress) -> None:
        """Mark an IP, and those that may follow it."""
        self.dirty.add(address)
        for key in self._users.get(address, ()):
            self.dirty.update(self.services[key].status_ips)


def _can_announce(member: Member | None) -> bool:
    return member is not None and member.is_alive and member.is_serving


def _for_routes(configuration: Configuration) -> tuple[object, ...]:
    """Return what routes follow from."""
    return configuration.pools, configuration.reservations, configuration.bgp_advertisements


def _by_pool(configuration: Configuration) -> dict[str, tuple[Pool, tuple[L2Advertisement, ...]]]:
    return {
        pool.name: (pool, tuple(ad for ad in configuration.l2_advertisements if ad.selects_pool(pool.name))) for pool in configuration.pools
    }
