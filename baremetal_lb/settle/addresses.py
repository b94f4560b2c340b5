"""IPAM of a whole cluster: what the controller would have written when it has nothing more to write.

The controller's own steps, as at the beginning of a term: every Service that concerns us is decided in the allocator's order (has an IP or
one is held for it, older, namespace/name), each seeing what the ones before it did; whoever gives something up wakes those who wait for it.
An IP goes only from those who may not keep it, so this ends; TURNS_MAX bounds it all the same.
"""

from dataclasses import dataclass

from baremetal_lb.ipam.adoption import adopt
from baremetal_lb.ipam.changes import plan_expired
from baremetal_lb.ipam.decision import Decision
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.agenda import Agenda
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions, state_of
from baremetal_lb.settle.state import ClusterState
from baremetal_lb.settle.step import Verdict, concerns, decision_on, judge, rank_of
from baremetal_lb.settle.waiting import Waiting

TURNS_MAX = 64
"""Turns of one Service, on an average."""


@dataclass(frozen=True, slots=True)
class ServiceOutcome:
    """One Service as it would be afterwards, and the decision that made it so."""

    service: ServiceView
    decision: Decision


def settle_addresses(cluster: ClusterObjects, options: SettleOptions) -> tuple[tuple[ServiceOutcome, ...], ClusterState]:
    """Return every Service's outcome, by key, and the state afterwards."""
    settling = _Settling(cluster, options)
    settling.run()
    return settling.outcomes(), settling.state


class _Settling:
    """A state that comes to rest."""

    def __init__(self, cluster: ClusterObjects, options: SettleOptions) -> None:
        self._options = options
        self.state = state_of(cluster, options)
        self.state.on_entry = self._entry_changed
        self._agenda = Agenda(lambda key: rank_of(key, self.state))
        self._waiting = Waiting()
        self._changes = 0
        """How often anything was applied."""
        self._decided: dict[ObjectKey, tuple[int, Decision]] = {}
        """The last decision on each key, and how much had been applied by then."""

    def run(self) -> None:
        """Do what is to be done, until nothing is."""
        state, now_utc = self.state, self._options.now_utc
        if not len(state.ledger):
            for entry in adopt(state.services.values(), state.configuration, owner=state.owner, lb_class=state.lb_class, now_utc=now_utc):
                state.put(entry)
        for step in plan_expired(state.ledger, now_utc=now_utc):
            state.drop(step.entry.address)
        self._agenda.mark_all(key for key, service in state.services.items() if concerns(service, state))
        self._agenda.mark_all(state.ledger.holders)
        for _ in range(TURNS_MAX * max(1, len(self._agenda))):
            key = self._agenda.take()
            if key is None:
                return
            self._turn(key)
            self._agenda.done(key)
        raise InvariantViolation(f"allocation does not come to rest within {TURNS_MAX} turns of each Service")

    def outcomes(self) -> tuple[ServiceOutcome, ...]:
        """Return the outcome of every Service, by key: the decision is that of the end, whenever its last turn was."""
        return tuple(ServiceOutcome(service, self._decision(service)) for _, service in sorted(self.state.services.items()))

    def _decision(self, service: ServiceView) -> Decision:
        at, decision = self._decided.get(service.key, (-1, None))
        if decision is not None and at == self._changes:
            return decision
        return decision_on(service, self.state, now_utc=self._options.now_utc)

    def _turn(self, key: ObjectKey) -> None:
        verdict = self._judge(key)
        if verdict.gone:
            self._release_gone(verdict)
            return
        if verdict.wait is None:
            self._waiting.discard(key)
        else:
            self._waiting.put(key, verdict.wait)
        if verdict.decision is not None:
            self._decided[key] = (self._changes, verdict.decision)
        if verdict.changes:
            self._changes += 1
            self.state.apply(verdict.changes)

    def _release_gone(self, verdict: Verdict) -> None:
        """Release what uids have that are gone; whoever has the name now reserves what is held for him before anybody else can."""
        self._changes += 1
        for changes in verdict.gone:
            self.state.apply(changes)
        successor = self._judge(verdict.key)
        if successor.changes is not None:
            self.state.reserve(successor.changes)
        if successor.service is not None or successor.gone:
            self._agenda.mark(verdict.key)

    def _judge(self, key: ObjectKey) -> Verdict:
        return judge(self.state, key, identity=self._options.identity, now_utc=self._options.now_utc)

    def _entry_changed(self, old: LedgerEntry | None, new: LedgerEntry | None) -> None:
        self._agenda.mark_all(self._waiting.woken_by(old, new, self.state.ledger))
