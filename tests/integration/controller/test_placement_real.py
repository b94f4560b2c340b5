"""Preferred announcers and leftovers of nodes, on the real API server; speakers are played by their Leases."""

import threading
import time
from datetime import UTC, datetime

import pytest

from baremetal_lb.membership.facts import MemberFacts, encode
from baremetal_lb.model.roster import InterfaceFacts
from tests.support.controllers import GROUP
from tests.support.wait import until

pytestmark = pytest.mark.kube

NODES = "/api/v1/nodes"


class Speakers:
    """Renews the Leases of some nodes until told to stop."""

    def __init__(self, install, *nodes):
        self._install, self.alive = install, set(nodes)
        self._stop = threading.Event()
        for node in nodes:
            install.server.create(NODES, {"metadata": {"name": node}})
            install.server.create(f"/apis/coordination.k8s.io/v1/namespaces/{install.system}/leases", self._lease(node))
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def _lease(self, node):
        facts = encode(MemberFacts(is_serving=True, incarnation=1, interfaces=(InterfaceFacts("eth0"),)))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "metadata": {"name": f"speaker-{node}", "annotations": {"baremetal-lb.io/member": facts}},
            "spec": {"holderIdentity": node, "leaseDurationSeconds": 3, "renewTime": now},
        }

    def _renew(self):
        while not self._stop.wait(0.5):
            for node in sorted(self.alive):
                self._install.server.merge(
                    f"/apis/coordination.k8s.io/v1/namespaces/{self._install.system}/leases/speaker-{node}",
                    {"spec": self._lease(node)["spec"]},
                )

    def close(self, *nodes):
        self._stop.set()
        self._thread.join()
        for node in nodes:
            self._install.server.delete(f"{NODES}/{node}")


@pytest.fixture
def nodes(install):
    install.pool("blue", "198.51.100.0/26", "2001:db8::/122")
    body = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "all"}, "spec": {}}
    install.server.create(f"{GROUP}/namespaces/{install.system}/l2advertisements", body)
    names = [f"{install.system}-{i}" for i in range(3)]
    speakers = Speakers(install, *names)
    yield names, speakers
    speakers.close(*names)


def announcers(install):
    return [spec.get("announcer") for spec in install.ledger().values()]


