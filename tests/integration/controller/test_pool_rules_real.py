"""What pools, reservations and Services may say about who gets which IP, each once on the real API server, under one controller."""

from dataclasses import replace

import pytest

from tests.support.controllers import GROUP, LEDGER, POOL_ANNOTATION, running_install
from tests.support.wait import until

pytestmark = pytest.mark.kube
RESERVATIONS = f"{GROUP}/ipreservations"


@pytest.fixture(scope="module")
def served(kube_server, controllers_may_work, tmp_path_factory):
    """An install whose controller serves all tests of this module."""
    with running_install(kube_server, tmp_path_factory.mktemp("pool-rules")) as install:
        install.start()
        yield install
        install.server.clear(RESERVATIONS)


@pytest.fixture
def ruled(served):
    """That install, without pools and Services before and after."""
    yield served
    served.server.clear(RESERVATIONS)
    for name in served.services():
        served.server.delete(served.service_path(name))
    until(lambda: not any(entry.get("services") for entry in served.ledger().values()), describe=served.ledger)
    served.server.clear(LEDGER)  # what is held
    served.server.clear(f"{GROUP}/namespaces/{served.system}/ipaddresspools")
    until(lambda: not (served.server.get(f"{GROUP}/namespaces/{served.system}/ipaddresspools") or {}).get("items"))


def pool_of(install, name):
    """Return (pool, IPs) of a Service once it has some."""
    until(lambda: install.ips(name), describe=lambda: (install.server.get(install.service_path(name)) or {}).get("status"))
    service = install.server.get(install.service_path(name))
    return service["metadata"]["annotations"].get(POOL_ANNOTATION), install.ips(name)


def refused(install, name, reason):
    """Wait until a Service says why it has no IP."""
    until(lambda: install.condition(name) == ("False", reason), describe=lambda: (reason, install.condition(name)))
    assert install.ips(name) == []


def edit(install, pool, **spec):
    """Change the spec of a pool, and wait until the controller has it: a Service that is made next may come first otherwise."""
    edited = install.server.merge(f"{GROUP}/namespaces/{install.system}/ipaddresspools/{pool}", {"spec": spec})

    def is_seen():
        conditions = install.pool_object(pool).get("status", {}).get("conditions", [])
        return conditions and all(c["observedGeneration"] == edited["metadata"]["generation"] for c in conditions)

    until(is_seen, describe=lambda: install.pool_object(pool))


def reserve(install, name, **spec):
    """Make an IPReservation."""
    body = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPReservation", "metadata": {"name": name}, "spec": spec}
    install.server.create(RESERVATIONS, body)


def counters(install, pool, family="ipv4"):
    """Return the counters of a pool."""
    return install.pool_object(pool).get("status", {}).get(family)


def test_a_quota_limits_a_namespace_until_it_is_raised(ruled):
    ruled.pool("few", "198.51.100.0/28", quotas=[{"namespaces": [ruled.namespace], "addresses": 1}])
    ruled.service("one")
    pool_of(ruled, "one")
    ruled.service("two")
    refused(ruled, "two", "QuotaExceeded")
    elsewhere = replace(ruled, namespace=ruled.server.new_namespace("apps"))
    elsewhere.service("free")
    assert pool_of(elsewhere, "free")[0] == "few"
    edit(ruled, "few", quotas=[{"namespaces": [ruled.namespace], "addresses": 2}])
    assert pool_of(ruled, "two")[0] == "few"
    elsewhere.server.delete(elsewhere.service_path("free"))


def test_a_reserved_ip_goes_only_to_whom_it_is_for(ruled):
    reserve(ruled, "for-shop", addresses=["198.51.100.0"], namespace=ruled.namespace, serviceName="shop")
    reserve(ruled, "for-others", addresses=["198.51.100.1"], namespace="somebody-else", reason="the printer")
    ruled.pool("kept", "198.51.100.0/30", excluded=["198.51.100.3"])
    until(lambda: counters(ruled, "kept") == {"capacity": 3, "allocated": 0, "held": 0, "reserved": 2, "available": 1})
    ruled.service("any")
    assert pool_of(ruled, "any") == ("kept", ["198.51.100.2"])
    ruled.service("more")
    refused(ruled, "more", "PoolExhausted")
    ruled.service("wish", annotations={"loadBalancerIPs": "198.51.100.1"})
    refused(ruled, "wish", "AddressReserved")
    ruled.service("shop")
    assert pool_of(ruled, "shop") == ("kept", ["198.51.100.0"])
    ruled.server.delete(f"{RESERVATIONS}/for-others")
    assert pool_of(ruled, "more")[1] == ["198.51.100.1"]


def test_excluded_and_buggy_ips_are_never_given(ruled):
    ruled.pool("holes", "198.51.100.0/30", excluded=["198.51.100.1-198.51.100.2"], avoidBuggyIPs=True)
    ruled.service("wish", annotations={"loadBalancerIPs": "198.51.100.2"})
    refused(ruled, "wish", "AddressExcluded")
    ruled.service("buggy", annotations={"loadBalancerIPs": "198.51.100.0"})
    refused(ruled, "buggy", "AddressBuggy")
    ruled.service("any")
    assert pool_of(ruled, "any") == ("holes", ["198.51.100.3"])
    ruled.service("more")
    refused(ruled, "more", "PoolExhausted")


