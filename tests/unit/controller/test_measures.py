"""What the controller tells at a scrape."""

import time
from dataclasses import replace
from ipaddress import ip_address

from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.configuration import Configuration
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB, ObjectKey
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import ConditionView, EntryService, LedgerEntry
from baremetal_lb.telemetry.metrics import Metrics
from controller.dirty import Dirty
from controller.measures import cluster_families
from controller.process import Controller, _State
from controller.settings import Settings
from tests.support.ipam_world import pool, service


def samples(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.render()[0].decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def cluster() -> tuple[Dirty, Metrics]:
    dirty, metrics = Dirty("us", ""), Metrics(METALLB, with_process=False)
    metrics.read_at_scrape(lambda: cluster_families(metrics, dirty))
    dirty.configuration_changed(Configuration((pool("web", "203.0.113.0/30", "2001:db8::/126"),)))
    return dirty, metrics


def condition(reason: str) -> ConditionView:
    return ConditionView("True" if reason == "Satisfied" else "False", reason, "")


def test_the_use_of_a_pool_is_told_by_family_and_goes_with_the_pool():
    dirty, metrics = cluster()
    dirty.world.put(LedgerEntry(ip_address("203.0.113.1"), "us", "web", (EntryService(ObjectKey("ns", "a"), "u"),)))
    found = samples(metrics)
    assert found['metallb_allocator_addresses_total{pool="web"}'] == 8
    assert found['metallb_allocator_addresses_in_use_total{pool="web"}'] == 1
    assert found['metallb_allocator_ipv4_addresses_in_use_total{pool="web"}'] == 1
    assert found['metallb_allocator_ipv6_addresses_in_use_total{pool="web"}'] == 0
    assert found['metallb_pool_addresses{family="IPv4",pool="web",state="available"}'] == 3
    dirty.configuration_changed(Configuration())
    assert not [name for name in samples(metrics) if "web" in name]


def test_services_are_counted_by_reason_and_a_word_of_somebody_else_makes_no_series_of_its_own():
    dirty, metrics = cluster()
    for name, said in {"a": "Satisfied", "b": "NoPools", "c": "MyOwnWord", "d": None}.items():
        dirty.service_changed(None, replace(service(f"ns/{name}"), condition=condition(said) if said else None))
    assert {name: value for name, value in samples(metrics).items() if name.startswith("metallb_services")} == {
        'metallb_services{reason="Satisfied"}': 1,
        'metallb_services{reason="NoPools"}': 1,
        'metallb_services{reason="Other"}': 1,
        'metallb_services{reason="Undecided"}': 1,
    }


def test_the_age_of_the_oldest_service_under_way_is_told_in_and_out_of_term():
    metrics, state = Metrics(BAREMETAL_LB, with_process=False), _State()
    Controller(Settings(), Transport(url="http://127.0.0.1:1"), metrics, state)
    agenda = state.observation._knowledge.dirty.agenda
    assert samples(metrics)["baremetal_lb_work_queue_oldest_busy_seconds"] == 0
    agenda.mark(ObjectKey("ns", "a"))
    agenda._clock = lambda: time.monotonic_ns() - 90 * SECOND
    agenda.take()
    assert samples(metrics)["baremetal_lb_work_queue_oldest_busy_seconds"] >= 90


def test_a_controller_that_does_not_lead_tells_of_itself_and_not_of_the_cluster():
    metrics = Metrics(BAREMETAL_LB, with_process=False)
    state = _State()
    Controller(Settings(), Transport(url="http://127.0.0.1:1"), metrics, state)
    state.observation._service(ObjectKey("ns", "a"), None, service("ns/a"))
    found = samples(metrics)
    assert (found["baremetal_lb_leading"], found["baremetal_lb_work_queue_depth"]) == (0, 0)
    assert found['baremetal_lb_k8s_client_objects{resource="services"}'] == 0
    assert not [name for name in found if name.startswith(("baremetal_lb_allocator", "baremetal_lb_services{", "baremetal_lb_ledger"))]
