"""What is generated of deploy/ is what would be generated now, and says what it should."""

from importlib.metadata import version

import pytest
import yaml

from baremetal_lb.install import MODES, SPEAKER, objects
from baremetal_lb.model.ids import IDENTITIES
from tests.support.manifests import CHART, KUSTOMIZE, RIGHTS, install_text, rights_text

HOW = "run: make manifests"
BOTH = [pytest.param(identity, mode, id=f"{name}-{mode}") for name, identity in IDENTITIES.items() for mode in MODES]


def test_the_chart_s_rules_are_those_of_the_processes():
    assert RIGHTS.read_text() == rights_text(), HOW


@pytest.mark.parametrize(("identity", "mode"), BOTH)
def test_the_overlays_are_what_bmlb_manifests_prints(identity, mode):
    assert (KUSTOMIZE / f"{identity.name}-{mode}" / "install.yaml").read_text() == install_text(identity, mode), HOW


@pytest.mark.parametrize(("identity", "mode"), BOTH)
def test_an_install_may_have_its_own_namespace_image_and_secrets(identity, mode):
    made = objects(identity, mode, namespace="net", image="registry.example/lb:1", secrets=["tor"])
    text = yaml.safe_dump_all(made)
    assert identity.default_namespace not in text
    assert made[0]["metadata"]["name"] == "net"
    images = {c["image"] for item in made for c in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())}
    assert images == {"registry.example/lb:1"}
    role = next(item for item in made if item["kind"] == "Role" and item["metadata"]["name"] == SPEAKER)
    assert [rule["resourceNames"] for rule in role["rules"] if rule["resources"] == ["secrets"]] == [["tor"]]


@pytest.mark.parametrize(("identity", "mode"), BOTH)
def test_no_container_may_more_than_its_mode_needs(identity, mode):
    given = {}
    for item in objects(identity, mode, namespace="net"):
        pod = item.get("spec", {}).get("template", {}).get("spec", {}) if item["kind"] in ("Deployment", "DaemonSet") else {}
        if pod:
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod.get("initContainers", ()), *pod.get("containers", ())]:
            context = container["securityContext"]
            assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
            assert context["capabilities"]["drop"] == ["ALL"]
            given[container["name"]] = context["capabilities"].get("add", [])
    expected = {"controller": [], "speaker": ["NET_RAW"], **({"exabgp": [], "bfd": []} if mode == "bgp" else {})}
    assert given == expected


def test_chart_and_package_are_of_one_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version("baremetal-lb")
