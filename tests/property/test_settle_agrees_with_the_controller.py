"""What `settle` computes is what the processes come to, whatever they start from: IPs, reasons, preferred announcers, elections, routes."""

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, reject, settings

from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.ipam.changes import AssignStatus, ClearStatus, status_after
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.settle.placement import review
from baremetal_lb.settle.routes import silence
from baremetal_lb.settle.settle import settle
from baremetal_lb.settle.state import content
from baremetal_lb.settle.step import concerns
from speaker.reasons import SilenceReason
from tests.support.resting import Controller, Restless, quick_time, speaker_on
from tests.support.worlds import worlds

QUOTA = AllocationReason.QuotaExceeded.name
ENDS_MAX = 3
"""Ends of holds that a controller is followed over."""
THOROUGH = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@given(worlds())
@THOROUGH
def test_settle_and_controller_come_to_the_same(world):
    cluster, options = world
    assume(not any(has_ended(entry, options) for entry in cluster.entries))  # known: 5
    with quick_time() as loop:
        controller = Controller(cluster, options)
        run(loop, controller.begin_term(), cluster)
        settled = settle(cluster, options=options)
        assume_nothing_known(controller, cluster)
        assert_same(controller, settled)
        for _ in range(ENDS_MAX):
            ends = [end for end in controller.world.ledger.holds.values() if end > options.now_utc]
            if not ends:
                return
            options = replace(options, now_utc=min(ends))
            controller.now_utc = options.now_utc
            run(loop, controller.rest(), cluster)
            settled = settle(at_rest(cluster, settled), options=options)
            assume_nothing_known(controller, cluster)
            assert_same(controller, settled)


@given(worlds())
@THOROUGH
def test_settle_and_speakers_come_to_the_same(world):
    cluster, options = world
    settled = settle(cluster, options=options)
    resting = at_rest(cluster, settled)
    members = {node.name for node in cluster.nodes} if cluster.roster is None else cluster.roster.members
    speakers = {name: speaker_on(name, resting, options) for name in sorted({node.name for node in cluster.nodes} | set(members))}
    for name, speaker in speakers.items():
        assert elected_by(speaker, name) == elected_in(settled, name)
    told = {
        key: route
        for node in cluster.nodes
        if node.is_draining or silence(node, cluster.roster) is None
        for key, route in speakers[node.name].routes.items()
    }
    assert told == {(r.node, r.peer, r.prefix): (r.attributes, r.services) for r in settled.routes}


@given(worlds())
@THOROUGH
def test_settling_what_is_settled_changes_nothing(world):
    cluster, options = world
    settled = settle(cluster, options=options)
    assume(not any(map(is_told_of_the_past, settled.services)))  # known: 3 and 4
    again = settle(at_rest(cluster, settled), options=options)
    assert again.entries == settled.entries
    assert views(again) == views(settled)


def run(loop, work, cluster):
    """Do something that comes to rest."""
    try:
        loop.run_until_complete(work)
    except Restless:
        if is_taken_over_at_once(cluster):
            reject()  # known: 2
        raise


def is_taken_over_at_once(cluster):
    """Tell whether the ledger has an IP for nobody but a Service that was made anew, of a pool that holds nothing."""
    uids = {view.key: view.uid for view in cluster.services}
    for entry in cluster.entries:
        pool = cluster.configuration.pool_of(entry.address)
        are_gone = all(uids.get(user.key) != user.uid for user in entry.services)
        if pool is not None and not pool.retain_for and are_gone and any(user.key in uids for user in entry.services):
            return True
    return False


def has_ended(entry, options):
    """Tell whether an entry of ours is held too long."""
    held_until = entry.held_for.until_utc if entry.held_for is not None else 0
    return entry.owner == options.owner and not entry.services and held_until <= options.now_utc


def users_of(entry):
    return [user.uid for user in entry.services]


def assume_nothing_known(controller, cluster):
    """Leave worlds out in which both sides are known to differ."""
    world, before = controller.world, {entry.address: entry for entry in cluster.entries}
    for entry in world.ledger.entries():
        is_new = entry.address not in before or not before[entry.address].services
        has_pair = any(len(world.ips_of(view)) == 2 for view in world.users_of(entry))
        assume(not (is_new and has_pair and review(world, entry).wanted != entry.announcer))  # known: 1
    for address, entry in before.items():
        after = world.ledger.entry(address)
        is_released = entry.owner == world.owner and (after is None or not set(users_of(entry)) <= set(users_of(after)))
        pool = world.configuration.pool_of(address)
        assume(not (is_released and pool is not None and pool.name != entry.pool))  # known: 6
    for view in world.services.values():
        changes = controller.judge(view.key).changes
        is_stale = bool(changes) and is_of_condition_only(changes.steps, view)
        assume(not (is_stale and view.sharing_key))  # known: 3
        assume(not (is_stale and QUOTA in (view.condition.reason, changes.steps[0].condition.reason)))  # known: 4


def is_of_condition_only(steps, view):
    """Tell whether steps write another condition, and leave a Service the IPs that it has."""
    if len(steps) != 1 or not isinstance(steps[0], AssignStatus | ClearStatus):
        return False
    return replace(status_after(view, steps[0]), condition=view.condition) == view


def is_told_of_the_past(outcome):
    """Tell whether the condition of a Service says what was so when it was decided; only of those of whom that is known."""
    condition, decision = outcome.service.condition, outcome.decision
    is_old = condition is not None and condition.message != decision.message
    return is_old and (outcome.service.sharing_key or QUOTA in (condition.reason, decision.reason and decision.reason.name))


def at_rest(cluster, settled):
    """Return the cluster as `settle` says that it will be."""
    return replace(cluster, services=views(settled), entries=settled.entries)


def views(settled):
    return tuple(outcome.service for outcome in settled.services)


def assert_same(controller, settled):
    """Compare ledger, statuses, conditions, reasons, and who is left out of shared IPs."""
    assert controller.ledger() == tuple(map(content, settled.entries))
    assert controller.services() == views(settled)
    for outcome in settled.services:
        verdict = controller.judge(outcome.service.key)
        assert not verdict.changes
        assert not verdict.gone
        if concerns(outcome.service, controller.world):
            assert verdict.decision == outcome.decision
    elections = {announcement.address: announcement.election for announcement in settled.announcements}
    for entry in controller.world.ledger.entries():
        if entry.owner == controller.world.owner and entry.services:
            left_out = {view.key for view in review(controller.world, entry).left_out}
            assert left_out == {
                key for key, reason in elections[entry.address].left_out.items() if reason is ExclusionReason.LeftOutOfSharedIP
            }


def elected_by(speaker, _node):
    """Return what a speaker says of the IPs that a Service is told of."""
    return {
        address: (wanted.announcer, wanted.interfaces, wanted.services, wanted.reason, wanted.own_reason, wanted.is_pinned)
        for address, wanted in speaker.wanted.items()
        if not isinstance(wanted.reason, SilenceReason)
    }


def elected_in(settled, node):
    """Return the same of the elections that were computed."""
    found = {}
    for announcement in settled.announcements:
        election = announcement.election
        own = next((candidate.reason for candidate in election.candidates if candidate.node == node), None)
        served = tuple(view.key for view in announcement.services if view.key not in election.left_out) if election.announcer else ()
        found[announcement.address] = (election.announcer, election.interfaces, served, election.reason, own, election.is_pinned)
    return found
