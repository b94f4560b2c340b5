"""Leader election on the real API server: one leader at a time, whatever happens to it or to its requests."""

import asyncio
import contextlib
import random
import re

import pytest

from baremetal_lb.kube.lease import Elector
from baremetal_lb.kube.records import LEASE
from baremetal_lb.kube.resources import LEASES
from baremetal_lb.kube.transport import Transport
from baremetal_lb.membership.facts import MemberFacts, parse
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.time import SECOND
from speaker.lease import OwnLease, facts_annotation
from tests.support.proxy import Fault, Rule
from tests.support.wait import auntil

pytestmark = pytest.mark.kube
FAST = {"lease_duration_s": 3.0, "renew_deadline_s": 2.0, "retry_period_s": 0.4}


class Candidate:
    """One process that stands for election, and what it did."""

    def __init__(self, name, transport, namespace, log, **options):
        self.name, self.log = name, log
        self.elector = Elector(transport, namespace, "boss", name, rng=random.Random(name), **{**FAST, **options})
        self.works = asyncio.Event()
        self.ends_by_itself = asyncio.Event()
        self.error = None
        self.task = asyncio.create_task(self.elector.run(self._lead))

    async def _lead(self):
        assert self.elector.is_leading
        self.log.append(f"+{self.name}")
        self.works.set()
        try:
            await self.ends_by_itself.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.works.clear()
            self.log.append(f"-{self.name}")

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def election(kube_server, kube_namespace):
    candidates, log = [], []
    async with contextlib.AsyncExitStack() as stack:

        async def stand(name, proxy=None, **options):
            target = {"url": proxy.url, "token": kube_server.token("admin")} if proxy else {"kubeconfig": kube_server.kubeconfig("admin")}
            transport = await stack.enter_async_context(Transport(**target))
            candidates.append(Candidate(name, transport, kube_namespace, log, **options))
            return candidates[-1]

        stand.log = log
        stand.path = LEASES.path(kube_namespace, "boss")
        stand.lease = lambda: LEASE.from_manifest(kube_server.get(stand.path), BAREMETAL_LB)
        yield stand
        for candidate in candidates:
            await candidate.stop()


async def test_the_first_one_leads_and_says_so_in_the_lease(election, kube_server):
    a = await election("a")
    await asyncio.wait_for(a.works.wait(), 5)
    lease = election.lease()
    assert (lease.holder, lease.duration, lease.transitions) == ("a", 3 * SECOND, 0)
    raw = kube_server.get(election.path)["spec"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", raw[f]) for f in ("renewTime", "acquireTime"))
    await auntil(lambda: election.lease().renewed_utc > lease.renewed_utc)
    assert election.lease().acquired_utc == lease.acquired_utc


async def test_a_leader_that_stops_hands_over_within_two_seconds(election):
    a = await election("a", lease_duration_s=15.0, renew_deadline_s=10.0, retry_period_s=2.0)
    await asyncio.wait_for(a.works.wait(), 5)
    b = await election("b", lease_duration_s=15.0, renew_deadline_s=10.0, retry_period_s=2.0)
    await auntil(lambda: b.elector.holder == "a")
    await a.stop()
    await asyncio.wait_for(b.works.wait(), 2.0)
    assert election.log == ["+a", "-a", "+b"]
    assert (election.lease().holder, election.lease().transitions) == ("b", 1)
    assert not a.elector.is_leading


async def test_a_leader_that_disappears_is_followed_when_its_lease_has_run_out(election, kube_proxy):
    a = await election("a", kube_proxy)
    await asyncio.wait_for(a.works.wait(), 5)
    b = await election("b")
    await auntil(lambda: b.elector.holder == "a")
    kube_proxy.add(Rule(Fault.SILENT, times=None))
    await asyncio.wait_for(b.works.wait(), 10)
    assert election.log == ["+a", "-a", "+b"], "the old leader stopped before the new one began"


async def test_work_stops_at_the_deadline_whatever_the_request_does(election, kube_proxy):
    a = await election("a", kube_proxy)
    await asyncio.wait_for(a.works.wait(), 5)
    kube_proxy.add(Rule(Fault.SILENT, times=None))
    loop = asyncio.get_running_loop()
    started = loop.time()
    await auntil(lambda: not a.works.is_set())
    assert loop.time() - started < FAST["renew_deadline_s"] + 0.5
    assert not a.elector.is_leading
    kube_proxy.clear()
    kube_proxy.cut()
    await asyncio.wait_for(a.works.wait(), 10)
    assert a.elector.terms == 2


@pytest.mark.parametrize("fault", [Fault.CONFLICT, Fault.SERVER_ERROR, Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TOO_MANY])
async def test_a_renewal_that_fails_once_costs_no_term(election, kube_proxy, fault):
    a = await election("a", kube_proxy)
    await asyncio.wait_for(a.works.wait(), 5)
    rule = kube_proxy.add(Rule(fault, "PUT", "/leases/boss"))
    await auntil(lambda: rule.hits == 1)
    renewed = election.lease().renewed_utc
    await auntil(lambda: election.lease().renewed_utc > renewed + SECOND)
    assert (election.log, a.elector.is_leading) == (["+a"], True)


async def test_a_lease_that_somebody_took_is_lost_at_once(election, kube_server):
    a = await election("a")
    await asyncio.wait_for(a.works.wait(), 5)
    kube_server.merge(election.path, {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 1}})
    await auntil(lambda: election.log == ["+a", "-a"])
    assert not a.elector.is_leading
    assert election.lease().holder == "thief", "a lost Lease is not given back"
    await auntil(lambda: election.log == ["+a", "-a", "+a"])


