"""All sessions of a node: which are wanted, and which packet is whose (RFC 5880 §6.3, §6.8.6).

A packet that knows our discriminator is for the session of that number; one that does not (Your Discriminator 0) is for the session with
its sender's address, on the interface it came in on. TTL and sender are checked first: nobody farther away than configured gets a word.

A session that is wanted no more goes on for a while as AdminDown, so that the peer learns that this is no failure of the path.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from baremetal_lb.bfd.reasons import BfdDrop
from baremetal_lb.bfd.session import Changed, Session, Transmit
from baremetal_lb.bfd.spec import BfdSpec, BfdStatus
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.time import MILLISECOND
from baremetal_lb.packet.bfd import State, parse
from baremetal_lb.packet.malformed import MalformedPacket

MOST_SESSIONS = 256
FAREWELL = 1_500 * MILLISECOND
"""For so long AdminDown is said: at least two packets, since no session that is not Up sends less than one in a second."""
SINGLE_HOP_TTL = 255


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP payload as it arrived."""

    payload: bytes
    source: IPAddress
    interface: str
    ttl: int
    is_multihop: bool
    """It came to the multihop port."""


Effect = tuple[Session, Transmit | Changed]


class Table:
    """The sessions. ``draw`` returns discriminators: 32 bits, never 0; what is taken already is drawn again."""

    def __init__(self, *, chance: Callable[[], float], draw: Callable[[], int]) -> None:
        self._chance, self._draw = chance, draw
        self._sessions: dict[str, Session] = {}
        self._by_discriminator: dict[int, Session] = {}
        self._by_place: dict[tuple[bool, IPAddress, str], Session] = {}
        self._leaving: dict[Session, int] = {}
        self.drops: Counter[Reason] = Counter()

    @property
    def statuses(self) -> tuple[BfdStatus, ...]:
        """How the wanted sessions stand, by peer."""
        return tuple(session.status for _, session in sorted(self._sessions.items()))

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All, also those that say goodbye."""
        return (*self._sessions.values(), *self._leaving)

    def want(self, specs: Iterable[BfdSpec], *, now: int) -> list[Effect]:
        """Keep exactly these sessions, of different peers and places; those beyond MOST_SESSIONS are left out."""
        wanted = {spec.peer: spec for spec in sorted(specs, key=lambda spec: spec.peer)[:MOST_SESSIONS]}
        effects: list[Effect] = []
        for peer, session in list(self._sessions.items()):
            spec = wanted.get(peer)
            if spec is None or spec.path != session.spec.path:
                effects += self._dismiss(session, now)
        for peer, spec in wanted.items():
            known = self._sessions.get(peer)
            if known is None:
                self._add(spec, now)
            elif known.spec != spec:
                effects += _of(known, known.configure(spec, now=now))
        return effects

    def stop(self, *, now: int) -> list[Effect]:
        """Say goodbye to all."""
        return self.want((), now=now)

    def receive(self, datagram: Datagram, *, now: int) -> list[Effect]:
        """Take a packet; what is wrong with it is counted."""
        try:
            packet = parse(datagram.payload)
        except MalformedPacket as error:
            self.drops[error.reason] += 1
            return []
        if packet.has_authentication:
            return self._drop(BfdDrop.UnexpectedAuthentication)
        if packet.your_discriminator:
            session = self._by_discriminator.get(packet.your_discriminator)
            if session is None:
                return self._drop(BfdDrop.UnknownDiscriminator)
            if (session.spec.remote, session.spec.is_multihop) != (datagram.source, datagram.is_multihop):
                return self._drop(BfdDrop.WrongSource)
        else:
            found = self._by_place.get((datagram.is_multihop, datagram.source, datagram.interface))
            session = found or self._by_place.get((datagram.is_multihop, datagram.source, ""))
            if session is None:
                return self._drop(BfdDrop.NoSession)
            if packet.state not in (State.DOWN, State.ADMIN_DOWN):
                return self._drop(BfdDrop.NotDown)
        if datagram.ttl < (session.spec.minimum_ttl if datagram.is_multihop else SINGLE_HOP_TTL):
            return self._drop(BfdDrop.WrongTTL)
        return _of(session, session.handle(packet, now=now))

    def tick(self, *, now: int) -> list[Effect]:
        """Let time pass; what arrived before is to be taken before."""
        effects: list[Effect] = []
        for session in self.sessions:
            effects += _of(session, session.tick(now=now))
        for session in [session for session, until in self._leaving.items() if until <= now]:
            self._remove(session)
        return effects

    def deadline(self) -> int | None:
        """When ``tick`` is to be called next."""
        times = [when for session in self.sessions if (when := session.deadline()) is not None]
        return min([*times, *self._leaving.values()], default=None)

    def _drop(self, reason: BfdDrop) -> list[Effect]:
        self.drops[reason] += 1
        return []

    def _add(self, spec: BfdSpec, now: int) -> None:
        before = self._by_place.get(spec.place)
        if before is not None:
            self._remove(before)
        discriminator = self._draw()
        while discriminator in self._by_discriminator:
            discriminator = self._draw()
        session = Session(spec, discriminator=discriminator, chance=self._chance, now=now)
        self._sessions[spec.peer] = self._by_discriminator[discriminator] = self._by_place[spec.place] = session

    def _dismiss(self, session: Session, now: int) -> list[Effect]:
        del self._sessions[session.spec.peer]
        self._leaving[session] = now + FAREWELL
        # The place may be wanted by another session, that of another peer object.
        return _of(session, session.stop(now=now))

    def _remove(self, session: Session) -> None:
        self._leaving.pop(session, None)
        if self._sessions.get(session.spec.peer) is session:
            del self._sessions[session.spec.peer]
        self._by_discriminator.pop(session.discriminator, None)
        if self._by_place.get(session.spec.place) is session:
            del self._by_place[session.spec.place]


def _of(session: Session, effects: Iterable[Transmit | Changed]) -> list[Effect]:
    return [(session, effect) for effect in effects]
