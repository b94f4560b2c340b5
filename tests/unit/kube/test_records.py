"""What views say of records: Kubernetes defaults, annotations under two prefixes, tri-state conditions, and errors with their field."""

import json
from ipaddress import IPv4Address, IPv6Address

import pytest
import yaml

from baremetal_lb.kube import records
from baremetal_lb.kube.records import DecodeError, from_manifest
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB, ObjectKey, ObjectRef
from baremetal_lb.model.net import Family
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import (
    ConditionView,
    EndpointView,
    EntryService,
    FamilyPolicy,
    HeldFor,
    IngressView,
    LeaseView,
    LedgerEntry,
    NodeView,
    Port,
    ServiceView,
    TrafficPolicy,
)

FULL_SERVICE = """
metadata:
  name: web
  namespace: shop
  uid: u1
  resourceVersion: "7"
  creationTimestamp: 2026-01-01T00:00:00Z
  labels: {app: web}
  annotations:
    baremetal-lb.io/loadBalancerIPs: 203.0.113.1,2001:db8::1
    baremetal-lb.io/address-pool: blue
    baremetal-lb.io/allow-shared-ip: key
    baremetal-lb.io/announcer: node2
    baremetal-lb.io/ip-allocated-from-pool: blue
    other/annotation: x
  finalizers: [a/b]
spec:
  type: LoadBalancer
  loadBalancerClass: a/class
  loadBalancerIP: 203.0.113.9
  clusterIP: 10.96.0.9
  clusterIPs: [10.96.0.9, "fd00::9"]
  externalIPs: [203.0.113.200]
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: PreferDualStack
  externalTrafficPolicy: Local
  ports: [{port: 80, name: http}, {port: 53, protocol: UDP}]
  selector: {b: "2", a: "1"}
status:
  loadBalancer: {ingress: [{ip: 203.0.113.1, ipMode: VIP}, {hostname: a.example}, {ip: nonsense}]}
  conditions:
  - {type: other/Satisfied, status: "False"}
  - {type: baremetal-lb.io/Satisfied, status: "True", reason: Allocated, message: ok, observedGeneration: 3}
"""


def test_every_field_of_a_service_is_read():
    assert from_manifest("Service", yaml.safe_load(FULL_SERVICE), BAREMETAL_LB) == ServiceView(
        key=ObjectKey("shop", "web"),
        uid="u1",
        type="LoadBalancer",
        created_utc=1767225600 * SECOND,
        labels={"app": "web"},
        load_balancer_class="a/class",
        cluster_ips=("10.96.0.9", "fd00::9"),
        families=(Family.IPV4, Family.IPV6),
        family_policy=FamilyPolicy.PREFER_DUAL_STACK,
        ports=(Port("TCP", 80), Port("UDP", 53)),
        traffic_policy=TrafficPolicy.LOCAL,
        selector=(("a", "1"), ("b", "2")),
        requested_ips="203.0.113.1,2001:db8::1",
        spec_load_balancer_ip="203.0.113.9",
        requested_pool="blue",
        sharing_key="key",
        wanted_announcer="node2",
        external_ips=("203.0.113.200",),
        ingress=(
            IngressView(IPv4Address("203.0.113.1"), "203.0.113.1", "VIP"),
            IngressView(None, "a.example"),
            IngressView(None, "nonsense"),
        ),
        allocated_from_pool="blue",
        condition=ConditionView("True", "Allocated", "ok", 3),
        finalizers=("a/b",),
    )


def test_json_and_yaml_of_one_object_give_one_view():
    manifest = yaml.load(FULL_SERVICE, yaml.BaseLoader)
    for port in manifest["spec"]["ports"]:
        port["port"] = int(port["port"])
    manifest["status"]["conditions"][1]["observedGeneration"] = 3
    data = json.dumps(manifest).encode()
    assert records.SERVICE.decoder(BAREMETAL_LB)(data) == from_manifest("Service", yaml.safe_load(FULL_SERVICE), BAREMETAL_LB)


def test_a_bare_service_has_the_defaults_of_kubernetes():
    view = from_manifest("Service", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 1}]}, "status": None}, BAREMETAL_LB)
    assert view == ServiceView(key=ObjectKey("", "a"), uid="", type="ClusterIP", ports=(Port("TCP", 1),))


def test_nulls_are_absent_fields():
    nulls = {
        "metadata": {"name": "a", "labels": None, "annotations": None, "creationTimestamp": None, "finalizers": None},
        "spec": {"ports": None, "clusterIPs": None, "selector": None, "ipFamilies": None, "loadBalancerIP": None},
        "status": {"loadBalancer": None, "conditions": None},
    }
    assert from_manifest("Service", nulls, BAREMETAL_LB) == ServiceView(key=ObjectKey("", "a"), uid="", type="ClusterIP")


