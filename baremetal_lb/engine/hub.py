"""The hub as a machine: whose answer is whose, whether the speaker is alive, and how everything is withdrawn in the end.

    speaker  --- do COMMAND, beat --->  hub  --- commands --->  ExaBGP
             <-- answers, events ----        <-- answers, events

* ExaBGP answers each command with `done` or `error`, in order, after whatever the command printed. So the hub remembers who asked: answers
  to a speaker that is gone are thrown away, answers to the hub's own commands are its own, events are for whoever is there.
* A speaker is alive as long as its decision loop says so (`beat`); an open socket says nothing. Without a beat for the loss limit all
  routes are withdrawn: a dead speaker must not attract traffic for days. Whoever is connected then is disconnected, and reads anew.
* ExaBGP is alive as long as it says anything within the stall limit while an answer is due; the hub asks by itself when nobody else does.
* The end (SIGTERM) is the planned stop of the whole Pod: everything is withdrawn, waited for, and only then ExaBGP is told to end, since
  under graceful restart it closes its sessions without a word and routers would keep its routes.

Withdrawing: `show adj-rib out` counts what is held, `clear adj-rib out` withdraws it; its answer says that the withdrawals are queued,
so that they get time to leave, by their number. A router that is not there cannot hold this up.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.time import MILLISECOND, SECOND

MOST_UNANSWERED = 4096
"""Commands that a speaker may have under way; its driver keeps to a few."""
LEAVING_TIME = 200 * MILLISECOND
LEAVING_TIME_PER_ROUTE = 400_000
"""ns for a route and peer: ExaBGP sends some thousands in a second."""
LONGEST_LEAVING_TIME = 15 * SECOND
LONGEST_ANSWER_TIME = 5 * SECOND
"""For the two commands of a withdrawal: an ExaBGP that does not answer is not waited for."""
EVENT_BEGIN = '{ "exabgp"'
PING = "version"
COUNT = "show adj-rib out"
CLEAR = "clear adj-rib out"


class HubReason(Reason):
    """Why the hub does what nobody asked it for. Told in its log, and to the speaker."""

    SpeakerLost = "The speaker has not said for too long that it is alive, so all routes were withdrawn."
    Stopping = "The Pod is being stopped, so all routes were withdrawn."
    EngineHung = "ExaBGP has not answered for too long; it is killed and started again."
    SpeakerFloods = "The speaker sent more commands than may be under way; it is disconnected."
    SpeakerReplaced = "Another speaker connected; the one before is disconnected."
    SpeakerResync = "What the speaker knows of ExaBGP's routes is no longer true; it is disconnected and reads anew."


@dataclass(frozen=True, slots=True)
class ToExabgp:
    """Write this line to ExaBGP."""

    line: str


@dataclass(frozen=True, slots=True)
class ToSpeaker:
    """Write this line to the speaker."""

    line: str


@dataclass(frozen=True, slots=True)
class DropSpeaker:
    """Close the connection of the speaker."""

    reason: HubReason


@dataclass(frozen=True, slots=True)
class KillExabgp:
    """Kill ExaBGP, which hangs."""


@dataclass(frozen=True, slots=True)
class StopExabgp:
    """Tell ExaBGP to end, and do not start it again."""


@dataclass(frozen=True, slots=True)
class Withdrew:
    """Everything was withdrawn; ``routes`` is how many there were, None where ExaBGP did not tell."""

    reason: HubReason
    routes: int | None


Effect = ToExabgp | ToSpeaker | DropSpeaker | KillExabgp | StopExabgp | Withdrew


class _Own(Enum):
    """The hub's own commands."""

    PING = "ping"
    COUNT = "count"
    CLEAR = "clear"


@dataclass(slots=True)
class _Withdrawal:
    reason: HubReason
    until: int
    routes: int = 0
    is_counted: bool = False


