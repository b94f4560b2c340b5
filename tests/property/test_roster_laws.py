"""Laws of the Lease roster over any interleaving of renewals, silences and relists."""

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.membership.facts import MemberFacts, encode
from baremetal_lb.membership.lease_roster import LeaseRoster, RosterOptions
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.time import MILLISECOND, SECOND
from baremetal_lb.model.views import LeaseView

ANNOTATION = "x/member"
DURATION = 4 * SECOND
OTHERS = ("a", "b", "c")
steps = st.lists(st.tuples(st.integers(1, 3000), st.sampled_from(["me", "me", "me", *OTHERS, "relist", "delete"])), max_size=120)


def renew(machine: LeaseRoster, node: str, now: int) -> None:
    lease = LeaseView(
        ObjectKey("ns", f"speaker-{node}"),
        holder=node,
        duration=DURATION,
        renewed_utc=now,
        annotations={ANNOTATION: encode(MemberFacts(True, 1))},
    )
    machine.lease_seen(lease, now=now, now_utc=now)


@given(steps)
@settings(max_examples=150, deadline=None)
def test_a_death_needs_a_duration_of_silence_that_we_provably_heard(script: list[tuple[int, str]]) -> None:
    """The model: heard time is the sum of gaps between own renewals within the limit, since the last relist or longer gap."""
    options = RosterOptions("me", ANNOTATION)
    machine = LeaseRoster(options)
    now = SECOND
    for node in ("me", *OTHERS):
        renew(machine, node, now)
    own: list[int] = []
    last = dict.fromkeys(OTHERS, now)
    for gap_ms, what in script:
        now += gap_ms * MILLISECOND
        before = machine.roster.members
        if what == "relist":
            machine.relisted(now=now)
            own = []
        elif what == "delete":
            machine.lease_gone("speaker-c")
        else:
            renew(machine, what, now)
            if what == "me":
                own = [*own, now] if own and now - own[-1] <= options.echo_limit else [now]
            else:
                last[what] = now
        after = machine.roster.members
        for node in OTHERS:
            was_alive = node in before and before[node].is_alive
            is_alive = node in after and after[node].is_alive
            silent_for = own[-1] - max(own[0], last[node]) if own else 0
            if was_alive and not is_alive:
                assert what == "me"
                assert silent_for > DURATION
            if what == "me" and silent_for > DURATION:
                assert not is_alive
        assert after["me"].is_alive


@given(st.lists(st.integers(1, 3900), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_a_member_that_renews_within_its_duration_never_dies(gaps_ms: list[int]) -> None:
    machine = LeaseRoster(RosterOptions("me", ANNOTATION))
    now, next_own = SECOND, SECOND
    for gap in gaps_ms:
        renew(machine, "a", now)
        end = now + gap * MILLISECOND
        while next_own < end:
            renew(machine, "me", next_own)
            assert machine.roster.members["a"].is_alive
            next_own += SECOND
        now = end
