"""Bursts under a virtual clock."""

from itertools import pairwise

from baremetal_lb.l2.announcements import BATCH_INTERVAL, OFFSETS, PER_BATCH, Announcements, Start, Stop
from baremetal_lb.model.time import MILLISECOND, SECOND

T0 = 1_000 * SECOND


def play(machine: Announcements[str], *, now: int, until: int = T0 + 60 * SECOND) -> list[tuple[int, str]]:
    """Call the machine at its deadlines; what it announced, and when."""
    seen = []
    while (deadline := machine.deadline()) is not None and max(deadline, now) <= until:
        now = max(deadline, now)
        seen += [(now, subject) for subject in machine.tick(now=now)]
    return seen


def test_one_ip_is_told_eight_times():
    machine: Announcements[str] = Announcements()
    first = machine.handle(Start(["ip"]), now=T0)
    times = [T0] * len(first) + [at for at, _ in play(machine, now=T0)]
    assert [at - T0 for at in times] == list(OFFSETS)
    assert (machine.deadline(), len(machine)) == (None, 0)


def test_a_stopped_ip_is_told_no_more():
    machine: Announcements[str] = Announcements()
    machine.handle(Start(["a", "b"]), now=T0)
    machine.handle(Stop(["a"]), now=T0 + MILLISECOND)
    assert {subject for _, subject in play(machine, now=T0 + MILLISECOND)} == {"b"}


def test_a_restarted_ip_is_told_from_the_beginning():
    machine: Announcements[str] = Announcements()
    machine.handle(Start(["ip"]), now=T0)
    play(machine, now=T0, until=T0 + SECOND)
    restart = T0 + SECOND + 500 * MILLISECOND
    first = machine.handle(Start(["ip"]), now=restart)
    assert [at - restart for at, _ in [(restart, first), *play(machine, now=restart)]] == list(OFFSETS)


def test_many_ips_are_paced_and_first_rounds_go_first():
    subjects = [str(number) for number in range(10_000)]
    machine: Announcements[str] = Announcements()
    seen = [(T0, subject) for subject in machine.handle(Start(subjects), now=T0)] + play(machine, now=T0, until=T0 + 600 * SECOND)
    per_instant: dict[int, int] = {}
    for at, _ in seen:
        per_instant[at] = per_instant.get(at, 0) + 1
    instants = sorted(per_instant)
    assert max(per_instant.values()) <= PER_BATCH
    assert min(b - a for a, b in pairwise(instants)) >= BATCH_INTERVAL
    assert [subject for _, subject in seen[:10_000]] == subjects
    assert len(seen) == 10_000 * len(OFFSETS)
    assert seen[-1][0] - T0 < 15 * SECOND


def test_a_late_newcomer_does_not_wait_for_the_repeats_of_others():
    machine: Announcements[str] = Announcements()
    machine.handle(Start([str(number) for number in range(5_000)]), now=T0)
    play(machine, now=T0, until=T0 + 900 * MILLISECOND)
    now = T0 + 900 * MILLISECOND
    machine.handle(Start(["late"]), now=now)
    told = next(at for at, subject in play(machine, now=now) if subject == "late")
    assert told - now <= 2 * BATCH_INTERVAL


def test_restarting_again_and_again_keeps_the_queues_bounded():
    machine: Announcements[str] = Announcements()
    for step in range(1_000):
        machine.handle(Start(["ip"]), now=T0 + step)
    assert sum(len(queue) for queue in machine._rounds) <= 2
