"""The lines of `node list`: what each node's speaker is, since when nobody heard of it, and what it carries."""

from dataclasses import replace

import pytest

from baremetal_lb.cli.node import lease_age, rows_of
from baremetal_lb.cli.offline import read_cluster
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.rfc3339 import parse_time
from baremetal_lb.model.roster import InterfaceFacts, Member, Roster
from tests.support.objects import HOME, service

RENEWED = "2026-11-26T10:00:00.000000Z"
LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
DRAIN = {"annotations": {"baremetal-lb.io/drain": "true"}}


def lease(node):
    return {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": f"speaker-{node}", "namespace": HOME},
            "spec": {"holderIdentity": node, "renewTime": RENEWED, "leaseDurationSeconds": 4}}  # fmt: skip


def rows(*members, node=None, l2=(), sessions=()):
    """Return the lines of a cluster with the node n1, two Services that share an IP, and one with another."""
    shared = [service("a", "198.51.100.1"), service("b", "198.51.100.1"), service("c", "198.51.100.2")]
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", **(node or {})}, "status": {}}
    objects = [manifest, *shared, *(lease(member.node) for member in members)]
    snapshot = read_cluster(objects, identity=BAREMETAL_LB, namespace=HOME, owner="us")
    snapshot = replace(snapshot, cluster=replace(snapshot.cluster, roster=Roster({member.node: member for member in members})))
    (row,) = rows_of(snapshot, l2, sessions)
    return row


@pytest.mark.parametrize(
    ("members", "node", "speaker", "reason"),
    [
        ([Member("n1")], None, "serving", None),
        ([Member("n1", is_serving=False)], None, "not serving", "SpeakerNotServing"),
        ([Member("n1", is_alive=False)], DRAIN, "dead", "SpeakerNotAlive"),
        ([Member("n1")], DRAIN, "draining", "NodeDraining"),
        ([Member("n1")], {"labels": {LABEL: ""}}, "serving", "ExcludedByLabel"),
        ([], None, "never seen", "NoSpeaker"),
    ],
    ids=["serving", "not serving", "dead", "draining", "excluded by label", "never seen"],
)
def test_a_line_says_what_the_speaker_is_and_why_the_node_takes_no_part(members, node, speaker, reason):
    row = rows(*members, node=node)
    assert (row.speaker, row.reason, row.lease_renewed) == (speaker, reason, RENEWED if members else None)


def test_a_line_counts_the_ips_that_the_node_announces_and_its_sessions():
    l2 = [{"status": {"node": "n1", "serviceNamespace": "shop", "serviceName": name}} for name in ("a", "b", "c", "gone")]
    sessions = [{"status": {"node": "n1", "state": state}} for state in ("Established", "Active")]
    sessions.append({"status": {"node": "n2", "state": "Active"}})
    row = rows(Member("n1", interfaces=(InterfaceFacts("eth0"), InterfaceFacts("eth1"))), l2=l2, sessions=sessions)
    assert (row.announces, row.sessions_up, row.sessions, row.interfaces) == (2, 1, 2, ("eth0", "eth1"))


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0s"), (1, "1s"), (119, "119s"), (125, "2m"), (7300, "2h"), (3 * 86400, "3d")])
def test_ages_are_written_as_kubectl_does(seconds, text):
    assert lease_age(RENEWED, now_utc=parse_time(RENEWED) + seconds * 10**9) == text