def test_a_disabled_pool_keeps_what_it_gave_and_gives_nothing_new(ruled):
    ruled.pool("draining", "198.51.100.0/28")
    ruled.service("old")
    had = pool_of(ruled, "old")
    edit(ruled, "draining", disabled=True)
    ruled.service("new")
    refused(ruled, "new", "PoolDisabled")
    assert pool_of(ruled, "old") == had
    edit(ruled, "draining", disabled=False)
    assert pool_of(ruled, "new")[0] == "draining"


def test_pools_are_tried_by_priority_and_those_on_request_only_on_request(ruled):
    ruled.pool("a-last", "198.51.100.0/30")
    ruled.pool("b-second", "198.51.100.4/31", serviceAllocation={"priority": 20, "namespaces": [ruled.namespace]})
    ruled.pool("c-first", "198.51.100.8/31", serviceAllocation={"priority": 10, "namespaces": [ruled.namespace]})
    ruled.pool("asked", "198.51.100.16/30", autoAssign=False)
    until(lambda: counters(ruled, "asked"))
    got = []
    for number in range(6):
        ruled.service(f"s{number}")
        got.append(pool_of(ruled, f"s{number}")[0])
    assert got == ["c-first", "c-first", "b-second", "b-second", "a-last", "a-last"]
    ruled.service("asks", annotations={"address-pool": "asked"})
    assert pool_of(ruled, "asks")[0] == "asked"


def test_selectors_of_namespaces_and_services_admit_whom_they_match(ruled):
    ruled.pool("team", "198.51.100.0/30", serviceAllocation={"namespaceSelectors": [{"matchLabels": {"team": "blue"}}]})
    ruled.pool(
        "tier", "198.51.100.4/30", serviceAllocation={"serviceSelectors": [{"matchExpressions": [{"key": "tier", "operator": "Exists"}]}]}
    )
    ruled.service("none")
    until(lambda: ruled.condition("none")[0] == "False")
    assert ruled.ips("none") == []
    ruled.server.merge(ruled.service_path("none"), {"metadata": {"labels": {"tier": "front"}}})
    assert pool_of(ruled, "none")[0] == "tier"
    ruled.service("pinned", annotations={"address-pool": "team"})
    refused(ruled, "pinned", "PoolNamespaceMismatch")
    ruled.server.merge(f"/api/v1/namespaces/{ruled.namespace}", {"metadata": {"labels": {"team": "blue"}}})
    assert pool_of(ruled, "pinned")[0] == "team"
    ruled.server.merge(f"/api/v1/namespaces/{ruled.namespace}", {"metadata": {"labels": {"team": None}}})
    refused(ruled, "pinned", "PoolNamespaceMismatch")


def test_only_services_of_our_class_are_served_and_none_of_others_is_touched(ruled):
    ruled.pool("blue", "198.51.100.0/28")
    ruled.service("theirs", loadBalancerClass="example.com/other")
    ruled.service("nobodys", loadBalancerClass=None)
    ruled.service("inside", type="ClusterIP", loadBalancerClass=None, allocateLoadBalancerNodePorts=None)
    ruled.service("ours")
    pool_of(ruled, "ours")
    for name in ("theirs", "nobodys", "inside"):
        service = ruled.server.get(ruled.service_path(name))
        assert service["status"] == {"loadBalancer": {}}
        assert POOL_ANNOTATION not in service["metadata"].get("annotations", {})
        assert "baremetal-lb-controller" not in [field["manager"] for field in service["metadata"].get("managedFields", [])]
    assert len(ruled.ledger()) == 1


def test_families_are_those_that_the_service_serves(ruled):
    ruled.pool("both", "198.51.100.0/30", "2001:db8::/126")
    ruled.pool("four", "203.0.113.0/30", autoAssign=False)
    ruled.service("single6", ipFamilies=["IPv6"], ipFamilyPolicy="SingleStack")
    ruled.service("prefer", ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv6", "IPv4"])
    ruled.service("prefers4", ipFamilyPolicy="PreferDualStack", annotations={"address-pool": "four"})
    ruled.service("requires", ipFamilyPolicy="RequireDualStack", annotations={"address-pool": "four"})
    assert pool_of(ruled, "single6") == ("both", ["2001:db8::"])
    assert pool_of(ruled, "prefer")[1] == ["198.51.100.0", "2001:db8::1"]
    assert pool_of(ruled, "prefers4") == ("four", ["203.0.113.0"])
    refused(ruled, "requires", "PoolFamilyMissing")
    assert "203.0.113.1" not in ruled.ledger()
    for name in ("single6", "prefer"):
        ingress = ruled.server.get(ruled.service_path(name))["status"]["loadBalancer"]["ingress"]
        assert {entry["ipMode"] for entry in ingress} == {"VIP"}
