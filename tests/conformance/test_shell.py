"""The HTTP shell of the embedded server: who may speak to it, and what survives its stop and its kill."""

import http.client
import stat
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conformance.support import ApiUnderTest, EmbeddedServer, config_map, service

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: EmbeddedServer, kubectl_path: Path, tmp_path: Path) -> ApiUnderTest:
    return ApiUnderTest("embedded", server.kubeconfig, kubectl_path, tmp_path)


def test_a_killed_server_comes_back_with_its_objects(server: EmbeddedServer, client: ApiUnderTest) -> None:
    for number in range(50):
        assert client("POST", MAPS, config_map(f"m{number}")).code == 201
    client("DELETE", f"{MAPS}/m7")
    before = client("GET", MAPS)
    server.stop(kill=True)
    server.start()
    assert client("GET", MAPS).body == before.body
    with client.watch(MAPS, resourceVersion=before["metadata.resourceVersion"]) as events:
        client("POST", MAPS, config_map("after"))
        assert next(events)["object"]["metadata"]["name"] == "after"


def test_a_restart_keeps_cluster_ips_and_definitions_apart(server: EmbeddedServer, client: ApiUnderTest) -> None:
    path = "/api/v1/namespaces/default/services"
    first = client("POST", path, service("one"))["spec.clusterIP"]
    server.stop()
    server.start()
    assert client("POST", path, service("two"))["spec.clusterIP"] != first


def test_it_stops_at_once_while_it_is_watched(server: EmbeddedServer, client: ApiUnderTest) -> None:
    with client.watch(MAPS, timeout_s=60, resourceVersion=client("GET", MAPS)["metadata.resourceVersion"]):
        assert server.stop() < 2
    server.start()


def address(server: EmbeddedServer) -> tuple[str, int, str]:
    url = urllib.parse.urlsplit(yaml.safe_load(server.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
    assert url.hostname is not None
    assert url.port is not None
    return url.hostname, url.port, url.path


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/api/v1/secrets", {}, 401),
        ("/_faults", {}, 401),
        ("/api/v1/secrets", {"Authorization": "Bearer wrong"}, 401),
        ("/wrong/api/v1/secrets", {}, 401),
        ("{token}/api/v1/secrets", {}, 200),
        ("/api/v1/secrets", {"Authorization": "Bearer {token}"}, 200),
        ("/readyz", {}, 200),
    ],
)
def test_only_who_has_the_kubeconfig_may_speak(server: EmbeddedServer, path: str, headers: dict[str, str], code: int) -> None:
    host, port, token = address(server)
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("GET", path.replace("{token}", token), headers={k: v.replace("{token}", token[1:]) for k, v in headers.items()})
    assert connection.getresponse().status == code
    connection.close()


def test_the_kubeconfig_and_the_state_are_private_and_the_token_stays(server: EmbeddedServer) -> None:
    assert stat.S_IMODE(server.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE((server.kubeconfig.parent / "state").stat().st_mode) == 0o600
    before = server.kubeconfig.read_text()
    server.stop()
    server.start()
    assert server.kubeconfig.read_text() == before


def test_a_reset_connection_has_had_its_effect(client: ApiUnderTest) -> None:
    assert client("POST", "/_faults", {"action": "ResetAfter", "method": "POST"}).code == 200
    with pytest.raises(OSError, match=r"(?i)closed|reset|aborted"):
        client("POST", MAPS, config_map("m"))
    assert client("GET", f"{MAPS}/m").code == 200


def test_a_watcher_that_goes_away_is_forgotten(client: ApiUnderTest) -> None:
    """More watchers come and go than may be open at once."""
    version = client("GET", MAPS)["metadata.resourceVersion"]
    for number in range(30):
        with client.watch(MAPS, timeout_s=60, resourceVersion=version) as events:
            client("POST", MAPS, config_map(f"w{number}"))
            assert next(events)["type"] == "ADDED"
    assert client("GET", MAPS, limit="1").code == 200
