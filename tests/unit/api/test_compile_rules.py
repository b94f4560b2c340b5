"""Every rule of compile: one configuration that breaks it, and the object, field and reason that are named; and the ones that hold.

The rules are those of the reference's configuration parser and validators, plus ours.
"""

import base64

import pytest

from baremetal_lb.api.compile import compile_objects
from baremetal_lb.model.configuration import SharingScope
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB
from tests.unit.api.manifests import (
    accepted,
    adv,
    community,
    fatal,
    l2,
    manifest,
    node,
    peer,
    pool,
    profile,
    reservation,
    run,
    secret,
    told,
)

NODES = (node("node1", node="node1"), node("node2", node="node2"))
ON_NODE1 = [{"matchLabels": {"node": "node1"}}]
ON_NODE2 = [{"matchLabels": {"node": "node2"}}]
SAME = {"matchLabels": {"a": "b"}}


def expression(**fields):
    return [{"matchExpressions": [fields]}]


def b64(text):
    return base64.b64encode(text.encode()).decode()


FAULTS = {
    # pools
    "a pool without spec": ([{**pool(), "spec": None}], ("IPAddressPool/blue", "spec", "MissingField")),
    "a pool without addresses": ([{**pool(), "spec": {}}], ("IPAddressPool/blue", "spec.addresses", "MissingField")),
    "a pool with no address": ([{**pool(), "spec": {"addresses": []}}], ("IPAddressPool/blue", "spec.addresses", "TooFew")),
    "a CIDR that is none": ([pool("blue", "100.200.300.400/24")], ("IPAddressPool/blue", "spec.addresses[0]", "UnparsableRange")),
    "a prefix that is too long": (
        [pool("blue", "198.51.100.0/24", "1.2.3.0/33")],
        ("IPAddressPool/blue", "spec.addresses[1]", "UnparsableRange"),
    ),
    "a netmask": ([pool("blue", "198.51.100.0/255.255.255.0")], ("IPAddressPool/blue", "spec.addresses[0]", "UnparsableRange")),
    "a zone": ([pool("blue", "fe80::%eth0/64")], ("IPAddressPool/blue", "spec.addresses[0]", "UnparsableRange")),
    "a mapped prefix": ([pool("blue", "::ffff:198.51.100.0/120")], ("IPAddressPool/blue", "spec.addresses[0]", "UnparsableRange")),
    "nonsense": ([pool("blue", "what")], ("IPAddressPool/blue", "spec.addresses[0]", "UnparsableRange")),
    "half a range": ([pool("blue", "198.51.100.1-")], ("IPAddressPool/blue", "spec.addresses[0]", "UnparsableRange")),
    "a reversed range": ([pool("blue", "1.2.3.10-1.2.3.1")], ("IPAddressPool/blue", "spec.addresses[0]", "ReversedRange")),
    "a range of two families": (
        [pool("blue", "198.51.100.1-2001:db8::1")],
        ("IPAddressPool/blue", "spec.addresses[0]", "MixedFamilyRange"),
    ),
    "a bare address": ([pool("blue", "198.51.100.1")], ("IPAddressPool/blue", "spec.addresses[0]", "BareAddress")),
    "ranges of a pool that overlap": (
        [pool("blue", "198.51.100.0/24", "203.0.113.0/24", "198.51.100.200-198.51.100.210")],
        ("IPAddressPool/blue", "spec.addresses[2]", "OverlappingRanges"),
    ),
    "pools that overlap": (
        [pool("a", "10.0.0.0/8"), pool("b", "10.0.0.0/16")],
        ("IPAddressPool/b", "spec.addresses[0]", "OverlapsOtherPool"),
    ),
    "a younger pool inside an older one": (
        [pool("a", "10.0.0.0/16", age=2), pool("b", "10.0.0.0/8", age=1)],
        ("IPAddressPool/a", "spec.addresses[0]", "OverlapsOtherPool"),
    ),
    "IPv6 pools that overlap": (
        [pool("a", "2001:db8::/32"), pool("b", "2001:db8:ffff::-2001:db9::1")],
        ("IPAddressPool/b", "spec.addresses[0]", "OverlapsOtherPool"),
    ),
    "a namespace twice": (
        [pool(serviceAllocation={"namespaces": ["x", "y", "x"]})],
        ("IPAddressPool/blue", "spec.serviceAllocation.namespaces[2]", "DuplicateValue"),
    ),
    "a namespace selector twice": (
        [pool(serviceAllocation={"namespaceSelectors": [SAME, SAME]})],
        ("IPAddressPool/blue", "spec.serviceAllocation.namespaceSelectors[1]", "DuplicateSelector"),
    ),
    "a value of a service selector twice": (
        [pool(serviceAllocation={"serviceSelectors": expression(key="foo", operator="In", values=["bar", "bar"])})],
        ("IPAddressPool/blue", "spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].values[1]", "DuplicateValue"),
    ),
    "an excluded text": ([pool(excluded=["203.0.113.1", "x"])], ("IPAddressPool/blue", "spec.excluded[1]", "UnparsableRange")),
    "a retention that is none": ([pool(retainFor="1 day")], ("IPAddressPool/blue", "spec.retainFor", "InvalidDuration")),
    "a negative retention": ([pool(retainFor="-1h")], ("IPAddressPool/blue", "spec.retainFor", "InvalidDuration")),
    "a negative quota": ([pool(quotas=[{"addresses": -1}])], ("IPAddressPool/blue", "spec.quotas[0].addresses", "OutOfRange")),
    "a quota without number": ([pool(quotas=[{}])], ("IPAddressPool/blue", "spec.quotas[0].addresses", "MissingField")),
    "a quota's namespace twice": (
        [pool(quotas=[{"addresses": 1, "namespaces": ["x", "x"]}])],
        ("IPAddressPool/blue", "spec.quotas[0].namespaces[1]", "DuplicateValue"),
    ),
    "a text where a boolean belongs": ([pool(autoAssign="no")], ("IPAddressPool/blue", "spec.autoAssign", "WrongType")),
    "a number where a text belongs": ([{**pool(), "spec": {"addresses": [5]}}], ("IPAddressPool/blue", "spec.addresses[0]", "WrongType")),
    "a pool without name": ([pool("")], ("IPAddressPool/", "metadata.name", "MissingName")),
    "a pool of a name that is taken": (
        [pool("a", "10.0.0.0/8"), pool("a", "11.0.0.0/8")],
        ("IPAddressPool/a", "metadata.name", "DuplicateObject"),
    ),
    "a pool elsewhere": (
        [{**pool(), "metadata": {"name": "blue", "namespace": "default"}}],
        ("IPAddressPool/blue", "metadata.namespace", "OtherNamespace"),
    ),
    "a version that is not served": (
        [{**pool(), "apiVersion": "baremetal-lb.io/v9"}],
        ("IPAddressPool/blue", "apiVersion", "UnknownVersion"),
    ),
    "labels that are none": (
        [{**pool(), "metadata": {"name": "blue", "labels": {"a": 1}}}],
        ("IPAddressPool/blue", "metadata.labels", "WrongType"),
    ),
    # selectors
    "an operator that is none": (
        [l2(nodeSelectors=expression(key="bar", operator="surrounds", values=["x"]))],
        ("L2Advertisement/l2", "spec.nodeSelectors[0].matchExpressions[0].operator", "InvalidSelector"),
    ),
    "an expression without key": (
        [l2(nodeSelectors=expression(operator="In", values=["x"]))],
        ("L2Advertisement/l2", "spec.nodeSelectors[0].matchExpressions[0].key", "MissingField"),
    ),
    "an expression with an empty key": (
        [l2(nodeSelectors=expression(key="", operator="In", values=["x"]))],
        ("L2Advertisement/l2", "spec.nodeSelectors[0].matchExpressions[0].key", "InvalidSelector"),
    ),
    "In without values": (
        [l2(nodeSelectors=expression(key="a", operator="In"))],
        ("L2Advertisement/l2", "spec.nodeSelectors[0].matchExpressions[0].values", "InvalidSelector"),
    ),
    "Exists with values": (
        [l2(nodeSelectors=expression(key="a", operator="Exists", values=["x"]))],
        ("L2Advertisement/l2", "spec.nodeSelectors[0].matchExpressions[0].values", "InvalidSelector"),
    ),
    "a label value that is none": (
        [l2(serviceSelectors=[{"matchLabels": {"a": "b c"}}])],
        ("L2Advertisement/l2", "spec.serviceSelectors[0].matchLabels.a", "InvalidSelector"),
    ),
    "a label key that is none": (
        [l2(serviceSelectors=[{"matchLabels": {"a/b/c": "x"}}])],
        ("L2Advertisement/l2", 'spec.serviceSelectors[0].matchLabels["a/b/c"]', "InvalidSelector"),
    ),
    "an expression twice, values in another order": (
        [
            l2(
                nodeSelectors=[
                    {
                        "matchExpressions": [
                            {"key": "h", "operator": "In", "values": ["1", "2"]},
                            {"key": "h", "operator": "In", "values": ["2", "1"]},
                        ]
                    }
                ]
            )
        ],
        ("L2Advertisement/l2", "spec.nodeSelectors[0].matchExpressions[1]", "DuplicateSelector"),
    ),
    # layer 2
    "a pool named twice (L2)": (
        [pool(), l2(ipAddressPools=["blue", "blue"])],
        ("L2Advertisement/l2", "spec.ipAddressPools[1]", "DuplicateValue"),
    ),
    "a pool selector twice (L2)": (
        [pool(), l2(ipAddressPoolSelectors=[SAME, SAME])],
        ("L2Advertisement/l2", "spec.ipAddressPoolSelectors[1]", "DuplicateSelector"),
    ),
    "a node selector twice (L2)": ([l2(nodeSelectors=[SAME, SAME])], ("L2Advertisement/l2", "spec.nodeSelectors[1]", "DuplicateSelector")),
    "a service selector twice (L2)": (
        [l2(serviceSelectors=[{}, {}])],
        ("L2Advertisement/l2", "spec.serviceSelectors[1]", "DuplicateSelector"),
    ),
    "a weight of 0": (
        [l2(preferredNodeSelectors=[{"weight": 0, "preference": {}}])],
        ("L2Advertisement/l2", "spec.preferredNodeSelectors[0].weight", "OutOfRange"),
    ),
    "a weight of 101": (
        [l2(preferredNodeSelectors=[{"weight": 101, "preference": {}}])],
        ("L2Advertisement/l2", "spec.preferredNodeSelectors[0].weight", "OutOfRange"),
    ),
    "a weight without preference": (
        [l2(preferredNodeSelectors=[{"weight": 1}])],
        ("L2Advertisement/l2", "spec.preferredNodeSelectors[0].preference", "MissingField"),
    ),
    "a preference that is none": (
        [l2(preferredNodeSelectors=[{"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}])],
        ("L2Advertisement/l2", "spec.preferredNodeSelectors[0].preference.matchExpressions[0].operator", "InvalidSelector"),
    ),
    "a delay without preemption": (
        [l2(preemption={"delay": "1m"})],
        ("L2Advertisement/l2", "spec.preemption.delay", "DelayWithoutPreemption"),
    ),
    "a policy that is none": ([l2(preemption={"policy": "Always"})], ("L2Advertisement/l2", "spec.preemption.policy", "NotAllowed")),
    # reservations
    "a reservation for nobody": ([reservation("kept", "203.0.113.1", namespace="")], ("IPReservation/kept", "spec.namespace", "TooFew")),
    "a reservation of nothing": ([reservation("kept", "x")], ("IPReservation/kept", "spec.addresses[0]", "UnparsableRange")),
    "a reservation that overlaps itself": (
        [reservation("kept", "203.0.113.1", "203.0.113.0/24")],
        ("IPReservation/kept", "spec.addresses[1]", "OverlappingRanges"),
    ),
    # peers
    "a peer without own ASN": ([peer(myASN=None)], ("BGPPeer/router", "spec.myASN", "MissingField")),
    "own ASN 0": ([peer(myASN=0)], ("BGPPeer/router", "spec.myASN", "OutOfRange")),
    "an ASN that does not fit": ([peer(myASN=2**32)], ("BGPPeer/router", "spec.myASN", "OutOfRange")),
    "a peer without ASN": ([peer(peerASN=None)], ("BGPPeer/router", "spec.peerASN", "MissingASN")),
    "peer ASN 0": ([peer(peerASN=0)], ("BGPPeer/router", "spec.peerASN", "MissingASN")),
    "a peer with both ASNs": ([peer(dynamicASN="internal")], ("BGPPeer/router", "spec.dynamicASN", "ConflictingASN")),
    "a dynamic ASN that is none": ([peer(peerASN=None, dynamicASN="some")], ("BGPPeer/router", "spec.dynamicASN", "NotAllowed")),
    "multihop within one AS": ([peer(peerASN=64500, ebgpMultiHop=True)], ("BGPPeer/router", "spec.ebgpMultiHop", "MultihopWithinAS")),
    "a peer without address": ([peer(peerAddress=None)], ("BGPPeer/router", "spec.peerAddress", "MissingAddress")),
    "a peer with both": ([peer(interface="net0")], ("BGPPeer/router", "spec.interface", "ConflictingAddress")),
    "an address that is none": ([peer(peerAddress="1.2.3.400")], ("BGPPeer/router", "spec.peerAddress", "InvalidAddress")),
    "a source that is none": ([peer(sourceAddress="here")], ("BGPPeer/router", "spec.sourceAddress", "InvalidAddress")),
    "a source of the other family": ([peer(sourceAddress="2001:db8::1")], ("BGPPeer/router", "spec.sourceAddress", "InvalidAddress")),
    "a router id that is none": ([peer(routerID="how do I BGP")], ("BGPPeer/router", "spec.routerID", "InvalidRouterID")),
    "an IPv6 router id": ([peer(routerID="2001:db8::1")], ("BGPPeer/router", "spec.routerID", "InvalidRouterID")),
    "a port that is too high": ([peer(peerPort=16385)], ("BGPPeer/router", "spec.peerPort", "OutOfRange")),
    "a hold time that is too short": ([peer(holdTime="1s")], ("BGPPeer/router", "spec.holdTime", "InvalidTimers")),
    "a hold time that does not fit": ([peer(holdTime="24h")], ("BGPPeer/router", "spec.holdTime", "InvalidTimers")),
    "a hold time that is none": ([peer(holdTime="long")], ("BGPPeer/router", "spec.holdTime", "InvalidDuration")),
    "a keepalive that is too long": (
        [peer(holdTime="30s", keepaliveTime="90s")],
        ("BGPPeer/router", "spec.keepaliveTime", "InvalidTimers"),
    ),
    "a keepalive without hold time": ([peer(holdTime="0s", keepaliveTime="1s")], ("BGPPeer/router", "spec.keepaliveTime", "InvalidTimers")),
    "a keepalive that makes the hold time too short": (
        [peer(keepaliveTime="500ms")],
        ("BGPPeer/router", "spec.keepaliveTime", "InvalidTimers"),
    ),
    "a connect time that is not whole": ([peer(connectTime="1500ms")], ("BGPPeer/router", "spec.connectTime", "InvalidTimers")),
    "a connect time of 0": ([peer(connectTime="0s")], ("BGPPeer/router", "spec.connectTime", "InvalidTimers")),
    "an interface with a line break": (
        [peer(peerAddress=None, interface="eth0\nrouter bgp 666")],
        ("BGPPeer/router", "spec.interface", "InvalidInterfaceName"),
    ),
    "a password with a line break": ([peer(password="x\n")], ("BGPPeer/router", "spec.password", "InvalidPassword")),
    "a VRF with a carriage return": ([peer(vrf="vrf\r")], ("BGPPeer/router", "spec.vrf", "InvalidInterfaceName")),
    "two passwords": (
        [peer(password="x", passwordSecret={"name": "key"})],
        ("BGPPeer/router", "spec.passwordSecret", "ConflictingPassword"),
    ),
    "a secret of another type": (
        [peer(passwordSecret={"name": "key"}), secret(type="Opaque", data={"password": b64("x")})],
        ("BGPPeer/router", "spec.passwordSecret", "UnusableSecret"),
    ),
    "a secret without password": (
        [peer(passwordSecret={"name": "key"}), secret()],
        ("BGPPeer/router", "spec.passwordSecret", "UnusableSecret"),
    ),
    "a secret with a line break": (
        [peer(passwordSecret={"name": "key"}), secret(data={"password": b64("x\n")})],
        ("BGPPeer/router", "spec.passwordSecret", "UnusableSecret"),
    ),
    "a BFD profile that is not there": ([peer(bfdProfile="fast")], ("BGPPeer/router", "spec.bfdProfile", "UnknownBFDProfile")),
    "a node selector twice (peer)": ([peer(nodeSelectors=[SAME, SAME])], ("BGPPeer/router", "spec.nodeSelectors[1]", "DuplicateSelector")),
    "two peers with one address": ([peer("a"), peer("b")], ("BGPPeer/b", "spec.peerAddress", "DuplicatePeer")),
    "two peers on one interface": (
        [peer("a", peerAddress=None, interface="net0"), peer("b", peerAddress=None, interface="net0")],
        ("BGPPeer/b", "spec.interface", "DuplicatePeer"),
    ),
    "one of three router ids differs": (
        [
            peer("a", peerAddress="1.2.3.4", routerID="1.2.3.4"),
            peer("b", peerAddress="1.2.3.5", routerID="1.2.3.4"),
            peer("c", peerAddress="1.2.3.6", routerID="1.2.3.5"),
        ],
        ("BGPPeer/c", "spec.routerID", "RouterIDConflict"),
    ),
    "one of two router ids is not given": (
        [peer("a", peerAddress="1.2.3.4", routerID="1.2.3.4"), peer("b", peerAddress="1.2.3.5")],
        ("BGPPeer/b", "spec.routerID", "RouterIDConflict"),
    ),
    "router ids differ between VRFs": (
        [peer("a", routerID="1.2.3.4"), peer("b", routerID="1.2.3.5", vrf="red", myASN=1)],
        ("BGPPeer/b", "spec.routerID", "RouterIDConflict"),
    ),
    "own ASNs differ": ([peer("a"), peer("b", peerAddress="1.2.3.5", myASN=64509)], ("BGPPeer/b", "spec.myASN", "LocalASNConflict")),
    "the younger peer is at fault": ([peer("a", age=2), peer("b", age=1)], ("BGPPeer/a", "spec.peerAddress", "DuplicatePeer")),
    # BFD
    "a receive interval that is too low": ([profile(receiveInterval=2)], ("BFDProfile/fast", "spec.receiveInterval", "OutOfRange")),
    "a receive interval that is too high": ([profile(receiveInterval=90000)], ("BFDProfile/fast", "spec.receiveInterval", "OutOfRange")),
    "a transmit interval that is too low": ([profile(transmitInterval=9)], ("BFDProfile/fast", "spec.transmitInterval", "OutOfRange")),
    "an echo interval that is too high": ([profile(echoInterval=60001)], ("BFDProfile/fast", "spec.echoInterval", "OutOfRange")),
    "a multiplier of 1": ([profile(detectMultiplier=1)], ("BFDProfile/fast", "spec.detectMultiplier", "OutOfRange")),
    "a TTL of 255": ([profile(minimumTtl=255)], ("BFDProfile/fast", "spec.minimumTtl", "OutOfRange")),
    "two profiles of one name": ([profile("a"), profile("a", echoMode=True)], ("BFDProfile/a", "metadata.name", "DuplicateObject")),
    "echo and IPv6": (
        [pool("p", "2001:db8::/64"), profile(echoMode=True), adv(), peer(bfdProfile="fast")],
        ("BGPPeer/router", "spec.bfdProfile", "EchoWithIPv6"),
    ),
    # communities
    "a community of one part": ([community(bar="1234")], ("Community/names", "spec.communities[0].value", "InvalidCommunity")),
    "a community whose first part does not fit": (
        [community(bar="99999999:1")],
        ("Community/names", "spec.communities[0].value", "InvalidCommunity"),
    ),
    "a community whose second part does not fit": (
        [community(bar="1:65536")],
        ("Community/names", "spec.communities[0].value", "InvalidCommunity"),
    ),
    "a large community that does not fit": (
        [community(bar="large:1:2:4294967296")],
        ("Community/names", "spec.communities[0].value", "InvalidCommunity"),
    ),
    "a community of four parts": ([community(bar="small:1:2:3")], ("Community/names", "spec.communities[0].value", "InvalidCommunity")),
    "a signed community": ([community(bar="+1:2")], ("Community/names", "spec.communities[0].value", "InvalidCommunity")),
    "an alias in two objects": (
        [community("a", bar="1:2"), community("b", bar="1:2")],
        ("Community/b", "spec.communities[0].name", "DuplicateCommunity"),
    ),
    # BGP advertisements
    "IPv4 aggregation of 34": ([adv(aggregationLength=34)], ("BGPAdvertisement/adv", "spec.aggregationLength", "OutOfRange")),
    "IPv4 aggregation of 0": ([adv(aggregationLength=0)], ("BGPAdvertisement/adv", "spec.aggregationLength", "OutOfRange")),
    "IPv6 aggregation of 129": ([adv(aggregationLengthV6=129)], ("BGPAdvertisement/adv", "spec.aggregationLengthV6", "OutOfRange")),
    "aggregation wider than a CIDR": (
        [pool("p", "10.20.30.40/24", "1.2.3.0/28"), adv(aggregationLength=26)],
        ("BGPAdvertisement/adv", "spec.aggregationLength", "AggregationTooShort"),
    ),
    "aggregation wider than a range": (
        [pool("p", "3.3.3.2-3.3.3.254"), adv(aggregationLength=24)],
        ("BGPAdvertisement/adv", "spec.aggregationLength", "AggregationTooShort"),
    ),
    "IPv6 aggregation wider than a CIDR": (
        [pool("p", "2001:db8::/64"), adv(aggregationLengthV6=48)],
        ("BGPAdvertisement/adv", "spec.aggregationLengthV6", "AggregationTooShort"),
    ),
    "aggregation with service selectors": (
        [adv(aggregationLength=24, serviceSelectors=[SAME])],
        ("BGPAdvertisement/adv", "spec.aggregationLength", "AggregationWithServiceSelectors"),
    ),
    "IPv6 aggregation with service selectors": (
        [adv(aggregationLengthV6=64, serviceSelectors=[{}])],
        ("BGPAdvertisement/adv", "spec.aggregationLengthV6", "AggregationWithServiceSelectors"),
    ),
    "a pool named twice (BGP)": (
        [pool(), adv(ipAddressPools=["blue", "blue"])],
        ("BGPAdvertisement/adv", "spec.ipAddressPools[1]", "DuplicateValue"),
    ),
    "a peer named twice": ([peer(), adv(peers=["router", "router"])], ("BGPAdvertisement/adv", "spec.peers[1]", "DuplicateValue")),
    "a community twice": ([adv(communities=["1:2", "1:2"])], ("BGPAdvertisement/adv", "spec.communities[1]", "DuplicateValue")),
    "a community of a wrong form": ([adv(communities=["1234"])], ("BGPAdvertisement/adv", "spec.communities[0]", "UnknownCommunity")),
    "an alias that is not there": ([adv(communities=["bar"])], ("BGPAdvertisement/adv", "spec.communities[0]", "UnknownCommunity")),
    "a community that does not fit (adv)": (
        [adv(communities=["1:99999999"])],
        ("BGPAdvertisement/adv", "spec.communities[0]", "InvalidCommunity"),
    ),
    "a pool selector twice (BGP)": (
        [adv(ipAddressPoolSelectors=[SAME, SAME])],
        ("BGPAdvertisement/adv", "spec.ipAddressPoolSelectors[1]", "DuplicateSelector"),
    ),
    "a node selector twice (BGP)": (
        [adv(nodeSelectors=[SAME, SAME])],
        ("BGPAdvertisement/adv", "spec.nodeSelectors[1]", "DuplicateSelector"),
    ),
    "two local preferences": (
        [pool(), adv("a", localPref=100), adv("b", localPref=200)],
        ("BGPAdvertisement/b", "spec.localPref", "LocalPrefConflict"),
    ),
    "two local preferences, the younger at fault": (
        [pool(), adv("a", localPref=100, age=2), adv("b", localPref=200, age=1)],
        ("BGPAdvertisement/a", "spec.localPref", "LocalPrefConflict"),
    ),
    "two local preferences of a dual-stack pool, one length differs": (
        [pool("p", "10.0.0.0/24", "2001:db8::/64"), adv("a", localPref=1, aggregationLength=24), adv("b", localPref=2)],
        ("BGPAdvertisement/b", "spec.localPref", "LocalPrefConflict"),
    ),
    "two local preferences, one for all peers": (
        [pool(), peer(), adv("a", localPref=1, peers=["router"]), adv("b", localPref=2)],
        ("BGPAdvertisement/b", "spec.localPref", "LocalPrefConflict"),
    ),
    "a MED that does not fit": ([adv(med=2**32)], ("BGPAdvertisement/adv", "spec.med", "OutOfRange")),
    "17 prepended": ([adv(asPathPrepend=17)], ("BGPAdvertisement/adv", "spec.asPathPrepend", "OutOfRange")),
    "no service addresses": ([adv(serviceAddresses=[])], ("BGPAdvertisement/adv", "spec.serviceAddresses", "TooFew")),
    "service addresses that are none": (
        [adv(serviceAddresses=["Node"])],
        ("BGPAdvertisement/adv", "spec.serviceAddresses[0]", "NotAllowed"),
    ),
}


@pytest.mark.parametrize(("objects", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_object_field_and_reason_and_nothing_else_is(objects, expected):
    assert fatal(run(*objects, nodes=NODES)) == [expected]


@pytest.mark.parametrize("objects", [objects for objects, _ in FAULTS.values()], ids=FAULTS)
def test_an_innocent_pool_is_in_force_beside_any_fault(objects):
    innocent = pool("innocent", "192.88.99.0/24", age=0)
    before = [p.name for p in run(*objects, nodes=NODES).configuration.pools]
    assert [p.name for p in run(*objects, innocent, nodes=NODES).configuration.pools] == sorted([*before, "innocent"])


VALID = {
    "nothing": [],
    "a pool of everything": [
        pool("a", "10.20.0.0/16", "10.50.0.0/24", avoidBuggyIPs=True, autoAssign=False),
        pool("b", "40.0.0.0/25", "40.0.0.150-40.0.0.200", "40.0.0.210 - 40.0.0.240", "40.0.0.250 - 40.0.0.250"),
        pool("c", "2001:db8::/64", "10.60.0.7/32"),
        pool("d", "1000::/8"),
    ],
    "host bits": [pool("a", "198.51.100.10/24")],
    "neighbours": [pool("a", "10.0.0.0-10.0.0.9"), pool("b", "10.0.0.10-10.0.0.20"), pool("c", "::-::9"), pool("d", "::a-::f")],
    "allocation": [pool(serviceAllocation={"priority": 1, "namespaces": ["x"], "namespaceSelectors": [SAME], "serviceSelectors": [SAME]})],
    "matchLabels and an equal expression are different selectors": [
        l2(nodeSelectors=[{"matchLabels": {"a": "b"}}, *expression(key="a", operator="In", values=["b"])])
    ],
    "nulls are absent": [{**pool(), "spec": {"addresses": ["10.0.0.0/24"], "autoAssign": None, "serviceAllocation": None}}],
    "preferences": [l2(preferredNodeSelectors=[{"weight": 100, "preference": SAME}, {"weight": 1, "preference": SAME}])],
    "preemption": [l2(preemption={"policy": "Delayed", "delay": "30s"})],
    "a peer with everything": [
        peer(
            peerPort=1179,
            holdTime="180s",
            keepaliveTime="1m0s",
            routerID="10.20.30.40",
            sourceAddress="10.20.30.40",
            enableGracefulRestart=True,
            ebgpMultiHop=True,
            localASN=65410,
            ttlSecurity=True,
            dualStackAddressFamily=True,
        ),
        peer("other", myASN=64509, peerAddress="2.3.4.5", nodeSelectors=[SAME]),
    ],
    "an unnumbered peer": [peer(peerAddress=None, interface="net0", peerASN=None, dynamicASN="internal")],
    "zero timers": [peer(holdTime="0s", keepaliveTime="0s")],
    "keepalive alone": [peer(keepaliveTime="60s")],
    "an empty secret reference": [peer(password="x", passwordSecret={})],
    "a good secret": [peer(passwordSecret={"name": "key", "namespace": "elsewhere"}), secret(data={"password": b64("nopass")})],
    "peers of one address on two nodes": [
        peer("a", nodeSelectors=ON_NODE1),
        peer("b", nodeSelectors=ON_NODE2, routerID="1.2.3.4", myASN=1),
    ],
    "a default BFD profile": [peer(bfdProfile="fast"), profile(), pool("p", "2001:db8::/64"), adv()],
    "a full BFD profile": [
        profile(
            receiveInterval=50, transmitInterval=51, detectMultiplier=52, echoInterval=54, echoMode=False, passiveMode=True, minimumTtl=55
        )
    ],
    "communities": [community(bar="64512:1234", baz="large:123:64512:1234"), adv(communities=["bar", "baz", "1:2", "large:1:2:3"])],
    "aggregation by range": [pool("p", "3.3.3.2-3.3.3.254"), adv(aggregationLength=26)],
    "local preferences by length": [pool(), adv("a", localPref=100, aggregationLength=24), adv("b", localPref=200)],
    "local preferences by both lengths": [
        pool("p", "10.0.0.0/24", "2001:db8::/64"),
        adv("a", localPref=1, aggregationLength=24, aggregationLengthV6=64),
        adv("b", localPref=2),
    ],
    "local preferences by node": [pool(), adv("a", localPref=1, nodeSelectors=ON_NODE1), adv("b", localPref=2, nodeSelectors=ON_NODE2)],
    "local preferences by peer": [
        pool(),
        peer("x"),
        peer("y", peerAddress="1.1.1.1"),
        adv("a", localPref=1, peers=["x"]),
        adv("b", localPref=2, peers=["y"]),
    ],
    "local preferences by pool": [
        pool("x"),
        pool("y", "10.0.0.0/8"),
        adv("a", localPref=1, ipAddressPools=["x"]),
        adv("b", localPref=2, ipAddressPools=["y"]),
    ],
    "local preferences by Service": [pool(), adv("a", localPref=1, serviceSelectors=[SAME]), adv("b", localPref=2)],
    "service selectors with the default lengths": [adv(serviceSelectors=[SAME], aggregationLength=32, aggregationLengthV6=128)],
    "what advertisements have more": [
        adv(med=0, asPathPrepend=3, weightByEndpoints=True, serviceAddresses=["LoadBalancer", "External", "Cluster"])
    ],
    "an object that was accepted, unchanged": [pool(status=accepted({"addresses": ["203.0.113.0/24"]}))],
}


@pytest.mark.parametrize("objects", VALID.values(), ids=VALID)
def test_what_is_right_gives_no_problem(objects):
    result = run(*objects, nodes=NODES)
    assert fatal(result) + told(result) == []


TOLD = {
    "a pool that is not there": (
        [pool(), l2(ipAddressPools=["blue", "red"])],
        ("L2Advertisement/l2", "spec.ipAddressPools[1]", "UnknownPool"),
    ),
    "no pool selected": (
        [pool(), l2(ipAddressPoolSelectors=[SAME])],
        ("L2Advertisement/l2", "spec.ipAddressPoolSelectors", "SelectsNoPool"),
    ),
    "a pool that is not there (BGP)": ([adv(ipAddressPools=["red"])], ("BGPAdvertisement/adv", "spec.ipAddressPools[0]", "UnknownPool")),
    "a peer that is not there": ([adv(peers=["x"])], ("BGPAdvertisement/adv", "spec.peers[0]", "UnknownPeer")),
    "an unknown field": ([pool(colour="blue")], ("IPAddressPool/blue", "spec.colour", "UnknownField")),
    "an unknown field deep inside": (
        [pool(serviceAllocation={"namespace": ["x"]})],
        ("IPAddressPool/blue", "spec.serviceAllocation.namespace", "UnknownField"),
    ),
    "an unknown field outside": ([{**pool(), "specs": {}}], ("IPAddressPool/blue", "specs", "UnknownField")),
    "a CIDR with spaces": ([pool("blue", " 10.0.0.0/8")], ("IPAddressPool/blue", "spec.addresses[0]", "SurroundingSpace")),
    "exclusion elsewhere": ([pool(excluded=["198.51.100.1"])], ("IPAddressPool/blue", "spec.excluded[0]", "ExcludesNothing")),
    "reservations that overlap": (
        [reservation("a", "203.0.113.0/24", age=1), reservation("b", "203.0.113.9", age=2)],
        ("IPReservation/b", "spec.addresses[0]", "OverlapsOtherReservation"),
    ),
    "a secret that is not there": ([peer(passwordSecret={"name": "key"})], ("BGPPeer/router", "spec.passwordSecret", "UnknownSecret")),
    "a keepalive interval": (
        [peer(holdTime="90s", keepaliveTime="10s")],
        ("BGPPeer/router", "spec.keepaliveTime", "KeepaliveNotSupported"),
    ),
    "a connect time": ([peer(connectTime="1s")], ("BGPPeer/router", "spec.connectTime", "ConnectTimeNotSupported")),
    "disableMP": ([peer(disableMP=True)], ("BGPPeer/router", "spec.disableMP", "DisableMPWithoutEffect")),
    "peers of one address in two VRFs": ([peer("a"), peer("b", vrf="red")], ("BGPPeer/b", "spec.vrf", "OutgoingInVRFOnly")),
    "echo and IPv4": (
        [peer(bfdProfile="fast"), profile(echoMode=True), pool("p", "1.2.3.0/24"), adv()],
        ("BFDProfile/fast", "spec.echoMode", "EchoNotSupported"),
    ),
    "echo and IPv6 on the link only": (
        [peer(bfdProfile="fast"), profile(echoMode=True), pool("p", "2001:db8::/64"), l2()],
        ("BFDProfile/fast", "spec.echoMode", "EchoNotSupported"),
    ),
    "a name that cannot be": ([pool("Blue")], ("IPAddressPool/Blue", "metadata.name", "InvalidName")),
    "an object of the other identity": (
        [{**pool(), "apiVersion": "metallb.io/v1beta1"}],
        ("IPAddressPool/blue", "apiVersion", "OtherGroup"),
    ),
}


@pytest.mark.parametrize(("objects", "expected"), TOLD.values(), ids=TOLD)
def test_what_works_less_well_than_asked_is_told_and_not_fatal(objects, expected):
    result = run(*objects, nodes=NODES)
    assert (fatal(result), told(result)) == ([], [expected])


def test_all_problems_of_all_objects_are_told_at_once():
    result = run(
        pool("a", "x", "1.2.3.4", autoAssign=3, retainFor="soon", quotas=[{"addresses": "1"}]),
        peer(myASN="1", peerAddress="x", holdTime="1s"),
        l2(nodeSelectors=[SAME, SAME], interfaces="eth0"),
    )
    assert fatal(result) == [
        ("BGPPeer/router", "spec.myASN", "WrongType"),
        ("IPAddressPool/a", "spec.addresses[0]", "UnparsableRange"),
        ("IPAddressPool/a", "spec.addresses[1]", "BareAddress"),
        ("IPAddressPool/a", "spec.autoAssign", "WrongType"),
        ("IPAddressPool/a", "spec.quotas[0].addresses", "WrongType"),
        ("IPAddressPool/a", "spec.retainFor", "InvalidDuration"),
        ("L2Advertisement/l2", "spec.interfaces", "WrongType"),
        ("L2Advertisement/l2", "spec.nodeSelectors[1]", "DuplicateSelector"),
    ]


def test_echo_and_ipv6_is_told_to_all_four_objects():
    result = run(pool("p", "2001:db8::/64"), profile(echoMode=True), adv(), peer(bfdProfile="fast"))
    assert [who for who, _, _ in told(result)] == ["BFDProfile/fast", "BFDProfile/fast", "BGPAdvertisement/adv", "IPAddressPool/p"]


def test_a_password_is_in_no_problem_and_in_nothing_to_record():
    result = run(
        peer(password="hunter2\n"), peer("b", peerAddress="1.1.1.1", password="hunter2"), secret(data={"password": b64("hunter2\n")})
    )
    assert "hunter2" not in repr((result.problems, result.accepted))


def test_where_secrets_are_not_given_nothing_is_said_of_them():
    result = run(peer(passwordSecret={"name": "key"}), are_secrets_given=False)
    assert result.problems == ()


@pytest.mark.parametrize(
    ("written", "identity", "scope"),
    [
        (None, BAREMETAL_LB, SharingScope.NAMESPACE),
        (None, METALLB, SharingScope.CLUSTER),
        ("Cluster", BAREMETAL_LB, SharingScope.CLUSTER),
        ("Namespace", METALLB, SharingScope.NAMESPACE),
    ],
)
def test_who_may_share_is_as_written_or_as_the_identity_has_it(written, identity, scope):
    spec = {"addresses": ["203.0.113.0/24"]} | ({"sharing": written} if written else {})
    made = manifest("IPAddressPool", "blue", spec, group=identity.group, namespace=identity.default_namespace)
    compiled = compile_objects([made], identity=identity, namespace=identity.default_namespace)
    assert (compiled.problems, [pool.sharing for pool in compiled.configuration.pools]) == ((), [scope])
