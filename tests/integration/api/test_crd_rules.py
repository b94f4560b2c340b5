"""The real API server takes the CRDs of both identities and enforces every rule: one object it refuses, one it takes."""

import json
from urllib.error import HTTPError

import pytest

from baremetal_lb.api.crds import render
from baremetal_lb.api.kinds import KIND_BY_NAME
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB
from tests.support.texts import HOSTILE_NAMES, HOSTILE_PASSWORDS, NAMES, PASSWORDS
from tests.support.wait import until

pytestmark = pytest.mark.kube

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PEER = {"myASN": 64500, "peerASN": 64501, "peerAddress": "198.51.100.1"}
POOL = {"addresses": ["203.0.113.0/24"]}
RESERVATION = {"addresses": ["203.0.113.1"], "namespace": "shop"}
ENTRY = {"address": "203.0.113.7", "owner": "x"}
SELECTOR = {"matchLabels": {"a": "b"}}


@pytest.fixture(scope="module")
def api(kube_server):
    """The server with the definitions of both identities."""
    wanted = {crd["metadata"]["name"]: crd for identity in (BAREMETAL_LB, METALLB) for crd in render(identity)}
    for crd in wanted.values():
        try:
            kube_server.create(DEFINITIONS, crd)
        except HTTPError as error:
            if error.code != 409:
                raise AssertionError(error.read().decode()) from None
    for name in wanted:
        until(lambda name=name: is_established(kube_server.get(f"{DEFINITIONS}/{name}")), deadline_s=30)
    return kube_server


def is_established(crd):
    conditions = {c["type"]: c["status"] for c in crd.get("status", {}).get("conditions", [])}
    assert conditions.get("NonStructuralSchema") != "True"
    return conditions.get("Established") == "True"


def path(kind, namespace, version=None, group=None):
    described = KIND_BY_NAME[kind]
    base = f"/apis/{group or described.group(BAREMETAL_LB)}/{version or described.versions[0].name}"
    return f"{base}/{described.plural}" if described.is_cluster_scoped else f"{base}/namespaces/{namespace}/{described.plural}"


def manifest(kind, spec, name="x", version=None, group=None):
    described = KIND_BY_NAME[kind]
    api_version = f"{group or described.group(BAREMETAL_LB)}/{version or described.versions[0].name}"
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **({} if spec is None else {"spec": spec})}


def create(api, namespace, kind, spec, *, dry_run=True, name="x", **where):
    """Create an object; return the message of a refusal, or None."""
    try:
        api.create(path(kind, namespace, **where) + ("?dryRun=All" if dry_run else ""), manifest(kind, spec, name, **where))
    except HTTPError as error:
        assert error.code == 422, error.code
        return json.loads(error.read())["message"]
    return None


