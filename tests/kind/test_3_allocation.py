"""Who gets which IP, and the reasons for a no, as `kubectl` and `bmlb` show them."""

import json
from ipaddress import ip_address, ip_network

from kind_cluster.commands import CommandFailed
from tests.support.kind import BGP_POOL, NAMESPACE, Kind
from tests.support.kind_objects import ours, service
from tests.support.kind_outside import Outside
from tests.support.wait import until


def satisfied(kind: Kind, name: str) -> tuple[str, str]:
    """Return status and reason of a Service's condition."""
    conditions = (kind.get("service", name) or {}).get("status", {}).get("conditions", ())
    return next(((c["status"], c["reason"]) for c in conditions if c["type"] == "baremetal-lb.io/Satisfied"), ("", ""))


def test_services_that_share_a_key_share_an_ip(kind: Kind, client: Outside):
    shared = {"baremetal-lb.io/allow-shared-ip": "blue"}
    kind.apply(service("shared-a", port=8001, annotations=shared), service("shared-b", port=8002, annotations=shared))
    ips = until(lambda: (first := kind.ips("shared-a")) == kind.ips("shared-b") and first, 30)
    for port in (8001, 8002):
        until(lambda port=port: not client.ask(f"http://{ips[0]}:{port}/").errors, 30)
    entry = kind.get("ipallocation", ips[0])
    assert sorted(user["name"] for user in entry["spec"]["services"]) == ["shared-a", "shared-b"]


def test_an_ip_that_is_asked_for_is_given(kind: Kind):
    wanted = str(ip_network(BGP_POOL[0])[77])
    kind.apply(service("wanted", pool="routed", annotations={"baremetal-lb.io/loadBalancerIPs": wanted}))
    until(lambda: kind.ips("wanted") == [wanted], 30, lambda: kind.get("service", "wanted")["status"])
    kind.kubectl("wait", "service/wanted", "--for=condition=baremetal-lb.io/Satisfied", "--timeout=10s")


def test_an_exhausted_pool_says_so_and_gives_what_is_returned(kind: Kind):
    kind.apply(ours("IPAddressPool", "tiny", addresses=["198.51.100.77/32"], autoAssign=False, retainFor="0s"))
    kind.apply(service("first", pool="tiny"))
    until(lambda: kind.ips("first") == ["198.51.100.77"], 30)
    kind.apply(service("second", pool="tiny"))
    until(lambda: satisfied(kind, "second") == ("False", "PoolExhausted"), 30, lambda: satisfied(kind, "second"))
    events = kind.get("events", "--field-selector=involvedObject.name=second")["items"]
    assert any(event["reason"] == "PoolExhausted" for event in events), events
    kind.kubectl("delete", "service", "first")
    until(lambda: kind.ips("second") == ["198.51.100.77"], 30)
    kind.kubectl("delete", "service", "second")
    until(lambda: kind.get("ipallocation", "198.51.100.77") is None, 30)
    kind.kubectl("delete", "ipaddresspool", "tiny", "-n", NAMESPACE)


def test_nobody_writes_the_ledger_past_the_controller(kind: Kind):
    """cluster-admin has every verb, so govern, too: an ordinary person's rights are played by impersonation."""
    kind.kubectl("create", "clusterrole", "ledger-writer", "--verb=create,delete,update", "--resource=ipallocations.baremetal-lb.io")
    kind.kubectl("create", "clusterrolebinding", "ledger-writer", "--clusterrole=ledger-writer", "--user=somebody")
    entry = kind.get("ipallocations")["items"][0]
    entry["metadata"] = {"name": "203.0.113.250"}
    entry["spec"]["address"] = "203.0.113.250"
    try:
        for arguments, text in (
            (["create", "-f", "-"], json.dumps(entry)),
            (["delete", "ipallocation", str(ip_address(kind.ips("wanted")[0]))], None),
        ):
            try:
                kind.kubectl(*arguments, "--as=somebody", text=text)
            except CommandFailed as error:
                assert "needs the verb govern" in str(error)
            else:
                raise AssertionError("the ledger was written")
    finally:
        kind.kubectl("delete", "clusterrole,clusterrolebinding", "ledger-writer")


def test_a_speaker_writes_of_its_own_node_only(kind: Kind):
    pod = kind.pods("speaker")[0]
    place = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    token = kind.kubectl("exec", "-n", NAMESPACE, pod["metadata"]["name"], "-c", "speaker", "--", "cat", place).strip()
    own = pod["spec"]["nodeName"]
    other = next(name for name in kind.nodes if name != own)
    patch = {"metadata": {"annotations": {"tried": "yes"}}}
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    assert kind.merge_as(token, f"{leases}/speaker-{own}", patch)[0] == 200
    for name in (f"speaker-{other}", "controller"):
        code, said = kind.merge_as(token, f"{leases}/{name}", patch)
        assert (code, "A speaker writes the Lease of its own node only." in said) == (403, True), said
    status = kind.get("servicel2statuses", "-n", NAMESPACE, "-l", f"baremetal-lb.io/node!={own}")["items"][0]["metadata"]["name"]
    path = f"/apis/baremetal-lb.io/v1beta1/namespaces/{NAMESPACE}/servicel2statuses/{status}/status"
    code, said = kind.merge_as(token, path, {"status": {"interfaces": []}})
    assert (code, "A speaker writes status objects of its own node only." in said) == (403, True), said
