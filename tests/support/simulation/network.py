"""The network between a controller and the API server's core: a Transport that delays, loses, resets and hangs at a seed's whim."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Self

import msgspec

from baremetal_lb.apiserver.messages import Request, Response
from baremetal_lb.apiserver.server import ApiServer
from baremetal_lb.kube.errors import ApiError, Unreachable
from baremetal_lb.kube.transport import DEFAULT_TOTAL_S, Query, Transport
from tests.support.simulation.clock import EPOCH_UTC, VirtualLoop

WRITES = ("POST", "PUT", "PATCH", "DELETE")
STALE_KEPT = 4


@dataclass(slots=True)
class Weather:
    """How bad the network is; probabilities of each request."""

    refused: float = 0.0
    lost_answer: float = 0.0
    hang: float = 0.0
    error: float = 0.0
    slow: float = 0.0
    stale_list: float = 0.0
    watch_cut_s: float = 0.0
    """Mean time until a watch breaks; 0: never."""
    expired: float = 0.0
    """A watch is told that its version is too old, so that a list follows."""
    empty_list: float = 0.0
    away: float = 0.0
    """1.0: the API server cannot be reached, and watches break."""

    @property
    def is_clear(self) -> bool:
        """Tell whether nothing is wrong."""
        return not any(getattr(self, name) for name in self.__slots__)

    def become(self, other: "Weather") -> None:
        """Take over every figure."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    @classmethod
    def storm(cls) -> Self:
        """Everything at once."""
        return cls(refused=0.04, lost_answer=0.05, hang=0.01, error=0.05, slow=0.1, stale_list=0.2, watch_cut_s=3.0)


class Core:
    """The API server's core on the virtual clock, with everybody who watches it."""

    def __init__(self, loop: VirtualLoop, rng: random.Random) -> None:
        self.loop = loop
        self.server = ApiServer(new_uid=lambda: f"{rng.getrandbits(128):032x}")
        self.server.start(now_utc=EPOCH_UTC + loop.now)
        self.after_write: list[Callable[[str, Request], None]] = []
        self._news: dict[str, asyncio.Event] = {}
        """By plural: set, and replaced, by each write of that kind."""

    def handle(self, who: str, request: Request) -> Any:
        answer = self.server.handle(request, now_utc=EPOCH_UTC + self.loop.now)
        if request.method in WRITES:
            for plural in request.path.split("/"):
                if (news := self._news.pop(plural, None)) is not None:
                    news.set()
            for listener in self.after_write:
                listener(who, request)
        return answer

    def stir(self) -> None:
        """Have all who wait for news, or for an answer that never comes, look at the weather again."""
        for news in self._news.values():
            news.set()
        self._news.clear()

    async def news(self, plural: str, within_s: float) -> None:
        """Wait until something of a kind was written, or for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.setdefault(plural, asyncio.Event()).wait()

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json", **query: str) -> Any:
        """One request of the test itself, on a network without faults; the decoded answer."""
        data = msgspec.json.encode(body) if body is not None else b""
        answer = self.handle("test", Request(method, path, query, data, content_type))
        decoded = msgspec.json.decode(answer.body)
        if answer.code >= 300:
            raise ApiError.of(answer.code, "", None, answer.body)
        return decoded


class _Body:
    """The content of an answer, as the transport's callers read it."""

    def __init__(self, read: Callable[[], Any], readline: Callable[[], Any]) -> None:
        self.read, self.readline = read, readline

    @property
    def content(self) -> "_Body":
        return self


