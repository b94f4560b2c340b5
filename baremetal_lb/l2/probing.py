"""Probing: whether a member that announced an IP of ours answers for it. For a speaker that is cut off and must not believe one frame.

Anybody on a link can send an announcement in another's name, and a speaker that fell silent for each of them could be silenced by it.
So it asks first and goes on answering meanwhile; only an answer silences it, and only for as long as answers come.

    a member's announcement -> ask -> answered -> silent, ask again every 2 s -> unanswered -> answer, and announce, again
                                `---> unanswered -> go on; ask again every 2 s, ``QUESTIONS`` times

A question is three ARP Probes (RFC 5227 §2.1.1) or Neighbor Solicitations, at 0, 250 and 500 ms, so that neither a lost one nor a lost
answer decides; it is unanswered after a second. Who takes an IP back asks on until its claim has come of age (``speaker.plan``), since the
other one may only have been too slow: two that answer find each other so.

What a speaker answers for since it was started from memory is asked for as if somebody had announced it: the node that has the IP now
announced it long ago.

Rules: pure, time is an argument. A second of silence counts only when it was listened to: who looks ``LATE`` waits once more for so long,
since answers may lie unread. A question that could not be sent is none. At most ``PER_BATCH`` steps are done every ``BATCH_INTERVAL``, so
that thousands of IPs neither flood the link nor hold up the loop; then a second becomes longer, never shorter.
Invariants: nothing is silent that was not answered for by a member; subjects are at most those that were ours when they were announced.
"""

import heapq
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import count
from types import MappingProxyType
from typing import Generic, TypeVar

from baremetal_lb.l2.reasons import YieldReason
from baremetal_lb.model.time import MILLISECOND, SECOND

PROBES = 3
PROBE_INTERVAL = 250 * MILLISECOND
ANSWER_WAIT = 500 * MILLISECOND
"""From the last probe on: a question is unanswered a second after the first one."""
PERIOD = 2 * SECOND
"""From one question to the next."""
QUESTIONS = 5
"""How often nobody must have answered until a claim is forgotten; the last one is asked 9 s after an IP was taken back."""
YIELD_TAIL = 2 * SECOND
"""How long a yielded IP stays so after this speaker hears its own renewals again: the other watches may still be behind."""
LATE = 100 * MILLISECOND
PER_BATCH = 64
BATCH_INTERVAL = 4 * MILLISECOND

Subject = TypeVar("Subject", bound=Hashable)


class Phase(Enum):
    """How it stands with one IP."""

    CLEAR = "nobody else claims it"
    ASKING = "answered here, the question is out"
    WATCHING = "answered here, the next question comes"
    YIELDED = "silent here, the next question comes"
    ASKING_AGAIN = "silent here, the question is out"
    ENDING = "silent here, and in touch with the API server again"


class Event(Enum):
    """What can happen to it."""

    ANNOUNCED = "a member announced it"
    ANSWERED = "a member answered for it"
    UNANSWERED = "nobody answered within a second"
    GIVEN_UP = "nobody answered, for the last time that is asked"
    UNSENT = "the question could not be sent"
    DUE = "the wait is over"
    IN_TOUCH = "own renewals come back"
    CUT_OFF = "they do not"
    FORGOTTEN = "it is ours no more"


SILENT = frozenset({Phase.YIELDED, Phase.ASKING_AGAIN, Phase.ENDING})
_OUT = frozenset({Phase.ASKING, Phase.ASKING_AGAIN})
_C, _A, _W, _Y, _AA, _E = Phase
_ROWS = {
    #        announced answered unanswered given up unsent due  in touch cut off forgotten
    _C: (_A, _C, _C, _C, _C, _C, _C, _C, _C),
    _A: (_A, _Y, _W, _C, _W, _A, _C, _A, _C),
    _W: (_W, _Y, _W, _C, _W, _A, _C, _W, _C),
    _Y: (_Y, _Y, _Y, _Y, _Y, _AA, _E, _Y, _C),
    _AA: (_AA, _Y, _W, _W, _Y, _AA, _E, _AA, _C),
    _E: (_E, _E, _E, _E, _E, _C, _E, _Y, _C),
}
TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = MappingProxyType(
    {(phase, event): after for phase, row in _ROWS.items() for event, after in zip(Event, row, strict=True)}
)


