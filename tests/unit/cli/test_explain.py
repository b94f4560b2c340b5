"""What `svc explain` says of a Service: sections, reasons and the verdict."""

from dataclasses import replace

import pytest

from baremetal_lb.cli.explain import Reports, Scene, explain
from baremetal_lb.cli.offline import read_cluster
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.roster import Member, Roster
from baremetal_lb.settle.cluster import SettleOptions
from baremetal_lb.settle.settle import settle
from tests.support.objects import HOME, pool, service

OWNER = f"baremetal-lb/{HOME}"
OPTIONS = SettleOptions(BAREMETAL_LB, OWNER)
KEY = ObjectKey("shop", "web")


def ours(kind, name, version="v1beta1", **spec):
    return {"apiVersion": f"baremetal-lb.io/{version}", "kind": kind, "metadata": {"name": name, "namespace": HOME}, "spec": spec}


def node(name, **metadata):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, **metadata}, "status": {}}


def endpoints(*nodes):
    ends = [{"addresses": [f"10.1.0.{n}"], "nodeName": name, "conditions": {"ready": True}} for n, name in enumerate(nodes, 1)]
    metadata = {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4", "endpoints": ends}


def entry(ip):
    spec = {
        "address": ip,
        "owner": OWNER,
        "pool": "blue",
        "announcer": "node1",
        "since": SINCE,
        "services": [{"namespace": "shop", "name": "web", "uid": "web", "ports": ["TCP/80"]}],
    }
    return {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAllocation", "metadata": {"name": ip}, "spec": spec}


IP = "198.51.100.3"
SINCE = "2026-11-26T10:00:00Z"
L2 = ours("L2Advertisement", "all")
LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
WORLD = [
    pool("blue", "198.51.100.0/30"), pool("asked", "203.0.113.0/30", autoAssign=False), L2,
    node("node1"), node("node2", labels={LABEL: ""}), endpoints("node1"), entry(IP), service("web", IP, "blue"),
]  # fmt: skip


def cluster_of(objects):
    return read_cluster(objects, identity=BAREMETAL_LB, namespace=HOME, owner=OWNER).cluster


def explained(objects, reports=None):
    return explain(KEY, Scene.of(cluster_of(objects), OPTIONS), reports or Reports())


def announced_by(node):
    return Reports(l2=({"serviceNamespace": "shop", "serviceName": "web", "node": node, "interfaces": [{"name": "eth0"}], "since": SINCE},))


def test_every_pool_says_why_it_or_why_not():
    assert [(each["pool"], each["reason"]) for each in explained(WORLD)["allocation"]["pools"]] == [
        ("asked", "PoolNotAutoAssigned"),
        ("blue", None),
    ]


def test_every_node_says_how_it_fared():
    (each,) = explained(WORLD, announced_by("node1"))["layer2"]
    assert each["announced_by"] == [{"node": "node1", "interfaces": ["eth0"], "since": SINCE, "alive": True}]
    assert (each["preferred"], each["advertisements"]) == ("node1", ["all"])
    assert (each["elected"], [(c["node"], c["reason"]) for c in each["candidates"]]) == (
        "node1",
        [("node1", None), ("node2", "ExcludedByLabel")],
    )


def test_a_service_that_is_reached_has_a_verdict_and_nothing_to_do():
    document = explained(WORLD, announced_by("node1"))
    assert (document["verdict"], document["next"], document["reached"]) == (f"It has {IP}, reachable by layer 2.", None, True)


def test_routes_are_told_by_node_and_peer_with_the_state_of_the_session():
    peer = ours("BGPPeer", "tor", "v1beta2", peerAddress="198.51.100.254", peerASN=64513, myASN=64512)
    sessions = Reports(sessions=({"node": "node1", "peer": "tor", "state": "Established", "since": SINCE},))
    document = explained([*WORLD, peer, ours("BGPAdvertisement", "all")], sessions)
    told = {"peer": "tor", "advertised": True, "state": "Established", "since": SINCE, "error": None}
    told |= {"reason": None, "message": ""}
    assert [(r["node"], r["peers"], r["reason"]) for r in document["bgp"]] == [("node1", [told], None), ("node2", [], "ExcludedByLabel")]
    assert document["verdict"] == f"It has {IP}, reachable by BGP."


def test_each_peer_that_is_not_told_a_route_has_its_reason():
    tor = {"peerAddress": "198.51.100.254", "peerASN": 64513, "myASN": 64512}
    peers = [
        ours("BGPPeer", "tor", "v1beta2", **tor),
        ours(
            "BGPPeer", "elsewhere", "v1beta2", **tor | {"nodeSelectors": [{"matchLabels": {"rack": "2"}}], "peerAddress": "198.51.100.253"}
        ),
        ours("BGPPeer", "six", "v1beta2", **tor | {"peerAddress": "2001:db8::1"}),
        ours("BGPPeer", "unnamed", "v1beta2", **tor | {"peerAddress": "198.51.100.252"}),
    ]
    document = explained([*WORLD, *peers, ours("BGPAdvertisement", "all", peers=["tor", "six", "elsewhere"])])
    assert {each["peer"]: each["reason"] for each in document["bgp"][0]["peers"]} == {
        "elsewhere": "NodeNotSelected",
        "six": "FamilyNotCarried",
        "tor": None,
        "unnamed": "PeerNotNamed",
    }


def test_a_node_without_a_living_speaker_advertises_nothing():
    peer = ours("BGPPeer", "tor", "v1beta2", peerAddress="198.51.100.254", peerASN=64513, myASN=64512)
    cluster = read_cluster([*WORLD, peer, ours("BGPAdvertisement", "all")], identity=BAREMETAL_LB, namespace=HOME, owner=OWNER).cluster
    for members, reason in (({}, "NoSpeaker"), ({"node1": Member("node1", is_alive=False)}, "SpeakerNotAlive")):
        document = explain(KEY, Scene.of(replace(cluster, roster=Roster(members)), OPTIONS), Reports())
        assert document["bgp"][0]["reason"] == reason
        assert settle(replace(cluster, roster=Roster(members)), options=OPTIONS).routes == ()


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        ([service("web")], "It has no IP: There is no IPAddressPool."),
        ([pool("asked", "203.0.113.0/30", autoAssign=False), service("web")], "It has no IP: The pool gives out addresses only on request"),
        ([o for o in WORLD if o is not L2], f"It has {IP}, and nobody reaches it: No L2Advertisement"),
        ([o for o in WORLD if o["kind"] != "EndpointSlice"], f"It has {IP}, and nobody reaches it: The Service has no usable endpoint"),
    ],
    ids=["no pool", "on request only", "no advertisement", "no endpoint"],
)
def test_whoever_is_not_reached_is_told_why_and_what_to_try(objects, sentence):
    document = explained(objects)
    assert document["verdict"].startswith(sentence), document["verdict"]
    assert document["reached"] is False
    assert document["next"]


