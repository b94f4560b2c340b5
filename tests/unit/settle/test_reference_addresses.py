"""Behaviour of the reference implementation (docs/migration.md says where we differ), through plain manifests under its identity."""

import json

import pytest

from baremetal_lb.model.ids import METALLB
from tests.support.offline_plan import Planned

API = "metallb.io/v1beta1"


def pool(name, *addresses, **spec):
    return {
        "apiVersion": API,
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": "metallb-system"},
        "spec": {"addresses": list(addresses), **spec},
    }


TEAM = [{"matchLabels": {"team": "lb"}}]
POOLS = [
    pool("p1", "198.51.100.0/31"),
    pool("p2", "198.51.100.16/32", autoAssign=False),
    pool("p3", "2001:db8:3::/127"),
    pool("p4", "2001:db8:4::1/128", autoAssign=False),
    pool("p5", "203.0.113.0/31", "2001:db8:5::/127"),
    pool("p6", "198.51.100.32/31", serviceAllocation={"priority": 10, "namespaces": ["ns1"]}),
    pool("p7", "198.51.100.34/31", serviceAllocation={"priority": 11, "namespaces": ["ns1"]}),
    pool("p8", "198.51.100.36/31", serviceAllocation={"priority": 9, "serviceSelectors": TEAM}),
    pool("p9", "198.51.100.38/31", serviceAllocation={"namespaces": ["ns2"]}),
    pool("p10", "198.51.100.40/31", serviceAllocation={"priority": 8, "serviceSelectors": TEAM}),
    pool("p11", "198.51.100.42/31", serviceAllocation={"priority": 8, "namespaces": ["ns1"], "serviceSelectors": TEAM}),
    pool("p12", "198.51.100.44/31", serviceAllocation={"priority": 5, "namespaces": ["ns1"], "serviceSelectors": TEAM}),
    pool("p13", "198.51.100.46/31", serviceAllocation={"priority": 1, "namespaceSelectors": [{"matchLabels": {"tier": "gold"}}]}),
]
NAMESPACES = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "golden", "labels": {"tier": "gold"}}}]
REQUIRE, PREFER, SINGLE = "RequireDualStack", "PreferDualStack", "SingleStack"
V4, V6, DUAL = ["10.0.0.1"], ["fd00::1"], ["10.0.0.1", "fd00::1"]
IPS, POOL, SHARE = "metallb.io/loadBalancerIPs", "metallb.io/address-pool", "metallb.io/allow-shared-ip"
FROM = "metallb.io/ip-allocated-from-pool"