RULES = {
    # rule: kind, spec refused, part of the message, spec taken
    "a bare address in a pool": ("IPAddressPool", {"addresses": ["203.0.113.1"]}, "must be a CIDR", {"addresses": ["203.0.113.1/32"]}),
    "a CIDR that is none": ("IPAddressPool", {"addresses": ["203.0.113.0/33"]}, "must be a CIDR", {"addresses": ["2001:db8::/64"]}),
    "half a range": ("IPAddressPool", {"addresses": ["203.0.113.1-"]}, "must be a CIDR", {"addresses": ["203.0.113.1 - 203.0.113.9"]}),
    "a range of two families": (
        "IPAddressPool",
        {"addresses": ["203.0.113.1-2001:db8::1"]},
        "must be a CIDR",
        {"addresses": ["2001:db8::1-2001:db8::9"]},
    ),
    "host bits": ("IPAddressPool", {"addresses": ["203.0.113.9/x"]}, "must be a CIDR", {"addresses": ["203.0.113.9/24"]}),
    "no addresses": ("IPAddressPool", {"addresses": []}, "should have at least 1", POOL),
    "no spec of a pool": ("IPAddressPool", None, "Required value", POOL),
    "an excluded text": (
        "IPAddressPool",
        {**POOL, "excluded": ["x"]},
        "must be an IP address, a CIDR",
        {**POOL, "excluded": ["203.0.113.1"]},
    ),
    "an excluded range": (
        "IPAddressPool",
        {**POOL, "excluded": ["203.0.113.1-::1"]},
        "must be an IP",
        {**POOL, "excluded": ["203.0.113.1-203.0.113.2", "203.0.113.8/30"]},
    ),
    "a negative retention": (
        "IPAddressPool",
        {**POOL, "retainFor": "-1s"},
        "must be a duration that is not negative",
        {**POOL, "retainFor": "24h"},
    ),
    "a retention that is none": ("IPAddressPool", {**POOL, "retainFor": "1d"}, "spec.retainFor", {**POOL, "retainFor": "0s"}),
    "a namespace twice": (
        "IPAddressPool",
        {**POOL, "serviceAllocation": {"namespaces": ["a", "a"]}},
        "Duplicate value",
        {**POOL, "serviceAllocation": {"namespaces": ["a", "b"]}},
    ),
    "a negative quota": (
        "IPAddressPool",
        {**POOL, "quotas": [{"addresses": -1}]},
        "greater than or equal to 0",
        {**POOL, "quotas": [{"addresses": 0}]},
    ),
    "an operator that is none": (
        "L2Advertisement",
        {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]},
        "Unsupported value",
        {"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]},
    ),
    "a pool named twice": ("L2Advertisement", {"ipAddressPools": ["a", "a"]}, "Duplicate value", {"ipAddressPools": ["a", "b"]}),
    "a weight of 101": (
        "L2Advertisement",
        {"preferredNodeSelectors": [{"weight": 101, "preference": SELECTOR}]},
        "less than or equal to 100",
        {"preferredNodeSelectors": [{"weight": 100, "preference": SELECTOR}]},
    ),
    "a delay without preemption": (
        "L2Advertisement",
        {"preemption": {"delay": "1m"}},
        "delay has a meaning",
        {"preemption": {"policy": "Delayed", "delay": "1m"}},
    ),
    "a negative delay": (
        "L2Advertisement",
        {"preemption": {"policy": "Delayed", "delay": "-1m"}},
        "must be a duration that is not negative",
        {"preemption": {"policy": "Delayed", "delay": "0s"}},
    ),
    "an advertisement without spec": ("L2Advertisement", {"interfaces": "eth0"}, "must be of type array", None),
    "a reservation of a text": ("IPReservation", {**RESERVATION, "addresses": ["x"]}, "must be an IP address, a CIDR", RESERVATION),
    "a reservation for nobody": (
        "IPReservation",
        {**RESERVATION, "namespace": ""},
        "at least 1 chars",
        {**RESERVATION, "addresses": ["203.0.113.0/30", "::1-::2"], "serviceName": "w"},
    ),
    "aggregation with service selectors": (
        "BGPAdvertisement",
        {"aggregationLength": 24, "serviceSelectors": [SELECTOR]},
        "serviceSelectors and aggregationLength are mutually exclusive",
        {"aggregationLength": 32, "serviceSelectors": [SELECTOR]},
    ),
    "IPv6 aggregation with service selectors": (
        "BGPAdvertisement",
        {"aggregationLengthV6": 64, "serviceSelectors": [SELECTOR]},
        "mutually exclusive",
        {"aggregationLengthV6": 64, "serviceSelectors": []},
    ),
    "aggregation of 33": ("BGPAdvertisement", {"aggregationLength": 33}, "less than or equal to 32", {"aggregationLength": 1}),
    "a community twice": ("BGPAdvertisement", {"communities": ["1:1", "1:1"]}, "Duplicate value", {"communities": ["1:1", "alias"]}),
    "service addresses that are none": (
        "BGPAdvertisement",
        {"serviceAddresses": ["Node"]},
        "Unsupported value",
        {"serviceAddresses": ["External", "Cluster"]},
    ),
    "a community that does not fit": (
        "Community",
        {"communities": [{"name": "a", "value": "1:65536"}]},
        "must be 64512:1",
        {"communities": [{"name": "a", "value": "1:65535"}]},
    ),
    "a community of one part": (
        "Community",
        {"communities": [{"name": "a", "value": "1234"}]},
        "must be 64512:1",
        {"communities": [{"name": "a", "value": "0:0"}]},
    ),
    "a large community that does not fit": (
        "Community",
        {"communities": [{"name": "a", "value": "large:1:2:4294967296"}]},
        "must be 64512:1",
        {"communities": [{"name": "a", "value": "large:1:2:4294967295"}]},
    ),
    "an alias twice": (
        "Community",
        {"communities": [{"name": "a", "value": "1:1"}, {"name": "a", "value": "1:2"}]},
        "Duplicate value",
        {"communities": [{"name": "a", "value": "1:1"}, {"name": "b", "value": "1:1"}]},
    ),
    "no peer ASN": ("BGPPeer", {"myASN": 1, "peerAddress": "1.2.3.4"}, "exactly one of peerASN and dynamicASN", PEER),
    "peer ASN 0": (
        "BGPPeer",
        {**PEER, "peerASN": 0},
        "exactly one of peerASN and dynamicASN",
        {**PEER, "peerASN": 0, "dynamicASN": "internal"},
    ),
    "both peer ASNs": (
        "BGPPeer",
        {**PEER, "dynamicASN": "external"},
        "exactly one of peerASN",
        {"myASN": 1, "dynamicASN": "external", "peerAddress": "::1"},
    ),
    "no address": (
        "BGPPeer",
        {"myASN": 1, "peerASN": 2},
        "exactly one of peerAddress and interface",
        {"myASN": 1, "peerASN": 2, "interface": "net0"},
    ),
    "address and interface": (
        "BGPPeer",
        {**PEER, "interface": "net0"},
        "exactly one of peerAddress and interface",
        {**PEER, "interface": ""},
    ),
    "an address that is none": (
        "BGPPeer",
        {**PEER, "peerAddress": "1.2.3.400"},
        "must be an IP address",
        {**PEER, "peerAddress": "2001:db8::1"},
    ),
    "a source that is none": (
        "BGPPeer",
        {**PEER, "sourceAddress": "here"},
        "must be an IP address",
        {**PEER, "sourceAddress": "198.51.100.2"},
    ),
    "a source of the other family": (
        "BGPPeer",
        {**PEER, "sourceAddress": "::1"},
        "must be of one family",
        {**PEER, "sourceAddress": "1.1.1.1"},
    ),
    "own ASN 0": ("BGPPeer", {**PEER, "myASN": 0}, "greater than or equal to 1", {**PEER, "myASN": 4294967295}),
    "multihop within one AS": (
        "BGPPeer",
        {**PEER, "peerASN": 64500, "ebgpMultiHop": True},
        "ebgpMultiHop is for peers in another",
        {**PEER, "ebgpMultiHop": True},
    ),
    "two passwords": (
        "BGPPeer",
        {**PEER, "password": "x", "passwordSecret": {"name": "y"}},
        "password and passwordSecret are mutually exclusive",
        {**PEER, "password": "x", "passwordSecret": {}},
    ),
    "a password with a line break": (
        "BGPPeer",
        {**PEER, "password": "x\n"},
        "A password has 1 to 80 printable characters of ASCII",
        {**PEER, "password": "x y!"},
    ),
    "a VRF with a carriage return": ("BGPPeer", {**PEER, "vrf": "a\rb"}, "spec.vrf in body should match", {**PEER, "vrf": "red"}),
    "an interface with a line break": (
        "BGPPeer",
        {"myASN": 1, "peerASN": 2, "interface": "a\nb"},
        "spec.interface in body should match",
        {"myASN": 1, "peerASN": 2, "interface": "eth0.7"},
    ),
    "an IPv6 router id": (
        "BGPPeer",
        {**PEER, "routerID": "::1"},
        "must have the form of an IPv4 address",
        {**PEER, "routerID": "10.0.0.1"},
    ),
    "a hold time of 2s": ("BGPPeer", {**PEER, "holdTime": "2s"}, "must be 0s or 3s to 65535s", {**PEER, "holdTime": "3s"}),
    "a hold time of 24h": ("BGPPeer", {**PEER, "holdTime": "24h"}, "must be 0s or 3s to 65535s", {**PEER, "holdTime": "0s"}),
    "a negative hold time": ("BGPPeer", {**PEER, "holdTime": "-500ms"}, "must not be negative", {**PEER, "holdTime": "500ms"}),
    "a negative keepalive time": ("BGPPeer", {**PEER, "keepaliveTime": "-1s"}, "must not be negative", {**PEER, "keepaliveTime": "1s"}),
    "a keepalive longer than the hold time": (
        "BGPPeer",
        {**PEER, "holdTime": "30s", "keepaliveTime": "90s"},
        "keepaliveTime must not be longer than holdTime",
        {**PEER, "holdTime": "1m30s", "keepaliveTime": "90s"},
    ),
    "a connect time of 0": ("BGPPeer", {**PEER, "connectTime": "0s"}, "must be 1s to 65535s", {**PEER, "connectTime": "1s"}),
    "a connect time that is not whole": (
        "BGPPeer",
        {**PEER, "connectTime": "1500ms"},
        "must be whole seconds",
        {**PEER, "connectTime": "2000ms"},
    ),
    "port 16385": ("BGPPeer", {**PEER, "peerPort": 16385}, "less than or equal to 16384", {**PEER, "peerPort": 16384}),
    "a multiplier of 1": ("BFDProfile", {"detectMultiplier": 1}, "greater than or equal to 2", {"detectMultiplier": 2}),
    "an interval of 9": ("BFDProfile", {"receiveInterval": 9}, "greater than or equal to 10", {"receiveInterval": 10}),
}


