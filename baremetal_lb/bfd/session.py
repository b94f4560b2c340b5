"""One BFD session as a machine (RFC 5880 §6.8): packets and the time in, packets and changes out.

    every interval, less a quarter at most -> a packet that says our state       (§6.8.7; once a second until Up, §6.8.3)
    a packet                               -> the peer's state meets ours in the table `transitions`
    none for the Detection Time            -> Down; the peer is to learn our discriminator anew
    our intervals change                   -> poll until the peer says Final; what would surprise it is used only then

Detection Time = the peer's Detect Mult x the larger of what we want to receive and what it wants to send: the peer's pace, in our time.

Rules of this file: a change of state is told at once, between two intervals; at most one periodic packet is ever due; chance comes from
outside. Never Up without having heard Init or Up.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from baremetal_lb.bfd.spec import BfdSpec, BfdStatus
from baremetal_lb.bfd.transitions import HEARD, TRANSITIONS, Event, diagnostic_of
from baremetal_lb.model.time import MICROSECOND, SECOND
from baremetal_lb.packet.bfd import ControlPacket, Diagnostic, State

SLOW = SECOND
"""§6.8.3: no faster than this while a session is not Up."""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send this packet."""

    packet: ControlPacket


@dataclass(frozen=True, slots=True)
class Changed:
    """The session went from one state to another; or, in the same state, its fall is forgiven or its timers are others."""

    before: State
    status: BfdStatus


Effect = Transmit | Changed