async def test_a_lease_that_somebody_deleted_is_made_again_by_its_holder(election, kube_server):
    a = await election("a")
    await asyncio.wait_for(a.works.wait(), 5)
    kube_server.delete(election.path)
    await auntil(lambda: kube_server.get(election.path) is not None)
    assert (election.log, election.lease().holder) == (["+a"], "a")


async def test_work_that_returns_ends_the_election_and_releases(election):
    a = await election("a")
    await asyncio.wait_for(a.works.wait(), 5)
    a.ends_by_itself.set()
    await asyncio.wait_for(a.task, 5)
    assert (election.lease().holder, election.lease().duration) == ("", SECOND)


async def test_work_that_fails_releases_and_is_raised(election):
    a = await election("a")
    await asyncio.wait_for(a.works.wait(), 5)
    a.error = ValueError("ours")
    a.ends_by_itself.set()
    with pytest.raises(ValueError, match="ours"):
        await asyncio.wait_for(a.task, 5)
    assert election.lease().holder == ""
    a.task = asyncio.create_task(asyncio.sleep(0))


async def test_of_five_candidates_one_leads_at_any_time(election):
    everybody = [await election(name) for name in "abcde"]
    for _ in range(5):
        await auntil(lambda: any(c.works.is_set() for c in everybody))
        leader = next(c for c in everybody if c.works.is_set())
        assert sum(c.works.is_set() for c in everybody) == 1
        await leader.stop()
        everybody.remove(leader)
    ups = [entry[1] for entry in election.log[::2]]
    assert election.log == [entry for name in ups for entry in (f"+{name}", f"-{name}")]
    assert sorted(ups) == list("abcde")


async def test_unknown_fields_of_the_lease_survive(election, kube_server, kube_namespace):
    manifest = {
        "metadata": {"name": "boss", "labels": {"kept": "yes"}},
        "spec": {"leaseTransitions": 41, "strategy": "OldestEmulationVersion"},
    }
    kube_server.create(LEASES.path(kube_namespace), manifest)
    a = await election("a")
    await asyncio.wait_for(a.works.wait(), 5)
    lease = kube_server.get(election.path)
    assert lease["metadata"]["labels"] == {"kept": "yes"}
    assert lease["spec"]["leaseTransitions"] == 42


def test_an_election_whose_periods_do_not_fit_is_refused():
    with pytest.raises(ValueError, match="renew deadline"):
        Elector(None, "n", "l", "me", lease_duration_s=5, renew_deadline_s=5)


async def test_a_member_lease_is_one_request_once_it_is_there(kube_server, kube_namespace):
    key = ObjectKey(kube_namespace, "speaker-node1")
    mark = kube_server.audit_mark()
    async with Transport(kube_server.kubeconfig("admin")) as transport:
        own = OwnLease(transport, BAREMETAL_LB, kube_namespace, "node1", duration_s=10)
        await own.renew(MemberFacts(is_serving=False, incarnation=1))
        await own.renew(MemberFacts(is_serving=True, incarnation=1))
    lease = LEASE.from_manifest(kube_server.get(LEASES.path(*key)), BAREMETAL_LB)
    assert (lease.holder, lease.labels) == ("node1", {"baremetal-lb.io/component": "speaker"})
    assert parse(lease.annotations[facts_annotation(BAREMETAL_LB)]).is_serving
    mine = [(e.verb, e.code) for e in kube_server.audit(user="admin", since=mark) if e.is_write and e.resource == "leases"]
    assert mine == [("patch", 404), ("create", 201), ("patch", 200)]
