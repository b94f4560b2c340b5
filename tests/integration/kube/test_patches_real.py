"""What we write, on the real API server: Service status against foreign writers, the ledger's preconditions, our own objects' status."""

import dataclasses
import json
from ipaddress import ip_address

import pytest

from baremetal_lb.kube import ledger
from baremetal_lb.kube.errors import ApiError, Unreachable
from baremetal_lb.kube.patches import ReplacedObject, apply_object, apply_service_status, merge_status
from baremetal_lb.kube.records import SERVICE
from baremetal_lb.kube.resources import SERVICES, ours
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.condition import Condition
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB, ObjectKey
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import ConditionView, EntryService, LedgerEntry, Port
from tests.support.proxy import Fault, Rule

pytestmark = pytest.mark.kube
V4, V6 = ip_address("203.0.113.1"), ip_address("2001:db8::1")
GOOD = Condition("Satisfied", is_true=True, reason="Allocated", message="all is well")
BAD = Condition("Satisfied", is_true=False, reason="PoolExhausted", message="no address is left")


class Bench:
    def __init__(self, server, namespace, transport):
        self.server, self.transport = server, transport
        self.path = SERVICES.path(namespace, "web")
        manifest = {
            "metadata": {"name": "web", "annotations": {"somebody/else": "kept"}},
            "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]},
        }
        self.service = SERVICE.from_manifest(server.create(SERVICES.path(namespace), manifest), BAREMETAL_LB)

    async def apply(self, *ips, pool=None, condition=None, now_utc=SECOND, identity=BAREMETAL_LB):
        self.service = await apply_service_status(
            self.transport, identity, self.service, ips=ips, pool=pool, condition=condition, now_utc=now_utc
        )
        return self.service

    def meddle(self, subresource, patch):
        """Let somebody else change the Service, and learn of it as from a watch."""
        self.service = SERVICE.from_manifest(self.server.merge(self.path + subresource, patch), BAREMETAL_LB)

    @property
    def live(self):
        return self.server.get(self.path)


@pytest.fixture
async def bench(kube_server, kube_namespace):
    async with Transport(kube_server.kubeconfig("admin")) as transport:
        yield Bench(kube_server, kube_namespace, transport)


async def test_ingress_annotation_and_condition_are_one_request(bench, kube_server):
    mark = kube_server.audit_mark()
    view = await bench.apply(V4, V6, pool="blue", condition=GOOD)
    assert view.status_ips == (V4, V6)
    assert (view.allocated_from_pool, view.condition) == ("blue", ConditionView("True", "Allocated", "all is well"))
    live = bench.live
    assert live["status"]["loadBalancer"]["ingress"] == [{"ip": str(ip), "ipMode": "VIP"} for ip in (V4, V6)]
    assert live["metadata"]["annotations"] == {"somebody/else": "kept", "baremetal-lb.io/ip-allocated-from-pool": "blue"}
    assert live["spec"]["ports"][0]["port"] == 80
    assert [e.verb for e in kube_server.audit(resource="services/status", since=mark)] == ["patch"]


async def test_applying_the_same_again_changes_nothing(bench):
    first = await bench.apply(V4, pool="blue", condition=GOOD)
    second = await bench.apply(V4, pool="blue", condition=GOOD, now_utc=99 * SECOND)
    assert second.resource_version == first.resource_version


async def test_the_transition_time_moves_with_the_status_only(bench):
    async def applied(condition, now_utc):
        await bench.apply(V4, condition=condition, now_utc=now_utc)
        return bench.live["status"]["conditions"][0]["lastTransitionTime"]

    assert await applied(BAD, 10 * SECOND) == "1970-01-01T00:00:10Z"
    assert await applied(dataclasses.replace(BAD, message="still none"), 20 * SECOND) == "1970-01-01T00:00:10Z"
    assert await applied(GOOD, 30 * SECOND) == "1970-01-01T00:00:30Z"


