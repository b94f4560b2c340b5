"""Bad input on the real API server: its author reads the reason on the very object (condition and event), nobody else notices.

One controller serves all cases. After each, a Service that stood beside it still has its IP, and a new one gets one. What the CRDs
refuse already never gets that far: ``kubectl apply`` prints our sentence, and ``bmlb validate`` says it offline.
"""

import subprocess
import uuid

import pytest
import yaml
from typer.testing import CliRunner

from baremetal_lb.cli.validate import app as validate
from tests.support.controllers import GROUP, SATISFIED, running_install
from tests.support.wait import until

pytestmark = pytest.mark.kube

PLURALS = {
    "IPAddressPool": "ipaddresspools",
    "L2Advertisement": "l2advertisements",
    "BGPAdvertisement": "bgpadvertisements",
    "BGPPeer": "bgppeers",
    "BFDProfile": "bfdprofiles",
    "Community": "communities",
    "IPReservation": "ipreservations",
}
PEER = {"myASN": 64500, "peerASN": 64501, "peerAddress": "198.51.100.200"}


class Beside:
    """An install with a running controller and a healthy Service, which no fault of somebody else may touch."""

    def __init__(self, install):
        self.install, self.server = install, install.server
        install.pool("good", "198.51.100.0/28", retainFor="0s")
        install.pool("six", "2001:db8:9::/120", autoAssign=False, retainFor="0s")
        self.controller = install.start()
        install.service("healthy")
        install.service("taken", annotations={"loadBalancerIPs": "198.51.100.9"})
        install.service("sharing", annotations={"loadBalancerIPs": "198.51.100.10", "allow-shared-ip": "k"})
        self.ips = install.all_served(3)

    def path(self, kind, name=""):
        version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
        where = "" if kind == "IPReservation" else f"/namespaces/{self.install.system}"
        return f"{GROUP.replace('v1beta1', version)}{where}/{PLURALS[kind]}" + (f"/{name}" if name else "")

    def create(self, kind, name, spec):
        version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
        body = {"apiVersion": f"baremetal-lb.io/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        return self.server.create(self.path(kind), body)

    def conditions(self, path):
        conditions = (self.server.get(path) or {}).get("status", {}).get("conditions", [])
        return {c["type"]: (c["status"], c["reason"]) for c in conditions}

    def events(self, uid):
        """Return (type, reason) of the events on an object, in all namespaces."""
        listed = self.server.get("/apis/events.k8s.io/v1/events")["items"]
        return [(event["type"], event["reason"]) for event in listed if event["regarding"].get("uid") == uid]

    def holds(self):
        """Check that nobody noticed: the Services beside have their IPs, a new one gets one, the process is the same."""
        name = f"new-{uuid.uuid4().hex[:6]}"
        self.install.service(name)
        until(lambda: self.install.ips(name), 10, lambda: self.server.get(self.install.service_path(name)).get("status"))
        self.server.delete(self.install.service_path(name))
        now = self.install.all_ips()
        assert {other: now[other] for other in self.ips} == self.ips
        assert self.controller.process.poll() is None


@pytest.fixture(scope="module")
def beside(kube_server, controllers_may_work, tmp_path_factory):
    with running_install(kube_server, tmp_path_factory.mktemp("bad-input")) as install:
        yield Beside(install)


SERVICES = {
    # what is wrong: annotations, spec, reason
    "an unknown pool": ({"address-pool": "nope"}, {}, "UnknownPool"),
    "an IP outside every pool": ({"loadBalancerIPs": "203.0.113.250"}, {}, "AddressNotInPool"),
    "an IP outside the pool that is named": (
        {"loadBalancerIPs": "198.51.100.3", "address-pool": "six"},
        {},
        "RequestedPoolMismatch",
    ),
    "an IP of the wrong family": ({"loadBalancerIPs": "2001:db8:9::1"}, {}, "RequestFamilyMismatch"),
    "a pool of the wrong family": ({"address-pool": "six"}, {}, "PoolFamilyMissing"),
    "an IP that is none": ({"loadBalancerIPs": "198.51.100.1O"}, {}, "RequestMalformed"),
    "two IPs of one family": ({"loadBalancerIPs": "198.51.100.4,198.51.100.5"}, {}, "RequestMalformed"),
    "an annotation without meaning": ({"loadBalancerIPs": ",,"}, {}, "RequestMalformed"),
    "one wish in two places": ({"loadBalancerIPs": "198.51.100.4"}, {"loadBalancerIP": "198.51.100.5"}, "RequestedTwice"),
    "a field that is no IP": ({}, {"loadBalancerIP": "my.example"}, "RequestMalformed"),
    "an IP that somebody has": ({"loadBalancerIPs": "198.51.100.9"}, {}, "AddressInUse"),
    "a port that is taken on a shared IP": (
        {"loadBalancerIPs": "198.51.100.10", "allow-shared-ip": "k"},
        {"selector": {"app": "x"}},
        "PortsClash",
    ),
    "another key than the IP is shared under": (
        {"loadBalancerIPs": "198.51.100.10", "allow-shared-ip": "other"},
        {"ports": [{"port": 81}]},
        "SharingKeyDiffers",
    ),
    "a backend that does not go with a shared IP": (
        {"loadBalancerIPs": "198.51.100.10", "allow-shared-ip": "k"},
        {"ports": [{"port": 81}], "externalTrafficPolicy": "Local"},
        "BackendsIncompatible",
    ),
    "a sharing key without end": ({"allow-shared-ip": "k" * 5_000}, {}, "SharingKeyTooLong"),
}


@pytest.mark.parametrize("case", SERVICES)
def test_a_service_that_asks_for_what_cannot_be_says_why(beside, case):
    annotations, spec, reason = SERVICES[case]
    install = beside.install
    uid = install.service("bad", annotations=annotations, **spec)["metadata"]["uid"]
    try:
        until(lambda: install.condition("bad") == ("False", reason), describe=lambda: install.server.get(install.service_path("bad")))
        until(lambda: ("Warning", reason) in beside.events(uid), describe=lambda: beside.events(uid))
        assert install.ips("bad") == []
        beside.holds()
        assert beside.events(uid).count(("Warning", reason)) == 1
    finally:
        beside.server.delete(install.service_path("bad"))


def test_a_service_whose_wish_turns_bad_keeps_its_ip_and_says_why(beside):
    install = beside.install
    uid = install.service("wisher")["metadata"]["uid"]
    try:
        ips = until(lambda: install.ips("wisher"))
        for annotation, value, reason in (
            ("loadBalancerIPs", "nonsense", "RequestMalformed"),
            ("loadBalancerIPs", "203.0.113.250", "AddressNotInPool"),
            ("address-pool", "nope", "UnknownPool"),
        ):
            path, key = install.service_path("wisher"), f"baremetal-lb.io/{annotation}"
            install.server.merge(path, {"metadata": {"annotations": {key: value}}})
            until(lambda reason=reason: install.condition("wisher") == ("False", reason))
            until(lambda reason=reason: ("Warning", reason) in beside.events(uid))
            assert install.ips("wisher") == ips
            install.server.merge(path, {"metadata": {"annotations": {key: None}}})
            install.server.kubectl(
                "-n", install.namespace, "wait", f"--for=condition={SATISFIED}", "service/wisher", "--timeout=10s", user="admin"
            )
        assert install.ips("wisher") == ips
        beside.holds()
    finally:
        beside.server.delete(install.service_path("wisher"))


def test_an_announcer_that_is_no_node_is_told_once_and_changes_nothing(beside):
    install = beside.install
    first = install.service("first-wish", annotations={"announcer": "nope"})["metadata"]["uid"]
    later = install.service("later-wish")["metadata"]["uid"]
    told = [("Normal", "IPAllocated"), ("Warning", "UnknownAnnouncer")]
    try:
        until(lambda: install.ips("first-wish") and install.ips("later-wish"))
        until(lambda: sorted(beside.events(first)) == told, describe=lambda: beside.events(first))
        install.server.merge(install.service_path("later-wish"), {"metadata": {"annotations": {"baremetal-lb.io/announcer": "nope"}}})
        until(lambda: sorted(beside.events(later)) == told, describe=lambda: beside.events(later))
        install.server.merge(install.service_path("later-wish"), {"metadata": {"labels": {"touched": "yes"}}})
        beside.controller.stop()
        beside.controller = install.start()
        beside.holds()
        assert (sorted(beside.events(first)), sorted(beside.events(later))) == (told, told)
    finally:
        for name in ("first-wish", "later-wish"):
            beside.server.delete(install.service_path(name))


OBJECTS = {
    # what is wrong: kind, spec, (Accepted, Degraded), reason
    "a pool that overlaps with an older one": ("IPAddressPool", {"addresses": ["198.51.100.8/29"]}, ("False", "True"), "OverlapsOtherPool"),
    "a pool that overlaps with itself": (
        "IPAddressPool",
        {"addresses": ["203.0.113.0/28", "203.0.113.8-203.0.113.20"]},
        ("False", "True"),
        "OverlappingRanges",
    ),
    "a reversed range": ("IPAddressPool", {"addresses": ["203.0.113.9-203.0.113.1"]}, ("False", "True"), "ReversedRange"),
    "a selector that cannot be": (
        "IPAddressPool",
        {"addresses": ["203.0.113.0/28"], "serviceAllocation": {"serviceSelectors": [{"matchLabels": {"a b": "c"}}]}},
        ("False", "True"),
        "InvalidSelector",
    ),
    "an exclusion of what the pool has not": (
        "IPAddressPool",
        {"addresses": ["203.0.113.32/28"], "excluded": ["203.0.113.1"]},
        ("True", "True"),
        "ExcludesNothing",
    ),
    "an advertisement of an unknown pool": ("L2Advertisement", {"ipAddressPools": ["nope"]}, ("True", "True"), "UnknownPool"),
    "an advertisement that selects no pool": (
        "L2Advertisement",
        {"ipAddressPoolSelectors": [{"matchLabels": {"no": "pool"}}]},
        ("True", "True"),
        "SelectsNoPool",
    ),
    "a reversed reservation": (
        "IPReservation",
        {"addresses": ["203.0.113.9-203.0.113.1"], "namespace": "shop"},
        ("False", "True"),
        "ReversedRange",
    ),
    "an advertisement to an unknown peer": ("BGPAdvertisement", {"peers": ["nope"]}, ("True", "True"), "UnknownPeer"),
    "an advertisement with an unknown community": ("BGPAdvertisement", {"communities": ["nope"]}, ("False", "True"), "UnknownCommunity"),
    "a peer with an unknown profile": ("BGPPeer", {**PEER, "bfdProfile": "nope"}, ("False", "True"), "UnknownBFDProfile"),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_an_object_that_is_wrong_says_so_in_its_conditions_and_by_one_event(beside, case):
    kind, spec, (accepted, degraded), reason = OBJECTS[case]
    name = f"bad-{uuid.uuid4().hex[:6]}"
    uid = beside.create(kind, name, spec)["metadata"]["uid"]
    path = beside.path(kind, name)
    expected = {"Accepted": (accepted, reason if accepted == "False" else "Valid"), "Degraded": (degraded, reason)}
    try:
        until(lambda: beside.conditions(path) == expected, describe=lambda: beside.conditions(path))
        until(lambda: beside.events(uid), describe=lambda: beside.events(uid))
        beside.holds()
        assert beside.events(uid) == [("Warning", reason)]
    finally:
        beside.server.delete(path)


def test_every_kind_of_configuration_says_that_it_is_accepted(beside):
    specs = {
        "IPAddressPool": {"addresses": ["203.0.113.64/28"]},
        "L2Advertisement": {"ipAddressPools": ["good"]},
        "BGPAdvertisement": {"ipAddressPools": ["good"]},
        "BGPPeer": PEER,
        "BFDProfile": {"receiveInterval": 300},
        "Community": {"communities": [{"name": "blackhole", "value": "65535:666"}]},
        "IPReservation": {"addresses": ["198.51.100.15"], "namespace": "shop"},
    }
    for kind, spec in specs.items():
        beside.create(kind, "fine", spec)
    try:
        for kind in specs:
            path = beside.path(kind, "fine")
            expected = {"Accepted": ("True", "Valid"), "Degraded": ("False", "AsSpecified")}
            until(lambda path=path, expected=expected: beside.conditions(path) == expected, describe=lambda kind=kind: kind)
        resources = [f"{PLURALS[kind]}/fine" for kind in specs]
        beside.install.server.kubectl("-n", beside.install.system, "wait", "--for=condition=Accepted", *resources, "--timeout=10s")
        beside.holds()
    finally:
        for kind in specs:
            beside.server.delete(beside.path(kind, "fine"))


def test_what_is_wrong_is_not_said_again_by_the_next_controller(beside):
    install = beside.install
    pool = beside.create("IPAddressPool", "clash", {"addresses": ["198.51.100.8/29"]})["metadata"]["uid"]
    service = install.service("wrong", annotations={"address-pool": "nope"})["metadata"]["uid"]
    path = beside.path("IPAddressPool", "clash")
    try:
        until(lambda: beside.events(pool) and beside.events(service))
        mark = beside.server.audit_mark()
        beside.controller.stop()
        beside.controller = install.start()
        beside.holds()
        writes = install.writes(mark)
        assert {what for what in writes if what[1] != "ipallocations"} <= {("patch", "services/status"), ("patch", "ipaddresspools/status")}
        assert writes["patch", "services/status"] == 1
        assert beside.events(pool) == [("Warning", "OverlapsOtherPool")]
        assert beside.events(service) == [("Warning", "UnknownPool")]
        named = [event for event in beside.server.audit(user="controller", verb="patch", since=mark) if event.name == "clash"]
        assert named == []
    finally:
        beside.server.delete(path)
        beside.server.delete(install.service_path("wrong"))


@pytest.mark.parametrize("how", ["deleted", "shrunk"])
def test_a_pool_that_goes_or_shrinks_under_use_says_why_to_whom_it_costs_an_ip(beside, how):
    install = beside.install
    install.pool("going", "203.0.113.128/30")
    pinned = {"address-pool": "going"}
    uids = {name: install.service(name, annotations=pinned)["metadata"]["uid"] for name in ("first", "second")}
    free = install.service("third", annotations={"loadBalancerIPs": "203.0.113.131"})["metadata"]["uid"]
    try:
        had = until(lambda: all(install.ips(n) for n in ("first", "second", "third")) and install.all_ips())
        install.server.merge(install.service_path("third"), {"metadata": {"annotations": {"baremetal-lb.io/loadBalancerIPs": None}}})
        path = beside.path("IPAddressPool", "going")
        if how == "deleted":
            beside.server.delete(path)
            reason, kept = "UnknownPool", []
        else:
            install.server.merge(path, {"spec": {"addresses": [f"{had['first'][0]}/32"]}})
            reason, kept = "PoolExhausted", had["first"]
        until(lambda: install.condition("second") == ("False", reason), describe=lambda: install.condition("second"))
        until(lambda: install.ips("third")[0].startswith("198.51.100."), describe=install.all_ips)
        until(lambda: (install.ips("first"), install.ips("second")) == (kept, []), describe=install.all_ips)
        for uid in (uids["second"], free):
            until(lambda uid=uid: ("Warning", "AddressNotInPool") in beside.events(uid), describe=lambda uid=uid: beside.events(uid))
        assert (("Warning", "AddressNotInPool") in beside.events(uids["first"])) is (how == "deleted")
        beside.holds()
        install.settled()
    finally:
        for name in ("first", "second", "third"):
            beside.server.delete(install.service_path(name))
        beside.server.delete(beside.path("IPAddressPool", "going"))


def test_unknown_fields_are_named_by_kubectl_and_cost_nothing_where_they_get_in(beside):
    manifest = {
        "apiVersion": "baremetal-lb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "odd", "namespace": beside.install.system},
        "spec": {"addresses": ["203.0.113.96/28"], "colour": "blue"},
    }
    with pytest.raises(subprocess.CalledProcessError) as refused:
        beside.server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert 'unknown field "spec.colour"' in refused.value.stderr
    beside.server.kubectl("apply", "--validate=ignore", "-f", "-", stdin=yaml.safe_dump(manifest))
    path = beside.path("IPAddressPool", "odd")
    try:
        until(lambda: beside.conditions(path).get("Accepted") == ("True", "Valid"))
        beside.holds()
    finally:
        beside.server.delete(path)


REFUSED = {
    # what is wrong: spec of a pool, what kubectl prints, reason and field of bmlb validate
    "an unparsable range": (
        {"addresses": ["203.0.113.0/33"]},
        "must be a CIDR (198.51.100.0/24) or a range of one family (198.51.100.1-198.51.100.9)",
        ("UnparsableRange", "spec.addresses[0]"),
    ),
    "a range of two families": (
        {"addresses": ["203.0.113.1-2001:db8::1"]},
        "must be a CIDR (198.51.100.0/24) or a range of one family (198.51.100.1-198.51.100.9)",
        ("MixedFamilyRange", "spec.addresses[0]"),
    ),
    "a bare address": ({"addresses": ["203.0.113.1"]}, "must be a CIDR (198.51.100.0/24)", ("BareAddress", "spec.addresses[0]")),
    "no addresses": ({"addresses": []}, "should have at least 1 items", ("TooFew", "spec.addresses")),
    "a missing field": ({"autoAssign": True}, "spec.addresses: Required value", ("MissingField", "spec.addresses")),
    "a field of the wrong type": (
        {"addresses": ["203.0.113.0/28"], "autoAssign": "maybe"},
        "spec.autoAssign: Invalid value",
        ("WrongType", "spec.autoAssign"),
    ),
    "a retention that cannot be": (
        {"addresses": ["203.0.113.0/28"], "retainFor": "-1h"},
        "must be a duration that is not negative",
        ("InvalidDuration", "spec.retainFor"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_schema_refuses_is_told_by_kubectl_and_by_validate(beside, case, tmp_path):
    spec, sentence, (reason, field) = REFUSED[case]
    manifest = {
        "apiVersion": "baremetal-lb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "refused", "namespace": beside.install.system},
        "spec": spec,
    }
    with pytest.raises(subprocess.CalledProcessError) as refused:
        beside.server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert refused.value.returncode == 1
    assert sentence in refused.value.stderr
    path = tmp_path / "pool.yaml"
    path.write_text(yaml.safe_dump(manifest))
    told = CliRunner().invoke(validate, ["-n", beside.install.system, str(path)])
    assert told.exit_code == 1
    assert reason in told.stdout
    assert field in told.stdout