def test_a_service_that_is_not_ours_says_so_and_one_that_is_not_there_is_none():
    other = service("web")
    other["spec"]["loadBalancerClass"] = "else/where"
    assert explained([*WORLD[:-1], other])["allocation"]["reason"] == "NotOurs"
    assert explained(WORLD[:-1]) is None


def with_roster(objects, reports=None, **alive):
    """Explain where each node's speaker lives or not."""
    cluster = read_cluster(objects, identity=BAREMETAL_LB, namespace=HOME, owner=OWNER).cluster
    roster = Roster({name: Member(name, is_alive=is_alive) for name, is_alive in alive.items()})
    return explain(KEY, Scene.of(replace(cluster, roster=roster), OPTIONS), reports or Reports())


def test_what_a_dead_speaker_reported_reaches_nobody():
    objects = [*WORLD, node("node3"), endpoints("node1", "node3")]
    document = with_roster(objects, announced_by("node1"), node1=False, node3=True)
    assert document["layer2"][0]["announced_by"][0]["alive"] is False
    assert document["verdict"].startswith(f"It has {IP}, and nobody reaches it: node3 is elected, and does not report yet")
    assert "node1 did, and its speaker is not alive" in document["verdict"]


def test_where_every_node_is_excluded_the_verdict_names_them_with_their_reasons():
    document = with_roster(WORLD, node1=False)
    assert "every node is excluded: node1 (SpeakerNotAlive), node2 (NoSpeaker)." in document["verdict"]
    assert (document["reason"], document["next"]) == ("NoCandidate", "`bmlb node list` shows who could.")


def test_a_session_that_is_down_is_named_with_its_error():
    peer = ours("BGPPeer", "tor", "v1beta2", peerAddress="198.51.100.254", peerASN=64513, myASN=64512)
    error = {"code": 2, "message": "OPEN Message Error: Bad Peer AS"}
    sessions = Reports(sessions=({"node": "node1", "peer": "tor", "state": "Active", "lastError": error},))
    document = explained([*[o for o in WORLD if o is not L2], peer, ours("BGPAdvertisement", "all")], sessions)
    assert "the session of node1 with tor is not up: Active (OPEN Message Error: Bad Peer AS)." in document["verdict"]
    assert document["next"].startswith("`bmlb peer list`")


