"""Who is to announce an IP, as far as this node's knowledge goes. Pure.

An IP is announced for the Services that ledger *and* status both give it to (by uid); the election among the nodes is theirs together.
"""

from dataclasses import dataclass

from baremetal_lb.election.elect import could_answer, elect
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import Reason
from baremetal_lb.settle.elections import subject_now
from speaker.reasons import SilenceReason
from speaker.world import World


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be so for one IP, whoever announces it just now."""

    address: IPAddress
    announcer: str | None = None
    interfaces: frozenset[str] | None = None
    """Where; None: on all interfaces."""
    services: tuple[ObjectKey, ...] = ()
    """For whom, by key; empty when nobody is to announce it."""
    reason: Reason | None = None
    """Why nobody is to announce it."""
    own_reason: ExclusionReason | None = None
    """Why this node could not; None where it could, or where nobody was elected anyway."""
    is_pinned: bool = False
    """Only what happens to the announcer itself can move the IP."""
    could_answer: bool = False
    """This node would serve the traffic, elected or not."""


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides on the IPs of one world."""

    world: World

    def decide(self, address: IPAddress) -> Wanted:
        """Decide on one IP."""
        entry = self.world.entry(address)
        if entry is None:
            return Wanted(address, reason=SilenceReason.NotInLedger)
        subject = subject_now(self.world, entry)
        users = subject.services
        if not users:
            is_named = bool(self.world.named_by_status(address))
            return Wanted(address, reason=SilenceReason.LedgerNamesAnother if is_named else SilenceReason.NotInStatus)
        node = self.world.node
        election = elect(subject)
        own = next((candidate for candidate in election.candidates if candidate.node == node), None)
        return Wanted(
            address,
            announcer=election.announcer,
            interfaces=election.interfaces,
            services=tuple(s.key for s in users if s.key not in election.left_out) if election.announcer else (),
            reason=election.reason,
            own_reason=own.reason if own is not None else None,
            is_pinned=election.is_pinned,
            could_answer=election.announcer is not None and (election.announcer == node or could_answer(subject, node, election)),
        )
