"""What `bmlb plan` makes of plain manifests."""

import pytest

from baremetal_lb.model.ids import METALLB
from tests.support.offline_plan import Planned

POOL = """
---
apiVersion: baremetal-lb.io/v1beta1
kind: IPAddressPool
metadata: {name: blue}
spec: {addresses: [203.0.113.0/24, "2001:db8::/64"]}
---
apiVersion: baremetal-lb.io/v1beta1
kind: L2Advertisement
metadata: {name: all}
"""
NODES = "".join(f"\n---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{n}}}\n" for n in "abc")


def service(name, *, spec="", metadata="", status=""):
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}{metadata}}}
spec: {{type: LoadBalancer, clusterIP: 10.96.0.9{spec}}}
{status}
"""


def slices(name, *endpoints, kind="IPv4"):
    items = ", ".join(endpoints)
    return f"""
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{kind.lower()}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: {kind}
endpoints: [{items}]
"""


def endpoint(node, conditions="{ready: true}"):
    return f"{{addresses: [10.244.0.1], nodeName: {node}, conditions: {conditions}}}"


def status(*ips):
    return "status: {loadBalancer: {ingress: [" + ", ".join(f"{{ip: '{ip}'}}" for ip in ips) + "]}}"


def test_a_new_service_gets_an_ip_and_an_announcer():
    plan = Planned(POOL + NODES + service("web") + slices("web", endpoint("node-b")))
    assert plan.document["services"] == [
        {
            "service": "default/web",
            "ips": ["203.0.113.0"],
            "pool": "blue",
            "satisfied": True,
            "reason": None,
            "message": "203.0.113.0 from pool blue.",
        }
    ]
    (row,) = plan.document["announcements"]
    assert (row["ip"], row["services"], row["interfaces"]) == ("203.0.113.0", ["default/web"], None)
    assert row["announcer"] in plan.eligible("203.0.113.0") == ["node-a", "node-b", "node-c"]
    assert row["candidates"][0] == {"node": "node-a", "eligible": True, "reason": None, "message": ""}
    assert (plan.document["routes"], plan.document["problems"]) == ([], [])


def test_plans_chain_and_the_second_one_changes_nothing():
    first = Planned(
        POOL + NODES + service("web") + service("api", spec=", externalTrafficPolicy: Local") + slices("api", endpoint("node-c"))
    )
    second = Planned(first.afterwards())
    assert second.document == {**first.document, "problems": []}
    assert second.afterwards() == first.afterwards()
    assert second.announcement("203.0.113.0")["announcer"] == "node-c"


def test_the_objects_afterwards_have_status_annotation_condition_and_ledger():
    by_kind = {}
    for manifest in Planned(POOL + service("web")).afterwards():
        by_kind.setdefault(manifest["kind"], []).append(manifest)
    (web,), (entry,) = by_kind["Service"], by_kind["IPAllocation"]
    assert web["status"]["loadBalancer"] == {"ingress": [{"ip": "203.0.113.0", "ipMode": "VIP"}]}
    assert web["metadata"]["annotations"] == {"baremetal-lb.io/ip-allocated-from-pool": "blue"}
    (condition,) = web["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("baremetal-lb.io/Satisfied", "True", "Satisfied")
    assert (entry["metadata"]["name"], entry["spec"]["pool"]) == ("203.0.113.0", "blue")
    assert entry["spec"]["services"][0]["name"] == "web"
    assert by_kind["IPAddressPool"][0]["status"]["lastAccepted"]["spec"]["addresses"] == ["203.0.113.0/24", "2001:db8::/64"]


@pytest.mark.parametrize(("retain_for", "ip"), [("0s", "203.0.113.0"), ("2m", "203.0.113.2"), (None, "203.0.113.2")])
def test_without_the_service_its_ip_is_held_or_free_again_as_the_pool_says(retain_for, ip):
    pool = POOL if retain_for is None else POOL.replace("spec: {", f"spec: {{retainFor: {retain_for}, ")
    objects = Planned(pool + service("one") + service("two")).afterwards()
    without = [m for m in objects if not (m["kind"] == "Service" and m["metadata"]["name"] == "one")]
    new = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "three"}, "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}
    plan = Planned([*without, new])
    assert (plan.ips("default/two"), plan.ips("default/three")) == (["203.0.113.1"], [ip])


def test_statuses_are_held_when_there_is_no_ledger():
    plan = Planned(POOL + service("a-new") + service("old", status=status("203.0.113.0")) + service("v6", status=status("203.0.113.7")))
    assert (plan.ips("default/old"), plan.ips("default/a-new"), plan.ips("default/v6")) == (
        ["203.0.113.0"],
        ["203.0.113.1"],
        ["203.0.113.7"],
    )


def test_an_adopted_ip_is_announced_by_rendezvous():
    plan = Planned(POOL + NODES + service("web", status=status("203.0.113.1")) + slices("web", endpoint("node-a")))
    assert plan.announcement("203.0.113.1")["announcer"] in plan.eligible("203.0.113.1")


def test_a_service_with_a_status_and_no_cluster_ip_keeps_what_it_has():
    text = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: LoadBalancer}\n" + status("203.0.113.4")
    assert Planned(POOL + text).ips("default/web") == ["203.0.113.4"]
    assert Planned(POOL + text.replace(status("203.0.113.4"), "")).service("default/web")["reason"] == "ClusterIPMissing"


def test_without_pools_nobody_gets_an_ip_and_nobody_loses_one():
    plan = Planned(service("web", status=status("203.0.113.4")) + "---\n" + service("new"))
    kept = plan.service("default/web")
    assert (kept["ips"], kept["reason"]) == (["203.0.113.4"], "NoPools")
    assert plan.service("default/new") == {
        "service": "default/new",
        "ips": [],
        "pool": None,
        "satisfied": False,
        "reason": "NoPools",
        "message": "There is no IPAddressPool.",
    }


CONDITIONS = [
    ("{ready: true}", True),
    ("{}", True),
    ("{serving: false}", True),
    ("{ready: false, serving: true, terminating: true}", True),
    ("{ready: false}", False),
    ("{ready: false, serving: false}", False),
]


@pytest.mark.parametrize(("conditions", "usable"), CONDITIONS)
@pytest.mark.parametrize("policy", ["Local", "Cluster"])
def test_without_a_usable_endpoint_nobody_announces(conditions, usable, policy):
    web = service("web", spec=f", externalTrafficPolicy: {policy}")
    plan = Planned(POOL + NODES + web + slices("web", endpoint("node-b", conditions)))
    everybody = ["node-a", "node-b", "node-c"]
    assert plan.eligible("203.0.113.0") == ([] if not usable else ["node-b"] if policy == "Local" else everybody)
    assert (plan.announcement("203.0.113.0")["announcer"] is None) is not usable


def test_a_local_service_is_placed_where_most_endpoints_are_ready_and_a_cluster_one_where_least_is_announced():
    local = service("a-local", spec=", externalTrafficPolicy: Local") + slices(
        "a-local", endpoint("node-a"), endpoint("node-c"), endpoint("node-c"), endpoint("node-a", "{ready: false}")
    )
    others = "".join(service(f"c{n}") + slices(f"c{n}", endpoint("node-a")) for n in range(5))
    plan = Planned(POOL + NODES + local + others)
    announcers = [row["announcer"] for row in plan.document["announcements"]]
    assert announcers[0] == "node-c"
    assert sorted(announcers) == ["node-a"] * 2 + ["node-b"] * 2 + ["node-c"] * 2


def test_a_dual_stack_pair_is_announced_by_one_node():
    web = service("web", spec=", clusterIPs: [10.96.0.9, 'fd00::9'], ipFamilyPolicy: RequireDualStack")
    plan = Planned(POOL + NODES + service("x") + web + slices("web", endpoint("node-a")) + slices("web", endpoint("node-b"), kind="IPv6"))
    four, six = plan.ips("default/web")
    assert plan.announcement(four)["announcer"] == plan.announcement(six)["announcer"] is not None


def test_a_lease_says_what_its_node_can_do():
    def lease(node, facts, holder="x"):
        return f"""
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: speaker-{node}
  annotations: {{baremetal-lb.io/member: '{facts}'}}