@pytest.mark.parametrize(("kind", "refused", "message", "taken"), RULES.values(), ids=RULES)
def test_the_api_server_refuses_what_breaks_a_rule_and_takes_what_keeps_it(api, kube_namespace, kind, refused, message, taken):
    assert message in str(create(api, kube_namespace, kind, refused))
    assert create(api, kube_namespace, kind, taken) is None


TRANSITIONS = {
    # rule: kind, name, object at first, patch refused, part of the message, patch taken
    "graceful restart is immutable": (
        "BGPPeer",
        "x",
        {"spec": PEER},
        {"spec": {"enableGracefulRestart": True}},
        "enableGracefulRestart is immutable",
        {"spec": {"peerPort": 1179}},
    ),
    "the address of an entry is immutable": (
        "IPAllocation",
        "203.0.113.7",
        {"spec": ENTRY},
        {"spec": {"address": "203.0.113.8"}},
        "address is immutable",
        {"spec": {"announcer": "n"}},
    ),
    "the node of a ServiceL2Status is immutable": (
        "ServiceL2Status",
        "x",
        {"status": {"node": "a"}},
        {"status": {"node": "b"}},
        "is immutable",
        {"status": {"interfaces": [{"name": "eth0"}]}},
    ),
    "the Service of a ServiceL2Status is immutable": (
        "ServiceL2Status",
        "x",
        {"status": {"serviceName": "a"}},
        {"status": {"serviceName": "b"}},
        "is immutable",
        {"status": {"node": "n"}},
    ),
    "the namespace of a ServiceL2Status is immutable": (
        "ServiceL2Status",
        "x",
        {"status": {"serviceNamespace": "a"}},
        {"status": {"serviceNamespace": "b"}},
        "is immutable",
        {"status": {"node": "n"}},
    ),
    "the node of a ServiceBGPStatus is immutable": (
        "ServiceBGPStatus",
        "x",
        {"status": {"node": "a"}},
        {"status": {"node": "b"}},
        "is immutable",
        {"status": {"peers": ["r"]}},
    ),
    "the peer of a BGPSessionStatus is immutable": (
        "BGPSessionStatus",
        "x",
        {"status": {"node": "a", "peer": "r"}},
        {"status": {"peer": "s"}},
        "is immutable",
        {"status": {"state": "Established"}},
    ),
}


