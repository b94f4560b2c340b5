"""The lines of `svc list`: from the Services themselves and from what speakers report."""

import pytest

from baremetal_lb.cli.service_rows import rows_of
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.objects import service

IP = "198.51.100.3"


def condition(status, reason, message="."):
    return {"type": "baremetal-lb.io/Satisfied", "status": status, "reason": reason, "message": message}


def judged(name, *conditions, ip=None):
    made = service(name, ip, "blue" if ip else None)
    made["status"]["conditions"] = list(conditions)
    return made


def report(name, node):
    return {"status": {"serviceNamespace": "shop", "serviceName": name, "node": node}}


def test_a_line_has_the_ip_its_pool_and_the_nodes_that_report():
    (row,) = rows_of([judged("web", condition("True", "Satisfied"), ip=IP)], [report("web", "b"), report("web", "a")], [], BAREMETAL_LB)
    assert (row.namespace, row.name, row.ips, row.pool) == ("shop", "web", (IP,), "blue")
    assert (row.announced_by, row.advertised_by, row.reason, row.is_silent) == (("a", "b"), (), None, False)


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ((condition("False", "PoolExhausted"),), "PoolExhausted"),
        ((), "NotLookedAt"),
        (({"type": "example.com/Satisfied", "status": "True", "reason": "Else", "message": ""},), "NotLookedAt"),
    ],
    ids=["refused", "not judged yet", "another's condition"],
)
def test_a_service_without_ip_has_a_reason(conditions, reason):
    (row,) = rows_of([judged("web", *conditions)], [], [], BAREMETAL_LB)
    assert (row.ips, row.reason, row.is_silent) == ((), reason, False)


def test_a_service_whose_ip_nobody_reports_is_silent_until_a_node_advertises_it():
    made = judged("web", condition("True", "Satisfied"), ip=IP)
    assert [row.is_silent for row in rows_of([made], [report("other", "a")], [], BAREMETAL_LB)] == [True]
    assert [row.is_silent for row in rows_of([made], [], [report("web", "a")], BAREMETAL_LB)] == [False]


def test_services_of_other_types_and_classes_have_no_line():
    inside, other = service("inside"), service("other")
    inside["spec"]["type"] = "ClusterIP"
    other["spec"]["loadBalancerClass"] = "example.com/lb"
    assert rows_of([inside, other], [], [], BAREMETAL_LB) == []
    assert [row.name for row in rows_of([inside, other], [], [], BAREMETAL_LB, "example.com/lb")] == ["other"]
