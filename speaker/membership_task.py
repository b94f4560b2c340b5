"""Keeps this speaker's Lease: first when there is something true to say, then every interval, and at once on change."""

import asyncio
import time
from collections.abc import Callable

import structlog

from baremetal_lb.kube.errors import KubeError
from baremetal_lb.membership.facts import MemberFacts
from speaker.lease import OwnLease

log = structlog.get_logger(__name__)


class MembershipTask:
    """Renews one Lease; ``facts`` is asked before every write.

    A starting speaker that is not serving yet says nothing for ``silent_start_s``: what its predecessor published still holds, and a
    restart that is quick enough moves no IP.
    """

    def __init__(self, lease: OwnLease, facts: Callable[[], MemberFacts], *, interval_s: float, silent_start_s: float) -> None:
        self._lease, self._facts, self._interval_s, self._silent_start_s = lease, facts, interval_s, silent_start_s
        self._changed = asyncio.Event()
        self._is_leaving = False
        self._writing = asyncio.Lock()
        """A renewal under way must not overtake the release."""
        self.problem: str | None = None
        """Why the last write failed; None when it did not."""

    def changed(self) -> None:
        """Have the facts published at once."""
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled, or until told to leave."""
        begun = time.monotonic()
        while not self._facts().is_serving and (left := begun + self._silent_start_s - time.monotonic()) > 0:
            await self._wait(left)
        while not self._is_leaving:
            started = time.monotonic()
            await self._renew()
            await self._wait(max(0.05, self._interval_s - (time.monotonic() - started)))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):  # wait_for would lose a cancellation that comes together with the event
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def _renew(self) -> None:
        try:
            async with self._writing:
                if self._is_leaving:
                    return
                await self._lease.renew(self._facts())
        except KubeError as error:
            if self.problem is None:
                log.warning("lease_not_renewed", error=str(error))
            self.problem = f"the Lease of this node cannot be renewed: {error}"
            return
        if self.problem is not None:
            log.info("lease_renewed_again")
            self.problem = None

    async def leave(self, *, timeout_s: float) -> bool:
        """Tell the others that this speaker leaves; tell whether that was heard."""
        self._is_leaving = True
        self._changed.set()
        try:
            async with asyncio.timeout(timeout_s), self._writing:
                await self._lease.release(self._facts())
        except (KubeError, TimeoutError) as error:
            log.warning("lease_not_released", error=str(error))
            return False
        return True