@pytest.mark.parametrize(("kind", "name", "first", "refused", "message", "taken"), TRANSITIONS.values(), ids=TRANSITIONS)
def test_the_api_server_refuses_a_change_that_breaks_a_rule_and_takes_another(
    api, kube_namespace, kind, name, first, refused, message, taken
):
    collection = path(kind, kube_namespace)
    api.delete(f"{collection}/{name}")
    assert create(api, kube_namespace, kind, first.get("spec"), dry_run=False, name=name) is None
    target = f"{collection}/{name}" + ("/status" if "status" in first else "")
    try:
        api.merge(target, first)
        with pytest.raises(HTTPError) as refusal:
            api.merge(target, refused)
        assert message in json.loads(refusal.value.read())["message"]
        api.merge(target, taken)
    finally:
        api.delete(f"{collection}/{name}")


@pytest.mark.parametrize(
    ("name", "address", "is_taken"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("2001-0db8-0000-0000-0000-0000-0000-0001", "2001:db8::1", True),
        ("203.0.113.8", "203.0.113.7", False),
        ("web", "203.0.113.7", False),
        ("2001-db8--1", "2001:db8::1", False),
        ("2001-0db8-0000-0000-0000-0000-0000-0002", "2001:db8::1", False),
    ],
)
def test_an_entry_of_the_ledger_can_only_be_named_after_its_address(api, kube_namespace, name, address, is_taken):
    message = create(api, kube_namespace, "IPAllocation", {**ENTRY, "address": address}, name=name)
    assert message is None if is_taken else "the name must be the address" in str(message)


def test_an_entry_of_the_ledger_needs_an_address(api, kube_namespace):
    assert "address must be an IP address" in str(create(api, kube_namespace, "IPAllocation", {**ENTRY, "address": "x"}))