# -- inputs


@dataclass(frozen=True, slots=True)
class Announced(Generic[Subject]):
    """A member to whom we would give way announced an IP that we answer for."""

    subject: Subject
    by: str


@dataclass(frozen=True, slots=True)
class Doubted(Generic[Subject]):
    """We answer for an IP by what we knew once (a start from memory): nobody claimed it, and whoever has it now may be silent about it."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Answered(Generic[Subject]):
    """A member to whom we would give way answered a question for it."""

    subject: Subject
    by: str


@dataclass(frozen=True, slots=True)
class Unsent(Generic[Subject]):
    """A probe could be sent on no link."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Forgotten(Generic[Subject]):
    """The IP is no longer ours to answer for."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Contact:
    """Whether this speaker is in touch with the API server."""

    is_cut_off: bool


# -- effects


@dataclass(frozen=True, slots=True)
class Probe(Generic[Subject]):
    """Send one probe."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Yielded(Generic[Subject]):
    """Fall silent, since this member answers."""

    subject: Subject
    to: str


@dataclass(frozen=True, slots=True)
class TakenBack(Generic[Subject]):
    """Answer again."""

    subject: Subject
    reason: YieldReason


@dataclass(frozen=True, slots=True)
class Unconfirmed(Generic[Subject]):
    """Nobody answered for what was announced as this member's: go on."""

    subject: Subject
    by: str


@dataclass(frozen=True, slots=True)
class Done(Generic[Subject]):
    """There is nothing to ask any more."""

    subject: Subject


Input = Announced[Subject] | Doubted[Subject] | Answered[Subject] | Unsent[Subject] | Forgotten[Subject] | Contact
Effect = Probe[Subject] | Yielded[Subject] | TakenBack[Subject] | Unconfirmed[Subject] | Done[Subject]
_WHY_BACK = {
    Event.UNANSWERED: YieldReason.NobodyAnswered,
    Event.DUE: YieldReason.InTouchAgain,
    Event.FORGOTTEN: YieldReason.NoLongerNamed,
}


@dataclass(slots=True)
class _Claim:
    by: str
    phase: Phase = Phase.CLEAR
    due: int = 0
    asked_at: int = 0
    """When the first probe of the last question was sent."""
    sent: int = 0
    """Probes of that question."""
    was_late: bool = False
    """Its end was put off, since nobody looked when it came."""
    left: int = QUESTIONS
    is_fresh: bool = True
    """It was announced, and no question about it has come to an end yet."""