async def test_clearing_takes_all_of_ours_away_and_nothing_else(bench):
    foreign = {"type": "other/Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    bench.meddle("/status", {"status": {"conditions": [foreign]}})
    await bench.apply(V4, pool="blue", condition=GOOD)
    assert [c["type"] for c in bench.live["status"]["conditions"]] == ["other/Ready", "baremetal-lb.io/Satisfied"]
    view = await bench.apply()
    assert (view.ingress, view.allocated_from_pool, view.condition) == ((), None, None)
    assert bench.live["metadata"]["annotations"] == {"somebody/else": "kept"}
    assert bench.live["status"] == {"loadBalancer": {}, "conditions": [foreign]}


async def test_what_was_decided_upon_an_older_service_is_not_written(bench, kube_server):
    kube_server.merge(f"{bench.path}/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.99"}]}}})
    with pytest.raises(ApiError) as stale:
        await bench.apply(V4)
    assert stale.value.is_conflict
    assert bench.live["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.99"


async def test_a_foreign_ingress_is_overwritten(bench):
    bench.meddle("/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.99"}]}}})
    assert (await bench.apply(V4)).status_ips == (V4,)


async def test_what_a_foreign_writer_owns_is_cleared_too(bench):
    name = "baremetal-lb.io/ip-allocated-from-pool"
    bench.meddle("/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.99"}]}}})
    bench.meddle("", {"metadata": {"annotations": {name: "theirs"}}})
    view = await bench.apply(condition=BAD)
    assert (view.ingress, view.allocated_from_pool, view.condition.reason) == ((), None, "PoolExhausted")
    assert name not in bench.live["metadata"]["annotations"]


async def test_a_service_made_anew_is_never_given_its_predecessor_s_ip(bench, kube_server, kube_namespace):
    old = bench.service
    kube_server.delete(bench.path)
    kube_server.create(SERVICES.path(kube_namespace), {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}})
    with pytest.raises(ApiError) as stale:
        await bench.apply(V4)
    assert stale.value.is_conflict
    bench.service = dataclasses.replace(old, resource_version="")
    with pytest.raises(ReplacedObject):
        await bench.apply(V4)
    assert bench.live["status"] == {"loadBalancer": {}}
    assert bench.live["metadata"]["uid"] != old.uid


async def test_a_service_that_is_gone_is_not_made(bench, kube_server):
    kube_server.delete(bench.path)
    with pytest.raises((ApiError, ReplacedObject)):
        await bench.apply(V4)
    assert bench.live is None


async def test_the_other_identity_writes_under_its_own_prefix(bench):
    view = await bench.apply(V4, pool="blue", condition=GOOD, identity=METALLB)
    assert view.allocated_from_pool == "blue"
    assert bench.live["metadata"]["annotations"]["metallb.io/ip-allocated-from-pool"] == "blue"
    assert bench.live["status"]["conditions"][0]["type"] == "metallb.io/Satisfied"


# --- our own objects ---


@pytest.fixture(scope="module")
def crds(kube_server):
    kube_server.install_crds()
    return kube_server


@pytest.fixture
async def ledger_of(crds, kube_proxy):
    async with Transport(url=kube_proxy.url, token=crds.token("admin")) as transport:
        yield transport
    crds.clear(ledger.entries_path(BAREMETAL_LB))


def entry(address=V4, **changes):
    service = EntryService(ObjectKey("shop", "web"), "uid-1", (Port("TCP", 80), Port("UDP", 53)))
    base = LedgerEntry(address, "install", "blue", (service,), announcer="node1", since_utc=5 * SECOND)
    return dataclasses.replace(base, **changes)


@pytest.mark.parametrize("address", [V4, V6], ids=str)
async def test_an_entry_comes_back_as_it_was_written(ledger_of, address):
    created = await ledger.create_entry(ledger_of, BAREMETAL_LB, entry(address))
    assert created == entry(address, uid=created.uid, resource_version=created.resource_version)
    assert await ledger.fetch_entry(ledger_of, BAREMETAL_LB, address) == created
    changed = await ledger.update_entry(ledger_of, BAREMETAL_LB, dataclasses.replace(created, announcer="node2"))
    assert (changed.announcer, changed.uid) == ("node2", created.uid)
    await ledger.delete_entry(ledger_of, BAREMETAL_LB, changed)
    assert await ledger.fetch_entry(ledger_of, BAREMETAL_LB, address) is None


