"""Runs the announcer and tells the loop and the Lease what it sees of the links; nothing of layer 2 is decided here."""

import asyncio
from collections.abc import Callable

import structlog

from baremetal_lb.host.announcer import Announcer, AnnouncerOptions
from baremetal_lb.host.errors import MissingCapability, TemplateBuildFailed
from baremetal_lb.l2.links import DEFAULT_EXCLUDED, ExcludePatterns, LinkFacts
from baremetal_lb.model.net import Family
from baremetal_lb.model.roster import InterfaceFacts
from speaker.loop import Loop

log = structlog.get_logger(__name__)
RETRY_S = 10.0
"""A capability that is missing does not come; a program that was just being installed may."""


def interface_facts(links: tuple[LinkFacts, ...]) -> tuple[InterfaceFacts, ...]:
    """Return what is published of the links: the usable ones, by name."""
    return tuple(
        InterfaceFacts(
            link.name,
            link.carrier,
            frozenset(family for family, can in ((Family.IPV4, link.has_ipv4), (Family.IPV6, link.has_ipv6)) if can),
            link.mac,
        )
        for link in sorted(links, key=lambda link: link.name)
        if link.usable
    )


def announcer_options(exclude_interfaces: str) -> AnnouncerOptions:
    """Return the options for a comma-separated list of patterns; "" means the default ones."""
    patterns = tuple(pattern.strip() for pattern in exclude_interfaces.split(",") if pattern.strip())
    return AnnouncerOptions(excluded=ExcludePatterns(patterns or DEFAULT_EXCLUDED))


class L2Task:
    """Owns the announcer; ``problem`` says why there is none."""

    def __init__(self, loop: Loop, options: AnnouncerOptions, *, on_facts: Callable[[], None]) -> None:
        self._loop, self._options, self._on_facts = loop, options, on_facts
        self.announcer: Announcer | None = None
        self.interfaces: tuple[InterfaceFacts, ...] = ()
        self.problem: str | None = "the sockets are not open yet"

    @property
    def is_attached(self) -> bool:
        """Tell whether IPs that stand are answered."""
        return self.announcer is not None

    async def run(self) -> None:
        """Keep an announcer until cancelled."""
        while True:
            try:
                async with Announcer(
                    self._options, on_links=self._on_links, on_conflict=self._loop.heard, on_answer=self._loop.answered
                ) as announcer:
                    await self._hold(announcer)
            except (MissingCapability, TemplateBuildFailed) as error:
                if self.problem != str(error):
                    log.error("announcer_not_started", error=str(error))  # noqa: TRY400 - the sentence says it all
                self.problem = str(error)
            await asyncio.sleep(RETRY_S)

    async def _hold(self, announcer: Announcer) -> None:
        self.announcer, self.problem = announcer, None
        self._loop.attach(announcer)
        self._on_links(announcer.links)
        self._on_facts()
        try:
            await asyncio.Event().wait()
        finally:
            self.announcer, self.problem = None, "the sockets are closed"
            self._loop.attach(None)

    def _on_links(self, links: tuple[LinkFacts, ...]) -> None:
        facts = interface_facts(links)
        if facts != self.interfaces:
            self.interfaces = facts
            log.info("links_changed", interfaces=[f"{i.name}{'' if i.has_carrier else ' (no carrier)'}" for i in facts])
            self._on_facts()
