"""A proxy in front of an API server that does to chosen requests what networks and servers do.

    client --http, loopback--> FaultProxy --https or http--> API server

A `Rule` picks requests by method, path and query (regular expressions) and by their ordinal among those, and names a `Fault`. The
proxy runs in a thread of its own, so that blocking tests and processes under test can use it alike.

    with FaultProxy(server.url, ca=server.work / "certs" / "apiserver.crt") as proxy:
        rule = proxy.add(Rule(Fault.RESET_AFTER, "POST", r"/ipallocations$"))
        ...
        assert rule.hits == 1
"""

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import yaml
from aiohttp import web

T = TypeVar("T")
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "content-length"})


class Fault(Enum):
    """What happens to a request."""

    CONFLICT = "answered 409 Conflict, not passed on"
    TOO_MANY = "answered 429 with Retry-After, not passed on"
    SERVER_ERROR = "answered 500, not passed on"
    BAD_GATEWAY = "answered 502 with an HTML page, not passed on"
    RESET_BEFORE = "connection reset, not passed on"
    RESET_AFTER = "passed on, takes effect, connection reset instead of the answer"
    GONE = "answered 410 Expired: as an ERROR event of a watch, as a status otherwise"
    EMPTY_LIST = "a list answered without its items"
    OLD_LIST = "a list answered without its items, with resourceVersion 1"
    SILENT = "accepted, then nothing for ever"
    DELAY = "passed on after ``delay_s``"


@dataclass
class Rule:
    """Which requests meet a fault: those that match, from the ``nth`` on, ``times`` of them (None: all)."""

    fault: Fault
    method: str = ".*"
    path: str = ".*"
    """Searched in path and query: ``/services\\?.*watch=true``."""
    nth: int = 1
    times: int | None = 1
    retry_after_s: int = 1
    delay_s: float = 1.0
    matched: int = 0
    hits: int = 0
    """Requests that met the fault, counted when they come in."""
    answered: int = 0
    """Those of them whose answer is made: what changes on the server from now on is in none of them."""

    def takes(self, method: str, target: str) -> bool:
        """Count a request and tell whether it meets the fault."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, target):
            return False
        self.matched += 1
        if self.matched < self.nth or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in."""

    method: str
    target: str
    """Path and query."""
    fault: Fault | None
    body: bytes = field(default=b"", repr=False)

    @property
    def is_write(self) -> bool:
        """Tell whether it asked for a change."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}


class FaultProxy:
    """The proxy; runs while its with block does."""

    def __init__(self, upstream: str, *, ca: Path | None = None) -> None:
        self._upstream = upstream.rstrip("/")
        self._ca = ca
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._open: dict[int, web.Request] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.seen: list[Seen] = []
        """All requests so far, in order of arrival."""
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force; of several that take a request the one added first decides."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Lift all rules; requests that hang stay so until they are cut."""
        with self._lock:
            self._rules.clear()

    def cut(self) -> None:
        """Reset every connection with a request under way, watches included."""
        self._call(self._cut())

    def kubeconfig(self, token: str, path: Path) -> Path:
        """Write a kubeconfig that leads through the proxy."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "user"}}],
            "current-context": "proxy",
        }
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def writes(self) -> list[Seen]:
        """Return the writes so far, whatever became of them."""
        return [seen for seen in self.seen if seen.is_write]

    # --- within ---

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=15)

    async def _start(self) -> None:
        context: ssl.SSLContext | bool = True if self._ca is None else ssl.create_default_context(cafile=str(self._ca))
        connector = aiohttp.TCPConnector(limit=0, ssl=context)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None))
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._cut()
        assert self._runner is not None
        assert self._session is not None
        await self._session.close()
        await self._runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:  # handlers that hang on purpose
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _cut(self) -> None:
        for request in list(self._open.values()):
            _reset(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        rule = self._rule_for(request.method, request.path_qs)
        self.seen.append(Seen(request.method, request.path_qs, rule.fault if rule else None, body))
        self._open[id(request)] = request
        try:
            return await self._answer(request, body, rule)
        finally:
            self._open.pop(id(request), None)
            if rule is not None:
                rule.answered += 1

    def _rule_for(self, method: str, target: str) -> Rule | None:
        with self._lock:
            return next((rule for rule in self._rules if rule.takes(method, target)), None)

    async def _answer(self, request: web.Request, body: bytes, rule: Rule | None) -> web.StreamResponse:
        match rule.fault if rule else None:
            case Fault.CONFLICT:
                return _status(409, "Conflict", "the object has been modified")
            case Fault.TOO_MANY:
                assert rule is not None
                return _status(429, "TooManyRequests", "please try again later", {"Retry-After": str(rule.retry_after_s)})
            case Fault.SERVER_ERROR:
                return _status(500, "InternalError", "etcdserver: leader changed")
            case Fault.BAD_GATEWAY:
                return web.Response(status=502, text="<html><body>Bad Gateway</body></html>", content_type="text/html")
            case Fault.RESET_BEFORE:
                return _reset(request)
            case Fault.RESET_AFTER:
                await self._forward(request, body, lambda _data: None)
                return _reset(request)
            case Fault.GONE if "watch=" in request.query_string:
                return await _gone_watch(request)
            case Fault.GONE:
                return _status(410, "Expired", "too old resource version")
            case Fault.EMPTY_LIST:
                return await self._forward(request, body, _without_items)
            case Fault.OLD_LIST:
                return await self._forward(request, body, lambda data: _without_items(data, "1"))
            case Fault.SILENT:
                return await _silence(request)
            case Fault.DELAY:
                assert rule is not None
                await asyncio.sleep(rule.delay_s)
        return await self._forward(request, body)

    async def _forward(
        self, request: web.Request, body: bytes, change: Callable[[bytes], bytes | None] | None = None
    ) -> web.StreamResponse:
        """Pass a request on and its answer back: as it comes, or whole and changed."""
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        try:
            async with self._session.request(request.method, self._upstream + request.raw_path, headers=headers, data=body) as answer:
                passed = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
                if change is not None:
                    return web.Response(status=answer.status, headers=passed, body=change(await answer.read()))
                response = web.StreamResponse(status=answer.status, headers=passed)
                await response.prepare(request)
                async for data in answer.content.iter_any():
                    await response.write(data)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, OSError):
            return _reset(request)


def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _silence(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await asyncio.Event().wait()
    return response


async def _gone_watch(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}
    await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
    await response.write_eof()
    return response


def _status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
    return web.json_response(status, status=code, headers=headers)


def _without_items(data: bytes, version: str | None = None) -> bytes:
    page = json.loads(data)
    page["items"] = []
    page["metadata"].pop("continue", None)
    page["metadata"].pop("remainingItemCount", None)
    if version is not None:
        page["metadata"]["resourceVersion"] = version
    return json.dumps(page).encode()