class Probing(Generic[Subject]):
    """The machine without I/O: what it returns is to be done, in order; ``deadline`` tells when to let time pass."""

    def __init__(self) -> None:
        self._claims: dict[Subject, _Claim] = {}
        self._agenda: list[tuple[int, int, Subject]] = []
        """A heap of (when, number, subject); an entry holds while it says when its claim is due."""
        self._number = count()
        self._not_before = 0
        self._is_cut_off = True

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, subject: Subject) -> bool:
        return subject in self._claims

    def is_silent(self, subject: Subject) -> bool:
        """Tell whether the IP is left to another member."""
        claim = self._claims.get(subject)
        return claim is not None and claim.phase in SILENT

    def handle(self, event: Input[Subject], *, now: int) -> tuple[Effect[Subject], ...]:
        """Take what happened. Probes come from ``tick`` only."""
        match event:
            case Announced(subject, by):
                claim = self._claims.setdefault(subject, _Claim(by))
                claim.left = QUESTIONS
                return self._meet(subject, Event.ANNOUNCED, now)
            case Doubted(subject):
                # One question more: the first one comes with our claim, and the last one is to come after that has come of age.
                self._claims.setdefault(subject, _Claim("", left=QUESTIONS + 1, is_fresh=False))
                return self._meet(subject, Event.ANNOUNCED, now)
            case Answered(subject, by):
                if subject in self._claims:
                    self._claims[subject].by = by
                return self._meet(subject, Event.ANSWERED, now)
            case Unsent(subject):
                return self._meet(subject, Event.UNSENT, now)
            case Forgotten(subject):
                return self._meet(subject, Event.FORGOTTEN, now)
            case Contact(is_cut_off):
                return self._see_contact(is_cut_off=is_cut_off, now=now)

    def _see_contact(self, *, is_cut_off: bool, now: int) -> tuple[Effect[Subject], ...]:
        if is_cut_off == self._is_cut_off:
            return ()
        self._is_cut_off = is_cut_off
        event = Event.CUT_OFF if is_cut_off else Event.IN_TOUCH
        return tuple(effect for subject in list(self._claims) for effect in self._meet(subject, event, now))

    def tick(self, *, now: int) -> tuple[Effect[Subject], ...]:
        """Do what is due at ``now``: at most a batch, nothing before a batch's interval has passed."""
        if now < self._not_before:
            return ()
        due = self.deadline()
        is_late = due is not None and now - due > LATE
        effects: list[Effect[Subject]] = []
        steps = 0
        while steps < PER_BATCH and (when := self._next()) is not None and when <= now:
            _when, _number, subject = heapq.heappop(self._agenda)
            effects += self._step(subject, self._claims[subject], now, is_late=is_late)
            steps += 1
        if steps:
            self._not_before = now + BATCH_INTERVAL
        return tuple(effects)

    def deadline(self) -> int | None:
        """When the next step is due, or None."""
        when = self._next()
        return None if when is None else max(when, self._not_before)

    def _next(self) -> int | None:
        """Return when the first entry of the agenda is due that still holds."""
        while self._agenda:
            when, _number, subject = self._agenda[0]
            claim = self._claims.get(subject)
            if claim is not None and claim.due == when:
                return when
            heapq.heappop(self._agenda)
        return None

    def _step(self, subject: Subject, claim: _Claim, now: int, *, is_late: bool) -> tuple[Effect[Subject], ...]:
        if claim.phase not in _OUT:
            effects = self._meet(subject, Event.DUE, now)
            return effects + (self._ask(subject, claim, now) if claim.phase in _OUT else ())
        if claim.sent < PROBES:
            return self._ask(subject, claim, now)
        if is_late and not claim.was_late:
            claim.was_late = True
            self._schedule(subject, claim, now + LATE)
            return ()
        return self._end_question(subject, claim, now)

    def _ask(self, subject: Subject, claim: _Claim, now: int) -> tuple[Effect[Subject], ...]:
        claim.asked_at = claim.asked_at if claim.sent else now
        claim.sent += 1
        self._schedule(subject, claim, now + (PROBE_INTERVAL if claim.sent < PROBES else ANSWER_WAIT))
        return (Probe(subject),)

    def _end_question(self, subject: Subject, claim: _Claim, now: int) -> tuple[Effect[Subject], ...]:
        unconfirmed: tuple[Effect[Subject], ...] = ()
        if claim.phase is Phase.ASKING:
            claim.left -= 1
            unconfirmed = (Unconfirmed(subject, claim.by),) if claim.is_fresh else ()
        else:
            claim.left = QUESTIONS
        claim.is_fresh = False
        return unconfirmed + self._meet(subject, Event.UNANSWERED if claim.left else Event.GIVEN_UP, now)

    def _meet(self, subject: Subject, event: Event, now: int) -> tuple[Effect[Subject], ...]:
        """Take the transition of this event, and say what it makes."""
        claim = self._claims.get(subject)
        if claim is None:
            return ()
        before, after = claim.phase, TRANSITIONS[claim.phase, event]
        claim.phase = after
        effects: list[Effect[Subject]] = []
        if after in SILENT and before not in SILENT:
            claim.is_fresh = False
            effects.append(Yielded(subject, claim.by))
        elif before in SILENT and after not in SILENT:
            effects.append(TakenBack(subject, _WHY_BACK[event]))
        if after is Phase.CLEAR:
            del self._claims[subject]
            effects.append(Done(subject))
        elif after is not before:
            self._enter(subject, claim, now)
        return tuple(effects)

    def _enter(self, subject: Subject, claim: _Claim, now: int) -> None:
        if claim.phase in _OUT:
            claim.sent, claim.was_late = 0, False
            self._schedule(subject, claim, now)
        elif claim.phase is Phase.ENDING:
            self._schedule(subject, claim, now + YIELD_TAIL)
        else:
            self._schedule(subject, claim, max(now, claim.asked_at + PERIOD))

    def _schedule(self, subject: Subject, claim: _Claim, when: int) -> None:
        claim.due = when
        heapq.heappush(self._agenda, (when, next(self._number), subject))
