"""The reflector: keeps a store equal to what the API server has of one kind, by LIST and WATCH, for as long as the process lives.

    +-> LIST (paged) --> WATCH from the list's resourceVersion --> ... --+
    |     ^                |  ends by timeout, drop, bad line: again from the last version seen, bookmarks included
    |     +-- 410 Gone ----+
    +-- any failure: wait (Backoff, Retry-After), then go on where it stopped

Rules
* Lists are consistent (no resourceVersion given; served from the server's cache since 1.31, KEP-2340), so that they never go back in
  time. A continue token that expired restarts the list.
* A relist reports true differences only: values are compared, unchanged versions are not even decoded.
* 404 (the kind is not installed) empties nothing: a restarted API server answers so for custom resources until it has loaded them.
* A watch is bounded twice: the server ends it after about ``watch_s``, the client 15 s later, or after ``SILENCE_S`` without a byte
  (a server sends a bookmark each minute), so that a half-open connection never hides changes for ever.
* With ``shrink_hold_s`` a list that is empty or older than what was seen deletes nothing by itself (see ``store``).
* ``run`` ends only by cancellation, or by an error of ours in ``on_change``.

Not implemented: WatchList streaming (KEP-3157), sharded lists.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec
import structlog

from baremetal_lb.kube import memory
from baremetal_lb.kube.backoff import Backoff
from baremetal_lb.kube.errors import ApiError, KubeError, Unreachable
from baremetal_lb.kube.records import DecodeError
from baremetal_lb.kube.store import OnChange, Store
from baremetal_lb.kube.structs import BaseRecord
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.json_text import UNDECODABLE
from baremetal_lb.model.time import SECOND

log = structlog.get_logger(__name__)
T = TypeVar("T")

WATCH_GRACE_S = 15.0
SILENCE_S = 150.0
LIST_TIMEOUT_S = 60.0
_YIELD_EVERY = 200
"""Events that are handled before other tasks get their turn: reading from a full buffer does not yield by itself."""
_TRIM_ABOVE = 200
"""A list of more objects than this leaves enough garbage to be worth giving back."""


class _ListMeta(BaseRecord):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(BaseRecord):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(BaseRecord):
    type: str
    object: msgspec.Raw


class _ObjectMeta(BaseRecord):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Envelope(BaseRecord):
    metadata: _ObjectMeta


class _Status(BaseRecord):
    code: int = 0
    reason: str = ""
    message: str = ""


_page = msgspec.json.Decoder(_Page).decode
_event = msgspec.json.Decoder(_Event).decode
_envelope = msgspec.json.Decoder(_Envelope).decode
_status = msgspec.json.Decoder(_Status).decode


class _Broken(KubeError):
    """The answer is not what an API server sends."""


class Reflector(Generic[T]):
    """The store of one kind, kept up to date by ``run``."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        decode: Callable[[bytes], T],
        on_change: OnChange[T],
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_limit: int = 500,
        watch_s: float = 290.0,
        shrink_hold_s: float = 0.0,
        on_relist: Callable[[], None] | None = None,
        backoff: Backoff | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._transport, self.path = transport, path
        self._selectors = [
            (name, value) for name, value in (("labelSelector", label_selector), ("fieldSelector", field_selector)) if value is not None
        ]
        self._page_limit, self._watch_s, self._hold_s = page_limit, watch_s, shrink_hold_s
        self._on_relist = on_relist
        self._rng = rng or random.Random()
        self._backoff = backoff or Backoff(rng=self._rng)
        self._store = Store(decode, on_change)
        self._version: str | None = None
        self._newest = 0
        """The highest resourceVersion seen, as a number (KEP-5504), to tell an older list."""
        self._held_until: float | None = None
        self.has_synced = asyncio.Event()
        """Set by the first complete list, and for ever."""
        self.last_ok = 0
        """When the server last told us anything (ns, the event loop's clock: ``time.monotonic_ns`` in a real one)."""
        self.problem: str | None = None
        """What keeps it from being up to date, as a sentence; None when nothing does."""
        self.counters: Counter[str] = Counter()
        """``lists``, ``watches``, ``events``, ``expired``, ``empty_watches``, ``failures``, ``held_lists``, ``nameless``,
        ``stale_events``."""

    @property
    def store(self) -> Mapping[ObjectKey, T]:
        """The last good value of each object; a live read-only view."""
        return self._store.objects

    @property
    def problems(self) -> Mapping[ObjectKey, DecodeError]:
        """Objects whose newest version cannot be read."""
        return self._store.problems

    @property
    def relists(self) -> int:
        """Complete lists after the first."""
        return max(0, self.counters["lists"] - 1)

    @property
    def decode_errors(self) -> int:
        """Payloads that could not be read."""
        return self._store.decode_errors

    def seed(self, objects: Mapping[ObjectKey, T]) -> None:
        """Start from remembered values, before ``run``; ``on_change`` is told of each."""
        self._store.seed(objects)

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if self._version is None or self._is_hold_over():
                    await self._list()
                pause = await self._watch()
            except KubeError as error:
                pause = self._note(error)
            await asyncio.sleep(pause)

    def _note(self, error: KubeError) -> float:
        """Take note of a failure and return how long to wait."""
        self.counters["failures"] += 1
        at_least = None
        if isinstance(error, ApiError):
            at_least = error.retry_after_s
            if error.is_expired or error.is_not_found:
                self._version = None
                self.counters["expired"] += error.is_expired
        problem = self._sentence(error)
        if problem != self.problem:
            log.warning("watch_failed", path=self.path, problem=problem)
        self.problem = problem
        if isinstance(error, ApiError) and error.is_expired and self._backoff.failures == 0:
            self._backoff.failures = 1
            return self._rng.uniform(0.0, 0.2)  # nothing is wrong with the server, so the first one costs no wait
        return self._backoff.next_s(at_least)

    def _sentence(self, error: KubeError) -> str:
        if not isinstance(error, ApiError):
            return str(error)
        if error.is_not_found:
            return f"{self.path} is not served: is its CustomResourceDefinition installed?"
        return f"{error.message} ({error.status} {error.reason})"

    def _heard(self) -> None:
        self.last_ok = round(_now_s() * SECOND)
        if self.problem is not None:
            log.info("watch_recovered", path=self.path)
            self.problem = None

    # --- list ---

    async def _list(self) -> None:
        """Read all pages, report the differences and take the list's version as where to watch from."""
        seen: set[ObjectKey] = set()
        token = ""
        while True:
            query = [*self._selectors, ("limit", str(self._page_limit)), *([("continue", token)] if token else ())]
            data = await self._transport.request("GET", self.path, query, total_s=LIST_TIMEOUT_S)
            try:
                page = _page(data)
            except UNDECODABLE as error:
                raise _Broken(f"GET {self.path}: no list: {error}") from None
            if not seen and not token and self._on_relist is not None:
                self._on_relist()
            for item in page.items or ():
                if (key := self._present(item)) is not None:
                    seen.add(key)
            token = page.metadata.continue_
            if not token:
                break
            await asyncio.sleep(0)
        self._end_list(seen, page.metadata.resource_version)

    def _end_list(self, seen: set[ObjectKey], version: str) -> None:
        missing = self._store.missing(seen)
        if missing and self._is_held(seen, version):
            self.counters["held_lists"] += 1
            log.warning("list_held_back", path=self.path, missing=len(missing), listed=len(seen))
        else:
            self._held_until = None
            self._newest = _number(version)
            for key in missing:
                self._store.gone(key)
        self._version = version or None
        self.counters["lists"] += 1
        self._heard()
        if len(seen) > _TRIM_ABOVE:
            memory.trim()
        if not self.has_synced.is_set():
            log.info("synced", path=self.path, objects=len(seen))
            self.has_synced.set()

    def _is_held(self, seen: set[ObjectKey], version: str) -> bool:
        """Tell whether the absences of this list must wait; the first such list starts the hold-off, which is not prolonged."""
        if self._hold_s <= 0 or (seen and _number(version) >= self._newest):
            return False
        if self._held_until is None:
            self._held_until = _now_s() + self._hold_s
        return not self._is_hold_over()

    def _is_hold_over(self) -> bool:
        return self._held_until is not None and _now_s() >= self._held_until

    def _present(self, data: msgspec.Raw) -> ObjectKey | None:
        """Store one object; None when it does not even tell its name."""
        try:
            meta = _envelope(data).metadata
        except UNDECODABLE:
            meta = _ObjectMeta()
        if not meta.name:
            self.counters["nameless"] += 1
            return None
        key = ObjectKey(meta.namespace, meta.name)
        self._store.present(key, meta.resource_version, data)
        return key

    # --- watch ---

    async def _watch(self) -> float:
        """Follow the changes until the server ends the watch; return how long to wait before the next one."""
        seconds = self._watch_s * self._rng.uniform(0.75, 1.0)
        if self._held_until is not None:
            seconds = max(0.1, min(seconds, self._held_until - _now_s()))
        query = [
            *self._selectors,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version or ""),
            ("timeoutSeconds", str(max(1, round(seconds)))),
        ]
        self.counters["watches"] += 1
        started, events = _now_s(), 0
        limit_s = seconds if self._held_until is not None else seconds + WATCH_GRACE_S
        try:
            async with self._transport.open("GET", self.path, query, total_s=limit_s) as response:
                async with asyncio.timeout(SILENCE_S) as silence:
                    while line := await response.content.readline():
                        self._handle(line)
                        events += 1
                        silence.reschedule(_now_s() + SILENCE_S)
                        if events % _YIELD_EVERY == 0:
                            await asyncio.sleep(0)
        except ValueError as error:
            raise _Broken(f"GET {self.path}: a line without end: {error}") from None
        except Unreachable:
            if self._is_hold_over():
                return 0.0  # it was ended on purpose, to list again
            raise
        if events or _now_s() - started > 5.0:
            self._heard()
            self._backoff.succeeded()
            return self._rng.uniform(0.0, 0.2)
        self.counters["empty_watches"] += 1
        return self._backoff.next_s()

    def _handle(self, line: bytes) -> None:
        """Take one line of a watch."""
        try:
            event = _event(line)
        except UNDECODABLE as error:
            raise _Broken(f"GET {self.path}: no watch event: {error}") from None
        if event.type == "ERROR":
            raise _error_of(event.object)
        try:
            meta = _envelope(event.object).metadata
        except UNDECODABLE:
            self.counters["nameless"] += 1
            return
        key = ObjectKey(meta.namespace, meta.name)
        if event.type != "BOOKMARK" and 0 < _number(meta.resource_version) < _number(self._store.version(key)):
            # A watch from an older list replays history: that an object of this name was once deleted takes nothing from today's.
            self.counters["stale_events"] += 1
        elif event.type == "DELETED":
            self._store.gone(key)
        elif event.type != "BOOKMARK":
            self._present(event.object)
        if meta.resource_version:
            self._version = meta.resource_version
            self._newest = max(self._newest, _number(meta.resource_version))
        self.counters["events"] += 1
        self._heard()


def _error_of(data: msgspec.Raw) -> KubeError:
    """Return what an ERROR event says; 504 (too large a resource version, or a cache that is not ready) is answered by a list too."""
    try:
        status = _status(data)
    except UNDECODABLE:
        return _Broken("the watch ended with an error that cannot be read")
    is_expired = status.code in {410, 504}
    return ApiError(410 if is_expired else status.code, "Expired" if is_expired else status.reason, status.message)


_VERSION_DIGITS = 20
"""Of 64 bit."""


def _number(version: str) -> int:
    """Return a resourceVersion as a number; 0 for one that is none (then nothing is ever "older")."""
    return int(version) if version.isascii() and version.isdecimal() and len(version) <= _VERSION_DIGITS else 0


def _now_s() -> float:
    """Return the event loop's clock, which a simulation may have made its own."""
    return asyncio.get_running_loop().time()


def age_s(reflector: "Reflector[T]", *, now: int) -> float:
    """Return how long ago the server last told this reflector anything; ``now`` is ``time.monotonic_ns``."""
    return (now - reflector.last_ok) / SECOND
