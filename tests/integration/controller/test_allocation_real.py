"""The controller on the real API server: what people see when everything works."""

import subprocess
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from baremetal_lb.lab.servers import free_port
from tests.support.controllers import GROUP, POOL_ANNOTATION, install_crds
from tests.support.wait import until

pytestmark = pytest.mark.kube


def test_a_service_gets_an_ip_an_annotation_a_condition_and_an_event(install):
    install.pool("blue", "198.51.100.0/30")
    install.start()
    mark = install.server.audit_mark()
    install.service("web")
    kubectl = [str(install.server.options.binaries / "kubectl"), "--kubeconfig", str(install.server.kubeconfig("admin"))]
    command = [*kubectl, "-n", install.namespace, "wait", "--for=condition=baremetal-lb.io/Satisfied", "service/web", "--timeout=10s"]
    assert "condition met" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    service = install.server.get(install.service_path("web"))
    assert service["status"]["loadBalancer"]["ingress"] == [{"ip": "198.51.100.0", "ipMode": "VIP"}]
    assert service["metadata"]["annotations"][POOL_ANNOTATION] == "blue"
    assert install.ledger()["198.51.100.0"]["services"] == [
        {"namespace": install.namespace, "name": "web", "uid": service["metadata"]["uid"], "ports": ["TCP/80"]}
    ]
    listed = f"/apis/events.k8s.io/v1/namespaces/{install.namespace}/events"
    # On a busy machine the API server's own repair of cluster IPs says something, too, of a Service that is new.
    events = until(lambda: [e for e in install.server.get(listed)["items"] if e["reason"] != "ClusterIPNotAllocated"])
    assert [(event["reason"], event["type"]) for event in events] == [("IPAllocated", "Normal")]
    until(lambda: install.pool_object("blue").get("status", {}).get("assignedIPv4") == 1)
    writes = install.writes(mark)
    assert writes.pop(("patch", "ipaddresspools/status")) <= 2
    assert writes == {("create", "ipallocations"): 1, ("patch", "services/status"): 1}


def test_a_service_that_cannot_be_served_says_why_and_gets_the_ip_that_another_one_leaves(install):
    install.pool("tiny", "198.51.100.7/32")
    install.start()
    install.service("first")
    install.all_served(1)
    install.service("second")
    until(lambda: install.condition("second") == ("False", "PoolExhausted"))
    install.server.delete(install.service_path("first"))
    until(lambda: install.ips("second") == ["198.51.100.7"])
    assert install.condition("second") == ("True", "Satisfied")
    install.settled()


def test_dual_stack_shared_and_requested_ips_are_given_as_asked_for(install):
    install.pool("both", "198.51.100.0/28", "2001:db8::/124")
    install.start()
    install.service("dual", ipFamilyPolicy="RequireDualStack")
    install.service("one", annotations={"allow-shared-ip": "k"}, port=80)
    install.service("two", annotations={"allow-shared-ip": "k"}, port=443)
    install.service("wish", annotations={"loadBalancerIPs": "198.51.100.9"})
    install.service("local", externalTrafficPolicy="Local")
    ips = install.all_served(5)
    assert [":" in ip for ip in ips["dual"]] == [False, True]
    assert ips["one"] == ips["two"]
    assert ips["wish"] == ["198.51.100.9"]
    install.settled()


