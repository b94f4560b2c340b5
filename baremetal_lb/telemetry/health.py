"""Health and readiness: named checks, each of which is fine or says in a sentence what is missing.

``/healthz`` tells whether the process should live on, ``/readyz`` whether it does its work; both list every check, so that
``kubectl describe pod`` or curl shows the reason at once:

    [+] kubernetes
    [-] sockets: CAP_NET_RAW is missing; give it to the container

``/metrics`` is the Prometheus exposition. Each of the two ports may be 0, which switches it off, or the same as the other. A connection
carries one request; what strangers can cost is bounded in ``listener``, and that they have everything rendered again and again is here.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.time import MILLISECOND
from baremetal_lb.telemetry import metric_table
from baremetal_lb.telemetry.listener import Gate, Limits, listening
from baremetal_lb.telemetry.metrics import Metrics
from baremetal_lb.telemetry.rate_limit import TokenBucket

RENDER_BURST: Final = 20
RENDER_INTERVAL: Final = 200 * MILLISECOND
"""Twenty scrapes at once, then five a second; beyond that a scrape gets what the one before it got."""

IDLE_S: Final = 0.1
"""A connection whose header aiohttp has, and in which it found no request, is closed after this. None is known that gets so far."""

Check = Callable[[], str | None]
"""Returns None when all is well, else what is wrong, as a sentence for people."""


@dataclass(slots=True)
class Health:
    """The checks of one process; added at start, evaluated at each question."""

    liveness: dict[str, Check] = field(default_factory=dict)
    readiness: dict[str, Check] = field(default_factory=dict)


def _results(checks: dict[str, Check]) -> Iterable[tuple[str, str | None]]:
    return [(name, check()) for name, check in checks.items()]


def _answer(checks: dict[str, Check]) -> web.Response:
    results = list(_results(checks))
    lines = [f"[+] {name}" if complaint is None else f"[-] {name}: {complaint}" for name, complaint in results]
    is_well = all(complaint is None for _, complaint in results)
    return web.Response(status=200 if is_well else 503, text="\n".join(lines or ["[+] process"]) + "\n")


def _application(health: Health | None, metrics: Metrics | None) -> web.Application:
    app = web.Application()
    if health is not None:
        checks = health

        async def healthz(_request: web.Request) -> web.Response:
            return _answer(checks.liveness)

        async def readyz(_request: web.Request) -> web.Response:
            return _answer(checks.readiness)

        app.router.add_get("/healthz", healthz)
        app.router.add_get("/readyz", readyz)
    if metrics is not None:
        exposition = _Exposition(metrics)

        async def answer(request: web.Request) -> web.Response:
            body, content_type = exposition.render(request.headers.get("Accept", ""))
            return web.Response(body=body, headers={"Content-Type": content_type})

        app.router.add_get("/metrics", answer)
    app.on_response_prepare.append(_close_afterwards)
    return app


async def _close_afterwards(_request: web.Request, response: web.StreamResponse) -> None:
    response.force_close()
    response.headers["Connection"] = "close"  # aiohttp has written its own headers by now


class _Exposition:
    """Renders the registry, but not as often as somebody may ask for it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._bucket = TokenBucket(RENDER_BURST, RENDER_INTERVAL, now=time.monotonic_ns())
        self._last: tuple[bytes, str] | None = None

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition and its content type, which beyond the rate may be another one than was asked for."""
        if self._bucket.take(now=time.monotonic_ns()) or self._last is None:
            self._last = self._metrics.render(accept)
        return self._last


@asynccontextmanager
async def serve(
    health: Health,
    metrics: Metrics,
    *,
    addresses: tuple[IPAddress, ...],
    health_port: int,
    metrics_port: int,
    limits: Limits | None = None,
) -> AsyncIterator[None]:
    """Serve both on these addresses for the time of the context.

    Raises:
        OSError: a port is taken.
    """
    closed = metrics.counter(metric_table.CONNECTIONS_CLOSED)

    async def listen(app: web.Application, port: int) -> None:
        server = await _server(stack, app)
        await stack.enter_async_context(listening(addresses, port, Gate(server, closed.inc, limits or Limits())))

    async with AsyncExitStack() as stack:
        if health_port and health_port == metrics_port:
            await listen(_application(health, metrics), health_port)
        else:
            if health_port:
                await listen(_application(health, None), health_port)
            if metrics_port:
                await listen(_application(None, metrics), metrics_port)
        yield


async def _server(stack: AsyncExitStack, app: web.Application) -> web.Server:
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=0.5,
        keepalive_timeout=IDLE_S,
        lingering_time=0,
        tcp_keepalive=False,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    if runner.server is None:
        raise InvariantViolation("a runner that is set up has a server")
    return runner.server
