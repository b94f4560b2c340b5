"""What the page on monitoring names is there: metrics with their labels and reasons, and log events."""

import re
from pathlib import Path

import yaml

from baremetal_lb.telemetry.event_table import TABLE as EVENTS
from baremetal_lb.telemetry.metric_table import TABLE as METRICS
from tests.support.reference import REASONS

TEXT = (Path(__file__).parents[3] / "docs/how-to/monitoring.md").read_text()
BY_NAME = {f"baremetal_lb_{definition.name}": definition for definition in METRICS}
SELECTOR = re.compile(r"(baremetal_lb_\w*[a-z0-9])(?:\{([^}]*)\})?")
WORDS = {reason.name for _, reasons in REASONS.values() for reason in reasons} | {"Satisfied"}


def test_every_metric_is_in_the_table_with_the_labels_that_are_asked_for():
    for name, labels in SELECTOR.findall(TEXT):
        assert name in BY_NAME
        assert set(re.findall(r"(\w+)!?=", labels)) <= set(BY_NAME[name].labels), name


def test_every_reason_that_is_asked_for_is_one():
    asked = re.findall(r'reason!?="(\w+)"', TEXT)
    assert asked
    assert set(asked) <= WORDS


def test_every_log_event_is_in_the_table():
    asked = re.findall(r"`([a-z]+(?:_[a-z]+)+)`", TEXT.partition("## Logs and health")[2])
    assert asked
    assert set(asked) <= {event.name for event in EVENTS}


def test_the_rules_are_rules():
    blocks = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    rules = [rule for block in blocks for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]
    assert all(set(rule) <= {"alert", "expr", "for"} and rule["alert"] and rule["expr"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules) > 0
