"""IPs of this node that another member announced while this one is cut off: asks for them, and says what came of it.

What is asked when, and when an IP falls silent, is decided by ``baremetal_lb.l2.probing``. Lines in the log are at most ``LINES`` of a
kind in a second, the last one with the number of IPs that it stands for too.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog

from baremetal_lb.l2.probing import (
    Announced,
    Answered,
    Contact,
    Done,
    Doubted,
    Effect,
    Forgotten,
    Input,
    Probe,
    Probing,
    TakenBack,
    Unconfirmed,
    Unsent,
    Yielded,
)
from baremetal_lb.l2.reasons import YieldReason
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import SECOND
from speaker.reasons import SilenceReason

log = structlog.get_logger(__name__)
LINES = 8
SAY_EVERY = SECOND

Said = Yielded[IPAddress] | TakenBack[IPAddress] | Unconfirmed[IPAddress]


class ProbingPort(Protocol):
    """What is needed of ``host.announcer.Announcer``."""

    def probe(self, asked: Mapping[IPAddress, frozenset[str] | None]) -> set[IPAddress]:
        """Ask once for each IP on the interfaces named (None: all); return those that no link took."""
        ...

    def end_probes(self, ips: Iterable[IPAddress]) -> None:
        """Expect no answers about these any more."""
        ...


class Contested:
    """The shell of one ``Probing``; ``on_reason`` is told each time a yield begins, does not, or ends."""

    def __init__(self, on_reason: Callable[[YieldReason], None]) -> None:
        self._on_reason = on_reason
        self._probing: Probing[IPAddress] = Probing()
        self._where: dict[IPAddress, frozenset[str] | None] = {}
        """On which interfaces to ask; None: on all."""
        self._changed: set[IPAddress] = set()
        self._unsaid: dict[type[Said], tuple[int, list[Said]]] = {}
        """By kind: how many there are, and the first of them."""
        self._say_at = 0
        self.port: ProbingPort | None = None

    def __contains__(self, address: IPAddress) -> bool:
        return address in self._where

    def is_yielded(self, address: IPAddress) -> bool:
        """Tell whether the IP is left to another member."""
        return self._probing.is_silent(address)

    def announced(self, address: IPAddress, by: str, where: frozenset[str] | None, *, now: int) -> None:
        """Take that a member to whom we would give way announced an IP, while we are cut off."""
        self._where[address] = where
        self._feed(Contact(is_cut_off=True), now)
        self._feed(Announced(address, by), now)

    def doubted(self, address: IPAddress, where: frozenset[str] | None, *, now: int) -> None:
        """Take that this node begins to answer for an IP by what it remembers, while it is cut off."""
        self._where[address] = where
        self._feed(Contact(is_cut_off=True), now)
        self._feed(Doubted(address), now)

    def answered(self, address: IPAddress, by: str, *, now: int) -> None:
        """Take that such a member answered a question."""
        self._feed(Answered(address, by), now)

    def forget(self, address: IPAddress, *, now: int) -> None:
        """Take that nothing names the IP any more."""
        self._feed(Forgotten(address), now)

    def turn(self, *, is_cut_off: bool, now: int) -> set[IPAddress]:
        """Ask what is due; return the IPs that fell silent, or are answered again, since the last turn."""
        self._feed(Contact(is_cut_off), now)
        effects = self._probing.tick(now=now)
        asked = {effect.subject: self._where[effect.subject] for effect in effects if isinstance(effect, Probe)}
        self._carry_out(effects)
        if asked:
            for address in self.port.probe(asked) if self.port is not None else asked:
                self._feed(Unsent(address), now)
        self._say(now)
        changed, self._changed = self._changed, set()
        return changed

    def deadline(self) -> int | None:
        """When to have a turn next at the latest (ns, monotonic)."""
        due = self._probing.deadline()
        if not self._unsaid:
            return due
        return self._say_at if due is None else min(due, self._say_at)

    def _feed(self, event: Input[IPAddress], now: int) -> None:
        self._carry_out(self._probing.handle(event, now=now))

    def _carry_out(self, effects: Iterable[Effect[IPAddress]]) -> None:
        done: list[IPAddress] = []
        for effect in effects:
            match effect:
                case Done(address):
                    done.append(address)
                    del self._where[address]
                case Yielded(address, _):
                    self._changed.add(address)
                    self._note(effect, YieldReason.MemberAnswered)
                case TakenBack(address, reason):
                    self._changed.add(address)
                    self._note(effect, reason)
                case Unconfirmed():
                    self._note(effect, YieldReason.Unconfirmed)
                case Probe():
                    pass
        if done and self.port is not None:
            self.port.end_probes(done)

    def _note(self, effect: Said, reason: YieldReason) -> None:
        self._on_reason(reason)
        number, first = self._unsaid.get(type(effect), (0, []))
        self._unsaid[type(effect)] = number + 1, [*first, effect][:LINES]

    def _say(self, now: int) -> None:
        if not self._unsaid or now < self._say_at:
            return
        for number, first in self._unsaid.values():
            for position, effect in enumerate(first, start=1):
                more = number - position if position == LINES else 0
                match effect:
                    case Yielded(address, to):
                        log.warning("address_yielded", ip=address, to=to, reason=SilenceReason.YieldedToMember, more=more)
                    case TakenBack(address, reason):
                        log.warning("address_taken_back", ip=address, reason=reason, more=more)
                    case Unconfirmed(address, by):
                        log.warning("address_claim_unconfirmed", ip=address, by=by, reason=YieldReason.Unconfirmed, more=more)
        self._unsaid.clear()
        self._say_at = now + SAY_EVERY
