"""The generated CRDs: structural, complete, and the committed files are what the generator writes."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from baremetal_lb.api.crds import file_name, render, to_yaml
from baremetal_lb.api.kinds import KINDS
from baremetal_lb.cli.crds import app
from baremetal_lb.model.ids import BAREMETAL_LB, IDENTITIES, METALLB

DEPLOY = Path(__file__).parents[3] / "deploy" / "crds"
DEFINITIONS = [(identity, crd) for identity in IDENTITIES.values() for crd in render(identity)]
EVERY = pytest.mark.parametrize(("identity", "crd"), DEFINITIONS, ids=[f"{i.name}-{c['spec']['names']['kind']}" for i, c in DEFINITIONS])


def schemas(crd):
    for version in crd["spec"]["versions"]:
        yield version["schema"]["openAPIV3Schema"]


def walk(schema, path=""):
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], f"{path}[{key}]")


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=lambda identity: identity.name)
def test_the_committed_definitions_are_what_bmlb_crds_writes(identity):
    committed = {path.name: path.read_text(encoding="utf-8") for path in (DEPLOY / identity.name).glob("*.*.yaml")}
    rendered = {file_name(crd): to_yaml([crd]) for crd in render(identity)}
    assert committed.keys() == rendered.keys()
    assert [name for name in committed if committed[name] != rendered[name]] == [], "run: make crds"
    kustomization = (DEPLOY / identity.name / "kustomization.yaml").read_text(encoding="utf-8")
    assert sorted(yaml.safe_load(kustomization)["resources"]) == sorted(committed)


@EVERY
def test_a_schema_has_nothing_that_a_structural_schema_may_not_have(identity, crd):
    for root in schemas(crd):
        for path, schema in walk(root):
            forbidden = {
                "$ref",
                "$defs",
                "anyOf",
                "oneOf",
                "allOf",
                "title",
                "const",
                "exclusiveMinimum",
                "exclusiveMaximum",
            } & schema.keys()
            assert not forbidden, f"{path}: {forbidden}"
            assert "type" in schema or schema.get("x-kubernetes-int-or-string"), f"{path} has no type"
            assert not ("properties" in schema and "additionalProperties" in schema), path


@EVERY
def test_every_field_says_what_it_is(identity, crd):
    for root in schemas(crd):
        for path, schema in walk(root):
            if path and "[" not in path.rsplit(".", 1)[-1] and path != ".metadata":
                assert schema.get("description"), f"{path} has no description"


@EVERY
def test_everything_in_a_spec_is_bounded_so_that_rules_have_a_bounded_cost(identity, crd):
    for root in schemas(crd):
        for path, schema in walk(root["properties"].get("spec", {"type": "object"})):
            bounds = {"array": "maxItems", "string": "maxLength"}
            bound = bounds.get(schema.get("type"))
            assert bound is None or bound in schema or "enum" in schema, f"{path} has no {bound}"


@EVERY
def test_kubectl_gets_columns_a_category_and_conditions(identity, crd):
    names = crd["spec"]["names"]
    assert names["categories"] == ["baremetal-lb"]
    kind = next(kind for kind in KINDS if kind.name == names["kind"])
    for version in crd["spec"]["versions"]:
        assert version["additionalPrinterColumns"][-1]["name"] == "Age"
        assert ("subresources" in version) is kind.has_status
        if kind.is_configuration:
            status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
            assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
            assert status["lastAccepted"]["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] is True


def test_kinds_that_the_reference_has_follow_the_identity_and_the_others_do_not():
    groups = {crd["spec"]["names"]["kind"]: crd["spec"]["group"] for crd in render(METALLB)}
    own = {kind.name for kind in KINDS if kind.is_own}
    assert own == {"IPAllocation", "IPReservation", "BGPSessionStatus"}
    assert {kind: group for kind, group in groups.items() if group == "baremetal-lb.io"} == dict.fromkeys(own, "baremetal-lb.io")
    assert {group for kind, group in groups.items() if kind not in own} == {"metallb.io"}
    assert {crd["spec"]["group"] for crd in render(BAREMETAL_LB)} == {"baremetal-lb.io"}


def test_v1beta1_of_bgppeer_is_served_under_the_identity_metallb_only():
    versions = {
        identity.name: [
            (version["name"], version["storage"])
            for crd in render(identity)
            if crd["spec"]["names"]["kind"] == "BGPPeer"
            for version in crd["spec"]["versions"]
        ]
        for identity in IDENTITIES.values()
    }
    assert versions == {"baremetal-lb": [("v1beta2", True)], "metallb": [("v1beta1", False), ("v1beta2", True)]}


def test_bmlb_crds_prints_all_definitions():
    result = CliRunner().invoke(app, ["--identity", "metallb"])
    assert result.exit_code == 0
    assert result.stdout == to_yaml(render(METALLB))
