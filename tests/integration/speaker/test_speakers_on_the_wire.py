"""Speakers against the real API server, in namespaces on one bridge: who answers, and who takes over."""

import pytest

from tests.support.speakers import Speakers
from tests.support.wait import until

pytestmark = [pytest.mark.netns, pytest.mark.kube]
IP, IP6, OTHER = "198.51.100.200", "2001:db8::200", "198.51.100.201"


def test_one_node_answers_and_says_so(cluster: Speakers):
    node1, node2 = cluster.node("node1"), cluster.node("node2")
    cluster.configure()
    cluster.service("web", IP, IP6, endpoints=["node1", "node2"], announcer="node2")
    cluster.until_answered(IP, by=node2, deadline_s=20)
    cluster.until_answered(IP6, by=node2)
    until(lambda: cluster.statuses().keys() == {"web@node2"}, describe=cluster.statuses)
    assert cluster.statuses()["web@node2"]["serviceNamespace"] == cluster.users
    node1.until_ready()
    node2.until_ready()
    assert 'baremetal_lb_speaker_announced{ip="198.51.100.200"' in node2.get("/metrics", 9121)[1]
