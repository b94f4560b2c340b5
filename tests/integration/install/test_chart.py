"""The chart, with Helm itself, beside what comes without it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from baremetal_lb.install import MODES, objects
from baremetal_lb.lab.build import find_or_build
from baremetal_lb.model.ids import IDENTITIES
from kind_cluster.programs import find_tools
from tests.support.manifests import CHART, KUSTOMIZE, RENDERED, ROOT, helm_template, rendered_name, rendered_text

pytestmark = pytest.mark.kube
MONITORING = ROOT / "docs" / "how-to" / "monitoring.md"
BOTH = [pytest.param(identity, mode, id=f"{name}-{mode}") for name, identity in IDENTITIES.items() for mode in MODES]


@pytest.fixture(scope="session")
def helm() -> Path:
    return find_tools(print) / "helm"


def by_name(made: list[dict]) -> dict[tuple[str, str], dict]:
    return {(item["kind"], item["metadata"]["name"]): item for item in made}


@pytest.mark.parametrize(("identity", "mode"), BOTH)
def test_the_package_has_what_the_chart_makes_now(helm, identity, mode):
    assert (RENDERED / rendered_name(identity.name, mode)).read_text() == rendered_text(helm, identity, mode), "run: make manifests"


@pytest.mark.parametrize(("identity", "mode"), BOTH)
def test_kustomize_makes_the_objects_of_the_chart_and_a_namespace(helm, identity, mode):
    kubectl = find_or_build(print) / "kubectl"
    done = subprocess.run([kubectl, "kustomize", KUSTOMIZE / f"{identity.name}-{mode}"], capture_output=True, text=True, check=True)
    built = by_name([item for item in yaml.safe_load_all(done.stdout) if item["kind"] != "CustomResourceDefinition"])
    assert built.pop(("Namespace", identity.default_namespace))["metadata"]["labels"]
    assert built == by_name(helm_template(helm, identity, mode))
    assert done.stdout.count("\nkind: CustomResourceDefinition\n") == 11


def test_the_secrets_that_values_name_and_those_of_the_command_line_are_one_rule(helm):
    identity = IDENTITIES["baremetal-lb"]
    chart = by_name(helm_template(helm, identity, "bgp", "bgp.secretNames={one,two}"))
    command = by_name(objects(identity, "bgp", namespace=identity.default_namespace, secrets=["one", "two"]))
    name = ("Role", "baremetal-lb-speaker")
    assert chart[name]["rules"] == command[name]["rules"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("identity=other", "identity"),
        ("logLevel=loud", "logLevel"),
        ("controller.replicas=none", "replicas"),
        ("bgp.secretNames=one", "secretNames"),
        ("bpg.enabled=true", "bpg"),
    ],
)
def test_a_value_that_is_none_is_refused_by_name(helm, given, complaint):
    done = subprocess.run([helm, "template", "x", CHART, "--set", given], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert "schema" in done.stderr


@pytest.mark.parametrize(
    ("identity", "namespace", "more"),
    [
        ("baremetal-lb", "baremetal-lb-system", ""),
        ("baremetal-lb", "elsewhere", " --namespace elsewhere"),
        ("metallb", "metallb-system", " --identity metallb"),
        ("metallb", "elsewhere", " --identity metallb --namespace elsewhere"),
    ],
)
def test_the_next_command_that_the_notes_tell_is_for_this_install(helm, identity, namespace, more):
    command = [helm, "install", "x", CHART, "--dry-run=client", "--namespace", namespace, "--set", f"identity={identity}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (told,) = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("bmlb pool create")]
    assert told == f"bmlb pool create office --addresses 198.51.100.200-198.51.100.240 --l2{more}"


@pytest.mark.parametrize(("identity", "prefix"), [("baremetal-lb", "baremetal_lb_"), ("metallb", "metallb_")])
def test_the_rules_that_the_page_on_monitoring_shows_are_those_of_the_chart(helm, identity, prefix):
    made = helm_template(helm, IDENTITIES[identity], "bgp", "prometheus.rules.enabled=true")
    (rules,) = [item for item in made if item["kind"] == "PrometheusRule"]
    groups = [{"name": group["name"], "rules": [shown(rule) for rule in group["rules"]]} for group in rules["spec"]["groups"]]
    blocks = re.findall(r"^```yaml\n(.*?)^```", MONITORING.read_text().replace("baremetal_lb_", prefix), re.MULTILINE | re.DOTALL)
    assert groups == [group for block in blocks for group in yaml.safe_load(block)["groups"]]


def shown(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key in ("alert", "expr", "for")}


@pytest.mark.parametrize("value", ["prometheus.podMonitor.enabled=true", "prometheus.rules.enabled=true", "speaker.runAsRoot=true",
                                   "speaker.listenOn=127.0.0.1", "bgp.enabled=true,bgp.bfd.realtime=true", "networkPolicies.enabled=false",
                                   "admissionPolicies.enabled=false", "controller.replicas=1"])  # fmt: skip
def test_every_option_renders(helm, value):
    identity = IDENTITIES["baremetal-lb"]
    plain, changed = by_name(helm_template(helm, identity, "l2")), by_name(helm_template(helm, identity, "l2", value))
    assert plain != changed
