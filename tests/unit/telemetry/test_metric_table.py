"""The table of metrics: one name each, the names that dashboards know, and nothing in it that a process does not expose."""

import ast
import re
from pathlib import Path

import pytest

from baremetal_lb.model.ids import IDENTITIES, METALLB
from baremetal_lb.telemetry import metric_table
from baremetal_lb.telemetry.definitions import MetricType, Process
from baremetal_lb.telemetry.metric_table import TABLE

ROOT = Path(__file__).parents[3]
SHARED = [ROOT / "baremetal_lb/telemetry"]
FOLDERS = {Process.CONTROLLER: [*SHARED, ROOT / "controller"], Process.SPEAKER: [*SHARED, ROOT / "speaker"]}
CONSTANTS = {definition.name: name for name, definition in vars(metric_table).items() if definition in TABLE}
METALLB_NAMES = {
    "metallb_k8s_client_updates_total",
    "metallb_k8s_client_update_errors_total",
    "metallb_k8s_client_config_loaded_bool",
    "metallb_k8s_client_config_stale_bool",
    "metallb_allocator_addresses_total",
    "metallb_allocator_addresses_in_use_total",
    "metallb_allocator_ipv4_addresses_total",
    "metallb_allocator_ipv4_addresses_in_use_total",
    "metallb_allocator_ipv6_addresses_total",
    "metallb_allocator_ipv6_addresses_in_use_total",
    "metallb_speaker_announced",
    "metallb_layer2_requests_received",
    "metallb_layer2_responses_sent",
    "metallb_layer2_gratuitous_sent",
    "metallb_bgp_session_up",
    "metallb_bgp_announced_prefixes_total",
    "metallb_bgp_pending_prefixes_total",
    "metallb_bfd_session_up",
    "rest_client_requests_total",
    "workqueue_depth",
    "controller_runtime_reconcile_time_seconds",
}


def used_in(folders: list[Path]) -> set[str]:
    """Return the attributes that modules under these folders take of the table."""
    trees = [ast.parse(path.read_text()) for folder in folders for path in folder.rglob("*.py")]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"table", "metric_table"}
    }


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES)
def test_no_two_metrics_have_one_name(identity):
    names = [definition.full_name(identity) for definition in TABLE]
    assert len(set(names)) == len(names)


def test_under_the_identity_metallb_the_names_are_those_of_its_dashboards():
    assert {definition.full_name(METALLB) for definition in TABLE} >= METALLB_NAMES


@pytest.mark.parametrize("definition", TABLE, ids=lambda definition: definition.name)
def test_a_definition_follows_the_conventions(definition):
    assert re.fullmatch(r"[a-z][a-z0-9_]+", definition.name)
    assert definition.help.endswith(".")
    assert definition.type is not MetricType.COUNTER or definition.name.endswith("_total")
    assert definition.type is not MetricType.HISTOGRAM or definition.name.endswith("_seconds")


@pytest.mark.parametrize("process", FOLDERS, ids=lambda process: process.value)
def test_a_process_exposes_what_the_table_says_of_it(process):
    of_process = {CONSTANTS[definition.name] for definition in TABLE if process in definition.processes}
    others = {CONSTANTS[definition.name] for definition in TABLE if process not in definition.processes}
    used = used_in(FOLDERS[process])
    assert (of_process - used, others & used) == (set(), set())
