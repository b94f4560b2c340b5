"""What one peer is to hold of us, and what ExaBGP holds for it: the difference is a set of prefixes, never a list of commands.

    wanted   from the decisions; None: nobody said yet, so nothing is sent, and above all nothing withdrawn
    held     as ExaBGP answered; it keeps this over a session that flaps and sends it again by itself
    dirty    prefixes of which the two may differ: a change that is overtaken by the next one is never sent
    in flight  sent and not answered; such a prefix waits, so that ExaBGP's answers and `held` stay in order

A route that ExaBGP refuses is tried again, alone, at growing intervals, MAX_TRIES times; then it waits for a change of what is wanted.
"""

from baremetal_lb.bgp.session import Attributes, Prefix, Rib
from baremetal_lb.model.time import SECOND

MAX_TRIES = 5
FIRST_RETRY = SECOND // 2
"""ns; doubled at each try."""


class PeerRib:
    """The Adj-RIB-Out of one peer."""

    def __init__(self) -> None:
        self.wanted: Rib | None = None
        self.held: dict[Prefix, Attributes | None] = {}
        """None: held with other attributes than any we could want, so it is announced again."""
        self._dirty: dict[Prefix, None] = {}
        self._in_flight: set[Prefix] = set()
        self._tries: dict[Prefix, tuple[int, int]] = {}
        """Refused routes: (tries, not before)."""

    def want(self, rib: Rib) -> None:
        """Take what is wanted from now on."""
        before = self.wanted
        if before is None:
            self.wanted = dict(rib)
            self.compare_all()
            return
        if before == rib:
            return
        changed = [prefix for prefix in {**before, **rib} if before.get(prefix) != rib.get(prefix)]
        self.wanted = dict(rib)
        for prefix in changed:
            self._tries.pop(prefix, None)
        self._dirty.update(dict.fromkeys(changed))

    def hold(self, held: dict[Prefix, Attributes | None]) -> None:
        """Take what ExaBGP was seen to hold, and forget what was in flight."""
        self.held = held
        self._in_flight.clear()
        self._tries.clear()
        self.compare_all()

    def compare_all(self) -> None:
        """Compare all prefixes anew."""
        self._dirty = (
            {} if self.wanted is None else dict.fromkeys([*(prefix for prefix in self.held if prefix not in self.wanted), *self.wanted])
        )

    def target(self, prefix: Prefix, *, is_closing: bool) -> Attributes | None:
        """Return what the peer is to hold of a prefix; a peer that is about to be left, nothing."""
        return None if is_closing or self.wanted is None else self.wanted.get(prefix)

    def close(self) -> None:
        """Compare all that is held anew: the peer is about to be left."""
        self._tries.clear()
        self._dirty = dict.fromkeys(self.held)

    def withdrawals(self, limit: int, *, is_closing: bool, now: int) -> list[Prefix]:
        """Return prefixes to withdraw, at most ``limit``."""
        found: list[Prefix] = []
        for prefix in self._dirty:
            if len(found) >= limit:
                break
            if (
                prefix in self.held
                and prefix not in self._in_flight
                and self.target(prefix, is_closing=is_closing) is None
                and self._may(prefix, now)
            ):
                found.append(prefix)
        return found

    def announcements(self, limit: int, *, now: int) -> list[tuple[Prefix, Attributes]]:
        """Return what to announce, at most ``limit``, and forget prefixes that are as they should be."""
        found: list[tuple[Prefix, Attributes]] = []
        settled = []
        for prefix in self._dirty:
            if len(found) >= limit:
                break
            if prefix in self._in_flight:
                continue
            target = self.target(prefix, is_closing=False)
            if target == self.held.get(prefix) and (target is not None or prefix not in self.held):
                settled.append(prefix)
            elif target is not None and self._may(prefix, now):
                found.append((prefix, target))
        for prefix in settled:
            del self._dirty[prefix]
        return found

    def is_suspect(self, prefix: Prefix) -> bool:
        """Tell whether it travels alone, since a command that had it was refused."""
        return prefix in self._tries

    def sent(self, prefix: Prefix) -> None:
        """A command with this prefix is on its way."""
        self._in_flight.add(prefix)
        self._dirty.pop(prefix, None)

    def answered(self, prefix: Prefix, attributes: Attributes | None) -> None:
        """ExaBGP took it: announced with these, or withdrawn (None)."""
        self._in_flight.discard(prefix)
        self._tries.pop(prefix, None)
        if attributes is None:
            self.held.pop(prefix, None)
        else:
            self.held[prefix] = attributes
        self._dirty[prefix] = None

    def refused(self, prefix: Prefix, *, was_alone: bool, now: int) -> None:
        """ExaBGP did not take a command that had it."""
        self._in_flight.discard(prefix)
        tries = self._tries.get(prefix, (0, 0))[0] + was_alone
        self._tries[prefix] = (tries, now + (FIRST_RETRY << tries if was_alone else 0))
        self._dirty[prefix] = None

    def _may(self, prefix: Prefix, now: int) -> bool:
        tried = self._tries.get(prefix)
        return tried is None or (tried[0] < MAX_TRIES and tried[1] <= now)

    @property
    def is_in_flight(self) -> bool:
        """Tell whether ExaBGP still owes an answer about a route of this peer."""
        return bool(self._in_flight)

    @property
    def refused_routes(self) -> list[Prefix]:
        """Routes that ExaBGP refused, alone, and that are still wanted."""
        return [prefix for prefix, (tries, _at) in self._tries.items() if tries]

    def is_settled(self) -> bool:
        """Tell whether ExaBGP holds what is wanted, refused routes aside."""
        return not self._in_flight and all(self._is_given_up(prefix) or self._is_equal(prefix) for prefix in self._dirty)

    def _is_given_up(self, prefix: Prefix) -> bool:
        return self._tries.get(prefix, (0, 0))[0] >= MAX_TRIES

    def _is_equal(self, prefix: Prefix) -> bool:
        target = self.target(prefix, is_closing=False)
        return target == self.held.get(prefix) and (target is not None or prefix not in self.held)
