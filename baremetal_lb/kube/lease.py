"""Leader election by a Lease, and the Lease that a speaker shows itself by.

The rule of an election is that two processes never work at once although no clock is shared:

    holder     works only until last_renew + renew_deadline, by its own clock, counted from the *sending* of the last renewal that
               succeeded, whatever a request that is under way may still do
    candidate  takes over only when it has seen the Lease unchanged for the lease duration that stands in it, by its own clock

renew_deadline < lease_duration keeps the two apart. ``is_leading`` is a look at a clock that runs during a suspension, so a process
that was frozen knows before its timers do: ask it right before each write.

    stand by --(free, released or expired: PUT with resourceVersion)--> lead --(deadline, lost, work ended)--> stand by
                                                                         `--(cancelled)--> release: holder "", for 1 s

A candidate watches the Lease, so a release is taken up at once; times on the wire are for people only.
Rights needed on leases: get, watch, create and update for an election; patch and create for a member's Lease.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.patches import decode_object
from baremetal_lb.kube.resources import LEASES
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.rfc3339 import format_microtime

log = structlog.get_logger(__name__)

_STOP_TIMEOUT_S = 5.0
"""Work that was cancelled and has not ended after this is an error of ours: better no process than two leaders."""


def boottime_s() -> float:
    """Return a clock that also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class WorkWouldNotStop(RuntimeError):
    """The leader's work ignored its cancellation; the process must end."""


