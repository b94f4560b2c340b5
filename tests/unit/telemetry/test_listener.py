"""What strangers can do to the health and metrics ports, and that a kubelet is answered all the same."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

import pytest
from aiohttp import web

from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.telemetry import health as health_module
from baremetal_lb.telemetry import metric_table
from baremetal_lb.telemetry.health import RENDER_BURST, Health, serve
from baremetal_lb.telemetry.listener import HEADER_BYTES_MAX, Gate, Limits
from baremetal_lb.telemetry.metrics import Metrics
from baremetal_lb.telemetry.slots import CONNECTIONS_MAX, STALLED_MAX, ConnectionReason

PROBE = b"GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n"
UNFINISHED = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 7000 + b"\r\n"
PATIENT = Limits(header_s=600, answer_s=600)
"""No time runs out within a test."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Served:
    """A server under test."""

    port: int
    metrics: Metrics
    stack: AsyncExitStack

    async def open(self, sent: bytes = b"", host: str = "127.0.0.1") -> Streams:
        """Open a connection, and send something."""
        reader, writer = await asyncio.open_connection(host, self.port)
        self.stack.callback(writer.close)
        writer.write(sent)
        return reader, writer

    async def ask(self, sent: bytes, host: str = "127.0.0.1") -> bytes:
        """Return all that comes until the server closes."""
        reader, _ = await self.open(sent, host)
        return await heard(reader)

    def closed(self, reason: ConnectionReason) -> int:
        """Return how many connections were closed for a reason."""
        name = f"{BAREMETAL_LB.metrics_prefix}{metric_table.CONNECTIONS_CLOSED.name}"
        return int(self.metrics.registry.get_sample_value(name, {"reason": reason.name}) or 0)

    async def until_closed(self, reason: ConnectionReason, count: int) -> None:
        """Wait until so many were."""
        async with asyncio.timeout(60):
            while self.closed(reason) < count:
                await asyncio.sleep(0.01)


