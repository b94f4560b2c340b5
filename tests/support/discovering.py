"""Router discovery inside a namespace, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Self

from baremetal_lb.host.router_advertisements import RouterDiscovery
from tests.support.netns import Namespace
from tests.support.wait import until


class Discovering:
    """Runs a RouterDiscovery from ``with`` on."""

    def __init__(self, namespace: Namespace, interfaces: Iterable[str]) -> None:
        self._namespace, self._interfaces = namespace, tuple(interfaces)
        self._thread = threading.Thread(target=self._run)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self.changes = 0
        self.discovery = RouterDiscovery(self._on_change)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self._loop)
        return self

    def __exit__(self, *_exception: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def want(self, *interfaces: str) -> None:
        """Discover on these from now on."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.discovery.want, interfaces)

    def _on_change(self) -> None:
        self.changes += 1

    def _run(self) -> None:
        self._namespace.enter()
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.discovery.want(self._interfaces)
        self._loop = asyncio.get_running_loop()
        await self._stop.wait()
        self.discovery.close()
