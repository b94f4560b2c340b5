"""The controller's slow roster: the speakers' Leases, with our own election Lease as the clock.

Silence of a speaker counts only while we provably hear: our own renewals must come back through the same watch (``membership``). The
controller is no member; it shows up under a name that no node can have, and is left out of what election reads.
"""

from dataclasses import replace

from baremetal_lb.membership.facts import MemberFacts, encode
from baremetal_lb.membership.lease_roster import LEASE_PREFIX, LeaseRoster, RosterOptions
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.roster import Roster
from baremetal_lb.model.views import LeaseView

_OURSELVES = "-controller-"


class SpeakerRoster:
    """Feeds the roster machine; ``holder`` is this process's name in the election Lease ``lease_name``."""

    def __init__(self, identity: Identity, lease_name: str, holder: str, *, echo_limit: int) -> None:
        self._annotation = f"{identity.prefix}member"
        self._lease_name = lease_name
        self._holder = holder
        self._machine = LeaseRoster(RosterOptions(node=_OURSELVES, annotation=self._annotation, echo_limit=echo_limit))

    def lease_changed(self, old: LeaseView | None, new: LeaseView | None, *, now: int, now_utc: int) -> frozenset[str]:
        """Take a change of a Lease; return the nodes whose entry in the roster changed."""
        if new is None:
            if old is not None:
                self._machine.lease_gone(old.key.name)
            return frozenset()
        if new.key.name == self._lease_name:
            if new.holder != self._holder:
                return frozenset()
            facts = encode(MemberFacts(is_serving=False, incarnation=0))
            key = ObjectKey(new.key.namespace, LEASE_PREFIX + _OURSELVES)
            new = replace(new, key=key, annotations={self._annotation: facts})
        elif not new.key.name.startswith(LEASE_PREFIX):
            return frozenset()
        changes = self._machine.lease_seen(new, now=now, now_utc=now_utc)
        return frozenset(change.node for change in changes) - {_OURSELVES}

    def relisted(self, *, now: int) -> None:
        """Take the news that the watch of Leases had to start over."""
        self._machine.relisted(now=now)

    @property
    def roster(self) -> Roster:
        """The speakers."""
        return Roster({node: member for node, member in self._machine.roster.members.items() if node != _OURSELVES})