class Hub:
    """All that is decided between one ExaBGP and its speakers. Times are ns, monotonic."""

    def __init__(self, *, loss_limit: int, stall_limit: int, now: int) -> None:
        self._loss_limit, self._stall_limit = loss_limit, stall_limit
        self.epoch = 0
        self.pid: int | None = None
        self.is_running = False
        """ExaBGP takes commands: its helper is connected."""
        self._speaker: int | None = None
        self._next_speaker = 0
        self._asked: deque[int | _Own] = deque()
        """Who waits for an answer, the oldest first."""
        self._heard_at = now
        """When ExaBGP last said something, or had nothing to say."""
        self._beat_at = now
        self._is_lost = False
        self._withdrawal: _Withdrawal | None = None
        self.is_stopping = False

    # -- ExaBGP --------------------------------------------------------------------------------------------------------------------

    def exabgp_started(self, pid: int, *, now: int) -> list[Effect]:
        """Take that a new ExaBGP process runs."""
        self.epoch += 1
        self.pid, self._heard_at = pid, now
        return []

    def exabgp_ended(self, *, now: int) -> list[Effect]:
        """Take that it is gone; with it all that it held."""
        self.pid = None
        effects = self.helper_lost(now=now)
        if self._withdrawal is not None:
            effects += self._withdrawn(now=now)
        return effects

    def helper_connected(self, *, now: int) -> list[Effect]:
        """Take that ExaBGP's helper is there: answers to what was asked before will not come."""
        self._asked.clear()
        self.is_running, self._heard_at = True, now
        return self._hello()

    def helper_lost(self, *, now: int) -> list[Effect]:
        """Take that the helper is gone."""
        was_running = self.is_running
        self._asked.clear()
        self.is_running, self._heard_at = False, now
        return self._hello() if was_running else []

    def from_exabgp(self, line: str, *, now: int) -> list[Effect]:
        """Take a line of ExaBGP."""
        self._heard_at = now
        if line in ("done", "error"):
            return self._answered(line, now=now)
        owner = self._asked[0] if self._asked else self._speaker
        if line.startswith(EVENT_BEGIN) or owner == self._speaker:
            return [ToSpeaker(line)] if self._speaker is not None else []
        if owner is _Own.COUNT and self._withdrawal is not None:
            self._withdrawal.routes += 1
        return []

    def _answered(self, line: str, *, now: int) -> list[Effect]:
        owner = self._asked.popleft() if self._asked else None
        if owner is None:
            return []
        if owner == self._speaker:
            return [ToSpeaker(line)]
        if owner is _Own.COUNT and self._withdrawal is not None:
            self._withdrawal.is_counted = True
        elif owner is _Own.CLEAR and self._withdrawal is not None:
            self._withdrawal.until = now + min(LEAVING_TIME + self._withdrawal.routes * LEAVING_TIME_PER_ROUTE, LONGEST_LEAVING_TIME)
        return []

    # -- the speaker ---------------------------------------------------------------------------------------------------------------

    def speaker_connected(self) -> list[Effect]:
        """Take that a speaker is there; the shell drops the one before."""
        self._speaker = self._next_speaker = self._next_speaker + 1
        return self._hello()

    def speaker_lost(self) -> list[Effect]:
        """Take that it is gone."""
        self._speaker = None
        return []

    def from_speaker(self, line: str, *, now: int) -> list[Effect]:
        """Take a line of the speaker."""
        if line == "beat":
            self._beat_at, self._is_lost = now, False
            return []
        verb, _, command = line.partition(" ")
        # While everything is being withdrawn nothing may be added.
        if verb != "do" or not command or not self.is_running or self._withdrawal is not None or self._speaker is None:
            return []
        if len(self._asked) >= MOST_UNANSWERED:
            return [DropSpeaker(HubReason.SpeakerFloods)]
        return self._ask(command, self._speaker, now=now)

    # -- time ----------------------------------------------------------------------------------------------------------------------

    def stop(self, *, now: int) -> list[Effect]:
        """Begin the planned stop of the whole Pod."""
        if self.is_stopping:
            return []
        self.is_stopping = True
        if not self.is_running:
            return [StopExabgp()]
        return self._withdraw(HubReason.Stopping, now=now)

    def tick(self, *, now: int) -> list[Effect]:
        """Let time pass."""
        effects: list[Effect] = []
        if self._withdrawal is not None:
            if now >= self._withdrawal.until:
                effects += self._withdrawn(now=now)
        elif self.is_running and not self._is_lost and now >= self._beat_at + self._loss_limit:
            effects += self._withdraw(HubReason.SpeakerLost, now=now)
        if not self.is_running:
            return effects
        if self._asked:
            if now >= self._heard_at + self._stall_limit:
                self._heard_at = now
                effects.append(KillExabgp())
        elif now >= self._heard_at + self._stall_limit // 4:
            effects += self._ask(PING, _Own.PING, now=now)
        return effects

    def deadline(self) -> int | None:
        """When to let time pass at the latest; None: nothing but a line changes anything."""
        deadlines = [self._withdrawal.until] if self._withdrawal is not None else []
        if self.is_running:
            deadlines.append(self._heard_at + (self._stall_limit if self._asked else self._stall_limit // 4))
            if not self._is_lost and self._withdrawal is None:
                deadlines.append(self._beat_at + self._loss_limit)
        return min(deadlines, default=None)

    # -- parts ---------------------------------------------------------------------------------------------------------------------

    def _withdraw(self, reason: HubReason, *, now: int) -> list[Effect]:
        if self._withdrawal is not None:  # it is under way already; the end of the Pod is the stronger reason
            self._withdrawal.reason = reason
            return []
        self._withdrawal = _Withdrawal(reason, now + LONGEST_ANSWER_TIME)
        return self._ask(COUNT, _Own.COUNT, now=now) + self._ask(CLEAR, _Own.CLEAR, now=now)

    def _withdrawn(self, *, now: int) -> list[Effect]:
        """Return what follows a withdrawal that is over, be it complete or too slow."""
        withdrawal, self._withdrawal = self._withdrawal, None
        if withdrawal is None:
            return []
        self._is_lost, self._beat_at = True, now
        effects: list[Effect] = [Withdrew(withdrawal.reason, withdrawal.routes if withdrawal.is_counted else None)]
        if self._speaker is not None:
            effects.append(ToSpeaker(f'{{"hub": "withdrawn", "reason": "{withdrawal.reason.name}"}}'))
            effects.append(DropSpeaker(HubReason.SpeakerResync))
        if self.is_stopping:
            effects.append(StopExabgp())
        return effects

    def _ask(self, command: str, owner: int | _Own, *, now: int) -> list[Effect]:
        if not self._asked:
            self._heard_at = now  # from now on an answer is due
        self._asked.append(owner)
        return [ToExabgp(command)]

    def _hello(self) -> list[Effect]:
        if self._speaker is None:
            return []
        pid = "null" if self.pid is None else str(self.pid)
        running = "true" if self.is_running else "false"
        return [ToSpeaker(f'{{"hub": "hello", "epoch": {self.epoch}, "pid": {pid}, "is_running": {running}}}')]
