"""The roster made of Leases: one per speaker, renewed every second, watched by all.

A Lease that is not renewed may mean a dead speaker, or that *we* hear nothing. So nobody's clock is believed, and silence counts only
while we provably hear: this speaker's own renewals, coming back through the very watch that brings the others', are the clock.

    own renewal  |     |     |     |                  |     |
    time         0     1     2     3  (watch broken)  9    10
    others age      +1    +1    +1       (frozen)        +1        ages restart at 9

* Between two own renewals at most ``echo_limit`` apart, each other member's age grows by the time between them; its own renewal sets it
  to 0. A member older than its Lease's duration is not alive. At 9 above the gap was too long: all ages restart there.
* After a relist all ages restart, and grow again from the first own renewal after it.
* So while the API server is away, or only our watch is, the roster stays as it was: *frozen*.
* A Lease without holder, or whose facts say that it does not serve, is a planned exit: it takes effect at once, at any time.
* A deleted Lease, or one missing from a list, only stops being renewed: a wrong list takes nobody away.
* A Lease seen first when it is already past its duration (by more than ``skew_limit``; this once wall clocks are compared) belongs to
  somebody long dead: not alive until it is renewed.
* We ourselves are alive; what we can do is what our own Lease says, since that is what the others elect by.

Invariants: nobody dies while frozen; a member that renews at least every duration never dies; a silent one is dead at the first own
renewal after its duration, counted in time that we heard.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from baremetal_lb.membership.facts import MalformedFacts, MemberFacts, parse
from baremetal_lb.membership.reasons import LeaseReason
from baremetal_lb.model.roster import Member, Roster
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import LeaseView

LEASE_PREFIX = "speaker-"
MAX_MEMBERS = 4096
LOOK_LIMIT = 2 * SECOND
"""ns by which the Leases of one list may differ and all be up to date: each is renewed once in a second."""


@dataclass(frozen=True, slots=True)
class RosterOptions:
    """Whose roster it is, and its limits, in ns."""

    node: str
    annotation: str
    """Name of the annotation with the facts."""
    echo_limit: int = 5 * SECOND // 2
    """Longest time between two own renewals that counts as hearing: two and a half times their interval."""
    skew_limit: int = 30 * SECOND
    """How far wall clocks of nodes may be apart before a live member is taken for dead until its next renewal."""
    default_duration: int = 4 * SECOND
    incarnation: int | None = None
    """Ours, as in our facts: the first own Lease that says it is a renewal of ours, and not what a predecessor left behind."""


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One node's entry in the roster changed; None: it has none."""

    node: str
    before: Member | None
    after: Member | None


@dataclass(slots=True)
class _Tracked:
    facts: MemberFacts
    holder: str
    renewed_utc: int
    duration: int
    age: int = 0
    counted_to: int = 0
    """Up to when (ns) the age has been counted."""
    is_expired: bool = False
    is_gone: bool = False
    """Its Lease was deleted; it is forgotten when it expires."""


def node_of_lease(name: str) -> str | None:
    """Return the node that a speaker's Lease is for; None for another's Lease."""
    node = name.removeprefix(LEASE_PREFIX)
    return node if node and node != name else None


