"""The controller on the real API server behind a proxy that injects faults, killed between any two writes, and two at once.

Whatever happens: no IP is given twice, lost or changed, nothing is leaked, and the end is as if nothing had happened.
"""

import pytest

from tests.support.controllers import LEDGER
from tests.support.proxy import Fault, Rule
from tests.support.wait import until

pytestmark = pytest.mark.kube

WRITES = "POST|PUT|PATCH|DELETE"
OURS = r"/(ipallocations|services/)"
"""Requests for entries, and for single Services."""
FAULTS = [Fault.CONFLICT, Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.RESET_BEFORE, Fault.RESET_AFTER]
FAST = {"lease_duration_s": 3, "renew_deadline_s": 2, "retry_period_s": 0.5}


def behind(install, proxy):
    """Return the kubeconfig of a controller behind the proxy."""
    return proxy.kubeconfig(install.server.token("controller"), install.work / "proxy.kubeconfig")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("path", [r"/ipallocations", r"/services/[^/]+/status"], ids=["entry", "status"])
def test_a_write_that_fails_in_any_way_is_done_in_the_end(install, kube_proxy, fault, path):
    install.pool("blue", "198.51.100.0/27", "2001:db8::/123", retainFor="0s")
    install.start(kubeconfig=behind(install, kube_proxy))
    rule = kube_proxy.add(Rule(fault, WRITES, path, times=6))
    names = [f"s{i}" for i in range(8)]
    install.services_at_once(names, ipFamilyPolicy="PreferDualStack")
    ips = install.all_served(8)
    assert rule.hits == 6
    assert all(len(pair) == 2 for pair in ips.values())
    install.settled()
    again = kube_proxy.add(Rule(fault, WRITES, path, times=3))
    for name in names[:4]:
        install.server.delete(install.service_path(name))
    until(lambda: len(install.ledger()) == 8, describe=install.ledger)
    assert again.hits == 3 or path != r"/ipallocations"
    assert install.all_ips() == {name: ips[name] for name in names[4:]}
    install.settled()


@pytest.mark.parametrize("nth", range(1, 7))
def test_killed_before_its_nth_write_the_next_one_finishes_the_work(install, kube_proxy, nth):
    install.pool("blue", "198.51.100.0/28", retainFor="0s")
    install.pool("green", "203.0.113.0/28", autoAssign=False)
    install.service("stays")
    first = install.start(kubeconfig=behind(install, kube_proxy), **FAST)
    stays = install.all_served(1)
    kube_proxy.add(Rule(Fault.SILENT, WRITES, OURS, nth=nth, times=None))
    install.service("fresh")
    install.service("moves")
    install.server.merge(install.service_path("stays"), {"metadata": {"labels": {"touched": "yes"}}})
    until(lambda: install.ips("moves") or any(seen.fault for seen in kube_proxy.seen), 10)
    install.server.merge(install.service_path("moves"), {"metadata": {"annotations": {"baremetal-lb.io/address-pool": "green"}}})
    until(lambda: any(seen.fault for seen in kube_proxy.seen) or install.ips("moves")[:1] == ["203.0.113.0"], 10)
    install.server.delete(install.service_path("fresh"))
    until(lambda: any(seen.fault for seen in kube_proxy.seen) or len(install.ledger()) == 2, 10)
    first.kill()
    kube_proxy.clear()
    kube_proxy.cut()
    install.start(kubeconfig=behind(install, kube_proxy), **FAST)
    until(lambda: install.all_ips() == {**stays, "moves": ["203.0.113.0"]}, 20, install.all_ips)
    install.settled()


@pytest.mark.parametrize("fault", [Fault.GONE, Fault.EMPTY_LIST, Fault.OLD_LIST, Fault.SERVER_ERROR], ids=lambda f: f.name.lower())
def test_lists_and_watches_that_lie_cost_nobody_an_ip(install, kube_proxy, fault):
    install.pool("blue", "198.51.100.0/27")
    install.start(kubeconfig=behind(install, kube_proxy))
    install.services_at_once([f"s{i}" for i in range(6)])
    ips = install.all_served(6)
    install.settled()
    mark = install.server.audit_mark()
    if fault is not Fault.GONE:
        kube_proxy.add(Rule(Fault.GONE, "GET", r"/(services|ipallocations)\?.*watch=", times=2))
        lists = kube_proxy.add(Rule(fault, "GET", r"/(services|ipallocations)\?(?!.*watch=)", times=2))
    else:
        lists = kube_proxy.add(Rule(fault, "GET", r"/(services|ipallocations)\?.*watch=", times=2))
    kube_proxy.cut()
    # Not sooner: a list that is read after the Service is made, and told without it, hides it until the hold-off ends.
    until(lambda: lists.answered == 2, 20)
    install.service("later")
    served = install.all_served(7)
    assert {name: served[name] for name in ips} == ips
    install.settled()
    writes = install.writes(mark)
    writes.pop(("patch", "ipaddresspools/status"), None)
    assert ("delete", "ipallocations") not in writes
    assert writes["patch", "services/status"] == 1