async def heard(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the end, however that is told."""
    received = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(60):
            while piece := await reader.read(65536):
                received += piece
    return received


@asynccontextmanager
async def served(limits: Limits = PATIENT, *hosts: str, body: int = 0) -> AsyncIterator[Served]:
    """Serve both on one free port; ``body`` is about how long the exposition is, in bytes."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    metrics = Metrics(BAREMETAL_LB, with_process=False)
    rows = [((f"{number:09}" + "x" * 991,), 1.0) for number in range(body // 1000)]
    metrics.read_at_scrape(lambda: [metrics.family(metric_table.BFD_UP, rows)])
    addresses = tuple(map(ip_address, hosts or ("127.0.0.1",)))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve(Health(), metrics, addresses=addresses, health_port=port, metrics_port=port, limits=limits))
        yield Served(port, metrics, stack)


async def test_one_connection_too_many_takes_the_place_of_the_oldest_that_has_not_asked() -> None:
    async with served() as server:
        silent = [await server.open() for _ in range(CONNECTIONS_MAX)]
        assert (await server.ask(PROBE)).startswith(b"HTTP/1.1 200")
        assert await heard(silent[0][0]) == b""
        assert server.closed(ConnectionReason.TooManyConnections) == 1
        for _, writer in silent[1:]:
            writer.write(PROBE)
        assert all([(await heard(reader)).startswith(b"HTTP/1.1 200") for reader, _ in silent[1:]])


async def test_a_probe_is_answered_during_a_flood() -> None:
    async with served() as server:

        async def flood() -> None:
            while True:
                with suppress(ConnectionError):
                    await server.open(UNFINISHED)

        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            floods = [tasks.create_task(flood()) for _ in range(8)]
            await server.until_closed(ConnectionReason.TooManyConnections, 100)
            answers = [await server.ask(PROBE) for _ in range(10)]
            for task in floods:
                task.cancel()
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 10


async def test_a_header_that_is_never_complete_has_its_time() -> None:
    async with served(Limits(header_s=0.2, answer_s=600)) as server:
        assert (await server.ask(UNFINISHED)).startswith(b"HTTP/1.1 408")
        assert (await server.ask(b"")).startswith(b"HTTP/1.1 408")
        assert server.closed(ConnectionReason.HeaderTimeout) == 2
        assert (await server.ask(PROBE)).startswith(b"HTTP/1.1 200")


async def test_a_header_that_drips_in_does_not_win_time() -> None:
    async with served(Limits(header_s=0.2, answer_s=600)) as server:
        reader, writer = await server.open(b"GET /")

        async def drip() -> None:
            with suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b"x")
                    await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert (await heard(reader))[:12] in {b"HTTP/1.1 408", b""}
        dripping.cancel()
        assert server.closed(ConnectionReason.HeaderTimeout) == 1


async def test_a_header_of_any_length_costs_no_more_than_the_longest_that_is_taken() -> None:
    async with served() as server:
        assert (await server.ask(b"GET /" + b"a" * HEADER_BYTES_MAX))[:12] in {b"HTTP/1.1 431", b""}
        assert server.closed(ConnectionReason.HeaderTooLong) == 1


@pytest.mark.parametrize("cut", range(1, len(PROBE), 7))
async def test_a_header_may_come_in_pieces(cut: int) -> None:
    async with served() as server:
        reader, writer = await server.open(PROBE[:cut])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(PROBE[cut:])
        assert (await heard(reader)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (PROBE.replace(b"Connection: close\r\n", b"") * 50, b"200"),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"b" * 1000, b"405"),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"\x16\x03\x01 no HTTP\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", b"417"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", b"200"),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /healthz HTTP/1.1\r\nno field\r\n\r\n", b"400"),
    ],
    ids=[
        "pipelined",
        "with a body",
        "nothing there",
        "no HTTP",
        "what we do not expect",
        "an upgrade",
        "a tunnel",
        "a field without a name",
    ],
)
async def test_a_connection_carries_one_request_and_is_closed(sent: bytes, status: bytes) -> None:
    async with served() as server:
        answer = await server.ask(sent)
        assert answer[9:12] == status
        assert answer.count(b"HTTP/1.") == 1
        assert b"\r\nConnection: close\r\n" in answer or answer.startswith(b"HTTP/1.0")