spec: {{holderIdentity: {holder}}}
"""

    eth0 = '[{"name":"eth0","carrier":true,"families":["IPv4","IPv6"]}]'
    leases = (
        lease("node-a", '{"serving":false,"incarnation":1,"interfaces":' + eth0 + "}")
        + lease("node-b", '{"serving":true,"incarnation":1,"interfaces":[]}')
        + lease("node-c", "rubbish")
    )
    plan = Planned(POOL + NODES + leases + service("web") + slices("web", endpoint("node-a")))
    assert plan.exclusions("203.0.113.0") == {"node-a": "SpeakerNotServing", "node-b": "InterfaceMissing"}
    assert plan.problems() == [
        ("Lease/baremetal-lb-system/speaker-node-c", "metadata.annotations[baremetal-lb.io/member]", "MalformedFacts")
    ]


@pytest.mark.parametrize(
    ("text", "object_", "field"),
    [
        (service("web", spec=", ports: [{port: http}]"), "Service/default/web", "spec.ports"),
        (service("web", spec=", externalTrafficPolicy: Nowhere"), "Service/default/web", "spec.externalTrafficPolicy"),
        ("---\nkind: Service\napiVersion: v1\nmetadata: 7\n", "Service/default/", ""),
        ("---\nkind: Service\napiVersion: v1\nmetadata: {name: web}\nspec: []\n", "Service/default/web", "spec"),
        ("---\nkind: Node\napiVersion: v1\nmetadata: {name: n, labels: [a]}\n", "Node/n", "metadata.labels"),
        (
            "---\nkind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: {name: s}\nendpoints: 5\n",
            "EndpointSlice/default/s",
            "endpoints",
        ),
        (service("web") + service("web"), "Service/default/web", "metadata.name"),
    ],
)
def test_an_object_that_cannot_be_read_is_named_and_the_others_go_on(text, object_, field):
    plan = Planned(POOL + text + service("good"))
    assert [(found[0], found[1].startswith(field)) for found in plan.problems()] == [(object_, True)]
    assert plan.ips("default/good") != []


def test_the_legacy_prefix_and_group_are_read_under_the_other_identity():
    text = (POOL + service("web", metadata=", annotations: {metallb.universe.tf/loadBalancerIPs: 203.0.113.9}")).replace(
        "baremetal-lb.io", "metallb.io"
    )
    assert Planned(text, identity=METALLB).ips("default/web") == ["203.0.113.9"]
    assert Planned(text).service("default/web")["reason"] == "NoPools"


def test_only_services_of_our_class_are_touched():
    other = service("other", spec=", loadBalancerClass: example.com/x", status=status("203.0.113.0"))
    plan = Planned(POOL + other + service("web"))
    assert (plan.ips("default/other"), plan.service("default/other")["reason"]) == (["203.0.113.0"], "ClassNotOurs")
    plan = Planned(POOL + other + service("web"), lb_class="example.com/x")
    assert (plan.ips("default/other"), plan.ips("default/web")) == (["203.0.113.0"], [])


def test_the_exclude_label_counts_unless_told_otherwise():
    labels = "{node.kubernetes.io/exclude-from-external-load-balancers: ''}"
    node = f"\n---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-a, labels: {labels}}}\n"
    text = POOL + node + service("web") + slices("web", endpoint("node-a"))
    assert Planned(text).exclusions("203.0.113.0") == {"node-a": "ExcludedByLabel"}
    assert Planned(text, ignore_exclude_lb=True).eligible("203.0.113.0") == ["node-a"]


def test_a_shared_ip_is_announced_where_all_its_services_can_be():
    def sharing(name, port, *nodes):
        annotation = ", annotations: {baremetal-lb.io/allow-shared-ip: k}"
        spec = f", externalTrafficPolicy: Local, selector: {{app: web}}, ports: [{{port: {port}}}]"
        return service(name, metadata=annotation, spec=spec) + slices(name, *(endpoint(node) for node in nodes))

    plan = Planned(POOL + NODES + sharing("one", 80, "node-a", "node-b") + sharing("two", 81, "node-b", "node-c"))
    assert plan.ips("default/one") == plan.ips("default/two") == ["203.0.113.0"]
    assert (plan.eligible("203.0.113.0"), plan.announcement("203.0.113.0")["services"]) == (["node-b"], ["default/one", "default/two"])


def test_an_entry_of_an_unknown_owner_that_names_nobody_here_is_an_obstacle():
    def entry(service_name):
        return f"""