def test_a_silent_watch_delays_nothing_once_it_is_cut(install, kube_proxy):
    install.pool("blue", "198.51.100.0/27")
    silent = kube_proxy.add(Rule(Fault.SILENT, "GET", r"/services\?.*watch=", times=1))
    install.start(kubeconfig=behind(install, kube_proxy))
    until(lambda: silent.hits == 1)
    install.service("web")
    kube_proxy.cut()
    install.all_served(1)
    install.settled()


def test_two_controllers_that_both_lead_never_give_an_ip_twice(install):
    install.pool("blue", "198.51.100.0/26", "2001:db8::/122")
    for user, lease in (("controller", "one"), ("controller-2", "two")):  # the rules name the Lease that controllers have by default
        install.server.grant(
            user, [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [lease], "verbs": ["get", "update"]}]
        )
    install.start(lease_name="one")
    install.start(user="controller-2", lease_name="two")
    install.services_at_once([f"s{i}" for i in range(40)], ipFamilyPolicy="PreferDualStack")
    ips = install.all_served(40, 60)
    assert all(len(pair) == 2 for pair in ips.values())
    install.settled(30)
    taken = [ip for pair in ips.values() for ip in pair]
    assert len(taken) == len(set(taken))


def test_a_deleted_ledger_is_made_again_and_nobody_notices(install):
    install.pool("blue", "198.51.100.0/26")
    controller = install.start()
    install.services_at_once([f"s{i}" for i in range(20)])
    ips = install.all_served(20)
    install.settled()
    mark = install.server.audit_mark()
    install.server.clear(LEDGER)
    until(lambda: len(install.ledger()) == 20, describe=lambda: len(install.ledger()))
    install.settled()
    assert install.all_ips() == ips
    assert install.writes(mark).keys() <= {("create", "ipallocations"), ("patch", "ipaddresspools/status")}
    assert controller.lines("ledger_entry_missing")


def test_a_ledger_deleted_while_no_controller_runs_is_adopted(install):
    install.pool("blue", "198.51.100.0/26")
    first = install.start()
    install.services_at_once([f"s{i}" for i in range(20)])
    ips = install.all_served(20)
    install.settled()
    first.stop()
    install.server.clear(LEDGER)
    install.service("new")
    mark = install.server.audit_mark()
    install.start()
    served = install.all_served(21)
    assert {name: served[name] for name in ips} == ips
    install.settled()
    assert install.writes(mark)["patch", "services/status"] == 1


def test_ips_that_somebody_else_gave_before_our_first_start_are_adopted(install):
    install.pool("blue", "198.51.100.0/26")
    given = {"inside": "198.51.100.40", "also": "198.51.100.0"}
    install.service("new")
    for name, ip in given.items():
        install.service(name)
        install.server.merge(install.service_path(name) + "/status", {"status": {"loadBalancer": {"ingress": [{"ip": ip}]}}})
    install.start()
    assert install.all_served(3) == {"inside": ["198.51.100.40"], "also": ["198.51.100.0"], "new": ["198.51.100.1"]}
    install.settled()
    assert {spec["pool"] for spec in install.ledger().values()} == {"blue"}


