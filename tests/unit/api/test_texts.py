"""Texts of strangers at the first two gates: the schema, as the embedded API server reads it, and compile."""

import base64
from functools import cache

import pytest

from baremetal_lb.api.crds import render
from baremetal_lb.api.secrets import SecretReason, password_of
from baremetal_lb.apiserver.schema import problems
from baremetal_lb.model.ids import BAREMETAL_LB, IDENTITIES, METALLB
from tests.support.texts import HOSTILE_NAMES, HOSTILE_PASSWORDS, NAMES, PASSWORDS
from tests.unit.api.manifests import accepted, fatal, l2, manifest, peer, profile, run, secret

NO_NAMES = {
    "upper case": "Fast",
    "newline": "fast\n",
    "slash": "../fast",
    "dot": ".",
    "look-alike": "f\u0430st",
    "long": "a" * 254,
    "NUL": "a\0",
}
NO_ADDRESSES = {
    "newline": "198.51.100.1\n",
    "section": "198.51.100.1;}",
    "zone": "fe80::1%eth0",
    "digits": "198.51.100.\u0661",
    "space": " ::1",
}
UNNUMBERED = {"peerAddress": None}
REFUSED = (
    {f"vrf, {k}": ("BGPPeer", {"vrf": v}, "spec.vrf", "InvalidInterfaceName") for k, v in HOSTILE_NAMES.items()}
    | {
        f"interface, {k}": ("BGPPeer", {**UNNUMBERED, "interface": v}, "spec.interface", "InvalidInterfaceName")
        for k, v in HOSTILE_NAMES.items()
    }
    | {
        f"L2 interface, {k}": ("L2Advertisement", {"interfaces": ["eth0", v]}, "spec.interfaces[1]", "InvalidInterfaceName")
        for k, v in {**HOSTILE_NAMES, "empty": ""}.items()
    }
    | {f"password, {k}": ("BGPPeer", {"password": v}, "spec.password", "InvalidPassword") for k, v in HOSTILE_PASSWORDS.items()}
    | {
        f"Secret's name, {k}": ("BGPPeer", {"passwordSecret": {"name": v}}, "spec.passwordSecret.name", "InvalidName")
        for k, v in NO_NAMES.items()
    }
    | {f"peer address, {k}": ("BGPPeer", {"peerAddress": v}, "spec.peerAddress", "InvalidAddress") for k, v in NO_ADDRESSES.items()}
    | {f"source address, {k}": ("BGPPeer", {"sourceAddress": v}, "spec.sourceAddress", "InvalidAddress") for k, v in NO_ADDRESSES.items()}
    | {f"router id, {k}": ("BGPPeer", {"routerID": v}, "spec.routerID", "InvalidRouterID") for k, v in NO_ADDRESSES.items()}
)
EVERY_REFUSAL = pytest.mark.parametrize(("kind", "spec", "field", "reason"), REFUSED.values(), ids=REFUSED)


def made(kind, spec):
    return peer(**spec) if kind == "BGPPeer" else l2(**spec)


@cache
def schema(identity, kind, version):
    (definition,) = (crd for crd in render(identity) if crd["spec"]["names"]["kind"] == kind)
    found = next(v for v in definition["spec"]["versions"] if (v["name"] == version if version else v["storage"]))
    return found["schema"]["openAPIV3Schema"]


def refusals(identity, kind, spec, version=None):
    """Return (field, message) of what the schema refuses."""
    return [(cause.field, cause.message) for cause in problems({"spec": spec}, schema(identity, kind, version))]


@EVERY_REFUSAL
def test_compile_refuses_a_text_outside_its_alphabet_at_its_field_and_never_quotes_a_password(kind, spec, field, reason):
    result = run(made(kind, spec))
    assert fatal(result) == [(fatal(result)[0][0], field, reason)]
    assert not any("hunter2" in problem.message for problem in result.problems)
    assert result.configuration.bgp_peers == result.configuration.l2_advertisements == ()


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=lambda identity: identity.name)
@EVERY_REFUSAL
def test_the_schema_refuses_it_too(identity, kind, spec, field, reason):
    found = refusals(identity, kind, made(kind, spec)["spec"])
    assert {where for where, _ in found} == {field}
    assert not any("hunter2" in message for _, message in found)