---
apiVersion: baremetal-lb.io/v1beta1
kind: IPAllocation
metadata: {{name: 203.0.113.0}}
spec: {{address: 203.0.113.0, owner: them, services: [{{namespace: default, name: {service_name}, uid: u}}]}}
"""

    assert Planned(POOL + entry("elsewhere") + service("web")).ips("default/web") == ["203.0.113.1"]
    assert Planned(POOL + entry("web") + service("web") + service("a-first")).ips("default/web") == ["203.0.113.0"]


def test_every_namespace_has_the_label_with_its_name():
    pinned = POOL.replace(
        '"2001:db8::/64"]}', "], serviceAllocation: {namespaceSelectors: [{matchLabels: {kubernetes.io/metadata.name: team}}]}}"
    )
    pinned = pinned.replace("203.0.113.0/24, ]", "203.0.113.0/24]")
    plan = Planned(pinned + service("a", metadata=", namespace: team") + service("b", metadata=", namespace: other"))
    assert (plan.ips("team/a"), plan.service("other/b")["reason"]) == (["203.0.113.0"], "PoolNamespaceMismatch")


def test_a_lease_that_nobody_holds_is_of_a_speaker_that_has_left():
    lease = "\n---\napiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: speaker-node-a}\nspec: {}\n"
    plan = Planned(POOL + NODES + lease + service("web") + slices("web", endpoint("node-b")))
    assert plan.exclusions("203.0.113.0") == {"node-a": "SpeakerNotAlive"}


def test_the_field_takes_one_ip_only():
    dual = ", clusterIPs: [10.0.0.1, 'fd00::1'], loadBalancerIP: '203.0.113.1,2001:db8::1'"
    assert Planned(POOL + service("web", spec=dual)).service("default/web")["reason"] == "RequestMalformed"


def test_an_entry_written_by_hand_needs_neither_owner_nor_uids():
    entry = """