async def test_an_address_is_allocated_once(ledger_of):
    await ledger.create_entry(ledger_of, BAREMETAL_LB, entry())
    with pytest.raises(ApiError) as caught:
        await ledger.create_entry(ledger_of, BAREMETAL_LB, entry(owner="other"))
    assert caught.value.already_exists


async def test_a_stale_entry_is_neither_changed_nor_released(ledger_of):
    stale = await ledger.create_entry(ledger_of, BAREMETAL_LB, entry())
    await ledger.update_entry(ledger_of, BAREMETAL_LB, dataclasses.replace(stale, announcer="node2"))
    for write in (ledger.update_entry, ledger.delete_entry):
        with pytest.raises(ApiError) as caught:
            await write(ledger_of, BAREMETAL_LB, dataclasses.replace(stale, announcer="node3"))
        assert caught.value.is_conflict
    assert (await ledger.fetch_entry(ledger_of, BAREMETAL_LB, V4)).announcer == "node2"


async def test_an_entry_made_anew_is_not_released_by_its_predecessor_s_delete(ledger_of):
    old = await ledger.create_entry(ledger_of, BAREMETAL_LB, entry())
    await ledger.delete_entry(ledger_of, BAREMETAL_LB, old)
    await ledger.delete_entry(ledger_of, BAREMETAL_LB, old)
    new = await ledger.create_entry(ledger_of, BAREMETAL_LB, entry(owner="other"))
    with pytest.raises(ApiError) as caught:
        await ledger.delete_entry(ledger_of, BAREMETAL_LB, old)
    assert caught.value.is_conflict
    assert await ledger.fetch_entry(ledger_of, BAREMETAL_LB, V4) == new


async def test_an_entry_that_was_never_read_is_not_written_over(ledger_of):
    for write in (ledger.update_entry, ledger.delete_entry):
        with pytest.raises(ValueError, match="never read"):
            await write(ledger_of, BAREMETAL_LB, entry())


async def test_a_create_whose_answer_is_lost_took_effect_and_says_that_it_may_have(ledger_of, kube_proxy):
    kube_proxy.add(Rule(Fault.RESET_AFTER, "POST", "/ipallocations"))
    with pytest.raises(Unreachable) as caught:
        await ledger.create_entry(ledger_of, BAREMETAL_LB, entry())
    assert caught.value.was_sent
    assert (await ledger.fetch_entry(ledger_of, BAREMETAL_LB, V4)).owner == "install"


async def test_the_status_of_our_own_objects_is_merged_and_guarded(crds, kube_namespace):
    pools = ours(BAREMETAL_LB, "ipaddresspools")
    path = pools.path(kube_namespace, "blue")
    manifest = {
        "apiVersion": pools.api_version,
        "kind": "IPAddressPool",
        "metadata": {"name": "blue", "namespace": kube_namespace},
        "spec": {"addresses": ["203.0.113.0/24"]},
    }
    async with Transport(crds.kubeconfig("admin")) as transport:
        made = json.loads(await apply_object(transport, path, manifest, field_manager="tester"))
        condition = {"type": "Accepted", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        stored = json.loads(await merge_status(transport, path, {"conditions": [condition]}))
        with pytest.raises(ApiError) as stale:
            await merge_status(transport, path, {"conditions": None}, resource_version=made["metadata"]["resourceVersion"])
        assert stale.value.is_conflict
        cleared = await merge_status(transport, path, {"conditions": None}, resource_version=stored["metadata"]["resourceVersion"])
    assert stored["status"]["conditions"] == [condition]
    assert "conditions" not in json.loads(cleared).get("status", {})
    assert json.loads(cleared)["spec"] == made["spec"]
