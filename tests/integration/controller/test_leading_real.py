"""Who leads, and how little is written: on the real API server, by its audit log."""

import os
import signal
import time

import pytest

from tests.support.wait import until

pytestmark = pytest.mark.kube


def until_quiet(install, user="controller"):
    """Wait until a second passed without a write; return the mark of the audit log then."""
    last = [install.server.audit_mark(), time.monotonic()]

    def is_quiet():
        if install.writes(last[0], user=user):
            last[:] = [install.server.audit_mark(), time.monotonic()]
        return time.monotonic() - last[1] > 1.5

    until(is_quiet, 30)
    return install.server.audit_mark()


def until_standing_by(controller):
    """Wait until a controller has listed everything, and only waits for its turn."""
    until(lambda: len(controller.lines("synced")) >= 14, 20)


def test_a_restart_writes_nothing_and_a_deletion_three_times_at_most(install):
    install.pool("blue", "198.51.100.0/23", "2001:db8::/64")
    install.pool("tiny", "203.0.113.1/32", autoAssign=False)
    first = install.start()
    install.services_at_once([f"s{i}" for i in range(220)])
    install.services_at_once([f"l{i}" for i in range(40)], externalTrafficPolicy="Local")
    install.services_at_once([f"d{i}" for i in range(30)], ipFamilyPolicy="PreferDualStack")
    for i in range(10):
        install.service(f"shared{i}", annotations={"allow-shared-ip": "k"}, port=1000 + i)
    ips = install.all_served(300, 60)
    for i in range(3):
        install.service(f"waiting{i}", annotations={"address-pool": "tiny"})
    until(lambda: sum(bool(install.ips(f"waiting{i}")) for i in range(3)) == 1)
    until_quiet(install)
    mark = install.server.audit_mark()
    first.stop()
    second = install.start()
    until_quiet(install)
    assert install.writes(mark) == {}
    assert {name: install.all_ips()[name] for name in ips} == ips
    mark = install.server.audit_mark()
    install.server.delete(install.service_path("s7"))
    until(lambda: install.ledger()[ips["s7"][0]].get("heldFor"))
    until_quiet(install)
    assert install.writes(mark).total() <= 3
    assert len(second.lines("released")) == 1


def test_a_standby_writes_nothing_and_takes_over_at_once(install):
    install.pool("blue", "198.51.100.0/24")
    first = install.start()
    mark = install.server.audit_mark()
    second = install.start(user="controller-2", is_awaited=False)
    until_standing_by(second)
    install.service("one")
    install.all_served(1)
    assert install.writes(mark, user="controller-2") == {}
    began = time.monotonic()
    first.stop()
    install.service("two")
    install.all_served(2)
    assert time.monotonic() - began < 2
    assert install.writes(mark, user="controller-2")["create", "ipallocations"] == 1
    install.settled()


def test_after_a_crash_the_standby_leads_when_the_lease_has_expired(install):
    fast = {"lease_duration_s": 3, "renew_deadline_s": 2, "retry_period_s": 0.5}
    install.pool("blue", "198.51.100.0/24")
    first = install.start(**fast)
    second = install.start(user="controller-2", is_awaited=False, **fast)
    until_standing_by(second)
    install.service("one")
    install.all_served(1)
    first.kill()
    began = time.monotonic()
    install.service("two")
    install.all_served(2)
    assert time.monotonic() - began < 4.5
    install.settled()


def test_a_leader_that_was_frozen_writes_nothing_when_it_wakes_up(install):
    fast = {"lease_duration_s": 3, "renew_deadline_s": 2, "retry_period_s": 0.5}
    install.pool("blue", "198.51.100.0/24")
    first = install.start(**fast)
    until_standing_by(install.start(user="controller-2", is_awaited=False, **fast))
    os.kill(first.process.pid, signal.SIGSTOP)
    install.services_at_once([f"s{i}" for i in range(10)])
    install.all_served(10)
    mark = install.server.audit_mark()
    install.services_at_once([f"t{i}" for i in range(10)])
    os.kill(first.process.pid, signal.SIGCONT)
    install.all_served(20)
    until(lambda: first.lines("leadership_lost"))
    assert install.writes(mark) == {}
    install.settled()