---
apiVersion: baremetal-lb.io/v1beta1
kind: IPAllocation
metadata: {name: 203.0.113.7}
spec: {address: 203.0.113.7, pool: blue, services: [{namespace: default, name: web, ports: [TCP/80]}]}
"""
    plan = Planned(POOL + entry + service("web"))
    assert (plan.ips("default/web"), plan.problems()) == (["203.0.113.7"], [])
    odd = Planned(POOL + entry.replace("TCP/80", "80") + service("web"))
    assert odd.problems() == [("IPAllocation/203.0.113.7", "spec.services.0.ports.0", "MalformedEntry")]


def test_endpoints_of_the_old_slice_version_may_name_their_node_by_label():
    local = service("web", spec=", externalTrafficPolicy: Local")
    old = slices("web", "{addresses: [10.244.0.1], topology: {kubernetes.io/hostname: node-c}}", "{addresses: [10.244.0.2]}")
    plan = Planned(POOL + NODES + local + old.replace("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"))
    assert plan.eligible("203.0.113.0") == ["node-c"]


def test_a_sharer_that_no_node_could_serve_beside_an_older_one_is_named_with_its_reason():
    def shared(name, second, port):
        told = f", creationTimestamp: '2026-01-01T00:00:0{second}Z', annotations: {{baremetal-lb.io/allow-shared-ip: s3cret}}"
        spec = f", externalTrafficPolicy: Local, selector: {{app: web}}, ports: [{{port: {port}, protocol: TCP}}]"
        return service(name, spec=spec, metadata=told)

    objects = POOL + NODES + shared("web", 2, 80) + shared("api", 1, 81)
    plan = Planned(objects + slices("web", endpoint("node-a")) + slices("api", endpoint("node-b")))
    row = plan.announcement("203.0.113.0")
    assert (row["services"], row["announcer"]) == (["default/api", "default/web"], "node-b")
    assert [(each["service"], each["reason"]) for each in row["left_out"]] == [("default/web", "LeftOutOfSharedIP")]
    assert "s3cret" not in str(plan.document)