# (name, clusterIPs, other fields of spec, annotations, IPs in the status before, IPs afterwards, is it satisfied)
ROWS = [
    ("IPv4", V4, {}, {}, [], ["198.51.100.0"], True),
    ("IPv6", V6, {}, {}, [], ["2001:db8:3::"], True),
    ("clusterIP only", None, {"clusterIP": "10.0.0.1"}, {}, [], ["198.51.100.0"], True),
    ("no clusterIP", None, {}, {}, [], [], False),
    ("headless", ["None"], {}, {}, [], [], False),
    ("IP in the field", V4, {"loadBalancerIP": "198.51.100.1"}, {}, [], ["198.51.100.1"], True),
    ("IP in the annotation", V4, {}, {IPS: "198.51.100.1"}, [], ["198.51.100.1"], True),
    ("IP of a pool without autoAssign", V4, {"loadBalancerIP": "198.51.100.16"}, {}, [], ["198.51.100.16"], True),
    ("Local", V4, {"loadBalancerIP": "198.51.100.16", "externalTrafficPolicy": "Local"}, {}, [], ["198.51.100.16"], True),
    ("IP in both", V4, {"loadBalancerIP": "198.51.100.1"}, {IPS: "198.51.100.1"}, [], [], False),
    ("no IP in the field", V4, {"loadBalancerIP": "may I have one"}, {}, [], [], False),
    ("no IP in the annotation", V4, {}, {IPS: "may I have one"}, [], [], False),
    ("no IP, but has one", V4, {}, {IPS: "may I have one"}, ["198.51.100.1"], ["198.51.100.1"], False),
    ("two IPs of a family", V4, {}, {IPS: "198.51.100.0,198.51.100.1"}, [], [], False),
    ("IP and another pool", V4, {}, {IPS: "198.51.100.1", POOL: "p2"}, [], [], False),
    ("IP outside pools", V4, {"loadBalancerIP": "198.51.100.200"}, {}, [], [], False),
    ("IP outside pools, but has one", V4, {"loadBalancerIP": "198.51.100.200"}, {}, ["198.51.100.1"], ["198.51.100.1"], False),
    ("IPv4 for IPv6", V6, {"loadBalancerIP": "198.51.100.1"}, {}, [], [], False),
    ("IPv6 for IPv4", V4, {}, {IPS: "2001:db8:3::"}, [], [], False),
    ("one IP for two families", DUAL, {"loadBalancerIP": "203.0.113.1"}, {}, [], [], False),
    ("one IP for two preferred", DUAL, {"ipFamilyPolicy": PREFER}, {IPS: "203.0.113.1"}, [], [], False),
    ("two IPs for one family", V4, {}, {IPS: "203.0.113.0,2001:db8:5::"}, [], [], False),
    ("two IPs of two pools", DUAL, {"ipFamilyPolicy": REQUIRE}, {IPS: "198.51.100.1,2001:db8:3::"}, [], [], False),
    ("two IPs", DUAL, {"ipFamilyPolicy": REQUIRE}, {IPS: "2001:db8:5::1, 203.0.113.0"}, [], ["203.0.113.0", "2001:db8:5::1"], True),
    ("a pool", V4, {}, {POOL: "p1"}, [], ["198.51.100.0"], True),
    ("a pool without autoAssign", V4, {}, {POOL: "p2"}, [], ["198.51.100.16"], True),
    ("another pool", V4, {}, {POOL: "p2"}, ["198.51.100.0"], ["198.51.100.16"], True),
    ("no such pool", V4, {}, {POOL: "nope"}, [], [], False),
    ("a pool of the other family", V4, {}, {POOL: "p3"}, [], [], False),
    ("a pool for others", V4, {}, {POOL: "p6"}, [], [], False),
    ("an IP for others", V4, {}, {IPS: "198.51.100.32"}, [], [], False),
    ("an IP that no pool has", V4, {}, {}, ["10.9.9.9"], ["198.51.100.0"], True),
    ("an IP that others' pool has", V4, {}, {}, ["198.51.100.32"], ["198.51.100.0"], True),
    ("an IP of the other family", V4, {}, {}, ["2001:db8:3::"], ["198.51.100.0"], True),
    ("an IP of the other family, too", V6, {}, {}, ["198.51.100.0"], ["2001:db8:3::"], True),
    ("three IPs of one family", V4, {}, {}, ["198.51.100.0", "198.51.100.1", "198.51.100.16"], ["198.51.100.0"], True),
    ("two required", DUAL, {"ipFamilyPolicy": REQUIRE}, {}, [], ["203.0.113.0", "2001:db8:5::"], True),
    ("two required, one there", DUAL, {"ipFamilyPolicy": REQUIRE}, {}, ["2001:db8:5::1"], ["203.0.113.0", "2001:db8:5::1"], True),
    ("two required, one to replace", DUAL, {"ipFamilyPolicy": REQUIRE}, {}, ["198.51.100.1"], ["203.0.113.0", "2001:db8:5::"], True),
    ("two required, one clusterIP", V4, {"ipFamilyPolicy": REQUIRE}, {}, [], [], False),
    ("two required, single pool", DUAL, {"ipFamilyPolicy": REQUIRE}, {POOL: "p1"}, [], [], False),
    ("two preferred", DUAL, {"ipFamilyPolicy": PREFER}, {}, [], ["203.0.113.0", "2001:db8:5::"], True),
    ("two preferred, IPv6 first", DUAL[::-1], {"ipFamilyPolicy": PREFER}, {}, [], ["203.0.113.0", "2001:db8:5::"], True),
    ("two preferred, IPv4 pool", DUAL, {"ipFamilyPolicy": PREFER}, {POOL: "p1"}, [], ["198.51.100.0"], True),
    ("two preferred, IPv6 pool", DUAL, {"ipFamilyPolicy": PREFER}, {POOL: "p3"}, [], ["2001:db8:3::"], True),
    ("two preferred, one clusterIP", V6, {"ipFamilyPolicy": PREFER}, {POOL: "p3"}, [], ["2001:db8:3::"], True),
    ("two preferred, one there", DUAL, {"ipFamilyPolicy": PREFER}, {}, ["198.51.100.1"], ["198.51.100.1"], True),
    ("two preferred, one there to complete", DUAL, {"ipFamilyPolicy": PREFER}, {}, ["203.0.113.1"], ["203.0.113.1", "2001:db8:5::"], True),
    ("an empty request", V4, {}, {IPS: "", POOL: ""}, [], ["198.51.100.0"], True),
    ("NodePort, was ours", V4, {"type": "NodePort"}, {FROM: "p1"}, ["198.51.100.0"], [], False),
    ("NodePort, was never ours", V4, {"type": "NodePort"}, {}, ["198.51.100.0"], ["198.51.100.0"], False),
    ("ClusterIP", V4, {"type": "ClusterIP"}, {}, [], [], False),
    ("ExternalName", None, {"type": "ExternalName", "externalName": "x.example"}, {}, [], [], False),
]  # fmt: skip


