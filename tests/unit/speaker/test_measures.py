"""What the speaker tells at a scrape."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import SessionState, SessionStateName
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.ids import BAREMETAL_LB, IDENTITIES, ObjectKey
from baremetal_lb.telemetry.metrics import Metrics
from speaker.bfd import Watched
from speaker.plan import Standing
from speaker.process import Speaker
from speaker.routing_measures import address_of, session_families
from speaker.sessions import Sessions
from speaker.settings import Settings

IP = ip_address("203.0.113.7")
WEB, API = ObjectKey("default", "web"), ObjectKey("default", "api")


def samples(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.render()[0].decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def speaker(**options: str) -> Speaker:
    return Speaker(Settings(node_name="node1", **options), Transport(url="http://127.0.0.1:1"))


def test_an_announced_ip_has_a_series_for_each_service_while_it_stands():
    one = speaker()
    one.loop.standings[IP] = standing = Standing(None, (API, WEB), since=0)
    one.measures.changed(None, standing)
    found = samples(one.measures.metrics)
    name = 'baremetal_lb_speaker_announced{{ip="203.0.113.7",node="node1",protocol="layer2",service="default/{}"}}'
    assert (found[name.format("web")], found[name.format("api")]) == (1, 1)
    assert found['baremetal_lb_speaker_announcement_changes_total{change="announced"}'] == 1
    one.loop.standings.clear()
    assert not [name for name in samples(one.measures.metrics) if "203.0.113.7" in name]


@pytest.mark.parametrize(("identity", "label"), [("baremetal-lb", "spine"), ("metallb", "[2001:db8::1]:1179")])
def test_a_peer_without_session_is_down_and_not_absent(tmp_path: Path, identity: str, label: str):
    one = speaker(identity=identity, runtime_dir=str(tmp_path))
    one.bgp.task.peers = {"spine": BGPPeer("spine", 65000, peer_asn=65001, address=IPv6Address("2001:db8::1"), port=1179)}
    one.bgp.task.watched = Watched(Sessions({}, {"spine": SessionReason.NoPassword}))
    found, prefix = samples(one.measures.metrics), IDENTITIES[identity].metrics_prefix
    assert found[f'{prefix}bgp_session_up{{peer="{label}"}}'] == 0
    assert found[f'{prefix}bgp_sessions_refused{{reason="NoPassword"}}'] == 1
    assert found[f"{prefix}bgp_engine_connected"] == 0


def test_a_session_tells_since_when_it_stands_and_which_routes_are_still_to_go():
    metrics = Metrics(BAREMETAL_LB, with_process=False)
    up = SessionState("tor", IPv4Address("192.0.2.1"), SessionStateName.ESTABLISHED, since_utc=5_000_000_000, routes_advertised=3)
    metrics.read_at_scrape(lambda: session_families(metrics, {"spine": "spine", "tor": "tor"}, {"tor": up}, {"tor": 7}))
    assert {name: value for name, value in samples(metrics).items() if "_bgp_" in name} == {
        'baremetal_lb_bgp_session_up{peer="spine"}': 0,
        'baremetal_lb_bgp_session_up{peer="tor"}': 1,
        'baremetal_lb_bgp_session_since_seconds{peer="tor"}': 5,
        'baremetal_lb_bgp_announced_prefixes_total{peer="tor"}': 3,
        'baremetal_lb_bgp_pending_prefixes_total{peer="tor"}': 4,
    }


@pytest.mark.parametrize(
    ("address", "interface", "label"),
    [("192.0.2.1", None, "192.0.2.1:179"), ("2001:db8::1", None, "[2001:db8::1]:179"), (None, "eth1", "eth1:179")],
)
def test_a_peer_has_the_label_that_dashboards_for_metallb_know(address: str | None, interface: str | None, label: str):
    assert address_of(BGPPeer("x", 65000, peer_asn=65001, address=ip_address(address) if address else None, interface=interface)) == label


def test_turns_are_timed_and_only_those_that_had_something_to_do():
    one = speaker()
    one.measures.turned(2_000_000)
    assert samples(one.measures.metrics)["baremetal_lb_speaker_turn_seconds_count"] == 1


def pool(generation: int, spec: dict, **status) -> dict:
    metadata = {"name": "web", "namespace": "baremetal-lb-system", "uid": "u", "generation": generation, "resourceVersion": str(generation)}
    return {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": spec, "status": status}


def test_a_change_that_is_refused_is_told_though_what_is_in_force_stays_the_same():
    one, key = speaker(), ObjectKey("baremetal-lb-system", "web")
    good = {"addresses": ["203.0.113.0/24"]}
    one.inputs.pools.seed({key: pool(1, good)})
    one._compile_if_changed()
    before, in_force = samples(one.measures.metrics), one.world.configuration
    one.inputs.pools.seed({key: pool(2, {"addresses": ["203.0.113.9-203.0.113.1"]}, lastAccepted={"generation": 1, "spec": good})})
    one._compile_if_changed()
    after = samples(one.measures.metrics)
    assert one.world.configuration == in_force
    assert (before["baremetal_lb_k8s_client_config_stale_bool"], after["baremetal_lb_k8s_client_config_stale_bool"]) == (0, 1)
    assert after['baremetal_lb_config_problems{reason="ReversedRange"}'] == 1
