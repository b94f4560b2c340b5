"""What strangers write into objects, and whoever calls into arguments, reaches the terminal as text."""

import json
import threading
import unicodedata
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from baremetal_lb.cli.editor import edited
from baremetal_lb.cli.main import _tell_crash, app
from baremetal_lb.lab.state import ROOT_VARIABLE

EVIL = "\x1b]0;owned\a\x1b[2J\x1b[32mfine\x1b[8m\u202e4.3.2.1\u200b\x9b1m\nMade up: [red]a line[/]\x7f\ue000"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x1b[32mfine\x1b[8m\u202e4.3.2.1\u200b\x9b1m\nMade up: [red]a line[/]\x7f\ue000"
POOL = {
    "apiVersion": "baremetal-lb.io/v1beta1",
    "kind": "IPAddressPool",
    "metadata": {"name": "p", "namespace": "baremetal-lb-system"},
    "spec": {"addresses": ["203.0.113.0/29"]},
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "evil",
        "namespace": "tenant",
        "uid": "1",
        "creationTimestamp": "2026-11-26T10:00:00Z",
        "annotations": {"baremetal-lb.io/loadBalancerIPs": EVIL},
    },
    "spec": {
        "type": "LoadBalancer",
        "loadBalancerIP": "1.2.3.4",
        "clusterIPs": ["10.0.0.1"],
        "ports": [{"port": 80}],
        "selector": {"a": "b"},
    },
    "status": {"conditions": [{"type": "baremetal-lb.io/Satisfied", "status": "False", "reason": EVIL, "message": EVIL}]},
}
EVENT = {"metadata": {"name": "e"}, "regarding": {"uid": "1"}, "reason": EVIL, "note": EVIL, "eventTime": EVIL}


def is_clean(printed: str) -> bool:
    """Whether nothing in it steers a terminal or hides, but for the ends of lines."""
    return not {unicodedata.category(each) for each in printed.replace("\n", "")} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class ApiServer(BaseHTTPRequestHandler):
    """Answers lists: a pool, the Service, its event, and nothing else."""

    def do_GET(self):
        kind = self.path.partition("?")[0].rpartition("/")[2]
        items = {"services": [SERVICE], "ipaddresspools": [POOL], "events": [EVENT]}.get(kind, [])
        body = json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory) -> Iterator[Path]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    path = tmp_path_factory.mktemp("kube") / "config"
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {}}]
    path.write_text(json.dumps({"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"}))
    yield path
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def files(tmp_path):
    """The Service, and a pool with a fault, in a file whose name is as bad."""
    path = tmp_path / "e\x1b[2J\u202e\nvil.yaml"
    bad = POOL | {"metadata": {"name": EVIL}, "spec": {"addresses": [EVIL], EVIL: 1}}
    path.write_text(yaml.safe_dump_all([POOL, SERVICE, bad]))
    return path


def run(*arguments: str, environment: dict[str, str | None] | None = None):
    return CliRunner().invoke(app, arguments, env=environment)


TERMINAL = {"FORCE_COLOR": "1", "COLUMNS": "60", "TERM": "xterm"}


def test_plan_shows_it_as_text(files):
    done = run("plan", "-f", str(files))
    assert is_clean(done.output), done.output
    assert SHOWN in done.stdout


def test_validate_shows_it_as_text(files):
    done = run("validate", str(files))
    assert is_clean(done.output), done.output
    assert SHOWN in done.stdout
    assert r"e\x1b[2J\u202e\nvil.yaml:" in done.stdout


def test_our_own_colour_is_all_that_a_terminal_gets(files):
    done = run("validate", str(files), environment=TERMINAL)
    assert "\x1b[31m" in done.stdout  # the red of an error
    without_ours = done.stdout
    for code in ("0", "1", "31", "33"):
        without_ours = without_ours.replace(f"\x1b[{code}m", "")
    assert is_clean(without_ours), without_ours
    assert all(text in "".join(without_ours.split()) for text in (r"\x1b[2J", r"\x1b[8m", "[red]aline[/]"))


@pytest.mark.parametrize("more", [[], ["-o", "wide"], ["-o", "name"]])
def test_svc_list_shows_it_as_text(kubeconfig, more):
    done = run("svc", "list", "-A", "--kubeconfig", str(kubeconfig), *more)
    assert is_clean(done.output), done.output
    assert "evil" in done.stdout
    assert (SHOWN in done.stdout) == ("name" not in more)


def test_svc_explain_shows_it_as_text(kubeconfig):
    done = run("svc", "explain", "tenant/evil", "--kubeconfig", str(kubeconfig))
    assert is_clean(done.output), done.output
    assert f"{SHOWN}: {SHOWN}" in done.stdout  # the event


@pytest.mark.parametrize("command", [("svc", "explain", "tenant/evil"), ("svc", "list", "-A")], ids=["explain", "list"])
def test_documents_escape_it_and_read_back_the_same(kubeconfig, command):
    documents = []
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        done = run(*command, "--kubeconfig", str(kubeconfig), "-o", form)
        assert is_clean(done.output), done.output
        documents.append(read(done.stdout))
    assert documents[0] == documents[1]
    assert EVIL in json.dumps(documents[0], ensure_ascii=False).replace("\\u001b", "\x1b").replace("\\u0007", "\a").replace("\\n", "\n")


def test_the_objects_of_a_plan_read_back_the_same(files):
    done = run("plan", "-f", str(files), "-o", "objects")
    assert is_clean(done.output), done.output
    after = next(each for each in yaml.safe_load_all(done.stdout) if each["kind"] == "Service")
    assert after["metadata"]["annotations"] == SERVICE["metadata"]["annotations"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--\x1b[31m"),
        ("\x1b[2J",),
        ("svc", "list", "a\u202eb"),
        ("pool", "list", "-o", "\x1b[2J"),
        ("plan", "-f", "/no/\x1b[2J\n\udc80"),
    ],
    ids=["option", "command", "argument", "value", "file"],
)
def test_an_error_about_arguments_repeats_them_as_text(arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert is_clean(done.output), done.output
    assert r"\x1b[" in done.output or r"\u202e" in done.output


def test_an_error_of_the_lab_is_text(tmp_path):
    done = run("lab", "logs", "--name", "\x1b[2J", environment={ROOT_VARIABLE: str(tmp_path)})
    assert done.exit_code != 0
    assert is_clean(done.output), done.output
    assert r"\x1b[2J" in done.output


def test_a_crash_is_told_as_text(capsys):
    _tell_crash(ValueError, ValueError(EVIL), None)
    told = capsys.readouterr().err
    assert is_clean(told)
    assert r"ValueError: \x1b]0;owned" in told


def test_the_editor_gets_escapes_and_gives_back_the_same(monkeypatch, tmp_path):
    seen = tmp_path / "seen"
    monkeypatch.setenv("EDITOR", f"sh -c 'cp \"$0\" {seen}'")
    monkeypatch.delenv("VISUAL", raising=False)
    with edited({"größe": EVIL}, "pool") as document:
        assert document == {"größe": EVIL}
    assert is_clean(seen.read_text())
    assert "größe" in seen.read_text()
