"""Health and readiness: named checks, each of which is fine or says in a sentence what is missing.

``/healthz`` tells whether the process should live on, ``/readyz`` whether it does its work; both list every check, so that
``kubectl describe pod`` or curl shows the reason at once:

    [+] kubernetes
    [-] sockets: CAP_NET_RAW is missing; give it to the container

``/metrics`` is the Prometheus exposition. Each of the two ports may be 0, which switches it off, or the same as the other.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from baremetal_lb.telemetry.metrics import Metrics

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
        registry = metrics

        async def exposition(request: web.Request) -> web.Response:
            body, content_type = registry.render(request.headers.get("Accept", ""))
            return web.Response(body=body, headers={"Content-Type": content_type})

        app.router.add_get("/metrics", exposition)
    return app


@asynccontextmanager
async def serve(
    health: Health, metrics: Metrics, *, health_port: int, metrics_port: int, health_host: str = "", metrics_host: str = ""
) -> AsyncIterator[None]:
    """Serve both for the time of the context; a host of "" is all addresses.

    Raises:
        OSError: a port is taken.
    """
    async with AsyncExitStack() as stack:
        if health_port and health_port == metrics_port:
            await _listen(stack, _application(health, metrics), health_host, health_port)
        else:
            if health_port:
                await _listen(stack, _application(health, None), health_host, health_port)
            if metrics_port:
                await _listen(stack, _application(None, metrics), metrics_host, metrics_port)
        yield


async def _listen(stack: AsyncExitStack, app: web.Application, host: str, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host or None, port).start()
