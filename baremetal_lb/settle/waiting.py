"""Which Services wait for an IP, and for what: so that one release wakes those whom it may help, and nobody else.

A Service whose wish is not (wholly) met waits for any of: a free address of a pool and family, a certain address, a sharing key that
turns up or changes. Everything else that could help it is an event of its own (its own update, its namespace, the configuration).

    release of 203.0.113.7 (blue, IPv4) --+--> by_pool[(blue, IPv4)], oldest first, as long as there is something left
                                          +--> by_address[203.0.113.7]
    an entry gets or changes key "web" -------> by_sharing_key["web"]

Who waits for a pool is told once more when its last address is taken: what it waited for of it may have been something else, and its
condition is to say what is so.

Invariant: a key is in the indexes exactly as its Wait says; ``put`` replaces, ``discard`` forgets.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import Family, IPAddress, family_of
from baremetal_lb.model.views import LedgerEntry


@dataclass(frozen=True, slots=True)
class Wait:
    """What one Service waits for; it is tried again when any of these moves."""

    pools: frozenset[tuple[str, Family]] = frozenset()
    addresses: frozenset[IPAddress] = frozenset()
    sharing_key: str | None = None


K = TypeVar("K", bound=Hashable)


class _Index(Generic[K]):
    """Many-to-many: key of the index to waiting Services."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[K, set[ObjectKey]] = {}

    def add(self, at: Iterable[K], key: ObjectKey) -> None:
        for place in at:
            self._members.setdefault(place, set()).add(key)

    def discard(self, at: Iterable[K], key: ObjectKey) -> None:
        for place in at:
            members = self._members.get(place)
            if members is not None:
                members.discard(key)
                if not members:
                    del self._members[place]

    def at(self, place: K) -> frozenset[ObjectKey]:
        return frozenset(self._members.get(place, ()))


class Waiting:
    """All waiting Services."""

    def __init__(self) -> None:
        self._waits: dict[ObjectKey, Wait] = {}
        self._pools: _Index[tuple[str, Family]] = _Index()
        self._addresses: _Index[IPAddress] = _Index()
        self._sharing_keys: _Index[str] = _Index()
        self._exhausted: set[tuple[str, Family]] = set()
        """Pools, by family, whose last address was taken."""

    def put(self, key: ObjectKey, wait: Wait) -> None:
        """Let a Service wait for this, and for nothing else any more."""
        if self._waits.get(key) == wait:
            return
        self.discard(key)
        self._waits[key] = wait
        self._pools.add(wait.pools, key)
        self._addresses.add(wait.addresses, key)
        if wait.sharing_key:
            self._sharing_keys.add((wait.sharing_key,), key)

    def discard(self, key: ObjectKey) -> None:
        """Forget a Service: it has what it wants, or is gone."""
        wait = self._waits.pop(key, None)
        if wait is None:
            return
        self._pools.discard(wait.pools, key)
        self._addresses.discard(wait.addresses, key)
        if wait.sharing_key:
            self._sharing_keys.discard((wait.sharing_key,), key)

    def keys(self) -> frozenset[ObjectKey]:
        """Return all that wait."""
        return frozenset(self._waits)

    def for_pool(self, pool: str, family: Family) -> frozenset[ObjectKey]:
        """Return those whom a free address of this pool and family may help."""
        return self._pools.at((pool, family))

    def for_address(self, address: IPAddress) -> frozenset[ObjectKey]:
        """Return those whom this very address may help."""
        return self._addresses.at(address)

    def for_sharing_key(self, sharing_key: str) -> frozenset[ObjectKey]:
        """Return those who would share with an entry of this key."""
        return self._sharing_keys.at(sharing_key)

    def pools_changed(self, names: Iterable[str]) -> None:
        """Take that pools are not what they were: they may have addresses again."""
        changed = set(names)
        self._exhausted = {place for place in self._exhausted if place[0] not in changed}

    def woken_by(self, old: LedgerEntry | None, new: LedgerEntry | None, ledger: Ledger) -> frozenset[ObjectKey]:
        """Return those to whom a change of an entry may mean something; ``ledger`` is as it is after the change."""
        woken: set[ObjectKey] = set()
        for entry in (old, new):
            if entry is not None:
                woken |= self.for_address(entry.address)
        if old is None:
            if new is not None:
                woken |= self._of_exhausted(new, ledger) | self.for_sharing_key(new.sharing_key)
            return frozenset(woken)
        if new is None or not set(old.services) <= set(new.services) or old.held_for is not None:
            place = (old.pool, family_of(old.address))
            self._exhausted.discard(place)
            woken |= self.for_pool(*place) | self.for_sharing_key(old.sharing_key)
        if new is not None and _sharing(old) != _sharing(new):
            woken |= self.for_sharing_key(new.sharing_key)
        return frozenset(woken)

    def _of_exhausted(self, entry: LedgerEntry, ledger: Ledger) -> frozenset[ObjectKey]:
        """Return those who wait for the entry's pool, if its last address has just been taken."""
        place = (entry.pool, family_of(entry.address))
        if place in self._exhausted or ledger.free_count(*place):
            return frozenset()
        self._exhausted.add(place)
        return self.for_pool(*place)

    def __len__(self) -> int:
        return len(self._waits)


def _sharing(entry: LedgerEntry) -> tuple[str, str]:
    return (entry.sharing_key, entry.backend_key)