def test_an_adopted_ip_outside_every_pool_waits_for_its_pool(install):
    install.service("early")
    install.server.merge(install.service_path("early") + "/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}})
    install.start()
    until(lambda: install.condition("early") == ("False", "NoPools"), describe=lambda: install.condition("early"))
    assert (install.ips("early"), list(install.ledger())) == (["203.0.113.9"], ["203.0.113.9"])
    install.pool("blue", "203.0.113.0/28")
    until(lambda: install.condition("early") == ("True", "Satisfied"), describe=lambda: install.condition("early"))
    assert install.ips("early") == ["203.0.113.9"]
    until(lambda: install.ledger()["203.0.113.9"]["pool"] == "blue", describe=install.ledger)
    install.settled()


def test_a_part_of_the_ledger_deleted_while_no_controller_runs_is_recalled(install):
    install.pool("blue", "198.51.100.0/26")
    first = install.start()
    install.services_at_once([f"s{i}" for i in range(4)])
    ips = install.all_served(4)
    install.settled()
    first.stop()
    install.server.delete(f"{LEDGER}/{ips['s1'][0]}")
    install.service("new")
    install.start()
    served = install.all_served(5)
    assert {name: served[name] for name in ips} == ips
    install.settled()


def test_services_deleted_while_no_controller_ran_are_released_by_comparison(install):
    install.pool("blue", "198.51.100.0/26")
    first = install.start(**FAST)
    install.services_at_once([f"s{i}" for i in range(5)])
    ips = install.all_served(5)
    first.kill()
    install.server.delete(install.service_path("s1"))
    install.server.delete(install.service_path("s2"))
    install.service("s2")
    install.start(**FAST)
    assert install.all_served(4) == {name: ips[name] for name in ("s0", "s2", "s3", "s4")}
    install.settled()
    until(lambda: install.ledger()[ips["s1"][0]].get("heldFor", {}).get("name") == "s1", describe=install.ledger)
    assert len(install.ledger()) == 5


def test_services_replaced_while_no_controller_ran_keep_their_ips_in_a_full_pool(install):
    install.pool("blue", "198.51.100.0/30")
    first = install.start(**FAST)
    install.service("solo0")
    install.service("solo1")
    for port in (80, 81):
        install.service(f"shared{port}", port=port, annotations={"allow-shared-ip": "k"})
    install.service("solo2")
    ips = install.all_served(5)
    install.service("waits")
    until(lambda: install.condition("waits") == ("False", "PoolExhausted"))
    first.kill()
    for name in ips:
        install.server.delete(install.service_path(name))
    for name in ("solo0", "solo1", "solo2"):
        install.service(name)
    for port in (80, 81):
        install.service(f"shared{port}", port=port, annotations={"allow-shared-ip": "k"})
    install.start(**FAST)
    until(lambda: {**ips, "waits": []} == install.all_ips(), describe=install.all_ips)
    install.settled()


def test_a_foreign_status_is_put_right_three_times_and_then_only_reported(install):
    install.pool("blue", "198.51.100.0/26")
    controller = install.start()
    install.service("web")
    ips = install.all_served(1)["web"]
    install.settled()
    for _ in range(3):
        install.server.merge(install.service_path("web") + "/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.66"}]}}})
        until(lambda: install.ips("web") == ips)
    install.server.merge(install.service_path("web") + "/status", {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.66"}]}}})
    until(lambda: controller.lines("status_contested"))
    assert install.ips("web") == ["203.0.113.66"]
    assert list(install.ledger()) == ips


def test_an_entry_of_another_install_is_never_touched(install):
    install.pool("blue", "198.51.100.0/31")
    entry = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAllocation", "metadata": {"name": "198.51.100.0"}}
    install.server.create(LEDGER, {**entry, "spec": {"address": "198.51.100.0", "owner": "somebody-else", "pool": "theirs"}})
    install.start()
    install.service("web")
    assert install.all_served(1)["web"] == ["198.51.100.1"]
    assert install.ledger()["198.51.100.0"]["owner"] == "somebody-else"


@pytest.mark.parametrize(("retain_for", "last"), [("0s", "DELETE"), ("1h", "PUT")], ids=["released", "held"])
def test_writes_come_in_the_order_of_the_protocol_and_each_release_after_a_live_look(install, kube_proxy, retain_for, last):
    install.pool("blue", "198.51.100.0/28")
    install.pool("green", "203.0.113.0/28", autoAssign=False, retainFor=retain_for)
    install.start(kubeconfig=behind(install, kube_proxy))
    install.service("web")
    install.all_served(1)
    install.server.merge(install.service_path("web"), {"metadata": {"annotations": {"baremetal-lb.io/address-pool": "green"}}})
    until(lambda: list(install.ledger()) == ["203.0.113.0"], describe=install.ledger)
    install.server.delete(install.service_path("web"))
    until(lambda: not any(entry.get("services") for entry in install.ledger().values()))
    web = install.service_path("web")
    ours = [s for s in kube_proxy.seen if s.target.startswith(web) or ("/ipallocations" in s.target and s.is_write)]
    assert [(s.method, s.target.split("?")[0].removeprefix(web).rsplit("/", 1)[-1]) for s in ours] == [
        ("POST", "ipallocations"),
        ("PATCH", "status"),
        ("POST", "ipallocations"),
        ("GET", ""),
        ("PATCH", "status"),
        ("DELETE", "198.51.100.0"),
        ("GET", ""),
        (last, "203.0.113.0"),
    ]