class Elector:
    """One candidate in the election for a Lease."""

    def __init__(
        self,
        transport: Transport,
        namespace: str,
        name: str,
        identity_id: str,
        *,
        lease_duration_s: float = 15.0,
        renew_deadline_s: float = 10.0,
        retry_period_s: float = 2.0,
        clock: Callable[[], float] = boottime_s,
        rng: random.Random | None = None,
    ) -> None:
        if not 0 < retry_period_s < renew_deadline_s < lease_duration_s:
            raise ValueError("an election needs 0 < retry period < renew deadline < lease duration")
        self._transport, self.name, self.identity_id = transport, name, identity_id
        self._collection, self._namespace = LEASES.path(namespace), namespace
        self._path = LEASES.path(namespace, name)
        self._duration_s, self._deadline_s, self._retry_s = lease_duration_s, renew_deadline_s, retry_period_s
        self._clock, self._rng = clock, rng or random.Random()
        self._lease: dict[str, Any] = {}
        """As the server gave it last; its unknown fields are kept by what we PUT."""
        self._seen: tuple[str, float] = ("", 0.0)
        """(resourceVersion, when it was first seen) of somebody else's Lease."""
        self._valid_until = float("-inf")
        self.terms = 0
        """How often this process became the leader."""

    @property
    def is_leading(self) -> bool:
        """Whether this process may act as the leader at this very moment."""
        return self._clock() < self._valid_until

    @property
    def holder(self) -> str:
        """Who held the Lease when it was seen last, "" for nobody."""
        return str(self._spec.get("holderIdentity") or "")

    @property
    def _spec(self) -> dict[str, Any]:
        spec = self._lease.get("spec")
        return spec if isinstance(spec, dict) else {}

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Stand for election for ever; while elected, run ``lead`` once, and cancel it when the term ends.

        Returns when ``lead`` returns by itself; what it raises is raised, after the Lease was released.

        Raises:
            WorkWouldNotStop: ``lead`` went on although cancelled.
        """
        while True:
            await self._stand_by()
            self.terms += 1
            log.info("leading", lease=self.name, identity=self.identity_id, transitions=self._spec.get("leaseTransitions"))
            if await self._term(lead):
                return
            log.warning("leadership_lost", lease=self.name, holder=self.holder)

    async def _term(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Lead until the work ends (True) or the Lease is lost (False)."""
        work = asyncio.ensure_future(lead())
        keep = asyncio.ensure_future(self._keep())
        try:
            await asyncio.wait({work, keep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_ended = work.done()
            keep.cancel()
            # Work is stopped first and the Lease given back afterwards, also when we are being cancelled ourselves.
            await _undisturbed(self._end(work, keep))
        if is_ended:
            work.result()
        return is_ended

    async def _end(self, work: "asyncio.Future[None]", keep: "asyncio.Future[None]") -> None:
        work.cancel()
        _, running = await asyncio.wait({work, keep}, timeout=_STOP_TIMEOUT_S)
        was_leading, self._valid_until = self.is_leading, float("-inf")
        if work in running:
            raise WorkWouldNotStop("the leader's work did not end when it was cancelled")
        if was_leading and self.holder == self.identity_id:
            await self._release()

    # --- standing by ---

    async def _stand_by(self) -> None:
        """Return as soon as the Lease is ours."""
        while True:
            pause_s = self._jittered(self._retry_s)
            try:
                if await self._try_to_take():
                    return
                started = asyncio.get_running_loop().time()
                await self._wait_for_release()
                pause_s = max(0.0, self._rng.uniform(0.1, 0.3) - (asyncio.get_running_loop().time() - started))
            except KubeError as error:
                log.warning("election_failed", lease=self.name, error=str(error))
                pause_s = max(pause_s, (error.retry_after_s or 0.0) if isinstance(error, ApiError) else 0.0)
            await asyncio.sleep(pause_s)

    async def _try_to_take(self) -> bool:
        """Read the Lease and take it if it is free; False if it is not, or somebody else was faster."""
        sent = self._clock()
        try:
            self._observe(await self._call("GET", self._path))
            if not self._is_free():
                return False
            await self._write(self._taken())
        except ApiError as error:
            if error.is_conflict or error.already_exists:
                return False
            if not error.is_not_found:
                raise
            if not await self._create():
                return False
        self._valid_until = sent + self._deadline_s
        return True

    async def _create(self) -> bool:
        """Make the Lease, held by us; False when somebody was faster."""
        metadata = {"name": self.name, "namespace": self._namespace}
        self._lease = {}
        lease = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, **self._taken()}
        try:
            self._lease = await self._call("POST", self._collection, lease)
        except ApiError as error:
            if error.already_exists:
                return False
            raise
        return True

    def _observe(self, lease: dict[str, Any]) -> None:
        """Take note of the Lease; its age starts anew whenever it changed."""
        self._lease = lease
        version = str(lease.get("metadata", {}).get("resourceVersion", ""))
        if version != self._seen[0]:
            self._seen = (version, self._clock())

    def _expires_in_s(self) -> float:
        """Return for how long the holder's claim still stands, by our clock."""
        if self.holder in {"", self.identity_id}:
            return 0.0
        duration = self._spec.get("leaseDurationSeconds")
        stands_for = float(duration) if isinstance(duration, int) else self._duration_s
        return self._seen[1] + stands_for - self._clock()

    def _is_free(self) -> bool:
        return self._expires_in_s() <= 0

    async def _wait_for_release(self) -> None:
        """Watch somebody else's Lease until it is free or the watch ends; at once when we do not know it."""
        version = self._lease.get("metadata", {}).get("resourceVersion")
        if not version:
            return
        query = [
            ("fieldSelector", f"metadata.name={self.name}"),
            ("watch", "true"),
            ("resourceVersion", str(version)),
            ("timeoutSeconds", "240"),
        ]
        async with self._transport.open("GET", self._collection, query, total_s=255.0) as response:
            while (left_s := self._expires_in_s()) > 0:
                try:
                    async with asyncio.timeout(left_s):
                        line = await response.content.readline()
                except TimeoutError:
                    continue  # nobody renewed it: free, unless the clock says otherwise
                event = decode_object(line) if line else {}
                if event.get("type") not in {"ADDED", "MODIFIED"}:
                    return  # ended, expired or deleted: read it again
                self._observe(event["object"])

    # --- leading ---

    async def _keep(self) -> None:
        """Renew for as long as that works; return when the Lease is lost."""
        while True:
            try:
                async with asyncio.timeout(self._valid_until - self._clock()):
                    await asyncio.sleep(self._jittered(self._retry_s))
                    if not await self._renew():
                        return
            except TimeoutError:
                return
            if not self.is_leading:
                return

    async def _renew(self) -> bool:
        """Renew once; False when somebody else holds it. A failure leaves the term as long as it was."""
        try:
            sent = self._clock()
            try:
                await self._write(self._renewed())
            except ApiError as error:
                if not (error.is_conflict or error.is_not_found):
                    raise
                return await self._reread()
        except KubeError as error:
            log.warning("renewal_failed", lease=self.name, error=str(error))
            return True
        return self._prolong(sent)

    def _prolong(self, sent: float) -> bool:
        """Have the term last on from a request that succeeded; False when it was over by then.

        A term that was over once stays so, though the Lease is still ours (the process was suspended, and the answer came before the
        timer): a write may have been refused meanwhile, and is made up for by nobody but the next term.
        """
        if not self.is_leading:
            return False
        self._valid_until = sent + self._deadline_s
        return True

    async def _reread(self) -> bool:
        """Look whose the Lease is: a conflict may be with a renewal of ours whose answer was lost. If it was deleted, make it again."""
        try:
            self._lease = await self._call("GET", self._path)
        except ApiError as error:
            if error.is_not_found:
                sent = self._clock()
                return await self._create() and self._prolong(sent)
            raise
        if self.holder == self.identity_id:
            return True
        self._valid_until = float("-inf")
        return False

    async def _release(self) -> None:
        """Give the Lease back; if that fails it expires by itself."""
        spec = {**self._spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": format_microtime(time.time_ns())}
        try:
            await self._write({**self._lease, "spec": spec})
            log.info("lease_released", lease=self.name)
        except KubeError as error:
            log.warning("release_failed", lease=self.name, error=str(error))

    # --- the wire ---

    def _taken(self) -> dict[str, Any]:
        """Return the Lease as it is when we take it."""
        now = format_microtime(time.time_ns())
        transitions = int(self._spec.get("leaseTransitions") or 0)
        is_change = bool(self._spec) and self.holder != self.identity_id
        spec = {**self._spec, "acquireTime": now, "leaseTransitions": transitions + is_change}
        return self._renewed(spec)

    def _renewed(self, spec: dict[str, Any] | None = None) -> dict[str, Any]:
        seconds = max(1, round(self._duration_s))
        ours = {"holderIdentity": self.identity_id, "leaseDurationSeconds": seconds, "renewTime": format_microtime(time.time_ns())}
        return {**self._lease, "spec": {**(self._spec if spec is None else spec), **ours}}

    async def _write(self, lease: dict[str, Any]) -> None:
        self._lease = await self._call("PUT", self._path, lease)

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return decode_object(await self._transport.request(method, path, body=body, total_s=self._deadline_s / 3))

    def _jittered(self, seconds: float) -> float:
        return seconds * self._rng.uniform(0.8, 1.1)


async def _undisturbed(work: Awaitable[None]) -> None:
    """Await something to its end, then let a cancellation that came meanwhile take effect."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
