"""HTTP around the embedded API server: ``python -m baremetal_lb.lab.api_shell --port 6443 --kubeconfig-out kubeconfig``.

The shell reads the clock, draws the uids, writes the journal and carries bytes; all meaning is in ``baremetal_lb.apiserver``.

Plain HTTP: it is for one machine's loopback and lab namespaces, not for a network that others use. Who may speak to it is who knows its
token, that is who may read the kubeconfig (mode 0600). kubectl sends no credentials over plain HTTP, so the token is also accepted as the
first element of the path, and stands so in the kubeconfig's server URL.

With ``--state FILE`` each write is appended to that file before it is answered, so objects and resourceVersions survive a kill -9. The
file is rewritten when most of it is history.

EndpointSlices of Services with a selector are kept by the same process (``endpoint_slices``), unless ``--no-endpoint-slices``.
"""

import argparse
import asyncio
import contextlib
import hmac
import os
import secrets
import signal
import time
import uuid
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

import structlog
import yaml
from aiohttp import ClientConnectionResetError, web

from baremetal_lb.apiserver.messages import Request, Response
from baremetal_lb.apiserver.server import MAXIMUM_BODY, ApiServer, Settings
from baremetal_lb.apiserver.services import ServiceNetworks
from baremetal_lb.apiserver.watches import Watch
from baremetal_lb.lab.endpoint_slices import EndpointSlices
from baremetal_lb.model.time import SECOND

log = structlog.get_logger(__name__)
_OPEN_PATHS = ("/healthz", "/readyz", "/livez")
_HISTORY_LINES = 20_000
"""Lines of history that the state file may have beside four times the objects, before it is rewritten."""


class Journal:
    """The state file: one line per write, appended without buffering, so that a killed process loses nothing it had answered."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = None if path is None else path.open("ab", buffering=0)
        self._lines = 0

    def lines(self) -> list[bytes]:
        """Return what is in the file."""
        return self._path.read_bytes().splitlines() if self._path is not None else []

    def append(self, line: bytes) -> None:
        """Write one line."""
        if self._file is not None:
            self._file.write(line)
            self._lines += 1

    def compact(self, server: ApiServer, *, is_forced: bool = False) -> None:
        """Rewrite the file with the present objects only, when it pays."""
        if self._path is None or self._file is None or (self._lines < _HISTORY_LINES and not is_forced):
            return
        present = list(server.store.dump())
        if self._lines > 4 * len(present) or is_forced:
            fresh = self._path.with_name(self._path.name + ".new")
            fresh.write_bytes(b"".join(present))
            fresh.chmod(0o600)
            fresh.replace(self._path)
            self._file.close()
            self._file = self._path.open("ab", buffering=0)
        self._lines = 0


class Shell:
    """One API server behind aiohttp handlers."""

    def __init__(self, server: ApiServer, journal: Journal, token: str, endpoint_slices: EndpointSlices | None) -> None:
        self._server, self._journal, self._endpoint_slices = server, journal, endpoint_slices
        self._bearer, self._prefix = f"Bearer {token}".encode(), f"/{token}/".encode()
        self._woken: set[asyncio.Event] = set()

    async def answer(self, http: web.Request) -> web.StreamResponse:
        """Answer one HTTP request."""
        path = http.path
        if hmac.compare_digest(path.encode()[: len(self._prefix)], self._prefix):
            path = path[len(self._prefix) - 1 :]
        elif path not in _OPEN_PATHS and not hmac.compare_digest(http.headers.get("Authorization", "").encode(), self._bearer):
            message = "the embedded API server wants the token of its kubeconfig"
            return web.json_response(
                {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "message": message, "code": 401},
                status=401,
            )
        request = Request(
            http.method,
            path,
            dict(http.query),
            await _read(http),
            http.headers.get("Content-Type", "application/json"),
            http.headers.get("Accept", "application/json"),
            http.headers.get("User-Agent", ""),
        )
        before = self._server.store.revision
        answer = self._server.handle(request, now_utc=time.time_ns())
        if self._server.store.revision != before:
            self.written()
        if isinstance(answer, Watch):
            return await self._stream(http, answer)
        if answer.is_reset:
            if http.transport is not None:
                http.transport.abort()
            return web.Response()
        return _http_response(answer)

    def written(self) -> None:
        """Settle what follows from a write, and wake the watches."""
        if self._endpoint_slices is not None:
            self._endpoint_slices.settle(now_utc=time.time_ns())
        self._journal.compact(self._server)
        for woken in self._woken:
            woken.set()

    async def _stream(self, http: web.Request, watch: Watch) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        woken = asyncio.Event()
        self._woken.add(woken)
        try:
            await response.prepare(http)
            while True:
                woken.clear()
                if frames := watch.take(now=time.time_ns()):
                    await response.write(b"".join(frames))
                if watch.is_over:
                    break
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(watch.deadline() - time.time_ns(), 0) / SECOND):
                        await woken.wait()
            await response.write_eof()
        except ClientConnectionResetError:
            pass  # the client has gone; so does the watch
        finally:
            self._woken.discard(woken)
        return response


async def _read(http: web.Request) -> bytes:
    """Read a body of unknown length, up to one byte more than is taken."""
    body = bytearray()
    async for chunk in http.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > MAXIMUM_BODY:
            break
    return bytes(body)


def _http_response(answer: Response) -> web.Response:
    headers = dict(answer.headers) | {"Cache-Control": "no-cache, private"}
    return web.Response(status=answer.code, body=answer.body, headers=headers, content_type=answer.content_type)


def kubeconfig(url: str, token: str) -> str:
    """Return a kubeconfig for the server."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": f"{url}/{token}"}}],
            "users": [{"name": "lab", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        },
        sort_keys=False,
    )