def test_a_type_change_and_another_wish_release_what_was_had(install):
    install.pool("blue", "198.51.100.0/28")
    install.start()
    install.service("web")
    install.service("api")
    install.all_served(2)
    install.server.merge(install.service_path("web"), {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
    install.server.merge(install.service_path("api"), {"metadata": {"annotations": {"baremetal-lb.io/loadBalancerIPs": "198.51.100.5"}}})
    until(lambda: (install.ips("web"), install.ips("api")) == ([], ["198.51.100.5"]))
    until(lambda: list(install.ledger()) == ["198.51.100.5"], describe=install.ledger)
    until(lambda: install.condition("web") == ("", ""))
    assert POOL_ANNOTATION not in install.server.get(install.service_path("web"))["metadata"].get("annotations", {})


def test_an_ip_is_held_for_a_deleted_service_and_given_back_to_it_only(install):
    install.pool("kept", "198.51.100.0/31", retainFor="1h")
    install.start()
    install.service("web")
    ips = install.all_served(1)["web"]
    install.server.delete(install.service_path("web"))
    held = until(lambda: install.ledger().get(ips[0], {}).get("heldFor"))
    assert (held["namespace"], held["name"]) == (install.namespace, "web")
    install.service("other")
    assert until(lambda: install.ips("other")) != ips
    install.service("web")
    assert until(lambda: install.ips("web")) == ips
    install.settled()


def test_whoever_asks_for_a_held_ip_gets_it_when_the_hold_ends(install):
    install.pool("kept", "198.51.100.0/31", retainFor="2s")
    controller = install.start()
    install.service("web")
    install.all_served(1)
    install.service("next", annotations={"loadBalancerIPs": "198.51.100.0"})
    until(lambda: install.condition("next") == ("False", "AddressInUse"))
    install.server.delete(install.service_path("web"))
    assert until(lambda: install.ips("next")) == ["198.51.100.0"]
    until(lambda: [line["ip"] for line in controller.lines("hold_ended")] == ["198.51.100.0"])
    install.settled()


def test_a_service_made_anew_without_asking_finds_its_ip_though_somebody_asks_for_it(install):
    install.pool("kept", "198.51.100.0/30")
    install.start()
    install.service("web")
    ips = install.all_served(1)["web"]
    install.service("camper", annotations={"loadBalancerIPs": ips[0]})
    until(lambda: install.condition("camper") == ("False", "AddressInUse"))
    install.server.delete(install.service_path("web"))
    until(lambda: install.condition("camper") == ("False", "AddressHeld"))
    assert (
        f"held for {install.namespace}/web until 20"
        in install.server.get(install.service_path("camper"))["status"]["conditions"][0]["message"]
    )
    install.service("web")
    assert until(lambda: install.ips("web")) == ips
    until(lambda: install.condition("camper") == ("False", "AddressInUse"))
    install.settled()


def test_a_faulty_pool_says_so_and_costs_nobody_anything(install):
    install.pool("blue", "198.51.100.0/28")
    install.start()
    install.service("web")
    ips = install.all_served(1)
    install.pool("clash", "198.51.100.0/25", "203.0.113.0/24")
    accepted = until(lambda: {c["type"]: c for c in install.pool_object("clash").get("status", {}).get("conditions", [])})
    assert (accepted["Accepted"]["status"], accepted["Accepted"]["reason"]) == ("False", "OverlapsOtherPool")
    assert accepted["Accepted"]["observedGeneration"] == 1
    events = until(
        lambda: [
            e
            for e in install.server.get(f"/apis/events.k8s.io/v1/namespaces/{install.system}/events")["items"]
            if e["regarding"]["name"] == "clash"
        ]
    )
    assert events[0]["reason"] == "OverlapsOtherPool"
    assert install.all_ips() == ips
    until(lambda: install.pool_object("blue")["status"]["lastAccepted"]["spec"]["addresses"] == ["198.51.100.0/28"])


def test_a_pool_that_turns_bad_stays_in_force_over_a_restart(install):
    install.pool("blue", "198.51.100.0/28")
    install.pool("other", "203.0.113.0/28")
    fast = {"lease_duration_s": 3, "renew_deadline_s": 2, "retry_period_s": 0.5}
    controller = install.start(**fast)
    install.service("web")
    ips = install.all_served(1)
    until(lambda: install.pool_object("blue").get("status", {}).get("lastAccepted"))
    install.server.merge(f"{GROUP}/namespaces/{install.system}/ipaddresspools/blue", {"spec": {"addresses": ["203.0.113.0/24"]}})
    until(lambda: any(c["type"] == "Accepted" and c["status"] == "False" for c in install.pool_object("blue")["status"]["conditions"]))
    controller.kill()
    install.start(**fast)
    install.service("more")
    assert install.all_served(2)["web"] == ips["web"]
    install.settled()


def test_pool_counters_are_exact_and_written_at_most_once_a_second(install):
    install.pool("wide", "198.51.100.0/25", "2001:db8::/32")
    install.start()
    mark, began = install.server.audit_mark(), time.monotonic()
    for burst in range(4):
        install.services_at_once([f"s{burst}-{i}" for i in range(10)])
        install.all_served(10 * burst + 10)
    expected = {"capacity": 128, "allocated": 40, "held": 0, "reserved": 0, "available": 88}
    until(lambda: install.pool_object("wide")["status"].get("ipv4") == expected, describe=lambda: install.pool_object("wide")["status"])
    assert install.pool_object("wide")["status"]["ipv6"]["available"] == str(2**96)
    assert install.writes(mark)["patch", "ipaddresspools/status"] <= 2 + int(time.monotonic() - began)


def test_missing_crds_are_said_and_waited_for(install):
    install.server.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bfdprofiles.baremetal-lb.io")
    until(lambda: install.server.get(f"{GROUP}/bfdprofiles") is None, 20)
    port = free_port()
    controller = install.start(is_awaited=False, health_port=port)

    def complaint():
        try:
            return urlopen(f"http://127.0.0.1:{port}/readyz").read().decode()
        except HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    until(lambda: "bmlb crds | kubectl apply -f -" in complaint() and "bfdprofiles" in complaint(), 20, complaint)
    install_crds(install.server)
    until(lambda: controller.lines("term_began"), 40)
    until(lambda: complaint() == "[+] kubernetes\n")
