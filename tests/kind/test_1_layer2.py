"""Layer 2: IPs of the nodes' own network, as a client on it sees them."""

import pytest

from tests.support.kind import Kind
from tests.support.kind_objects import deployment, service
from tests.support.kind_outside import Outside
from tests.support.wait import until


def url(ip: str, port: int = 80) -> str:
    return f"http://[{ip}]:{port}/" if ":" in ip else f"http://{ip}:{port}/"


@pytest.fixture(params=[4, 6])
def family(request: pytest.FixtureRequest, kind: Kind) -> int:
    if request.param == 6 and not kind.has_ipv6:
        pytest.skip("the cluster has no IPv6; `make kind-up FAMILY=dual` makes one that has")
    return int(request.param)


def in_family(family: int) -> dict[str, object]:
    return {"ipFamilies": ["IPv6" if family == 6 else "IPv4"], "ipFamilyPolicy": "SingleStack"}


def test_under_policy_cluster_every_pod_answers_through_the_one_node_that_announces(kind: Kind, client: Outside, family: int):
    name = f"cluster{family}"
    kind.apply(service(name, **in_family(family)))
    ip = until(lambda: kind.ips(name), 30)[0]
    until(lambda: kind.announcer(client, ip), 15)
    until(lambda: len(client.ask(url(ip), 30).pods) == 3, 30, lambda: client.ask(url(ip), 30))
    statuses = kind.get("servicel2statuses", "-n", "baremetal-lb-system", "-l", f"baremetal-lb.io/service-name={name}")["items"]
    assert [status["status"]["node"] for status in statuses] == [kind.announcer(client, ip)]


def test_under_policy_local_the_pod_sees_who_asks_and_the_announcer_is_where_it_runs(kind: Kind, client: Outside, family: int):
    name = f"local{family}"
    node = kind.nodes[1]
    kind.apply(deployment(name, node=node), service(name, app=name, policy="Local", **in_family(family)))
    ip = until(lambda: kind.ips(name), 30)[0]
    until(lambda: kind.announcer(client, ip) == node, 60)
    until(lambda: not client.ask(url(ip)).errors, 30)
    answers = client.ask(url(ip), 5)
    assert (answers.errors, answers.sources) == ([], {client.address("kind", family)})


def test_the_announcer_follows_the_pod_of_a_local_service(kind: Kind, client: Outside):
    kind.apply(deployment("moving", node=kind.nodes[1]), service("moving", app="moving", policy="Local"))
    ip = until(lambda: kind.ips("moving"), 30)[0]
    until(lambda: kind.announcer(client, ip) == kind.nodes[1], 60)
    kind.apply(deployment("moving", node=kind.nodes[2]))
    until(lambda: kind.announcer(client, ip) == kind.nodes[2], 60)
    until(lambda: not client.ask(url(ip)).errors, 15)
