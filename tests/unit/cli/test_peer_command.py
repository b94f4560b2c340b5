"""``bmlb peer``: lines from objects, times as routers write them, and what a person reads when the cluster cannot be read."""

import pytest
from typer.testing import CliRunner

from baremetal_lb.cli.peer import Row, app, rows_of, spec_of, up_down
from baremetal_lb.model.rfc3339 import format_microtime
from baremetal_lb.model.time import HOUR, SECOND

DAY = 24 * HOUR
NOW = 1_800_000_000 * SECOND


def peer(name, conditions=(), **spec):
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": list(conditions)}}


def session(node, name, state="Established", **status):
    return {"metadata": {"name": f"{node}-{name}"}, "status": {"node": node, "peer": name, "state": state, **status}}


def test_a_line_has_what_the_speaker_reports_and_the_definition_where_it_says_nothing():
    rows = rows_of(
        [peer("tor", peerAddress="198.51.100.1", peerASN=64512)],
        [session("node1", "tor", since="2026-11-26T10:00:00Z", routesAdvertised=3, bfdState="Up")],
    )
    assert rows == [Row("node1", "tor", "198.51.100.1", "64512", "Established", "2026-11-26T10:00:00Z", 3, "Up", None)]


def test_a_session_that_is_down_shows_no_routes_but_its_last_error():
    error = {"direction": "Received", "code": 6, "subcode": 2, "message": "Administrative Shutdown"}
    rows = rows_of([], [session("node1", "tor", "Active", routesAdvertised=3, lastError=error)])
    assert [(row.state, row.prefixes, row.error) for row in rows] == [("Active", None, "Administrative Shutdown")]


def test_a_peer_without_session_has_a_line_with_the_reason():
    refused = {"type": "Accepted", "status": "False", "reason": "MissingASN", "message": "The autonomous system number is missing."}
    rows = rows_of([peer("b", [refused], interface="eth0"), peer("a", dynamicASN="external", peerAddress="2001:db8::1")], [])
    assert [(row.peer, row.neighbor, row.asn, row.state) for row in rows] == [
        ("a", "2001:db8::1", "external", "-"),
        ("b", "eth0", "-", "-"),
    ]
    assert rows[0].error is not None
    assert rows[0].error.startswith("no node reports a session")
    assert rows[1].error == "not accepted: The autonomous system number is missing."


def test_lines_come_by_peer_and_node_whatever_the_order_of_the_objects():
    sessions = [session(node, name) for node in ("node2", "node1") for name in ("tor2", "tor1")]
    assert [(row.peer, row.node) for row in rows_of([], sessions)] == [
        ("tor1", "node1"),
        ("tor1", "node2"),
        ("tor2", "node1"),
        ("tor2", "node2"),
    ]


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (5 * SECOND, "00:00:05"),
        (HOUR + 62 * SECOND, "01:01:02"),
        (3 * DAY + 4 * HOUR, "3d04h"),
        (17 * DAY, "2w3d"),
        (-5 * SECOND, "00:00:00"),
    ],
)
def test_times_are_written_as_routers_write_them(age, text):
    assert up_down(format_microtime(NOW - age), now_utc=NOW) == text


@pytest.mark.parametrize(("since", "text"), [(None, "never"), ("yesterday", "-")])
def test_a_time_that_is_not_there_or_no_time_is_no_failure(since, text):
    assert up_down(since, now_utc=NOW) == text


def test_a_cluster_that_cannot_be_reached_is_told_with_the_next_command(tmp_path):
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {}}]\n"
    )
    result = CliRunner().invoke(app, ["list", "--kubeconfig", str(kubeconfig)])
    assert result.exit_code == 3
    assert "does not answer" in result.stderr
    assert "kubectl cluster-info" in result.stderr


def test_a_kubeconfig_that_is_missing_is_told_apart(tmp_path):
    result = CliRunner().invoke(app, ["list", "--kubeconfig", str(tmp_path / "none")])
    assert result.exit_code == 3
    assert "--kubeconfig or KUBECONFIG" in result.stderr


def test_a_password_that_stands_in_a_peer_is_shown_to_nobody():
    spec = {"peerASN": 64512, "password": "secret", "passwordSecret": {"name": "tor"}, "myASN": 64600}
    assert spec_of({"spec": spec}) == {"myASN": 64600, "passwordSecret": {"name": "tor"}, "peerASN": 64512}
