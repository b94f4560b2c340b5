"""The settled state of a whole cluster, computed from its objects.

What the controller would have written when it has nothing more to write, who would announce each IP, with reasons, and which routes each
node would advertise.

A pure function: the two processes do the same piece by piece, ``bmlb plan`` prints it, tests compare a running system with it.
Settling what is settled changes nothing.
"""

from dataclasses import dataclass

from baremetal_lb.ipam.utilization import FamilyUsage, usage
from baremetal_lb.model.net import Family
from baremetal_lb.model.views import LedgerEntry
from baremetal_lb.settle.addresses import ServiceOutcome, settle_addresses
from baremetal_lb.settle.announcements import Announcement, announcements_of, settle_placement
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from baremetal_lb.settle.routes import SettledRoute, settle_routes


@dataclass(frozen=True, slots=True)
class SettledState:
    """A cluster that has come to rest."""

    services: tuple[ServiceOutcome, ...]
    """By namespace and name; of every type and class."""
    entries: tuple[LedgerEntry, ...]
    """The ledger, by address."""
    announcements: tuple[Announcement, ...]
    """By address; one for each IP that a Service of ours has."""
    routes: tuple[SettledRoute, ...]
    """By node, peer and prefix."""
    usage: dict[str, dict[Family, FamilyUsage]]
    """By pool."""


def settle(cluster: ClusterObjects, *, options: SettleOptions) -> SettledState:
    """Compute the settled state of a cluster."""
    outcomes, state = settle_addresses(cluster, options)
    ledger = state.ledger
    settle_placement(state)
    announcements = announcements_of(state)
    routes = settle_routes(tuple(outcome.service for outcome in outcomes), ledger, cluster, options)
    return SettledState(outcomes, ledger.entries(), announcements, routes, {pool: dict(counts) for pool, counts in usage(ledger).items()})