def test_cluster_ip_alone_stands_for_the_list():
    view = from_manifest("Service", {"metadata": {"name": "a"}, "spec": {"clusterIP": "None"}}, BAREMETAL_LB)
    assert view.cluster_ips == ("None",)


def test_a_service_that_differs_in_resource_version_only_is_the_same_value():
    def service(version):
        return from_manifest("Service", {"metadata": {"name": "a", "resourceVersion": version}}, BAREMETAL_LB)

    assert service("1") == service("2")
    assert (service("1").resource_version, service("2").resource_version) == ("1", "2")


@pytest.mark.parametrize(
    ("annotations", "pool", "deprecated"),
    [
        pytest.param({}, None, (), id="absent"),
        pytest.param({"metallb.io/address-pool": "new"}, "new", (), id="ours"),
        pytest.param({"metallb.universe.tf/address-pool": "old"}, "old", ("metallb.universe.tf/address-pool",), id="legacy"),
        pytest.param(
            {"metallb.io/address-pool": "new", "metallb.universe.tf/address-pool": "old"},
            "new",
            ("metallb.universe.tf/address-pool",),
            id="both",
        ),
        pytest.param(
            {"metallb.io/address-pool": "", "metallb.universe.tf/address-pool": "old"},
            "",
            ("metallb.universe.tf/address-pool",),
            id="ours-empty-still-wins",
        ),
        pytest.param({"baremetal-lb.io/address-pool": "x"}, None, (), id="another-identity"),
    ],
)
def test_the_identity_s_prefix_wins_over_the_legacy_one(annotations, pool, deprecated):
    view = from_manifest("Service", {"metadata": {"name": "a", "annotations": annotations}}, METALLB)
    assert (view.requested_pool, view.deprecated_annotations) == (pool, deprecated)


def test_conditions_of_endpoints_keep_absent_apart_from_false():
    manifest = {
        "metadata": {"name": "s-1", "namespace": "ns", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv6",
        "endpoints": [
            {"addresses": ["2001:db8::1"], "nodeName": "n1"},
            {"addresses": ["2001:db8::2"], "conditions": {"ready": False, "serving": True, "terminating": True}},
            {"addresses": [], "conditions": {}},
            {"addresses": None, "conditions": None},
        ],
    }
    view = from_manifest("EndpointSlice", manifest, BAREMETAL_LB)
    assert view.service == ObjectKey("ns", "s")
    assert view.endpoints == (
        EndpointView("n1", Family.IPV6),
        EndpointView(None, Family.IPV6, True, False, True, True),
        EndpointView(None, Family.IPV6, has_address=False),
        EndpointView(None, Family.IPV6, has_address=False),
    )


def test_an_fqdn_slice_has_no_family():
    manifest = {"metadata": {"name": "s"}, "addressType": "FQDN", "endpoints": [{"addresses": ["a.example"]}]}
    assert from_manifest("EndpointSlice", manifest, BAREMETAL_LB).endpoints == (EndpointView(None, None),)


@pytest.mark.parametrize(("value", "is_draining"), [(None, False), ("false", False), ("true", True), ("", True), ("False", True)], ids=str)
def test_a_node_drains_while_the_annotation_is_there_and_not_false(value, is_draining):
    annotations = {} if value is None else {"baremetal-lb.io/drain": value}
    view = from_manifest("Node", {"metadata": {"name": "n", "annotations": annotations}}, BAREMETAL_LB)
    assert view == NodeView("n", is_draining=is_draining)


def test_of_a_node_s_status_only_the_network_condition_and_internal_ips_count():
    status = {
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "NetworkUnavailable", "status": "True"}],
        "addresses": [
            {"type": "Hostname", "address": "n"},
            {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "InternalIP", "address": "2001:db8::1"},
            {"type": "InternalIP", "address": "bad"},
        ],
    }
    view = from_manifest("Node", {"metadata": {"name": "n"}, "status": status}, BAREMETAL_LB)
    assert view == NodeView("n", is_network_unavailable=True, internal_ips=(IPv4Address("10.0.0.1"), IPv6Address("2001:db8::1")))