def endpoints(install, service, *on):
    body = {
        "addressType": "IPv4",
        "metadata": {"name": f"{service}-1", "labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"addresses": [f"10.1.0.{i}"], "nodeName": node, "conditions": {"ready": True}} for i, node in enumerate(on)],
        "ports": [{"port": 80, "protocol": "TCP"}],
    }
    install.server.create(f"/apis/discovery.k8s.io/v1/namespaces/{install.namespace}/endpointslices", body)


def test_new_ips_are_spread_evenly_and_a_pair_stays_together(install, nodes):
    names, _ = nodes
    install.start()
    install.services_at_once([f"s{i}" for i in range(9)])
    install.all_served(9)
    assert sorted(announcers(install)) == sorted(names * 3)
    install.service("dual", ipFamilyPolicy="RequireDualStack")
    pair = install.all_served(10)["dual"]
    ledger = install.ledger()
    assert ledger[pair[0]]["announcer"] == ledger[pair[1]]["announcer"]


def test_a_drained_node_and_a_dead_one_are_preferred_no_more_and_get_nothing_back(install, nodes):
    names, speakers = nodes
    install.start()
    for i in range(6):
        install.service(f"s{i}")
        endpoints(install, f"s{i}", *names)
    install.all_served(6)
    before = install.ledger()
    install.server.merge(f"{NODES}/{names[0]}", {"metadata": {"annotations": {"baremetal-lb.io/drain": "true"}}})
    until(lambda: names[0] not in announcers(install), describe=lambda: announcers(install))
    moved = {ip for ip, spec in install.ledger().items() if spec["announcer"] != before[ip]["announcer"]}
    assert moved == {ip for ip, spec in before.items() if spec["announcer"] == names[0]}
    install.server.merge(f"{NODES}/{names[0]}", {"metadata": {"annotations": {"baremetal-lb.io/drain": None}}})
    speakers.alive.discard(names[1])
    until(lambda: names[1] not in announcers(install), 20, lambda: announcers(install))
    install.settled()


def test_a_person_moves_an_ip_by_an_annotation(install, nodes):
    names, _ = nodes
    install.start()
    install.service("web")
    endpoints(install, "web", *names)
    install.all_served(1)
    other = next(name for name in names if name != announcers(install)[0])
    install.server.merge(install.service_path("web"), {"metadata": {"annotations": {"baremetal-lb.io/announcer": other}}})
    until(lambda: announcers(install) == [other])


def test_a_better_node_takes_an_ip_over_after_the_delay_that_preemption_asks_for(install, nodes):
    names, _ = nodes
    path = f"{GROUP}/namespaces/{install.system}/l2advertisements/all"
    prefers = {"weight": 10, "preference": {"matchLabels": {"tier": "edge"}}}
    install.server.merge(path, {"spec": {"preferredNodeSelectors": [prefers]}})
    controller = install.start()
    install.service("web")
    endpoints(install, "web", *names)
    install.all_served(1)
    (before,) = announcers(install)
    better = next(name for name in names if name != before)
    install.server.merge(f"{NODES}/{better}", {"metadata": {"labels": {"tier": "edge"}}})
    asked_at, mark = time.monotonic(), install.server.audit_mark()
    install.server.merge(path, {"spec": {"preemption": {"policy": "Delayed", "delay": "2s"}}})
    until(lambda: announcers(install) != [before], describe=lambda: announcers(install))
    assert time.monotonic() - asked_at > 2
    assert announcers(install) == [better]
    assert [line["reason"] for line in controller.lines("preferred_announcer_changed")] == ["Preemption"]
    assert install.writes(mark)["update", "ipallocations"] == 1


def test_a_local_service_prefers_the_node_with_most_ready_endpoints(install, nodes):
    names, _ = nodes
    endpoints(install, "web", names[2], names[1], names[2])
    install.start()
    install.service("web", externalTrafficPolicy="Local")
    install.all_served(1)
    assert announcers(install) == [names[2]]


def test_status_objects_of_nodes_that_are_gone_are_removed(install, nodes):
    names, _ = nodes
    install.start(leftover_grace_s=3)
    install.service("web")
    install.all_served(1)
    path = f"{GROUP}/namespaces/{install.system}/servicel2statuses"
    for node in (names[0], "no-such-node"):
        install.server.create(
            path, {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "ServiceL2Status", "metadata": {"name": f"l2-{node}"}}
        )
        status = {"node": node, "serviceName": "web", "serviceNamespace": install.namespace}
        install.server.merge(f"{path}/l2-{node}/status", {"status": status})
    began = time.monotonic()
    until(lambda: install.server.get(f"{path}/l2-no-such-node") is None, 20)
    assert time.monotonic() - began > 2
    assert install.server.get(f"{path}/l2-{names[0]}") is not None


def test_status_objects_of_a_dead_speaker_are_removed_soon_though_its_node_is_there(install, nodes):
    names, speakers = nodes
    install.start(leftover_grace_s=60)
    install.service("web")
    install.all_served(1)
    path = f"{GROUP}/namespaces/{install.system}/servicel2statuses"
    for node in names[:2]:
        install.server.create(
            path, {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "ServiceL2Status", "metadata": {"name": f"l2-{node}"}}
        )
        status = {"node": node, "serviceName": "web", "serviceNamespace": install.namespace}
        install.server.merge(f"{path}/l2-{node}/status", {"status": status})
    speakers.alive.discard(names[0])
    until(lambda: install.server.get(f"{path}/l2-{names[0]}") is None, 30)
    assert install.server.get(f"{path}/l2-{names[1]}") is not None


def test_bgp_status_objects_go_with_the_node_not_with_the_speaker_whose_routes_may_outlive_it(install, nodes):
    names, speakers = nodes
    install.start(leftover_grace_s=3)
    install.service("web")
    install.all_served(1)
    service = {"serviceName": "web", "serviceNamespace": install.namespace}
    kinds = {"ServiceBGPStatus": service | {"peers": ["tor"]}, "BGPSessionStatus": {"peer": "tor", "bgpStatus": "Established"}}
    paths = [f"{GROUP}/namespaces/{install.system}/{kind.lower()}es" for kind in kinds]
    speakers.alive.discard(names[0])
    for path, (kind, status) in zip(paths, kinds.items(), strict=True):
        for node in (names[0], "no-such-node"):
            body = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": kind, "metadata": {"name": f"bgp-{node}"}}
            install.server.create(path, body)
            install.server.merge(f"{path}/bgp-{node}/status", {"status": status | {"node": node}})
    for path in paths:
        until(lambda path=path: install.server.get(f"{path}/bgp-no-such-node") is None, 30)
    assert [install.server.get(f"{path}/bgp-{names[0]}")["status"]["node"] for path in paths] == [names[0], names[0]]


def test_a_sharer_that_no_node_could_serve_beside_an_older_one_is_left_out_and_both_are_told(install, nodes):
    names, _ = nodes
    install.start()
    shared = {"annotations": {"allow-shared-ip": "s3cret"}, "externalTrafficPolicy": "Local", "selector": {"app": "web"}}
    install.service("old", port=80, **shared)
    endpoints(install, "old", names[0])
    (ip,) = install.all_served(1)["old"]
    install.service("young", port=81, **shared)
    endpoints(install, "young", names[1])
    assert install.all_served(2)["young"] == [ip]

    def events():
        return install.server.get(f"/apis/events.k8s.io/v1/namespaces/{install.namespace}/events")["items"]

    def told():
        return {(e["regarding"]["name"], e["reason"]) for e in events() if "Left" in e["reason"]}

    until(lambda: told() == {("young", "LeftOutOfSharedIP"), ("old", "SharerLeftOut")}, describe=told)
    assert not [e for e in events() if "s3cret" in str(e)]
