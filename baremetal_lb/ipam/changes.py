"""From a Decision to the ordered steps of the ledger protocol."""

from dataclasses import dataclass

from baremetal_lb.ipam.decision import Decision
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.condition import Condition
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.views import LedgerEntry, ServiceView


@dataclass(frozen=True, slots=True)
class CreateEntry:
    """POST a new entry; AlreadyExists: read it and compare."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class UpdateEntry:
    """PUT an entry with the uid and resourceVersion that it carries: a user joins or leaves, a hold is taken up, ports change."""

    entry: LedgerEntry
    is_release: bool = False
    """The Service leaves the entry: like DeleteEntry, only after the status was written and the Service looked at live."""


@dataclass(frozen=True, slots=True)
class AssignStatus:
    """Write the IPs (ipMode VIP), the annotation ``ip-allocated-from-pool`` and our condition into the status of the Service."""

    service: ObjectKey
    uid: str
    addresses: tuple[IPAddress, ...]
    pool: str | None
    condition: Condition


@dataclass(frozen=True, slots=True)
class ClearStatus:
    """Take IPs and annotation out of the status; write our condition, or take that out too where it is None."""

    service: ObjectKey
    uid: str
    condition: Condition | None


@dataclass(frozen=True, slots=True)
class HoldEntry:
    """PUT an entry without users that is held for a Service of the same name; like DeleteEntry a release."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True)
class DeleteEntry:
    """DELETE an entry, with its uid and resourceVersion as preconditions, after a live GET of the Service that had it."""

    entry: LedgerEntry


Step = CreateEntry | UpdateEntry | AssignStatus | ClearStatus | HoldEntry | DeleteEntry


@dataclass(frozen=True, slots=True)
class ServiceChanges:
    """The steps for one Service, to be done in this order; a step that fails stops the rest."""

    service: ObjectKey
    uid: str
    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)


def plan_service(
    service: ServiceView, decision: Decision, ledger: Ledger, *, identity: Identity, now_utc: int, announcer: str | None = None
) -> ServiceChanges:
    """Return the steps from what the Service and the ledger hold to what was decided; empty when nothing is to be done.

    ``announcer`` is the preferred node for entries that are created. The owner of entries is ``ledger.owner``.
    """
    raise NotImplementedError


def plan_gone(key: ObjectKey, uid: str, ledger: Ledger, *, now_utc: int) -> ServiceChanges:
    """Return the steps that release all that a Service which is gone (by uid) has in the ledger; retained as its pools say."""
    raise NotImplementedError


def plan_expired(ledger: Ledger, *, now_utc: int) -> tuple[Step, ...]:
    """Return the deletions of entries whose hold has ended."""
    raise NotImplementedError
