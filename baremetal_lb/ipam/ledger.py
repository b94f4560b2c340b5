"""The ledger in memory: who has which IP, and what is free.

An index over entries for one Configuration. ``put`` and ``drop`` keep everything below in step, each in O(log n):

* entries by address, by user (uid), by sharing key, by the Service that they are held for;
* free addresses per pool, family and lane. A lane is what the same people may have: everybody, or those that it is reserved for;
* held addresses per pool, family and lane, by the end of their hold;
* counters per pool: addresses used, held and in other hands, and addresses that a namespace uses;
* ``holders``: how many entries of ours each uid uses, by the name of its Service; ``load``: how many entries prefer each node, whoever they
  are of; ``holds``: the end of the hold (ns since the epoch) of each entry of ours without users, 0 where it says none.

The pool of an entry is what the Configuration says of its address, whatever the entry recorded when it was made: a pool that is renamed
keeps its users. Every entry takes its address out of what is free: also one of another install (``owner`` differs), one that is held and
one outside every pool.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping, MutableSet
from typing import TypeVar

from sortedcontainers import SortedSet

from baremetal_lb.ipam.places import Places, Segment
from baremetal_lb.ipam.ranges import FreeRanges
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import Family, IPAddress, address_at, family_of
from baremetal_lb.model.views import LedgerEntry

Lane = tuple[str, str | None] | None
"""For whom addresses are reserved, as (namespace, name of the Service or None for all of the namespace); None: for everybody."""


def address_order(address: IPAddress) -> tuple[int, int]:
    """Sort key: IPv4 before IPv6, then by value."""
    return address.version, int(address)


class Ledger:
    """Index over the entries of the ledger for one Configuration. ``owner`` is our install id: entries of others are only obstacles."""

    def __init__(self, configuration: Configuration, entries: Iterable[LedgerEntry] = (), owner: str = "") -> None:
        self.owner = owner
        self._entries: dict[IPAddress, LedgerEntry] = {}
        self.reconfigure(configuration, entries)

    def reconfigure(self, configuration: Configuration, entries: Iterable[LedgerEntry] | None = None) -> None:
        """Take another Configuration; entries stay unless others are given."""
        kept = tuple(self._entries.values()) if entries is None else tuple(entries)
        self.configuration = configuration
        self.places = Places(configuration)
        self._entries = {}
        self._by_user: dict[str, MutableSet[IPAddress]] = {}
        self._by_sharing_key: dict[str, MutableSet[IPAddress]] = {}
        self._by_hold: dict[ObjectKey, MutableSet[IPAddress]] = {}
        self._free: dict[tuple[str, Family], dict[Lane, FreeRanges]] = {}
        self._ends: dict[tuple[str, Family], dict[Lane, MutableSet[tuple[int, int]]]] = {}
        """Held addresses that can be handed out, as (end of the hold in ns since the epoch, address), sorted."""
        self._namespace_use: Counter[tuple[str, str]] = Counter()
        self.used: Counter[tuple[str, Family]] = Counter()
        self.held: Counter[tuple[str, Family]] = Counter()
        self.foreign: Counter[tuple[str, Family]] = Counter()
        self.holders: dict[ObjectKey, Counter[str]] = {}
        self.load: Counter[str] = Counter()
        self.holds: dict[IPAddress, int] = {}
        self._reserved_names = frozenset(ObjectKey(r.namespace, r.service_name) for r in configuration.reservations if r.service_name)
        for segment in self.places:
            if not segment.is_excluded:
                self._lane(segment).give(segment.position, segment.span.first, segment.span.last)
        for entry in kept:
            self.put(entry)

    def put(self, entry: LedgerEntry) -> None:
        """Add an entry, or replace the one of its address."""
        self.drop(entry.address)
        self._entries[entry.address] = entry
        if entry.announcer:
            self.load[entry.announcer] += 1
        if entry.owner == self.owner:
            for user in entry.services:
                self._by_user.setdefault(user.uid, set()).add(entry.address)
                self.holders.setdefault(user.key, Counter())[user.uid] += 1
            if entry.sharing_key:
                self._by_sharing_key.setdefault(entry.sharing_key, SortedSet(key=address_order)).add(entry.address)
            if not entry.services:
                self.holds[entry.address] = _end(entry)[0]
                if entry.held_for is not None:
                    self._by_hold.setdefault(entry.held_for.key, set()).add(entry.address)
        segment = self.places.segment(entry.address)
        if segment is not None:
            self._count(entry, segment, 1)
            if not segment.is_excluded:
                self._lane(segment).take(segment.position, int(entry.address))
                if self._is_held(entry) and not segment.avoids(entry.address):
                    place = (segment.pool.name, segment.span.family)
                    self._ends.setdefault(place, {}).setdefault(_lane_of(segment), SortedSet()).add(_end(entry))

    def drop(self, address: IPAddress) -> None:
        """Forget the entry of an address, if there is one."""
        entry = self._entries.pop(address, None)
        if entry is None:
            return
        if entry.announcer:
            _count_down(self.load, entry.announcer)
        for user in entry.services if entry.owner == self.owner else ():
            _discard(self._by_user, user.uid, address)
            _count_down(self.holders[user.key], user.uid)
            if not self.holders[user.key]:
                del self.holders[user.key]
        self.holds.pop(address, None)
        _discard(self._by_sharing_key, entry.sharing_key, address)
        if entry.held_for is not None:
            _discard(self._by_hold, entry.held_for.key, address)
        segment = self.places.segment(address)
        if segment is not None:
            self._count(entry, segment, -1)
            if not segment.is_excluded and not segment.avoids(address):
                self._lane(segment).give(segment.position, int(address), int(address))
                if self._is_held(entry):
                    self._ends[segment.pool.name, segment.span.family][_lane_of(segment)].discard(_end(entry))

    def entry(self, address: IPAddress) -> LedgerEntry | None:
        """Return the entry of an address, of whatever owner."""
        return self._entries.get(address)

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return all entries, of whatever owner, by family and address."""
        return tuple(self._entries[address] for address in sorted(self._entries, key=address_order))

    def __len__(self) -> int:
        return len(self._entries)

    def entries_of(self, uid: str) -> tuple[LedgerEntry, ...]:
        """Return our own entries that a Service uses, by family and address."""
        return self._all(self._by_user.get(uid, ()))

    def entries_held_for(self, service: ObjectKey) -> tuple[LedgerEntry, ...]:
        """Return our own entries without users that are held for a Service of this name, by family and address."""
        return self._all(self._by_hold.get(service, ()))

    def entries_shared_as(self, sharing_key: str) -> tuple[LedgerEntry, ...]:
        """Return our own entries with this sharing key, by family and address."""
        return self._all(self._by_sharing_key.get(sharing_key, ())) if sharing_key else ()

    def lowest_free(self, pool: str, family: Family, service: ObjectKey) -> IPAddress | None:
        """Return the first free address of a pool, in declaration order, that this Service may have.

        An address that is reserved for the Service by its name comes first.
        """
        lanes = self._free.get((pool, family), {})
        by_name = _lowest(lanes, (service.namespace, service.name))
        lowest = by_name or min(filter(None, (_lowest(lanes, None), _lowest(lanes, (service.namespace, None)))), default=None)
        return None if lowest is None else address_at(family, lowest[1])

    def soonest_held(self, pool: str, family: Family, service: ObjectKey) -> IPAddress | None:
        """Return the held address of a pool whose hold ends first (then the lowest), of those that the Service could have if free."""
        lanes = self._ends.get((pool, family), {})
        mine = (lanes.get(lane) for lane in (None, (service.namespace, None), (service.namespace, service.name)))
        soonest = min((next(iter(ends)) for ends in mine if ends), default=None)
        return None if soonest is None else address_at(family, soonest[1])

    def has_reserved_by_name(self, pool: str, family: Family, service: ObjectKey) -> bool:
        """Tell whether a free address of the pool is reserved for the Service by its name."""
        return _lowest(self._free.get((pool, family), {}), (service.namespace, service.name)) is not None

    def is_reserved_by_name(self, service: ObjectKey) -> bool:
        """Tell whether any reservation names the Service."""
        return service in self._reserved_names

    def free_count(self, pool: str, family: Family) -> int:
        """Count the free addresses that are for everybody."""
        free = self._free.get((pool, family), {}).get(None)
        return 0 if free is None else free.size

    def reserved_count(self, pool: str, family: Family) -> int:
        """Count the free addresses that are reserved for somebody."""
        return sum(free.size for lane, free in self._free.get((pool, family), {}).items() if lane is not None)

    def addresses_used_by(self, pool: str, namespace: str) -> int:
        """Count the addresses of a pool that Services of a namespace use; a shared one once."""
        return self._namespace_use[pool, namespace]

    def _all(self, addresses: Iterable[IPAddress]) -> tuple[LedgerEntry, ...]:
        return tuple(self._entries[address] for address in sorted(addresses, key=address_order))

    def _lane(self, segment: Segment) -> FreeRanges:
        family = segment.span.family
        lanes = self._free.setdefault((segment.pool.name, family), {})
        lane = _lane_of(segment)
        if lane not in lanes:
            lanes[lane] = FreeRanges(family, avoid_buggy=segment.pool.avoid_buggy_ips)
        return lanes[lane]

    def _is_held(self, entry: LedgerEntry) -> bool:
        """Tell whether an entry is ours and without users; one that says no end of its hold has reached it."""
        return entry.owner == self.owner and not entry.services

    def _count(self, entry: LedgerEntry, segment: Segment, by: int) -> None:
        key = (segment.pool.name, family_of(entry.address))
        if entry.owner != self.owner:
            self.foreign[key] += by
            return
        (self.used if entry.services else self.held)[key] += by
        for namespace in {user.key.namespace for user in entry.services}:
            self._namespace_use[segment.pool.name, namespace] += by


_Key = TypeVar("_Key")


def _discard(index: MutableMapping[_Key, MutableSet[IPAddress]], key: _Key, address: IPAddress) -> None:
    """Take an address out of one set of an index, and the set when it is empty."""
    members = index.get(key)
    if members is not None:
        members.discard(address)
        if not members:
            del index[key]


def _count_down(counter: Counter[str], key: str) -> None:
    """Take one off a count, and the count when it is 0."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _lane_of(segment: Segment) -> Lane:
    return None if segment.reservation is None else (segment.reservation.namespace, segment.reservation.service_name)


def _end(entry: LedgerEntry) -> tuple[int, int]:
    return 0 if entry.held_for is None else entry.held_for.until_utc, int(entry.address)


def _lowest(lanes: Mapping[Lane, FreeRanges], lane: Lane) -> tuple[int, int] | None:
    free = lanes.get(lane)
    return None if free is None else free.lowest()
