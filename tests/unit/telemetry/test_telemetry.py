"""Logs, metrics, health."""

import io
import json
import logging
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import aiohttp
import pytest
import structlog

from baremetal_lb.election.reasons import ExclusionReason
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB, Identity, ObjectKey
from baremetal_lb.telemetry import metric_table
from baremetal_lb.telemetry.health import Health, serve
from baremetal_lb.telemetry.logging import REDACTED, configure_logging
from baremetal_lb.telemetry.metrics import Metrics


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_line_is_json_with_our_values_as_people_write_them(out: io.StringIO) -> None:
    configure_logging(stream=out, component="speaker", node="n1")
    structlog.get_logger("x").info(
        "announcer_changed",
        ip=ip_address("203.0.113.7"),
        service=ObjectKey("shop", "web"),
        reason=ExclusionReason.NodeDraining,
        interfaces=frozenset({"eth1", "eth0"}),
    )
    line = json.loads(out.getvalue())
    del line["timestamp"]
    assert line == {
        "component": "speaker",
        "event": "announcer_changed",
        "interfaces": ["eth0", "eth1"],
        "ip": "203.0.113.7",
        "level": "info",
        "node": "n1",
        "reason": "NodeDraining",
        "service": "shop/web",
    }


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_is_never_written(out: io.StringIO, log_format: str) -> None:
    configure_logging(stream=out, log_format=log_format)
    structlog.get_logger("x").warning("peer_changed", bgp_password="hunter2", headers={"Authorization": "Bearer hunter2"})
    assert "hunter2" not in out.getvalue()
    assert out.getvalue().count(REDACTED) == 2


def test_what_strangers_wrote_is_text_in_a_log_for_people(out: io.StringIO) -> None:
    configure_logging(stream=out, log_format="console")
    evil = "\x1b[2J\u202e\x9b\x7f\nmade up"
    structlog.get_logger("x").info("refused", name=evil, names=[evil], fields={evil: evil}, word="a\x1bb", exc_info=ValueError(evil))
    logging.getLogger("aiohttp").warning("closed %s", evil)
    assert not set("\x1b\u202e\x9b\x7f") & set(out.getvalue())
    lines = out.getvalue().splitlines()
    assert r"word='a\x1bb'" in lines[0]
    assert r"name='\x1b[2J\u202e\x9b\x7f\nmade up" in lines[0]
    assert r"closed \x1b[2J\u202e\x9b\x7f\nmade up" in lines[-1]


def test_a_line_of_json_is_ascii_without_control_characters(out: io.StringIO) -> None:
    configure_logging(stream=out)
    structlog.get_logger("x").info("refused", name="\x1b[2J\u202e\x9b\x7f\n")
    (line,) = out.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["name"] == "\x1b[2J\u202e\x9b\x7f\n"


def test_the_level_is_a_threshold_and_libraries_come_through(out: io.StringIO) -> None:
    configure_logging(stream=out, level="warning")
    structlog.get_logger("x").info("nothing")
    logging.getLogger("aiohttp").warning("closed %s", "early")
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["text"] == "closed early"


def test_an_exception_is_one_line_of_json(out: io.StringIO) -> None:
    configure_logging(stream=out)
    try:
        int("odd")
    except ValueError:
        structlog.get_logger("x").exception("task_failed")
    (line,) = out.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_metric_names_carry_the_identity_and_reasons_are_label_values() -> None:
    metrics = Metrics(METALLB, with_process=False)
    metrics.counter(metric_table.DENIED).inc(AllocationReason.NoPools, by=2)
    body, content_type = metrics.render()
    assert b'metallb_services_denied_total{reason="NoPools"} 2.0' in body
    assert content_type.startswith("text/plain")


def test_a_series_is_there_for_as_long_as_what_it_tells_of() -> None:
    metrics = Metrics(BAREMETAL_LB, with_process=False)
    entries = {"203.0.113.7"}
    metrics.read_at_scrape(lambda: [metrics.family(metric_table.BFD_UP, [((peer,), 1) for peer in entries])])
    assert b'baremetal_lb_bfd_session_up{peer="203.0.113.7"} 1.0' in metrics.render()[0]
    entries.clear()
    assert b"203.0.113.7" not in metrics.render()[0]


@pytest.mark.parametrize(
    ("identity", "lines"),
    [
        (
            BAREMETAL_LB,
            ["# TYPE baremetal_lb_layer2_responses_sent_total counter", 'baremetal_lb_layer2_responses_sent_total{protocol="arp"} 3.0'],
        ),
        (METALLB, ["# TYPE metallb_layer2_responses_sent untyped", 'metallb_layer2_responses_sent{protocol="arp"} 3.0']),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_counter_has_the_name_that_dashboards_of_the_identity_ask_for(identity: Identity, lines: list[str]) -> None:
    metrics = Metrics(identity, with_process=False)
    metrics.read_at_scrape(lambda: [metrics.family(metric_table.L2_RESPONSES, [(("arp",), 3)])])
    assert set(lines) <= set(metrics.render()[0].decode().splitlines())


def test_nothing_is_exposed_that_nobody_asks_for() -> None:
    metrics = Metrics(BAREMETAL_LB, with_process=False)
    metrics.counter(metric_table.ALLOCATED).inc()
    metrics.histogram(metric_table.TURN_TIME).observe(0.1)
    assert b"_created" not in metrics.render()[0]


@pytest.mark.parametrize("is_one_port", [True, False])
async def test_readiness_names_what_is_missing(*, is_one_port: bool) -> None:
    complaint: str | None = "CAP_NET_RAW is missing"
    health = Health(readiness={"kubernetes": lambda: None, "sockets": lambda: complaint})
    port = free_port()
    metrics_port = port if is_one_port else free_port()
    metrics = Metrics(BAREMETAL_LB)
    async with (
        serve(health, metrics, addresses=(ip_address("127.0.0.1"),), health_port=port, metrics_port=metrics_port),
        aiohttp.ClientSession() as client,
    ):
        async with client.get(f"http://127.0.0.1:{port}/readyz") as response:
            assert (response.status, await response.text()) == (503, "[+] kubernetes\n[-] sockets: CAP_NET_RAW is missing\n")
        complaint = None
        for path, at in (("readyz", port), ("healthz", port), ("metrics", metrics_port)):
            async with client.get(f"http://127.0.0.1:{at}/{path}") as response:
                assert response.status == 200


async def test_port_0_switches_a_server_off() -> None:
    addresses = (ip_address("127.0.0.1"),)
    async with serve(Health(), Metrics(BAREMETAL_LB, with_process=False), addresses=addresses, health_port=0, metrics_port=0):
        pass