class SimulatedTransport(Transport):
    """One process's way to the core. ``kill`` ends it as a kill -9 does: nothing leaves any more, and no answer arrives."""

    def __init__(self, core: Core, who: str, rng: random.Random, weather: Weather) -> None:
        super().__init__(url="http://simulated")
        self._core, self._who, self._chance, self.weather = core, who, rng, weather
        self._lists: dict[str, list[Response]] = {}
        self.is_killed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    @property
    def host(self) -> str:
        return "simulated"

    async def _dead(self) -> None:
        await asyncio.Event().wait()

    async def _travel(self) -> None:
        slow = self._chance.random() < self.weather.slow
        await asyncio.sleep(self._chance.uniform(0.05, 1.5) if slow else self._chance.uniform(0.0002, 0.004))
        if self.is_killed:
            await self._dead()

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: Any = None,
        content_type: str | None = None,
        total_s: float = DEFAULT_TOTAL_S,
    ) -> AsyncIterator[Any]:
        try:
            async with asyncio.timeout(total_s):
                answer = await self._deliver(Request(method, path, dict(query), _encoded(body), content_type or "application/json"))
                if isinstance(answer, Response):
                    yield _Body(_constant(answer.body), _constant(b""))
                else:
                    yield self._stream(answer)
        except TimeoutError:
            raise Unreachable(f"{method} {path}: timed out", was_sent=True) from None

    async def _deliver(self, request: Request) -> Any:
        where = f"{request.method} {request.path}"
        await self._travel()
        fate, weather = self._chance.random(), self.weather
        if fate < weather.refused or weather.away:
            raise Unreachable(f"{where}: refused", was_sent=False)
        if fate < weather.refused + weather.hang:
            await self._core.news("(the end of a bad connection)", 1e6)
            raise Unreachable(f"{where}: reset", was_sent=True)
        if fate < weather.refused + weather.hang + weather.error:
            raise ApiError(
                *self._chance.choice([(500, "InternalError", "no"), (503, "ServiceUnavailable", "no"), (429, "TooManyRequests", "no")])
            )
        if weather.expired and "watch" in request.query and self._chance.random() < weather.expired:
            raise ApiError(410, "Expired", "too old resource version")
        answer = self._remembered(request) or self._core.handle(self._who, request)
        if weather.empty_list and request.method == "GET" and isinstance(answer, Response) and self._chance.random() < weather.empty_list:
            answer = _emptied(answer)
        await self._travel()
        if weather.away:
            raise Unreachable(f"{where}: reset", was_sent=True)
        if self._chance.random() < weather.lost_answer:
            raise Unreachable(f"{where}: reset", was_sent=True)
        if isinstance(answer, Response) and not 200 <= answer.code < 300:
            raise ApiError.of(answer.code, "", dict(answer.headers).get("Retry-After"), answer.body)
        return answer

    def _remembered(self, request: Request) -> Response | None:
        """Answer a list from the past, as an API server's watch cache may (resourceVersion=0)."""
        if request.method != "GET" or request.query.get("resourceVersion") != "0" or "watch" in request.query:
            return None
        past = self._lists.setdefault(request.path, [])
        if past and self._chance.random() < self.weather.stale_list:
            return self._chance.choice(past)
        answer: Response = self._core.handle(self._who, request)
        past.append(answer)
        del past[:-STALE_KEPT]
        return answer

    def _stream(self, watch: Any) -> _Body:
        frames: list[bytes] = []
        loop = self._core.loop
        drawn_for = 0.0
        cut: int | None = None

        async def readline() -> bytes:
            nonlocal drawn_for, cut
            while not frames:
                if drawn_for != self.weather.watch_cut_s:  # the weather changed under an open watch
                    drawn_for = self.weather.watch_cut_s
                    cut = loop.now + int(self._chance.expovariate(1 / drawn_for) * 1e9) if drawn_for else None
                if (cut is not None and loop.now >= cut) or self.weather.away:
                    raise Unreachable("the watch was cut", was_sent=True)
                frames.extend(watch.take(now=EPOCH_UTC + loop.now))
                if not frames:
                    if watch.is_over:
                        return b""
                    ends = [watch.deadline() - EPOCH_UTC, *([cut] if cut is not None else [])]
                    await self._core.news(watch.storage[1], max(1e-6, (min(ends) - loop.now) / 1e9))
                    await self._travel()
            return frames.pop(0)

        return _Body(readline, readline)


def _encoded(body: Any) -> bytes:
    return b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)


def _emptied(answer: Response) -> Response:
    """Return a list as if there were nothing; another answer as it is."""
    value = msgspec.json.decode(answer.body)
    if not isinstance(value, dict) or "items" not in value:
        return answer
    value["items"] = []
    value["metadata"].pop("continue", None)
    return replace(answer, body=msgspec.json.encode(value))


def _constant(data: bytes) -> Callable[[], Any]:
    async def read() -> bytes:
        return data

    return read