class Session:
    """One session, Down at first. ``chance`` returns numbers from 0 to 1, evenly spread."""

    def __init__(self, spec: BfdSpec, *, discriminator: int, chance: Callable[[], float], now: int) -> None:
        self.spec = spec
        self.discriminator = discriminator
        self._chance = chance
        self._state = State.DOWN
        self._since = now
        self._fell_at: int | None = None
        self._diagnostic = Diagnostic.NONE
        self._remote = ControlPacket(State.DOWN, 0, 0, 1, 0, required_min_rx=1)
        """What the peer said last; before it said anything, what §6.8.1 demands."""
        self._is_polling = self._must_poll_again = False
        self._tx, self._rx = max(spec.desired_min_tx, SLOW), spec.required_min_rx
        """Intervals in use; what we say may be ahead of them while we poll."""
        self._sent_at: int | None = None
        self._transmit_at: int | None = None if spec.is_passive else now
        self._expires_at: int | None = None

    @property
    def state(self) -> State:
        """The state."""
        return self._state

    @property
    def status(self) -> BfdStatus:
        """How it stands."""
        return BfdStatus(
            peer=self.spec.peer,
            state=self._state,
            since=self._since,
            fell_at=self._fell_at,
            diagnostic=self._diagnostic,
            remote_state=self._remote.state,
            detection_time=self._detection_time,
            transmit_interval=self._interval,
        )

    def deadline(self) -> int | None:
        """When ``tick`` is to be called next."""
        times = [when for when in (self._transmit_at, self._expires_at) if when is not None]
        return min(times) if times else None

    def tick(self, *, now: int) -> tuple[Effect, ...]:
        """Let time pass. Packets that came before are to be handled before."""
        effects: list[Effect] = []
        if self._expires_at is not None and self._expires_at <= now:
            self._expires_at = None
            self._forget_peer()
            effects += self._meet(Event.EXPIRED, now)
        if self._transmit_at is not None and self._transmit_at <= now:
            effects.append(self._transmit(now))
        return tuple(effects)

    def handle(self, packet: ControlPacket, *, now: int) -> tuple[Effect, ...]:
        """Take a packet that is of this session; one that was told to stop hears no more (§6.8.6)."""
        if self._state is State.ADMIN_DOWN:
            return ()
        interval_before, timers_before = self._interval, self._timers
        self._remote = packet
        if packet.is_final and self._is_polling:
            self._end_poll()
        self._expires_at = now + self._detection_time
        effects = self._meet(HEARD[packet.state], now)
        if not effects:
            self._pace(now, may_hurry=self._interval < interval_before)
        is_forgiven = packet.state is State.ADMIN_DOWN and self._fell_at is not None
        if is_forgiven:
            self._fell_at = None  # RFC 5882 §3.2: the peer wants no BFD; this says nothing of the path
        if is_forgiven or (not effects and self._state is State.UP and self._timers != timers_before):
            effects.append(Changed(self._state, self.status))
        if packet.is_poll:
            effects.append(Transmit(replace(self._packet(), is_poll=False, is_final=True)))
        return tuple(effects)

    def configure(self, spec: BfdSpec, *, now: int) -> tuple[Effect, ...]:
        """Go on with other intervals (§6.8.3); the path is the same.

        Raises:
            ValueError: it is not.
        """
        if spec.path != self.spec.path:
            raise ValueError("another path is another session")
        before, self.spec = self.spec, spec
        if (before.desired_min_tx, before.required_min_rx) != (spec.desired_min_tx, spec.required_min_rx):
            self._parameters_changed()
        self._pace(now, may_hurry=True)
        return ()

    def stop(self, *, now: int) -> tuple[Effect, ...]:
        """Tell the peer that no BFD is wanted any more (AdminDown), and go on saying so."""
        return tuple(self._meet(Event.STOPPED, now))

    # -- states --------------------------------------------------------------------------------------------------------------------

    def _meet(self, event: Event, now: int) -> list[Effect]:
        before, after = self._state, TRANSITIONS[self._state, event]
        if after is before:
            return []
        self._state, self._since, self._diagnostic = after, now, diagnostic_of(event)
        if after is State.UP:
            self._fell_at = None
            self._parameters_changed()  # from once a second to what is wanted
        else:
            self._is_polling = self._must_poll_again = False
            self._tx, self._rx = self._desired_min_tx, self.spec.required_min_rx
        if before is State.UP and self._is_failure(event):
            self._fell_at = now
        effects: list[Effect] = [Changed(before, self.status)]
        if self._may_transmit:
            effects.append(self._transmit(now))
        return effects

    def _is_failure(self, event: Event) -> bool:
        """Tell whether a session that leaves Up says that the path fails.

        A peer that says Down although we never said so, and gives as its reason that we did or that somebody wished it, ends its session
        and has not missed our packets: FRR sends this when the BGP session of a dynamic neighbor is cleared, and makes no BFD session
        before BGP is there again. Holding BGP down until BFD is Up would then only wait for the limit.
        """
        if event is Event.HEARD_DOWN:
            return self._remote.diagnostic not in (Diagnostic.NEIGHBOR_SIGNALED_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
        return event is Event.EXPIRED

    def _forget_peer(self) -> None:
        """§6.8.1, bfd.RemoteDiscr: nothing is known of a peer that was not heard for a Detection Time."""
        self._remote = replace(self._remote, my_discriminator=0, state=State.DOWN, is_demand=False, required_min_rx=1)
        if self.spec.is_passive:
            self._transmit_at = None

    # -- intervals -----------------------------------------------------------------------------------------------------------------

    @property
    def _desired_min_tx(self) -> int:
        return self.spec.desired_min_tx if self._state is State.UP else max(self.spec.desired_min_tx, SLOW)

    @property
    def _interval(self) -> int:
        return max(self._tx, self._remote.required_min_rx * MICROSECOND)

    @property
    def _detection_time(self) -> int:
        """§6.8.4."""
        return self._remote.detect_mult * max(self._rx, self._remote.desired_min_tx * MICROSECOND)

    @property
    def _timers(self) -> tuple[int, int]:
        return self._interval, self._detection_time

    def _parameters_changed(self) -> None:
        if self._state is not State.UP:
            self._tx, self._rx = self._desired_min_tx, self.spec.required_min_rx
            return
        self._must_poll_again = self._is_polling
        self._is_polling = True
        # §6.8.3: slower sending and a shorter Detection Time wait until the peer knows.
        self._tx, self._rx = min(self._tx, self._desired_min_tx), max(self._rx, self.spec.required_min_rx)

    def _end_poll(self) -> None:
        self._is_polling, self._must_poll_again = self._must_poll_again, False
        if not self._is_polling:
            self._tx, self._rx = self._desired_min_tx, self.spec.required_min_rx

    # -- sending -------------------------------------------------------------------------------------------------------------------

    @property
    def _may_transmit(self) -> bool:
        """§6.8.7."""
        is_known = self._remote.my_discriminator != 0
        if self.spec.is_passive and not is_known:
            return False
        if self._remote.required_min_rx == 0:
            return False
        is_asked_to_be_quiet = self._remote.is_demand and self._state is State.UP and self._remote.state is State.UP
        return self._is_polling or not is_asked_to_be_quiet

    def _pace(self, now: int, *, may_hurry: bool) -> None:
        """Set the time of the next periodic packet, if that has to be another one."""
        if not self._may_transmit:
            self._transmit_at = None
        elif self._transmit_at is None:
            self._transmit_at = now if self._sent_at is None else max(now, self._sent_at + self._with_jitter())
        elif may_hurry and self._sent_at is not None:
            self._transmit_at = max(now, min(self._transmit_at, self._sent_at + self._with_jitter()))

    def _with_jitter(self) -> int:
        """§6.8.7: 75 to 100 % of the interval, or to 90 % where one lost packet is too many."""
        most = 0.9 if self.spec.detect_mult == 1 else 1.0
        return round(self._interval * (0.75 + (most - 0.75) * self._chance()))

    def _transmit(self, now: int) -> Transmit:
        self._sent_at = now
        self._transmit_at = now + self._with_jitter() if self._may_transmit else None
        return Transmit(self._packet())

    def _packet(self) -> ControlPacket:
        return ControlPacket(
            state=self._state,
            my_discriminator=self.discriminator,
            your_discriminator=self._remote.my_discriminator,
            detect_mult=self.spec.detect_mult,
            desired_min_tx=self._desired_min_tx // MICROSECOND,
            required_min_rx=self.spec.required_min_rx // MICROSECOND,
            diagnostic=self._diagnostic,
            is_poll=self._is_polling,
            is_control_plane_independent=True,
        )
