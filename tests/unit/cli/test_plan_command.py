"""`bmlb plan` as a command: files, output forms, exit codes."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from baremetal_lb.cli.main import app
from tests.support.pages import ROOT, Reader, blocks

POOL = """
apiVersion: baremetal-lb.io/v1beta1
kind: IPAddressPool
metadata: {name: blue}
spec:
  addresses:
  - 203.0.113.0/31
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {type: LoadBalancer, clusterIP: 10.96.0.9}
"""


def run(*arguments, stdin=""):
    return CliRunner().invoke(app, ["plan", *arguments], input=stdin)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pool.yaml").write_text(POOL)
    (tmp_path / "web.yaml").write_text(SERVICE.replace("NAME", "web"))
    return tmp_path


def test_files_directories_and_standard_input_are_one_input(files):
    result = run("-f", str(files / "sub"), "-f", "-", str(files / "web.yaml"), "-o", "json", stdin=SERVICE.replace("NAME", "api"))
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert list(told) == ["services", "announcements", "routes", "problems"]
    assert [(row["service"], row["ips"]) for row in told["services"]] == [
        ("default/api", ["203.0.113.0"]),
        ("default/web", ["203.0.113.1"]),
    ]


def test_a_service_that_stays_without_ip_makes_exit_code_1(files):
    others = "\n---\n".join(SERVICE.replace("NAME", name) for name in ("a", "b"))
    result = run("-f", str(files), "-f", "-", stdin=others)
    assert result.exit_code == 1
    assert "PoolExhausted" in result.stdout


def test_a_service_of_another_type_needs_no_ip(files):
    result = run("-f", str(files), "-f", "-", stdin=SERVICE.replace("NAME", "internal").replace("LoadBalancer", "ClusterIP"))
    assert result.exit_code == 0
    assert "internal" not in result.stdout


def test_a_wrong_object_is_named_with_file_and_line_and_makes_exit_code_1(files):
    bad = files / "bad.yaml"
    bad.write_text(POOL.replace("blue", "red").replace("203.0.113.0/31", "203.0.113.9-203.0.113.1"))
    result = run("-f", str(files), "-o", "json")
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["object"], problem["field"], problem["reason"], problem["source"]) == (
        "IPAddressPool/baremetal-lb-system/red",
        "spec.addresses[0]",
        "ReversedRange",
        f"{bad}:7",
    )
    assert "ReversedRange" not in run("-f", str(files)).stdout
    assert "ends before it starts" in run("-f", str(files)).stdout


def test_a_text_that_is_no_yaml_is_a_problem_and_hides_nothing_else(files):
    (files / "broken.yaml").write_text("a: [1\n---\n" + SERVICE.replace("NAME", "late"))
    result = run("-f", str(files), "-o", "json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [row["reason"] for row in told["problems"]] == ["SyntaxError"]
    assert "default/web" in [row["service"] for row in told["services"]]


@pytest.mark.parametrize("arguments", [[], ["-f", "/does/not/exist"], ["-o", "nothing", "-f", "-"], ["--identity", "x", "-f", "-"]])
def test_a_command_that_is_not_understood_makes_exit_code_2(arguments):
    assert run(*arguments).exit_code == 2


def test_objects_can_be_piped_into_the_next_plan(files):
    first = run("-f", str(files), "-o", "objects")
    assert first.exit_code == 0
    assert [manifest["kind"] for manifest in yaml.safe_load_all(first.stdout)] == ["IPAddressPool", "Service", "IPAllocation"]
    second = run("-f", "-", "-o", "objects", stdin=first.stdout)
    assert second.stdout == first.stdout


def test_namespace_class_and_owner_are_taken_from_options(files):
    pool = POOL.replace("name: blue", "name: blue, namespace: lb")
    service = SERVICE.replace("NAME", "web").replace("LoadBalancer", "LoadBalancer, loadBalancerClass: x/y")
    text = f"{pool}\n---\n{service}"
    assert run("-f", "-", "-n", "lb", "--lb-class", "x/y", stdin=text).exit_code == 0
    told = json.loads(run("-f", "-", "--lb-class", "x/y", "-o", "json", stdin=text).stdout)
    assert [row["reason"] for row in told["problems"]] == ["OtherNamespace"]
    afterwards = run("-f", "-", "-n", "lb", "--lb-class", "x/y", "--owner", "me", "-o", "objects", stdin=text).stdout
    assert list(yaml.safe_load_all(afterwards))[-1]["spec"]["owner"] == "me"


def test_the_document_can_be_had_as_yaml(files):
    told = yaml.safe_load(run("-f", str(files), "-o", "yaml").stdout)
    assert told == json.loads(run("-f", str(files), "-o", "json").stdout)


def test_the_table_names_a_few_excluded_nodes_by_reason_and_tells_errors_from_warnings(files):
    labelled = "labels: {node.kubernetes.io/exclude-from-external-load-balancers: ''}"
    nodes = "".join(f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: node{n}, {labelled}}}\n" for n in range(5))
    nodes += "---\napiVersion: v1\nkind: Node\nmetadata: {name: node9}\n"
    advertisement = "---\napiVersion: baremetal-lb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: all}\n"
    odd = advertisement.replace("all", "odd") + "spec: {ipAddressPools: [none], typo: 1}\n"
    result = run("-f", str(files), "-f", "-", stdin=nodes + advertisement + odd)
    (line,) = [line for line in result.stdout.splitlines() if "(nobody: " in line]
    assert line.split()[:4] == ["203.0.113.0", "(nobody:", "NoUsableEndpoint)", "default/web"]
    assert line.rstrip().endswith("ExcludedByLabel: node0, node1, node2 and 2 more"), "what is true of the IP is said once"
    assert "error: L2Advertisement/baremetal-lb-system/odd spec.typo: " in result.stdout
    assert "warning: L2Advertisement/baremetal-lb-system/odd spec.ipAddressPools[0]: " in result.stdout


def test_a_peer_whose_secret_is_not_in_the_input_makes_exit_code_1(files):
    peer = "apiVersion: baremetal-lb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: tor}\n"
    peer += "spec: {myASN: 64500, peerASN: 64501, peerAddress: 198.51.100.1, passwordSecret: {name: tor}}\n"
    result = run("-f", str(files), "-f", "-", stdin=peer)
    assert (result.exit_code, "error: BGPPeer/baremetal-lb-system/tor spec.passwordSecret: " in result.stdout) == (1, True)
    secret = "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/basic-auth\nmetadata: {name: tor, namespace: baremetal-lb-system}\n"
    result = run("-f", str(files), "-f", "-", stdin=peer + secret + "data: {password: c2VjcmV0}\n")
    assert (result.exit_code, "BGPPeer" in result.stdout) == (0, False)


def test_plans_are_chained_as_the_page_says(files):
    (block,) = [block for block in blocks(ROOT / "docs" / "reference" / "plan.md") if block.heading == "`-o objects`"]
    (files / "cluster.yaml").write_text(f"{POOL}---{SERVICE.replace('NAME', 'web')}")
    (files / "new-service.yaml").write_text(SERVICE.replace("NAME", "api"))
    reader = Reader(files, {"PATH": f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin"})
    planned = reader.types(block.script)
    assert "203.0.113.1" in next(line for line in planned.splitlines() if "default/api" in line)
