"""What `pool check` finds wrong with pools."""

import pytest

from baremetal_lb.cli.offline import read_cluster
from baremetal_lb.cli.pool_check import PoolReason, complaints
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.objects import HOME, entry, pool, service

OWNER = f"baremetal-lb/{HOME}"


def found(*objects):
    snapshot = read_cluster(objects, identity=BAREMETAL_LB, namespace=HOME, owner=OWNER, is_owner_known=True)
    return [(each.pool, each.reason) for each in complaints(snapshot, owner=OWNER)]


def advertisement(kind, **spec):
    return {"apiVersion": "baremetal-lb.io/v1beta1", "kind": kind, "metadata": {"name": "ad", "namespace": HOME}, "spec": spec}


ALL = advertisement("L2Advertisement")
BLUE = pool("blue", "198.51.100.0/28")


def node(ip):
    status = {"addresses": [{"type": "InternalIP", "address": ip}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}, "status": status}


CIDR = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "more"}, "spec": {"cidrs": ["198.51.100.8/29"]}}
CLUSTER_IP = service("inside") | {"spec": {"type": "ClusterIP", "clusterIP": "198.51.100.9", "clusterIPs": ["198.51.100.9"]}}
FOUR = pool("blue", "198.51.100.0/30")


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        pytest.param([BLUE], PoolReason.NotAnnounced, id="no advertisement"),
        pytest.param([BLUE, advertisement("BGPAdvertisement", ipAddressPools=["red"])], PoolReason.NotAnnounced, id="one for another pool"),
        pytest.param([BLUE, ALL, node("198.51.100.3")], PoolReason.ContainsNode, id="a node's IP"),
        pytest.param([BLUE, ALL, CIDR], PoolReason.ContainsClusterIP, id="a ServiceCIDR"),
        pytest.param([BLUE, ALL, CLUSTER_IP], PoolReason.ContainsClusterIP, id="a ClusterIP"),
        pytest.param([pool("blue", "198.51.100.0/28", disabled=True), ALL], PoolReason.Drained, id="drained"),
        pytest.param([pool("blue", "nonsense"), ALL], PoolReason.NotAccepted, id="no range"),
        pytest.param([pool("blue", "198.51.100.0/28", excluded=["203.0.113.1"]), ALL], PoolReason.Questionable, id="excludes nothing"),
        pytest.param([pool("blue", "198.51.100.0/32"), ALL, entry("198.51.100.0", "web")], PoolReason.Full, id="full"),
        pytest.param([FOUR, ALL, *(entry(f"198.51.100.{n}", f"s{n}") for n in range(4))], PoolReason.Full, id="all of four"),
        pytest.param(
            [pool("blue", "198.51.100.0/29"), ALL, *(entry(f"198.51.100.{n}", f"s{n}") for n in range(7))],
            PoolReason.NearlyFull,
            id="seven of eight",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_reason(objects, reason):
    assert found(*objects) == [("blue", reason)]


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([BLUE, ALL], id="announced on layer 2"),
        pytest.param([BLUE, advertisement("BGPAdvertisement", ipAddressPools=["blue"])], id="advertised"),
        pytest.param([pool("blue", "198.51.100.0/28", excluded=["198.51.100.3"]), ALL, node("198.51.100.3")], id="a node's IP, excluded"),
        pytest.param([FOUR, ALL, *(entry(f"198.51.100.{n}", f"s{n}") for n in range(3))], id="three of four"),
    ],
)
def test_nothing_is_told_of_what_is_right(objects):
    assert found(*objects) == []
