"""What peers, advertisements and BFD profiles compile to: values with every default applied and every reference resolved."""

from ipaddress import ip_address

from baremetal_lb.api.compile import compile_objects
from baremetal_lb.model.bgp import BFDProfile, BGPAdvertisement, BGPPeer, Community, DynamicASN, LargeCommunity, ServiceAddresses
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.time import MILLISECOND

NAMESPACE = BAREMETAL_LB.default_namespace


def an(kind: str, name: str, version: str = "v1beta1", **spec: object) -> dict[str, object]:
    return {
        "apiVersion": f"baremetal-lb.io/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "generation": 1},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def peer(name: str = "tor", **spec: object) -> dict[str, object]:
    return an("BGPPeer", name, "v1beta2", **{"myASN": 64600, "peerASN": 64512, "peerAddress": "198.51.100.1", **spec})


def configuration(*objects: dict[str, object]):
    return compile_objects(objects, identity=BAREMETAL_LB, namespace=NAMESPACE).configuration


def test_a_plain_peer_has_every_default() -> None:
    assert configuration(peer()).bgp_peers == (BGPPeer("tor", 64600, 64512, address=ip_address("198.51.100.1")),)


def test_a_peer_with_everything() -> None:
    profile = an("BFDProfile", "fast", transmitInterval=50, receiveInterval=60, detectMultiplier=5, passiveMode=True, minimumTtl=250)
    found = configuration(
        profile,
        peer(
            localASN=65001,
            sourceAddress="198.51.100.11",
            peerPort=1179,
            holdTime="9s",
            keepaliveTime="3s",
            routerID="10.0.0.1",
            password="hunter2",
            bfdProfile="fast",
            enableGracefulRestart=True,
            ebgpMultiHop=True,
            ttlSecurity=True,
            vrf="red",
            dualStackAddressFamily=True,
        ),
    ).bgp_peers[0]
    assert found == BGPPeer(
        name="tor",
        my_asn=65001,
        peer_asn=64512,
        address=ip_address("198.51.100.1"),
        source_address=ip_address("198.51.100.11"),
        port=1179,
        hold_time_s=9,
        router_id=ip_address("10.0.0.1"),
        password="hunter2",
        bfd=BFDProfile("fast", 60 * MILLISECOND, 50 * MILLISECOND, 5, is_passive=True, minimum_ttl=250),
        is_graceful_restart=True,
        is_multihop=True,
        has_ttl_security=True,
        vrf="red",
        is_dual_stack=True,
    )
    assert "hunter2" not in repr(found)


def test_an_unnumbered_peer_of_any_other_as() -> None:
    (found,) = configuration(peer(peerAddress=None, interface="eth1", peerASN=None, dynamicASN="external")).bgp_peers
    assert (found.address, found.interface, found.peer_asn, found.dynamic_asn) == (None, "eth1", None, DynamicASN.EXTERNAL)


def test_an_advertisement_has_its_pools_and_communities_looked_up() -> None:
    pools = [
        an("IPAddressPool", name, addresses=[addresses]) for name, addresses in (("blue", "203.0.113.0/25"), ("red", "203.0.113.128/25"))
    ]
    aliases = an(
        "Community", "names", communities=[{"name": "no-export", "value": "65535:65281"}, {"name": "here", "value": "large:1:2:3"}]
    )
    advertisement = an(
        "BGPAdvertisement",
        "adv",
        ipAddressPools=["blue", "absent"],
        communities=["here", "65000:1", "no-export", "large:4200000000:0:1"],
        localPref=200,
        aggregationLength=30,
        aggregationLengthV6=120,
        peers=["tor"],
        med=5,
        asPathPrepend=2,
        weightByEndpoints=True,
        serviceAddresses=["External", "LoadBalancer"],
    )
    assert configuration(advertisement, aliases, *pools, peer()).bgp_advertisements == (
        BGPAdvertisement(
            "adv",
            pools=frozenset({"blue"}),
            peers=frozenset({"tor"}),
            aggregation_length=30,
            aggregation_length_v6=120,
            local_pref=200,
            communities=(Community(65000, 1), Community(65535, 65281)),
            large_communities=(LargeCommunity(1, 2, 3), LargeCommunity(4200000000, 0, 1)),
            med=5,
            as_path_prepend=2,
            weight_by_endpoints=True,
            service_addresses=frozenset({ServiceAddresses.EXTERNAL, ServiceAddresses.LOAD_BALANCER}),
        ),
    )


def test_an_advertisement_that_names_no_pool_speaks_of_all() -> None:
    assert configuration(an("BGPAdvertisement", "adv")).bgp_advertisements == (BGPAdvertisement("adv"),)


def test_a_peer_whose_profile_is_missing_is_not_in_force() -> None:
    assert configuration(peer(bfdProfile="absent")).bgp_peers == ()