def _token(token_file: Path | None, kubeconfig_path: Path) -> str:
    """Return the token: of its file, else of the kubeconfig of the last run, else a new one; it stays the same over restarts."""
    if token_file is not None and token_file.exists():
        return token_file.read_text().strip()
    with contextlib.suppress(OSError, KeyError, IndexError, TypeError, yaml.YAMLError):
        return str(yaml.safe_load(kubeconfig_path.read_text())["users"][0]["user"]["token"])
    token = secrets.token_hex(16)
    if token_file is not None:
        _write_private(token_file, token)
    return token


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    journal = Journal(options.state)
    token = _token(options.token_file, options.kubeconfig_out)
    networks = ServiceNetworks(tuple(ip_network(text) for text in options.service_cidr))
    server = ApiServer(
        new_uid=lambda: str(uuid.uuid4()), journal=journal.append, settings=Settings(networks=networks, path_prefix=f"/{token}")
    )
    count = server.start(journal.lines(), now_utc=time.time_ns())
    journal.compact(server, is_forced=True)
    shell = Shell(server, journal, token, EndpointSlices(server) if options.endpoint_slices else None)
    shell.written()
    application = web.Application(client_max_size=MAXIMUM_BODY + 1)
    application.router.add_route("*", "/{path:.*}", shell.answer)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, options.bind, options.port).start()
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(options.bind, options.bind)  # noqa: S104  # recognised, not bound
    _write_private(options.kubeconfig_out, kubeconfig(options.url or f"http://{host}:{options.port}", token))
    log.info("api_server_started", bind=options.bind, port=options.port, loaded_lines=count)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()
    log.info("api_server_stopped", requests=server.requests)


def main(arguments: Iterable[str] | None = None) -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m baremetal_lb.lab.api_shell", description="The embedded API server over plain HTTP.")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="TCP port to listen on")
    parser.add_argument("--url", help="server URL for the kubeconfig, without the token (default: http://BIND:PORT)")
    parser.add_argument("--kubeconfig-out", type=Path, required=True, help="where to write a kubeconfig, when it listens")
    parser.add_argument(
        "--token-file", type=Path, help="bearer token; made if it is not there (default: that of the kubeconfig, else a new one)"
    )
    parser.add_argument("--state", type=Path, help="file that keeps the objects over restarts and kills (default: none)")
    parser.add_argument(
        "--service-cidr", action="append", help="CIDR of cluster IPs, primary first (default: 10.96.0.0/16, fd00:10:96::/112)"
    )
    parser.add_argument("--no-endpoint-slices", dest="endpoint_slices", action="store_false", help="leave EndpointSlices to somebody else")
    options = parser.parse_args(None if arguments is None else list(arguments))
    options.service_cidr = options.service_cidr or ["10.96.0.0/16", "fd00:10:96::/112"]
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