@pytest.mark.parametrize("name", [name for name in HOSTILE_NAMES if name != "a million"])
def test_the_api_server_takes_no_name_of_an_interface_outside_its_alphabet(api, kube_namespace, name):
    text = HOSTILE_NAMES[name]
    unnumbered = {"myASN": 1, "peerASN": 2, "interface": text}
    for kind, spec, field in (
        ("BGPPeer", {**PEER, "vrf": text}, "spec.vrf"),
        ("BGPPeer", unnumbered, "spec.interface"),
        ("L2Advertisement", {"interfaces": [text]}, "spec.interfaces[0]"),
    ):
        for group in (BAREMETAL_LB.group, METALLB.group):
            assert field in str(create(api, kube_namespace, kind, spec, group=group))


@pytest.mark.parametrize("name", HOSTILE_PASSWORDS)
def test_the_api_server_refuses_a_password_outside_its_alphabet_without_quoting_it(api, kube_namespace, name):
    for version in ("v1beta2", "v1beta1"):
        message = str(
            create(api, kube_namespace, "BGPPeer", {**PEER, "password": HOSTILE_PASSWORDS[name]}, group=METALLB.group, version=version)
        )
        assert "spec.password" in message
        assert "hunter2" not in message


def test_the_api_server_takes_what_nodes_and_routers_have_and_an_empty_text_for_none(api, kube_namespace):
    empty = {"vrf": "", "interface": "", "password": "", "passwordSecret": {"name": ""}, "bfdProfile": ""}
    specs = [{**PEER, **empty}, *({**PEER, "vrf": name} for name in NAMES), *({**PEER, "password": text} for text in PASSWORDS)]
    for group in (BAREMETAL_LB.group, METALLB.group):
        assert [create(api, kube_namespace, "BGPPeer", spec, group=group) for spec in specs] == [None] * len(specs)
        assert create(api, kube_namespace, "L2Advertisement", {"interfaces": list(NAMES)}, group=group) is None


def test_every_rule_of_the_definitions_is_tried_here():
    tried = {message for _, _, message, _ in RULES.values()} | {row[4] for row in TRANSITIONS.values()}
    tried |= {"the name must be the address", "address must be an IP address"}
    untried = [message for crd in render(BAREMETAL_LB) for message in rule_messages(crd) if not any(part in message for part in tried)]
    assert untried == []


def rule_messages(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "x-kubernetes-validations":
                yield from (rule["message"] for rule in value)
            else:
                yield from rule_messages(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from rule_messages(item)


def test_defaults_are_filled_in_and_unknown_fields_pruned(api, kube_namespace):
    made = api.create(path("IPAddressPool", kube_namespace), manifest("IPAddressPool", {**POOL, "colour": "blue"}))
    assert made["spec"] == {**POOL, "autoAssign": True, "avoidBuggyIPs": False, "disabled": False}
    made = api.create(path("BGPAdvertisement", kube_namespace), manifest("BGPAdvertisement", {}))
    assert made["spec"]["serviceAddresses"] == ["LoadBalancer"]


def test_the_last_accepted_spec_is_kept_whole_in_the_status(api, kube_namespace):
    collection = path("IPAddressPool", kube_namespace)
    api.create(collection, manifest("IPAddressPool", POOL))
    spec = {**POOL, "something": {"older": [1, None, "x"]}}
    condition = {"type": "Accepted", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    counters = {"capacity": str(2**120), "allocated": 1, "held": 0, "reserved": 0, "available": str(2**120 - 1)}
    status = {"lastAccepted": {"generation": 1, "spec": spec}, "conditions": [condition], "ipv6": counters}
    assert api.merge(f"{collection}/x/status", {"status": status})["status"]["lastAccepted"]["spec"] == {
        **POOL,
        "something": {"older": [1, None, "x"]},
    }
    assert api.get(f"{collection}/x")["status"]["ipv6"] == counters
    line = api.kubectl("get", "ipp", "-n", kube_namespace).splitlines()[1].split()
    assert line[:7] == ["x", "true", "false", '["203.0.113.0/24"]', "1", "True", line[6]]


def test_v1beta1_and_v1beta2_of_bgppeer_are_one_object(api, kube_namespace):
    old = {"version": "v1beta1", "group": "metallb.io"}
    assert create(api, kube_namespace, "BGPPeer", {**PEER, "holdTime": "90s"}, dry_run=False, **old) is None
    newer = api.get(path("BGPPeer", kube_namespace, version="v1beta2", group="metallb.io") + "/x")
    assert {key: newer["spec"][key] for key in ("myASN", "peerAddress", "holdTime")} == {
        "myASN": 64500,
        "peerAddress": "198.51.100.1",
        "holdTime": "90s",
    }
