"""What `settle` computes is what the processes come to, whatever they start from: IPs, reasons, preferred announcers, elections, routes."""

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings

from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.settle.placement import review
from baremetal_lb.settle.routes import silence
from baremetal_lb.settle.settle import settle
from baremetal_lb.settle.state import content
from baremetal_lb.settle.step import concerns
from speaker.reasons import SilenceReason
from tests.support.known_differences import (
    is_known_at_rest,
    is_known_before,
    is_known_of_settled,
    is_known_of_speakers,
    is_known_of_step,
)
from tests.support.resting import Controller, quick_time, speaker_on
from tests.support.worlds import worlds

ENDS_MAX = 3
"""Ends of holds that a controller is followed over."""
THOROUGH = settings(
    max_examples=400, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
"""The same worlds each time: the search is wide, and a difference that nobody has seen yet is no fault of the change that meets it."""


@given(worlds())
@THOROUGH
def test_settle_and_controller_come_to_the_same(world):
    cluster, options = world
    assume(not is_known_before(cluster, options))  # known: 5, known: 9
    with quick_time() as loop:
        controller = Controller(cluster, options)
        loop.run_until_complete(controller.begin_term())
        settled = settle(cluster, options=options)
        assert_same(controller, settled, cluster)
        for _ in range(ENDS_MAX):
            ends = [end for end in controller.world.ledger.holds.values() if end > options.now_utc]
            if not ends:
                return
            options = replace(options, now_utc=min(ends))
            controller.now_utc = options.now_utc
            loop.run_until_complete(controller.rest())
            settled = settle(at_rest(cluster, settled), options=options)
            assert_same(controller, settled, cluster)


@given(worlds())
@THOROUGH
def test_settle_and_speakers_come_to_the_same(world):
    cluster, options = world
    assume(not is_known_of_speakers(cluster, options))  # known: 8
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
    again = settle(at_rest(cluster, settled), options=options)
    assume(not is_known_of_settled(settled, cluster, again))  # known: 3, known: 4, known: 6, known: 7
    assert again.entries == settled.entries
    assert views(again) == views(settled)


def at_rest(cluster, settled):
    """Return the cluster as `settle` says that it will be."""
    return replace(cluster, services=views(settled), entries=settled.entries)


def views(settled):
    return tuple(outcome.service for outcome in settled.services)


def assert_same(controller, settled, before):
    """Compare ledger, statuses, conditions, reasons, and who is left out of shared IPs."""
    assume(not is_known_at_rest(controller.world, before))  # known: 1, known: 6
    assert controller.ledger() == tuple(map(content, settled.entries))
    assert controller.services() == views(settled)
    for outcome in settled.services:
        verdict = controller.judge(outcome.service.key)
        steps = verdict.changes.steps if verdict.changes else ()
        assume(not any(is_known_of_step(step, outcome.service, controller.world) for step in steps))  # known: 3, known: 4, known: 7
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