def service(name, cluster_ips, spec=None, annotations=None, status=(), namespace=None, labels=None, created=None):
    given = {"namespace": namespace, "labels": labels, "annotations": annotations, "creationTimestamp": created}
    metadata = {"name": name, **{key: value for key, value in given.items() if value}}
    full = {"type": "LoadBalancer", **({"clusterIPs": cluster_ips} if cluster_ips else {}), **(spec or {})}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": full}
    if status:
        manifest["status"] = {"loadBalancer": {"ingress": [{"ip": ip} for ip in status]}}
    return manifest


def planned(*manifests, **options):
    return Planned(json.loads(json.dumps([*POOLS, *NAMESPACES, *manifests])), identity=METALLB, **options)


@pytest.mark.parametrize(
    ("cluster_ips", "spec", "annotations", "before", "after", "satisfied"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_one_service(cluster_ips, spec, annotations, before, after, satisfied):
    plan = planned(service("s", cluster_ips, spec, annotations, before))
    row = plan.service("default/s")
    assert (row["ips"], row["satisfied"]) == (after, satisfied)
    assert (row["reason"] is None) is satisfied
    assert plan.problems() == []
    again = Planned(plan.afterwards(), identity=METALLB)
    assert again.document == plan.document


@pytest.mark.parametrize(
    ("namespace", "labels", "pool_"),
    [
        ("ns1", None, "p6"),
        ("ns2", None, "p9"),
        ("other", {"team": "lb"}, "p10"),
        ("ns1", {"team": "lb"}, "p12"),
        ("golden", None, "p13"),
        ("golden", {"team": "lb"}, "p13"),
        ("other", {"team": "x"}, "p1"),
    ],
)
def test_pinned_pools_by_priority(namespace, labels, pool_):
    assert planned(service("s", V4, namespace=namespace, labels=labels)).service(f"{namespace}/s")["pool"] == pool_


def test_a_full_pinned_pool_overflows_to_the_next_and_then_to_the_unpinned():
    plan = planned(*(service(f"s{n}", V4, namespace="ns2") for n in range(5)))
    pools = [plan.service(f"ns2/s{n}")["pool"] for n in range(5)]
    assert pools == ["p9", "p9", "p1", "p1", "p5"]


def test_a_status_goes_before_age_and_age_before_name():
    plan = planned(
        service("a", V4, annotations={POOL: "p1"}, created="2026-01-03T00:00:00Z"),
        service("b", V4, annotations={POOL: "p1"}, created="2026-01-02T00:00:00Z"),
        service("c", V4, annotations={POOL: "p1"}, status=["198.51.100.0"], created="2026-01-04T00:00:00Z"),
        service("d", V4, annotations={POOL: "p1"}),
    )
    assert {n: plan.ips(f"default/{n}") for n in "abcd"} == {"a": [], "b": ["198.51.100.1"], "c": ["198.51.100.0"], "d": []}


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ({SHARE: "k"}, {SHARE: "k"}, True),
        ({SHARE: "k"}, {SHARE: "l"}, False),
        ({SHARE: "k"}, {}, False),
        ({SHARE: ""}, {SHARE: ""}, False),
        ({"metallb.universe.tf/allow-shared-ip": "k"}, {SHARE: "k"}, True),
    ],
)
def test_sharing_by_annotation(first, second, together):
    ip = {IPS: "198.51.100.16"}
    plan = planned(
        service("a", V4, {"ports": [{"port": 80}]}, {**ip, **first}), service("b", V4, {"ports": [{"port": 81}]}, {**ip, **second})
    )
    assert plan.ips("default/a") == ["198.51.100.16"]
    assert plan.ips("default/b") == (["198.51.100.16"] if together else [])


def test_the_same_number_with_another_protocol_is_another_port():
    ports = [[{"port": 53, "protocol": "UDP"}], [{"port": 53}], [{"port": 53, "protocol": "TCP"}]]
    plan = planned(*(service(f"s{n}", V4, {"ports": p}, {IPS: "198.51.100.16", SHARE: "dns"}) for n, p in enumerate(ports)))
    assert [plan.ips(f"default/s{n}") for n in range(3)] == [["198.51.100.16"], ["198.51.100.16"], []]
    assert plan.service("default/s2")["reason"] == "PortsClash"


def test_without_the_last_pool_every_service_loses_its_ip():
    plan = planned(service("s", V4))
    after = [manifest for manifest in plan.afterwards() if manifest["kind"] != "IPAddressPool"]
    assert Planned(after, identity=METALLB).ips("default/s") == []
