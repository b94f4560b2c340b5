"""Whatever the manifests are, a plan has an answer: faults become problems, never exceptions."""

import copy
import json

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.api.source import load
from tests.support.offline_plan import Planned, manifests

BASE = manifests("""
apiVersion: baremetal-lb.io/v1beta1
kind: IPAddressPool
metadata: {name: blue, labels: {a: b}}
spec:
  addresses: [203.0.113.0/30, "2001:db8::/126"]
  serviceAllocation: {priority: 3, namespaces: [default]}
---
apiVersion: baremetal-lb.io/v1beta1
kind: L2Advertisement
metadata: {name: all}
spec: {interfaces: [eth0], preferredNodeSelectors: [{weight: 5, preference: {matchLabels: {x: y}}}]}
---
apiVersion: baremetal-lb.io/v1beta1
kind: IPReservation
metadata: {name: r}
spec: {addresses: [203.0.113.3], namespace: default, serviceName: web}
---
apiVersion: baremetal-lb.io/v1beta1
kind: IPAllocation
metadata: {name: 203.0.113.1}
spec:
  address: 203.0.113.1
  owner: baremetal-lb/baremetal-lb-system
  pool: blue
  services: [{namespace: default, name: web, uid: u, ports: [TCP/80]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, uid: u, annotations: {baremetal-lb.io/allow-shared-ip: k, baremetal-lb.io/loadBalancerIPs: 203.0.113.1}}
spec: {type: LoadBalancer, clusterIPs: [10.0.0.1], ports: [{port: 80}], selector: {a: b}, externalTrafficPolicy: Local}
status:
  loadBalancer: {ingress: [{ip: 203.0.113.1}]}
  conditions: [{type: baremetal-lb.io/Satisfied, status: "True", reason: x, message: y}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.1], nodeName: n, conditions: {ready: true}}]
---
apiVersion: v1
kind: Node
metadata: {name: n, labels: {x: y}}
status: {conditions: [{type: NetworkUnavailable, status: "False"}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {a: b}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: speaker-n
  namespace: baremetal-lb-system
  annotations: {baremetal-lb.io/member: '{"serving":true,"incarnation":1,"interfaces":[]}'}
spec: {holderIdentity: n}
""")

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.sampled_from(["", "203.0.113.1", "::ffff:1.2.3.4", "fe80::1%eth0", "None", "TCP/x", "a/b", "/", "é", "default", "web"]),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just([{"a": 1}]),
)


def paths(value, prefix=()):
    yield prefix
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*prefix, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*prefix, index))


ALL = [path for path in paths(BASE) if len(path) > 1]


@given(st.lists(st.tuples(st.sampled_from(ALL), st.one_of(st.just("delete"), values)), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_plan_of_broken_manifests_has_an_answer(edits):
    objects = copy.deepcopy(BASE)
    for path, value in edits:
        holder = objects
        try:
            for step in path[:-1]:
                holder = holder[step]
            if value == "delete":
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    plan = Planned(objects)
    json.dumps(plan.document)
    chained = Planned(plan.afterwards())
    assert [row["ips"] for row in chained.document["services"]] == [row["ips"] for row in plan.document["services"]]


WILD = st.sampled_from(
    [
        '!!bool "x"',
        '!!int "zz"',
        "!!binary eA==",
        "!!set {a}",
        "!own x",
        "9" * 5000,
        str(2**64),
        "1e999",
        ".nan",
        "[" * 500,
        "&a [*a]",
        "{<<: 5}",
        "&a {<<: *a}",
        "{~: 1}",
        "{[a]: 1}",
        "{a: 1, a: 2}",
        '"\\ud800"',
        "\x00",
        "\t- x",
        '"',
        "*a",
        "---",
        "-0",
        "{1: 2}",
        '"\\0"',
        "{}",
        "[]",
        "~",
        "5",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(ALL), WILD), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_plan_of_wild_text_has_an_answer(tmp_path_factory, edits):
    marked, texts = copy.deepcopy(BASE), {}
    for number, (path, text) in enumerate(edits):
        holder = marked
        try:
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = mark = f"mark{number}"
        except (KeyError, IndexError, TypeError):
            continue
        texts[mark] = text
    whole = "---\n".join(yaml.safe_dump(each) for each in marked)
    for mark, text in texts.items():
        whole = whole.replace(mark, text)
    file = tmp_path_factory.mktemp("wild") / "a.yaml"
    file.write_text(whole, encoding="utf-8")
    problems = []
    plan = Planned([each.object for each in load([file], problems)])
    json.dumps([plan.document, [problem.message for problem in problems]]).encode()


def test_the_base_is_sound():
    plan = Planned(BASE)
    assert plan.problems() == []
    assert plan.ips("default/web") == ["203.0.113.1"]
    assert plan.exclusions("203.0.113.1") == {"n": "InterfaceMissing"}
