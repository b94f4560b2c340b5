"""Who is to announce an IP, as far as this node's knowledge goes. Pure.

An IP is announced for the Services that ledger *and* status both give it to (by uid); the election among the nodes is theirs together.
The announcer of an IP that is not the first one in the status of its (first) Service prefers the first one's announcer.
"""

from dataclasses import dataclass

from baremetal_lb.election.elect import ElectionInput, could_answer, elect
from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.views import ServiceView
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
    ignore_exclude_lb: bool = False

    def decide(self, address: IPAddress) -> Wanted:
        """Decide on one IP."""
        users, silence = self._users(address)
        if silence is not None:
            return Wanted(address, reason=silence)
        node = self.world.node
        subject = self._subject(address, users, self._sibling(address, users))
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

    def _users(self, address: IPAddress) -> tuple[tuple[ServiceView, ...], SilenceReason | None]:
        """Return the Services that both ledger and status give the IP to, by key; with the reason when there are none."""
        entry = self.world.entry(address)
        named = self.world.named_by_status(address)
        if entry is None:
            return (), SilenceReason.NotInLedger
        users = tuple(service for service in named if entry.has_service(service.uid))
        if users:
            return users, None
        return (), SilenceReason.LedgerNamesAnother if named else SilenceReason.NotInStatus

    def _sibling(self, address: IPAddress, users: tuple[ServiceView, ...]) -> str | None:
        """Return who is elected for the first IP of the first Service, if that is another one."""
        first = users[0].status_ips[0]
        if first == address:
            return None
        of_first, silence = self._users(first)
        return None if silence is not None else elect(self._subject(first, of_first, None)).announcer

    def _subject(self, address: IPAddress, users: tuple[ServiceView, ...], sibling: str | None) -> ElectionInput:
        world = self.world
        entry = world.entry(address)
        return ElectionInput(
            address=address,
            services=users,
            pool=world.configuration.pool_of(address),
            advertisements=world.configuration.l2_advertisements,
            nodes=world.nodes,
            endpoints={service.key: world.endpoints(service.key) for service in users},
            roster=world.roster,
            preferred=entry.announcer if entry is not None else None,
            ignore_exclude_lb=self.ignore_exclude_lb,
            sibling=sibling,
        )
