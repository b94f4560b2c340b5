"""``bmlb validate``: what it prints, and how it exits."""

import json

import pytest
from typer.testing import CliRunner

from baremetal_lb.cli.validate import app

POOL = """\
apiVersion: {group}/v1beta1
kind: IPAddressPool
metadata:
  name: {name}
  namespace: {namespace}
spec:
  addresses:
  - {addresses}
"""


def pool(name="blue", addresses="203.0.113.0/24", group="baremetal-lb.io", namespace="baremetal-lb-system"):
    return POOL.format(name=name, addresses=addresses, group=group, namespace=namespace)


def validate(*arguments, stdin=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def problems(result):
    return [(p["source"], p["object"], p["field"], p["reason"], p["severity"]) for p in json.loads(result.stdout)["problems"]]


def test_files_without_fault_exit_with_0(tmp_path):
    (tmp_path / "a.yaml").write_text(pool() + "---\n" + pool("red", "198.51.100.0/24"))
    result = validate(tmp_path)
    assert (result.exit_code, result.stdout) == (0, "2 objects of ours, 0 errors, 0 warnings\n")


def test_every_problem_has_its_file_line_and_field(tmp_path):
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text(
        pool(addresses="203.0.113.0/33") + "  autoAssign: maybe\n  colour: blue\n---\nkind: [\n---\n" + pool("red", "198.51.100.0/24")
    )
    b.write_text(pool("zinc", "198.51.100.128/25"))
    result = validate("-o", "json", b, a)
    assert result.exit_code == 1
    name = "IPAddressPool/baremetal-lb-system"
    assert problems(result) == [
        (f"{a}:8", f"{name}/blue", "spec.addresses[0]", "UnparsableRange", "error"),
        (f"{a}:9", f"{name}/blue", "spec.autoAssign", "WrongType", "error"),
        (f"{a}:10", f"{name}/blue", "spec.colour", "UnknownField", "error"),
        (f"{a}:13", f"Document/{a}#2", "", "SyntaxError", "error"),
        (f"{b}:8", f"{name}/zinc", "spec.addresses[0]", "OverlapsOtherPool", "error"),
    ]


def test_the_table_has_one_line_for_each_problem_where_it_is_no_terminal(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(pool(addresses="203.0.113.9"))
    result = validate(path)
    assert result.exit_code == 1
    heading, line, summary = result.stdout.splitlines()
    assert heading.split() == ["WHERE", "OBJECT", "FIELD", "REASON", "MESSAGE"]
    assert line.split()[:4] == [f"{path}:8", "IPAddressPool/baremetal-lb-system/blue", "spec.addresses[0]", "BareAddress"]
    assert "write 203.0.113.9/32" in line
    assert summary == "1 objects of ours, 1 errors, 0 warnings"


def test_warnings_alone_exit_with_0_and_with_strict_with_1(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "apiVersion: baremetal-lb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: l2}\nspec:\n  ipAddressPools: [gone]\n",
    )
    assert problems(validate("-o", "json", path)) == [
        (f"{path}:5", "L2Advertisement/baremetal-lb-system/l2", "spec.ipAddressPools[0]", "UnknownPool", "warning")
    ]
    assert validate(path).exit_code == 0
    assert validate("--strict", path).exit_code == 1


def test_standard_input_is_read_for_a_dash():
    result = validate("-", "-o", "json", stdin=pool(addresses="x"))
    assert result.exit_code == 1
    assert problems(result)[0][0] == "-:8"


@pytest.mark.parametrize("arguments", [["gone.yaml"], [], ["--identity", "else", "x"]], ids=["no such file", "no file", "no such identity"])
def test_a_mistake_in_the_call_exits_with_2(arguments):
    assert validate(*arguments).exit_code == 2


@pytest.mark.parametrize("options", [(), ("--identity", "metallb")], ids=["found out", "told"])
def test_files_of_the_reference_are_judged_under_its_identity(tmp_path, options):
    path = tmp_path / "a.yaml"
    path.write_text(pool(group="metallb.io", namespace="metallb-system"))
    assert validate(path, *options).exit_code == 0
    result = validate(path, "--identity", "baremetal-lb", "-o", "json")
    assert [reason for _, _, _, reason, _ in problems(result)] == ["OtherGroup"]


def test_what_an_api_server_recorded_does_not_excuse_a_faulty_spec(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(pool(addresses="x") + "status:\n  lastAccepted:\n    spec: {addresses: [203.0.113.0/24]}\n")
    assert validate(path).exit_code == 1


def test_objects_of_others_are_ignored(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: 5}\n")
    assert validate(path).stdout == "0 objects of ours, 0 errors, 0 warnings\n"