def test_a_ledger_entry_is_read_whole():
    manifest = {
        "metadata": {"name": "203.0.113.1", "uid": "u", "resourceVersion": "3"},
        "spec": {
            "address": "203.0.113.1",
            "owner": "o",
            "pool": "p",
            "sharingKey": "k",
            "backendKey": "b",
            "announcer": "n",
            "since": "1970-01-01T00:00:01Z",
            "services": [{"namespace": "a", "name": "b", "uid": "c", "ports": ["TCP/80", {"protocol": "UDP", "port": 53}]}],
            "heldFor": {"namespace": "a", "name": "b", "until": "1970-01-01T00:00:02.5Z"},
        },
    }
    assert from_manifest("IPAllocation", manifest, BAREMETAL_LB) == LedgerEntry(
        address=IPv4Address("203.0.113.1"),
        owner="o",
        pool="p",
        services=(EntryService(ObjectKey("a", "b"), "c", (Port("TCP", 80), Port("UDP", 53))),),
        sharing_key="k",
        backend_key="b",
        announcer="n",
        since_utc=SECOND,
        held_for=HeldFor(ObjectKey("a", "b"), 5 * SECOND // 2),
        uid="u",
        resource_version="3",
    )


def test_a_lease_is_read_whole():
    manifest = {
        "metadata": {"name": "l", "namespace": "n", "uid": "u", "resourceVersion": "3", "labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {
            "holderIdentity": "me",
            "leaseDurationSeconds": 15,
            "renewTime": "1970-01-01T00:00:01.000001Z",
            "acquireTime": "1970-01-01T00:00:00.000001Z",
            "leaseTransitions": 2,
        },
    }
    assert from_manifest("Lease", manifest, BAREMETAL_LB) == LeaseView(
        ObjectKey("n", "l"), "me", 15 * SECOND, SECOND + 1000, 1000, 2, {"a": "b"}, {"c": "d"}, "u", "3"
    )


@pytest.mark.parametrize(
    ("kind", "manifest", "field"),
    [
        ("Service", {"spec": {"ports": [{"port": "http"}]}}, "spec.ports[0].port"),
        ("Service", {"spec": {"ports": [{}]}}, "spec.ports[0]"),
        ("Service", {"spec": {"ports": 1}}, "spec.ports"),
        ("Service", {"spec": []}, "spec"),
        ("Service", {"spec": {"externalTrafficPolicy": "Global"}}, "spec.externalTrafficPolicy"),
        ("Service", {"spec": {"ipFamilyPolicy": "Both"}}, "spec.ipFamilyPolicy"),
        ("Service", {"spec": {"ipFamilies": ["IPv4", "IPv5"]}}, "spec.ipFamilies[1]"),
        ("Service", {"status": {"loadBalancer": {"ingress": [{"ip": 3}]}}}, "status.loadBalancer.ingress[0].ip"),
        ("EndpointSlice", {"endpoints": [{"conditions": {"ready": "yes"}}]}, "endpoints[0].conditions.ready"),
        ("Node", {"status": {"conditions": [{"type": "Ready"}]}}, "status.conditions[0]"),
        ("IPAllocation", {"spec": {"address": "x"}}, "spec.address"),
        ("IPAllocation", {}, ""),
        (
            "IPAllocation",
            {"spec": {"address": "203.0.113.1", "services": [{"namespace": "a", "name": "b", "ports": ["TCP/x"]}]}},
            "spec.services[0].ports[0]",
        ),
        ("Lease", {"spec": {"renewTime": "yesterday"}}, "spec.renewTime"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_a_wrong_field_is_named_together_with_its_object(kind, manifest, field):
    whole = {"metadata": {"name": "x", "namespace": "ns"}, **manifest}
    for read in (
        lambda: from_manifest(kind, whole, BAREMETAL_LB),
        lambda: records.KINDS[kind].decoder(BAREMETAL_LB)(json.dumps(whole).encode()),
    ):
        with pytest.raises(DecodeError) as caught:
            read()
        assert (caught.value.ref, caught.value.field) == (ObjectRef(kind, ObjectKey("ns", "x")), field)
        assert caught.value.message


@pytest.mark.parametrize("metadata", [None, 3, [], {}, {"name": 3}, {"name": "x", "labels": {"a": 1}}, {"name": "x", "labels": {1: "a"}}])
def test_wrong_metadata_is_an_error_with_as_much_of_the_name_as_there_is(metadata):
    with pytest.raises(DecodeError) as caught:
        from_manifest("Service", {"metadata": metadata}, BAREMETAL_LB)
    assert caught.value.field.startswith("metadata")
    assert caught.value.ref.kind == "Service"
    assert caught.value.ref.key.name in {"", "x"}


def test_equal_endpoints_of_many_slices_are_one_object():
    def slice_of(name):
        return from_manifest(
            "EndpointSlice",
            {"metadata": {"name": name}, "addressType": "IPv4", "endpoints": [{"addresses": ["1.1.1.1"], "nodeName": "n"}]},
            METALLB,
        )

    assert slice_of("a").endpoints[0] is slice_of("b").endpoints[0]


def test_raw_objects_come_without_managed_fields():
    data = b'{"kind":"X","metadata":{"name":"a","managedFields":[{}]},"spec":{"b":[1]}}'
    assert records.raw_object(data) == {"kind": "X", "metadata": {"name": "a"}, "spec": {"b": [1]}}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"metadata":3}', b"\xff", b"{", b"null"])
def test_what_is_no_object_is_a_decode_error(data):
    with pytest.raises(DecodeError):
        records.raw_object(data)
    with pytest.raises(DecodeError):
        records.SERVICE.decoder(BAREMETAL_LB)(data)