class LeaseRoster:
    """The machine. Every input returns what changed in the roster, by node; ``roster`` is the whole."""

    def __init__(self, options: RosterOptions) -> None:
        self._options = options
        self._tracked: dict[str, _Tracked] = {}
        self._members: dict[str, Member] = {}
        self._heard_at: int | None = None
        """When the last own renewal came; None before the first, and after a relist."""
        self._last_problem: dict[str, LeaseReason] = {}

    @property
    def roster(self) -> Roster:
        """The roster as it stands; a value of its own, which later inputs do not change."""
        return Roster(dict(sorted(self._members.items())))

    @property
    def problems(self) -> dict[str, LeaseReason]:
        """What is wrong with Leases just now, by their name."""
        return dict(self._last_problem)

    def is_frozen(self, *, now: int) -> bool:
        """Tell whether silence does not count at ``now``."""
        return self._heard_at is None or now - self._heard_at > self._options.echo_limit

    def lease_seen(self, lease: LeaseView, *, now: int, now_utc: int) -> tuple[MemberChange, ...]:
        """Take a Lease as a list or a watch brought it; seeing the same one again is nothing."""
        node = node_of_lease(lease.key.name)
        facts = self._facts_of(lease, node)
        if node is None or facts is None:
            return ()
        known = self._tracked.get(node)
        is_renewed = known is None or known.renewed_utc != lease.renewed_utc or known.facts != facts or known.holder != lease.holder
        if not is_renewed and known is not None and not known.is_gone:
            return ()
        duration = lease.duration or self._options.default_duration
        is_stale = known is None and now_utc - lease.renewed_utc > duration + self._options.skew_limit
        self._tracked[node] = _Tracked(facts, lease.holder, lease.renewed_utc, duration, counted_to=now, is_expired=is_stale)
        changes = self._publish(node)
        is_ours = node == self._options.node and (known is not None or facts.incarnation == self._options.incarnation)
        return changes + self._own_renewal(now) if is_ours else changes

    def lease_gone(self, name: str) -> None:
        """Take the news that a Lease is no more; its member stays until it has been silent for its duration."""
        self._last_problem.pop(name, None)
        tracked = self._tracked.get(node_of_lease(name) or "")
        if tracked is not None:
            tracked.is_gone = True

    def relisted(self, *, now: int) -> None:
        """Take the news that the watch had to start over: all ages restart, and count from the next own renewal."""
        self._heard_at = None
        self._restart_ages(now)

    def _facts_of(self, lease: LeaseView, node: str | None) -> MemberFacts | None:
        name = lease.key.name
        reason: LeaseReason | None = None
        facts: MemberFacts | None = None
        if node is None:
            reason = LeaseReason.NotASpeaker
        elif node not in self._tracked and len(self._tracked) >= MAX_MEMBERS:
            reason = LeaseReason.TooManyMembers
        elif (text := lease.annotations.get(self._options.annotation)) is None:
            reason = LeaseReason.MissingFacts
        else:
            try:
                facts = parse(text)
            except MalformedFacts:
                reason = LeaseReason.MalformedFacts
        if reason is None:
            self._last_problem.pop(name, None)
        elif name in self._last_problem or len(self._last_problem) < MAX_MEMBERS:
            self._last_problem[name] = reason
        if facts is None and node in self._tracked:  # its renewal counts, with the facts that were readable last
            return self._tracked[node].facts
        return facts

    def _own_renewal(self, now: int) -> tuple[MemberChange, ...]:
        heard_at, self._heard_at = self._heard_at, now
        if heard_at is None or now - heard_at > self._options.echo_limit:
            self._restart_ages(now)
            return ()
        changes: tuple[MemberChange, ...] = ()
        for node, tracked in list(self._tracked.items()):
            tracked.age += now - max(heard_at, tracked.counted_to)
            tracked.counted_to = now
            if tracked.age > tracked.duration and node != self._options.node and not tracked.is_expired:
                tracked.is_expired = True
                changes += self._publish(node)
        return changes

    def _restart_ages(self, now: int) -> None:
        for tracked in self._tracked.values():
            tracked.age, tracked.counted_to = 0, now

    def _publish(self, node: str) -> tuple[MemberChange, ...]:
        """Bring the roster's entry of one node up to date."""
        tracked = self._tracked[node]
        is_own = node == self._options.node
        before = self._members.get(node)
        if tracked.is_expired and tracked.is_gone and not is_own:
            del self._tracked[node]
            after = None
        else:
            after = Member(
                node,
                is_alive=is_own or (bool(tracked.holder) and not tracked.is_expired),
                is_serving=tracked.facts.is_serving and bool(tracked.holder),
                incarnation=tracked.facts.incarnation,
                interfaces=tracked.facts.interfaces,
            )
        if after == before:
            return ()
        if after is None:
            del self._members[node]
        else:
            self._members[node] = after
        return (MemberChange(node, before, after),)


def roster_at_a_look(leases: Iterable[LeaseView], options: RosterOptions, *, now_utc: int) -> Roster:
    """Return the roster as the Leases of one list show it, for whoever has no time to hear silence; ``now_utc`` is ns since the epoch.

    What is past its duration then, by more than LOOK_LIMIT, is dead. The clock is that of whoever renewed a Lease last, a speaker or not,
    unless all of them are behind ours by more than clocks may be apart: then nobody renews any more.
    """
    leases = list(leases)
    newest = max((lease.renewed_utc for lease in leases), default=0)
    machine = LeaseRoster(replace(options, skew_limit=LOOK_LIMIT))
    for lease in leases:
        machine.lease_seen(lease, now=0, now_utc=max(newest, now_utc - options.skew_limit))
    return machine.roster


def is_same_for_election(before: Member | None, after: Member | None) -> bool:
    """Tell whether an election cannot tell the two apart: a new incarnation alone moves nothing."""
    if before is None or after is None:
        return before is after
    return replace(before, incarnation=0) == replace(after, incarnation=0)