@pytest.mark.parametrize("bad", [{"vrf": "a\n"}, {"routerID": "1.1.1.1\n"}, {"sourceAddress": "::1%a"}], ids=str)
def test_the_last_accepted_meaning_stays_in_force(bad):
    before = peer(vrf="red")["spec"]
    result = run(peer(**bad, status=accepted(before)))
    assert len(fatal(result)) == 1
    assert [found.vrf for found in result.configuration.bgp_peers] == ["red"]


def test_the_last_accepted_interfaces_stay_in_force():
    result = run(manifest("L2Advertisement", "l2", {"interfaces": ["eth0\n"]}, status=accepted({"interfaces": ["eth0"]})))
    assert [found.interfaces for found in result.configuration.l2_advertisements] == [("eth0",)]


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=lambda identity: identity.name)
@pytest.mark.parametrize("name", NAMES)
def test_names_that_nodes_have_are_taken(identity, name):
    for kind, spec in (
        ("BGPPeer", {"vrf": name}),
        ("BGPPeer", {**UNNUMBERED, "interface": name}),
        ("L2Advertisement", {"interfaces": [name]}),
    ):
        assert fatal(run(made(kind, spec))) == []
        assert refusals(identity, kind, made(kind, spec)["spec"]) == []


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=lambda identity: identity.name)
def test_an_empty_text_means_none_as_the_reference_writes_it(identity):
    spec = {
        "vrf": "",
        "interface": "",
        "password": "",
        "passwordSecret": {"name": ""},
        "bfdProfile": "",
        "routerID": "",
        "sourceAddress": "",
    }
    (found,) = run(peer(**spec)).configuration.bgp_peers
    assert (found.vrf, found.interface, found.password, found.password_secret, found.bfd) == (None,) * 5
    assert refusals(identity, "BGPPeer", peer(**spec)["spec"]) == []


@pytest.mark.parametrize("field", ["peerAddress", "sourceAddress", "routerID", "password", "bfdProfile"])
def test_the_older_version_of_the_reference_has_the_same_alphabets(field):
    plain = {"myASN": 1, "peerASN": 2, "peerAddress": "198.51.100.1"}
    assert refusals(METALLB, "BGPPeer", {**plain, "password": "x y!", "bfdProfile": "fast", "routerID": "1.1.1.1"}, "v1beta1") == []
    assert [where for where, _ in refusals(METALLB, "BGPPeer", {**plain, field: "1\n}"}, "v1beta1")] == [f"spec.{field}"]


def test_the_name_of_a_profile_is_one_of_an_object():
    for text in NO_NAMES.values():
        assert ("BGPPeer/router", "spec.bfdProfile", "InvalidName") in fatal(run(profile(), peer(bfdProfile=text)))
        assert [where for where, _ in refusals(BAREMETAL_LB, "BGPPeer", peer(bfdProfile=text)["spec"])] == ["spec.bfdProfile"]


def holding(octets: bytes):
    return secret(data={"password": base64.b64encode(octets).decode()})


UNUSABLE = {name: text.encode() for name, text in HOSTILE_PASSWORDS.items()} | {
    "no UTF-8": b"hunter2\xff",
    "UTF-16": "hunter2".encode("utf-16"),
}


@pytest.mark.parametrize("octets", UNUSABLE.values(), ids=UNUSABLE)
def test_a_secret_with_octets_that_no_password_has_is_a_reason_without_them(octets):
    result = run(holding(octets), peer(passwordSecret={"name": "key"}))
    assert fatal(result) == [("BGPPeer/router", "spec.passwordSecret", "UnusableSecret")]
    assert not any("hunter2" in problem.message for problem in result.problems)
    assert password_of(holding(octets)) is SecretReason.SecretNotPrintable


def test_an_empty_secret_is_told_when_the_peer_is_written_and_not_when_the_session_is_missing():
    result = run(holding(b""), peer(passwordSecret={"name": "key"}))
    assert fatal(result) == [("BGPPeer/router", "spec.passwordSecret", "UnusableSecret")]
    assert password_of(holding(b"")) is SecretReason.SecretWithoutPassword


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_that_routers_take_are_taken(password):
    assert fatal(run(peer(password=password))) == fatal(run(holding(password.encode()), peer(passwordSecret={"name": "key"}))) == []
    assert password_of(holding(password.encode())) == password
    assert refusals(BAREMETAL_LB, "BGPPeer", peer(password=password)["spec"]) == []