async def slow_reader(server: Served) -> Streams:
    """Ask for the metrics and take next to nothing of them."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    server.stack.callback(writer.close)
    writer.write(SCRAPE)
    return reader, writer


async def test_an_answer_that_is_not_taken_has_its_time() -> None:
    async with served(Limits(header_s=600, answer_s=0.2), body=16_000_000) as server:
        await slow_reader(server)
        await server.until_closed(ConnectionReason.AnswerTimeout, 1)


async def test_few_may_leave_their_answers_lying() -> None:
    async with served(body=16_000_000) as server:
        for _ in range(STALLED_MAX + 3):
            await slow_reader(server)
        await server.until_closed(ConnectionReason.TooManyStalled, 3)
        assert (await server.ask(PROBE)).startswith(b"HTTP/1.1 200")
        assert server.closed(ConnectionReason.TooManyStalled) == 3


async def test_a_new_one_takes_the_place_of_one_that_does_not_read_when_all_are_being_answered() -> None:
    async with served(Limits(connections=2, header_s=600, answer_s=600), body=16_000_000) as server:
        reading = [await slow_reader(server) for _ in range(2)]
        for reader, _ in reading:
            assert (await reader.readexactly(12)) == b"HTTP/1.1 200"
        assert (await server.ask(PROBE)).startswith(b"HTTP/1.1 200")
        assert server.closed(ConnectionReason.TooManyConnections) == 1


HELD = {
    "silent": b"",
    "a part of a line": b"GET /hea",
    "a part of a header": UNFINISHED,
    "an empty line": b"\r\n\r\n",
    "empty lines": b"\n\n\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
    "a preface that claims to be of HTTP/1": b"PRI * HTTP/1.1\r\n\r\n",
    "garbage": b"\x16\x03\x01\x00\r\n\r\n",
    "garbage without an end": b"\x16\x03\x01\x00",
    "fields that are none": b"GET /healthz HTTP/1.1\r\n:\r\n\r\n",
    "a request whose answer is not read": PROBE,
    "pipelined": PROBE * 50,
    "a body that never comes": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
}


@pytest.mark.parametrize("sent", HELD.values(), ids=HELD.keys())
async def test_a_probe_is_answered_whatever_all_the_other_connections_do(sent: bytes) -> None:
    async with served() as server:
        for _ in range(CONNECTIONS_MAX):
            await server.open(sent)
        for _ in range(3):
            assert (await server.ask(PROBE)).startswith(b"HTTP/1.1 200")


async def test_a_probe_is_answered_when_all_the_other_connections_leave_the_metrics_lying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "RENDER_BURST", 1)
    monkeypatch.setattr(health_module, "RENDER_INTERVAL", 10**18)
    async with served(body=8_000_000) as server:
        for _ in range(CONNECTIONS_MAX):
            await slow_reader(server)
        for _ in range(3):
            assert (await server.ask(PROBE)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [b"\r", b"\n", b"\r\n" + PROBE, b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/1.1\r\n", b"GET  / HTTP/1.1\r\n", b"GET /\r\n"]
)
async def test_what_is_no_request_of_http_1_is_closed_before_its_end(sent: bytes) -> None:
    async with served() as server:
        assert (await server.ask(sent))[:12] in {b"HTTP/1.1 400", b""}
        assert server.closed(ConnectionReason.NoRequest) == 1


async def test_a_connection_in_which_aiohttp_finds_no_request_is_closed_by_it() -> None:
    async with AsyncExitStack() as stack:
        behind = await health_module._server(stack, web.Application())
        server = await stack.enter_async_context(await asyncio.get_running_loop().create_server(behind, "127.0.0.1", 0))
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        stack.callback(writer.close)
        writer.write(b"\r\n\r\n")
        assert await heard(reader) == b""


async def test_an_answer_lies_from_the_first_octet_that_the_kernel_does_not_take() -> None:
    closed: list[ConnectionReason] = []

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * 16_000)

    gate = Gate(web.Server(answer, keepalive_timeout=0, tcp_keepalive=False), closed.append, Limits(stalled=1, header_s=600, answer_s=600))
    pairs = [socket.socketpair() for _ in range(2)]
    with ExitStack() as stack:
        for ours, theirs in pairs:
            stack.callback(theirs.close)
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
            theirs.sendall(SCRAPE)
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(gate.connection, ours)
            stack.callback(transport.abort)
        async with asyncio.timeout(60):
            while not closed:
                await asyncio.sleep(0)
    assert closed == [ConnectionReason.TooManyStalled]


async def test_a_scrape_beyond_the_rate_gets_what_the_one_before_it_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "RENDER_INTERVAL", 10**18)
    async with served() as server:
        rendered = []
        server.metrics.read_at_scrape(lambda: [rendered.append(1)][:0])
        answers = [await server.ask(SCRAPE) for _ in range(RENDER_BURST + 5)]
        assert all(answer.startswith(b"HTTP/1.1 200") and b"build_info" in answer for answer in answers)
        assert len(rendered) == RENDER_BURST


async def test_all_addresses_are_listened_on_and_no_other() -> None:
    async with served(PATIENT, "127.0.0.2", "::1") as server:
        for host in ("127.0.0.2", "::1"):
            assert (await server.ask(PROBE, host)).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionRefusedError):
            await server.open(PROBE, "127.0.0.1")


async def test_an_address_that_is_not_there_yet_keeps_nobody_from_the_others() -> None:
    async with served(PATIENT, "203.0.113.77", "2001:db8::77", "127.0.0.1") as server:
        assert (await server.ask(PROBE)).startswith(b"HTTP/1.1 200")


async def test_a_port_that_is_taken_is_told_with_its_address() -> None:
    metrics = Metrics(BAREMETAL_LB, with_process=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            async with serve(Health(), metrics, addresses=(ip_address("127.0.0.1"),), health_port=port, metrics_port=0):
                pass
