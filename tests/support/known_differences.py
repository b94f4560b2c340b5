"""Worlds in which `settle` and the processes are known to differ, or not to be at rest; each goes when the product is mended.

`grep 'known: N'` finds all that is to be taken out for one of them; what is left out is as little as can be told.
"""

from dataclasses import replace

from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, Step, UpdateEntry, status_after
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.bgp import ServiceAddresses
from baremetal_lb.model.net import IPAddress, parse_address
from baremetal_lb.model.views import LedgerEntry, ServiceView
from baremetal_lb.settle.cluster import ClusterObjects, SettleOptions
from baremetal_lb.settle.placement import review
from baremetal_lb.settle.settle import SettledState
from baremetal_lb.settle.state import ClusterState

QUOTA = AllocationReason.QuotaExceeded.name


def is_known_before(cluster: ClusterObjects, options: SettleOptions) -> bool:
    """Tell whether a controller is known to come to something else, by what it starts from."""
    return any(_has_ended(entry, options) or _is_of_two_gone(entry, cluster) for entry in cluster.entries)


def _has_ended(entry: LedgerEntry, options: SettleOptions) -> bool:
    """Tell whether an entry of ours is held too long already (known: 5)."""
    held_until = entry.held_for.until_utc if entry.held_for is not None else 0
    return entry.owner == options.owner and not entry.services and held_until <= options.now_utc


def _is_of_two_gone(entry: LedgerEntry, cluster: ClusterObjects) -> bool:
    """Tell whether an entry names two Services of one name, both gone, in a pool that would hold the IP (known: 9)."""
    uids = {view.uid for view in cluster.services}
    gone = [user.key for user in entry.services if user.uid not in uids]
    pool = cluster.configuration.pool_of(entry.address)
    return len(gone) != len(set(gone)) and pool is not None and pool.retain_for > 0


def is_known_of_speakers(cluster: ClusterObjects, options: SettleOptions) -> bool:
    """Tell whether an external IP that may be advertised is in the ledger of another install (known: 8)."""
    if not any(ServiceAddresses.EXTERNAL in each.service_addresses for each in cluster.configuration.bgp_advertisements):
        return False
    texts = {text for view in cluster.services for text in view.external_ips if text != "rubbish"}
    foreign = {entry.address for entry in cluster.entries if entry.owner != options.owner}
    return not foreign.isdisjoint(map(parse_address, texts))


def is_known_at_rest(state: ClusterState, before: ClusterObjects) -> bool:
    """Tell whether a controller that has come to rest is known not to be quite there."""
    entries = {entry.address: entry for entry in before.entries}
    return any(_prefers_who_cannot(state, entry, entries) for entry in state.ledger.entries()) or _was_of_another_pool(
        {entry.address: entry for entry in state.ledger.entries()}, before, state.owner
    )


def _prefers_who_cannot(state: ClusterState, entry: LedgerEntry, before: dict[IPAddress, LedgerEntry]) -> bool:
    """Tell whether a new entry, of a dual-stack pair, prefers a node that can announce the other IP only (known: 1)."""
    is_new = entry.address not in before or not before[entry.address].services
    has_pair = any(len(state.ips_of(view)) == 2 for view in state.users_of(entry))
    return is_new and has_pair and review(state, entry).wanted != entry.announcer


def _was_of_another_pool(after: dict[IPAddress, LedgerEntry], before: ClusterObjects, owner: str) -> bool:
    """Tell whether an IP was given up whose entry names another pool than it is in, so that nobody was woken (known: 6)."""
    for entry in before.entries:
        pool = before.configuration.pool_of(entry.address)
        left = {user.uid for user in entry.services} - {user.uid for user in getattr(after.get(entry.address), "services", ())}
        if entry.owner == owner and pool is not None and pool.name != entry.pool and (left or entry.address not in after):
            return True
    return False


def is_known_of_step(step: Step, view: ServiceView, state: ClusterState) -> bool:
    """Tell whether a Service is known to have this step left."""
    if isinstance(step, AssignStatus | ClearStatus):
        is_of_condition = replace(status_after(view, step), condition=view.condition) == view
        reasons = {each.reason for each in (view.condition, step.condition) if each is not None}
        return is_of_condition and (bool(view.sharing_key) or QUOTA in reasons)  # known: 3, known: 4
    old = state.entry(step.entry.address)
    return isinstance(step, UpdateEntry) and old is not None and len(old.services) == 1 and _unagreed(old) == _unagreed(step.entry)


def _unagreed(entry: LedgerEntry) -> LedgerEntry:
    """Return an entry without what its users agreed upon: who is left alone on an IP is not asked anew (known: 7)."""
    return replace(entry, sharing_key="", backend_key="")


def is_known_of_settled(settled: SettledState, before: ClusterObjects, again: SettledState) -> bool:
    """Tell whether what is settled is known to change once more."""
    if _was_of_another_pool({entry.address: entry for entry in settled.entries}, before, "us"):
        return True
    if settled.entries != again.entries and tuple(map(_unagreed, settled.entries)) == tuple(map(_unagreed, again.entries)):
        return True
    for outcome in settled.services:
        condition, decision = outcome.service.condition, outcome.decision
        is_stale = condition is not None and condition.message != decision.message
        reasons = {condition.reason if condition else "", decision.reason.name if decision.reason else ""}
        if is_stale and (outcome.service.sharing_key or QUOTA in reasons):  # known: 3, known: 4
            return True
    return False
