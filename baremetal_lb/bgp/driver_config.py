"""Bringing ExaBGP's set of sessions to what is wanted: write, reload, verify, repeat.

ExaBGP answers `done` to a `reload` that it drops (while any peer has routes to be sent) as well as to one that it refuses; so the
sessions that came and went are probed after each, and the reload is repeated with a growing delay until they are as wanted.

    STEADY --differ--> CLOSING --empty, 100 ms--> WRITING --there--> RELOADING --done--> PROBING --as wanted--> STEADY
                                                  | refused             ^                  | not yet
                                                  +--> STEADY           +---- WAITING <----+

* A session that is left is emptied first: with graceful restart its routes would stay in the router. A peer that is dead is no
  hindrance: ExaBGP takes the withdrawals, and nobody waits until the peer has them.
* A session of which anything changed is left, and added again in the next round. The others are not touched.
* When nothing helps ExaBGP is started anew (with graceful restart no route moves): routes that were on their way to a peer when it died
  keep every reload from being heard, for as long as the next connection to it hangs, and that may be minutes.
* A block that ExaBGP has not yet accepted is tried on the file before the process reads it (`is_proven`): a refused reload leaves the
  parser of 5.0.15 in a state in which it refuses every later one. Of several new blocks that are refused together each is tried
  alone; the one at fault is left out until it changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from baremetal_lb.bgp.exabgp_commands import probe
from baremetal_lb.bgp.exabgp_config import Block
from baremetal_lb.bgp.exabgp_events import NeighborSeen
from baremetal_lb.bgp.exabgp_text import Phrase
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import MILLISECOND, SECOND

SETTLE_TIME = 100 * MILLISECOND
"""Between the last withdrawal's answer and the end of the session: `done` says that ExaBGP has it, not that the peer does."""
CLOSING_LIMIT = 10 * SECOND
FIRST_DELAY = 50 * MILLISECOND
LONGEST_DELAY = 10 * SECOND
TRIES_UNTIL_TOLD = 4
TRIES_UNTIL_RESTART = 6
"""About six seconds."""
MOST_REMEMBERED = 1024


class Phase(Enum):
    """Where a change of the configuration is."""

    STEADY = "steady"
    CLOSING = "closing"
    WRITING = "writing"
    RELOADING = "reloading"
    PROBING = "probing"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to ExaBGP whether it keeps a session."""

    command: Phrase
    is_wanted: bool


class ExaBgpSessions:
    """Which sessions ExaBGP keeps, which it shall keep, and how far the change is."""

    def __init__(self) -> None:
        self.phase = Phase.STEADY
        self.in_force: dict[IPAddress, Block | NeighborSeen] = {}
        """A NeighborSeen is one that was there when we came: its parameters are known in part."""
        self.target: dict[IPAddress, Block] = {}
        self.wait_until = 0
        self.tries = 0
        self._proven: dict[IPAddress, Block] = {}
        """The last block of each address that ExaBGP accepted: a session that is only held down for a while comes back at once."""
        self._refused: dict[IPAddress, Block] = {}
        self._is_one_by_one = False
        self._is_probe_failed = False

    def start_over(self, in_force: Mapping[IPAddress, NeighborSeen]) -> None:
        """Take what ExaBGP was seen to keep."""
        self.phase, self.tries, self.target = Phase.STEADY, 0, {}
        self.in_force = dict(in_force)

    def is_refused(self, block: Block) -> bool:
        """Tell whether ExaBGP refuses this very block."""
        return self._refused.get(block.remote) == block

    def aim(self, desired: Iterable[Block]) -> None:
        """Work out the next target: what changed is left out of it, and comes back in the round after."""
        desired = tuple(desired)
        self._refused = {block.remote: block for block in desired if self.is_refused(block)}  # of others nobody asks any more
        self.target = {}
        unproven = 0
        for block in desired:
            if self.is_refused(block) or (block.remote in self.in_force and not self._is_in_force(block)):
                continue
            if self._proven.get(block.remote) != block and self._is_one_by_one:
                unproven += 1
                if unproven > 1:
                    continue
            self.target[block.remote] = block
        if not unproven:
            self._is_one_by_one = False

    def _is_in_force(self, block: Block) -> bool:
        there = self.in_force.get(block.remote)
        if isinstance(there, NeighborSeen):
            spec = block.spec
            return (there.local_asn, there.peer_asn, there.router_id) == (spec.local_asn, block.peer_asn, spec.router_id)
        return there == block

    @property
    def is_target_in_force(self) -> bool:
        """Tell whether ExaBGP keeps exactly the target."""
        return self.in_force == self.target

    @property
    def leaving(self) -> list[IPAddress]:
        """Sessions that the target has no more."""
        return [remote for remote in self.in_force if remote not in self.target]

    @property
    def is_proven(self) -> bool:
        """Tell whether ExaBGP has accepted each block of the target before."""
        return all(self._proven.get(remote) == block for remote, block in self.target.items())

    def refuse(self) -> Block | None:
        """Take that the file was refused; return the block at fault if that is known now."""
        self.phase = Phase.STEADY
        unproven = [block for remote, block in self.target.items() if self._proven.get(remote) != block]
        if len(unproven) != 1:
            self._is_one_by_one = True
            return None
        self._refused[unproven[0].remote] = unproven[0]
        return unproven[0]

    def accept(self) -> None:
        """Take that the file is there, and was tried."""
        self.phase = Phase.RELOADING
        self._proven.update(self.target)
        while len(self._proven) > max(MOST_REMEMBERED, len(self.target)):
            del self._proven[next(iter(self._proven))]

    def start_probing(self) -> list[Probe]:
        """Return what is to be asked after a reload."""
        self.phase, self._is_probe_failed = Phase.PROBING, False
        came = [Probe(_probe(block), True) for remote, block in self.target.items() if self.in_force.get(remote) != block]
        return came + [Probe(_probe(self.in_force[remote]), False) for remote in self.leaving]

    def probed(self, probe: Probe, *, is_there: bool) -> None:
        """Take an answer."""
        self._is_probe_failed |= is_there is not probe.is_wanted

    def finish_probing(self, *, now: int) -> list[IPAddress] | None:
        """After the last answer: return the sessions that are gone, or None if the reload is to be repeated."""
        if self._is_probe_failed:
            self.phase, self.tries = Phase.WAITING, self.tries + 1
            self.wait_until = now + min(FIRST_DELAY << min(self.tries, 16), LONGEST_DELAY)
            return None
        gone = self.leaving
        self.in_force = dict(self.target)
        self._refused = {remote: block for remote, block in self._refused.items() if remote not in self.target}
        self.phase, self.tries = Phase.STEADY, 0
        return gone

    @property
    def is_restart_due(self) -> bool:
        """Tell whether the reload was repeated so often that only a new ExaBGP helps."""
        return self.phase is Phase.WAITING and self.tries > 0 and self.tries % TRIES_UNTIL_RESTART == 0

    @property
    def is_without_effect(self) -> bool:
        """Tell whether the reload was repeated often enough to say so."""
        return self.tries >= TRIES_UNTIL_TOLD


def _probe(there: Block | NeighborSeen) -> Phrase:
    if isinstance(there, Block):
        return probe(there.remote, there.spec.local_asn, there.peer_asn, there.spec.router_id)
    return probe(there.remote, there.local_asn, there.peer_asn, there.router_id)
