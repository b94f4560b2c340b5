"""The ledger's objects: names, manifests, and what is refused."""

import pytest

from baremetal_lb.api.allocation import MalformedEntry, from_manifest, to_manifest
from baremetal_lb.api.names import address_of_name, entry_name
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB, ObjectKey
from baremetal_lb.model.net import parse_address
from baremetal_lb.model.views import EntryService, HeldFor, LedgerEntry, Port

FULL = LedgerEntry(
    address=parse_address("2001:db8::1"),
    owner="install-1",
    pool="blue",
    services=(
        EntryService(ObjectKey("shop", "web"), "u-1", (Port("TCP", 80), Port("UDP", 443))),
        EntryService(ObjectKey("shop", "dns"), "u-2"),
    ),
    sharing_key="k",
    backend_key="app=web",
    announcer="node1",
    since_utc=1_790_000_000_123_456_789,
    uid="e-1",
    resource_version="17",
)
HELD = LedgerEntry(
    address=parse_address("203.0.113.7"),
    owner="",
    pool="",
    held_for=HeldFor(ObjectKey("shop", "web"), 1_790_000_000_000_000_000),
)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001-0db8-0000-0000-0000-0000-0000-0001"),
        ("::", "0000-0000-0000-0000-0000-0000-0000-0000"),
    ],
)
def test_an_entry_is_named_after_its_address(address, name):
    assert entry_name(parse_address(address)) == name
    assert address_of_name(name) == parse_address(address)


@pytest.mark.parametrize("name", ["", "web", "2001-db8--1", "203.0.113", "203.0.113.7-", "2001-0DB8-0000-0000-0000-0000-0000-0001"])
def test_other_names_are_no_addresses(name):
    with pytest.raises(ValueError):
        address_of_name(name)


@pytest.mark.parametrize("entry", [FULL, HELD], ids=["full", "held"])
@pytest.mark.parametrize("identity", [BAREMETAL_LB, METALLB], ids=lambda identity: identity.name)
def test_nothing_is_lost_between_entry_and_manifest(entry, identity):
    assert from_manifest(to_manifest(entry, identity)) == entry


def test_the_manifest_is_in_our_own_group_whatever_the_identity():
    manifest = to_manifest(FULL, METALLB)
    assert manifest["apiVersion"] == "baremetal-lb.io/v1beta1"
    assert manifest["metadata"] == {"name": "2001-0db8-0000-0000-0000-0000-0000-0001", "uid": "e-1", "resourceVersion": "17"}
    assert manifest["spec"]["services"][0] == {"namespace": "shop", "name": "web", "uid": "u-1", "ports": ["TCP/80", "UDP/443"]}


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": None},
        {"metadata": {"name": "203.0.113.8"}},
        {"spec": None},
        {"spec": {"owner": "x"}},
        {"spec": {"address": "203.0.113", "owner": "x"}},
        {"spec": {"address": "203.0.113.7", "owner": 3}},
        {"spec": {"address": "203.0.113.7", "owner": "x", "services": [{"name": "web"}]}},
        {"spec": {"address": "203.0.113.7", "owner": "x", "since": "yesterday"}},
        {"spec": {"address": "203.0.113.7", "owner": "x", "services": [{"namespace": "a", "name": "b", "uid": "c", "ports": ["80"]}]}},
    ],
    ids=str,
)
def test_a_malformed_entry_is_refused_with_a_sentence(change):
    manifest = {**to_manifest(HELD, BAREMETAL_LB), **change}
    with pytest.raises(MalformedEntry, match=": "):
        from_manifest(manifest)