def test_of_two_ips_the_one_that_nobody_reaches_is_named():
    six = "2001:db8::3"
    both = service("web", IP, "blue")
    both["spec"] |= {"clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
    both["status"]["loadBalancer"]["ingress"].append({"ip": six})
    blue = pool("blue", "198.51.100.0/30", "2001:db8::/126")
    document = explained([blue, L2, node("node1"), endpoints("node1"), entry(IP), entry(six), both], announced_by("node1"))
    assert document["reached"] is False
    assert document["verdict"].startswith(f"It has {IP} and {six}, and nobody reaches {six}: The Service has no usable endpoint")
    assert document["next"] == "`kubectl get endpointslices -n shop -l kubernetes.io/service-name=web` shows its endpoints."


def test_an_ip_without_an_entry_in_the_ledger_is_announced_by_nobody_and_says_why():
    document = explained([o for o in WORLD if o["kind"] != "IPAllocation"])
    assert (document["layer2"][0]["elected"], document["layer2"][0]["reason"]) == (None, "NotInLedger")


def test_a_wish_that_is_not_honoured_leads_to_whoever_has_the_ip():
    other = entry(IP)
    other["spec"]["services"] = [{"namespace": "shop", "name": "first", "uid": "first", "ports": ["TCP/80"]}]
    asking = service("web")
    asking["metadata"]["annotations"] = {"baremetal-lb.io/loadBalancerIPs": IP}
    document = explained([pool("blue", "198.51.100.0/30"), other, service("first", IP, "blue"), asking])
    assert (document["allocation"]["reason"], document["next"]) == ("AddressInUse", f"`bmlb ip who {IP}` shows whose it is.")


def test_quota_reservations_and_condition_are_told():
    reserved = ours("IPReservation", "keep", addresses=["198.51.100.2/32"], namespace="shop")
    del reserved["metadata"]["namespace"]
    has = service("web", IP, "blue")
    condition = {"type": "baremetal-lb.io/Satisfied", "status": "True", "reason": "Satisfied", "message": "It has all."}
    has["status"]["conditions"] = [condition | {"lastTransitionTime": SINCE}]
    blue = pool("blue", "198.51.100.0/30", quotas=[{"namespaces": ["shop"], "addresses": 3}])
    document = explained([blue, reserved, entry(IP), has])
    assert document["allocation"]["quota"] == {"used": 1, "limit": 3}
    assert document["allocation"]["reservations"] == ["keep"]
    assert document["allocation"]["since"] == SINCE
    assert document["condition"] == {"status": "True", "reason": "Satisfied", "message": "It has all.", "since": SINCE}


def test_a_sharer_that_is_left_out_is_told_so_though_the_ip_is_announced_for_an_older_one():
    shared = {"externalTrafficPolicy": "Local", "selector": {"app": "web"}}
    young, old = service("web", IP, "blue"), service("old", IP, "blue")
    young["metadata"] |= {"creationTimestamp": "2026-11-26T10:00:01Z"}
    old["metadata"] |= {"creationTimestamp": SINCE}
    for each in (young, old):
        each["metadata"]["annotations"] |= {"baremetal-lb.io/allow-shared-ip": "k"}
        each["spec"] |= shared
    elsewhere = endpoints("node3")
    elsewhere["metadata"] |= {"name": "old-1", "labels": {"kubernetes.io/service-name": "old"}}
    both = entry(IP)
    both["spec"] |= {"sharingKey": "k", "backendKey": "app=web"}
    both["spec"]["services"] += [{"namespace": "shop", "name": "old", "uid": "old", "ports": ["TCP/81"]}]
    rest = [each for each in WORLD if each["kind"] not in {"Service", "IPAllocation"}]
    document = explained([*rest, node("node3"), young, old, elsewhere, both], announced_by("node3"))
    (told,) = document["layer2"]
    assert (told["elected"], told["reason"], document["reason"]) == (None, "LeftOutOfSharedIP", "LeftOutOfSharedIP")
    assert document["verdict"].endswith("beside the older ones on it; it is announced for those.")
    told_to_the_old = explain(
        ObjectKey("shop", "old"), Scene.of(cluster_of([*rest, node("node3"), young, old, elsewhere, both]), OPTIONS), Reports()
    )
    assert (told["left_out"], told_to_the_old["layer2"][0]["left_out"]) == ([], ["shop/web"])
