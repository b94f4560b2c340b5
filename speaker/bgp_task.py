"""The BGP half of the speaker: what was decided goes to the engine, what is seen of the sessions comes back. Nothing is decided here.

    world, Secrets, routers heard, kernel's addresses --> sessions --> engine.want_sessions
    paths of sessions --> bfd.want; a path that BFD saw fail --> its session is held down: taken out of what the engine is to keep
    world.dirty_services --> routes --> RIB of each peer, as the node stays or leaves --> engine.want_routes
    each turn --> engine.beat: a speaker whose turns stop is lost to the engine, however open its socket is

The engine is told nothing before everything was listed once and every Secret that a peer names was read, or refused: until then it holds
what it held before this process started.
"""

import asyncio
import time
from pathlib import Path

import structlog

from baremetal_lb.bgp.rib_index import leaving
from baremetal_lb.bgp.session import Rib, SessionState
from baremetal_lb.bgp.sessions import NodeSurroundings
from baremetal_lb.host.bfd_client import BfdClient
from baremetal_lb.host.bgp_engine import BgpEngine
from baremetal_lb.host.on_link import is_on_link
from baremetal_lb.host.router_advertisements import RouterDiscovery
from baremetal_lb.host.source_address import source_address
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.time import MILLISECOND, SECOND
from speaker.bfd import Watched, asks_for_links, watched
from speaker.leaving import Leaving, Phase
from speaker.routes import Routes
from speaker.secrets import Secrets
from speaker.sessions import Sessions, sessions_of
from speaker.world import World

log = structlog.get_logger(__name__)
BEAT = SECOND
SESSIONS_EVERY = 10 * SECOND
"""So often at least it is asked anew from where peers would be called: addresses and routes of the node change without a word."""
COALESCE_S = 0.002
SETTLE_LIMIT_S = 5.0
NO_ROUTES: Rib = {}


class BgpTask:
    """Turns of one speaker."""

    def __init__(
        self,
        world: World,
        routes: Routes,
        secrets: Secrets,
        directory: Path,
        *,
        shutdown_wait: int,
        bfd_hold_limit: int,
    ) -> None:
        self._world, self.routes, self._secrets = world, routes, secrets
        self.engine = BgpEngine(directory, on_change=lambda: None)
        self.bfd = BfdClient(directory, on_change=self.wake_sessions)
        self._bfd_hold_limit = bfd_hold_limit
        self._discovery = RouterDiscovery(self.wake_sessions)
        self._leaving = Leaving(shutdown_wait)
        self._is_stopping = False
        self._wake = asyncio.Event()
        self._phase = Phase.STAYING
        self.peers: dict[str, BGPPeer] = {}
        """The BGPPeers that select this node, by name; with or without session."""
        self._sessions_due = 0
        self.watched = Watched()
        self.told = asyncio.Event()
        """The engine knows what is wanted."""
        self._gone = asyncio.Event()

    def wake(self) -> None:
        """Have a turn soon."""
        self._wake.set()

    def wake_sessions(self) -> None:
        """Have a turn soon that looks at the sessions anew."""
        self._sessions_due = 0
        self._wake.set()

    @property
    def has_left(self) -> bool:
        """Tell whether this node is gone for good, as far as routers are concerned."""
        return self._is_stopping and self._gone.is_set()

    @property
    def sessions(self) -> Sessions:
        """Which sessions there are to be now, and why not the others."""
        return self.watched.sessions

    @property
    def states(self) -> dict[str, SessionState]:
        """How each session stands, by peer."""
        return {name: state for name, state in self.engine.states.items() if name in self.sessions.specs}

    @property
    def problem(self) -> str | None:
        """What keeps BGP from being as wanted."""
        if not self.engine.is_connected:
            return "the engine (bmlb exabgp) of this node does not answer"
        return self.engine.problem

    async def run(self) -> None:
        """Keep the engine as wanted until cancelled; called once everything was listed."""
        try:
            while True:
                deadline = self._turn()
                wait_s = max(0, deadline - time.monotonic_ns()) / SECOND
                try:
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                self._wake.clear()
                await asyncio.sleep(COALESCE_S)
        finally:
            self._discovery.close()

    async def leave(self) -> bool:
        """Give notice, withdraw everything, and wait until ExaBGP has it; False if that took too long."""
        self._is_stopping = True
        self.wake()
        await self._gone.wait()
        return await self.engine.settle(SETTLE_LIMIT_S)

    def _turn(self) -> int:
        """Do what is to be done; return when to look again at the latest."""
        now = time.monotonic_ns()
        node = self._world.nodes.get(self._world.node)
        self._leaving.want(is_leaving=self._is_stopping or (node is not None and node.is_draining), now=now)
        phase = self._leaving.phase(now=now)
        changed = self.routes.work_off()
        if now >= self._sessions_due:
            changed |= self._look_at_sessions(now)
        if phase is not self._phase:
            log.info("leaving_phase", phase=phase.value)
            changed, self._phase = set(self.sessions.specs), phase
        if self._secrets.has_answers:
            for name in sorted(changed & self.sessions.specs.keys()):
                self.engine.want_routes(name, self._rib(name))
            self.engine.beat()
            if self._phase is Phase.GONE:
                self._gone.set()
            else:
                self._gone.clear()
        else:
            self._sessions_due = now + 50 * MILLISECOND
        deadlines = [now + BEAT, self._sessions_due, self._leaving.deadline(now=now)]
        return min(deadline for deadline in deadlines if deadline is not None)

    def _look_at_sessions(self, now: int) -> set[str]:
        """Decide which sessions there are to be; return the peers whose routes are to be told to the engine."""
        self._sessions_due = now + SESSIONS_EVERY
        node = self._world.nodes.get(self._world.node)
        peers = {peer.name: peer for peer in self._world.configuration.bgp_peers if node is not None and peer.selects_node(node.labels)}
        self._secrets.want(frozenset(peer.password_secret for peer in peers.values() if peer.password_secret))
        self._discovery.want(sorted({peer.interface for peer in peers.values() if peer.interface}))
        changed = self.routes.set_peers(peers.values())
        self.peers = peers
        if node is None or not self._secrets.has_answers:
            return changed
        decided = sessions_of(peers.values(), node, surroundings=self._around, secret_reasons=self._secrets.reasons)
        before, self.watched = self.watched, self._watch(decided, now)
        if self.watched.deadline is not None:
            self._sessions_due = min(self._sessions_due, self.watched.deadline)
        if self.sessions.specs != before.sessions.specs or not self.told.is_set():
            self.told.set()
            self.engine.want_sessions(self.sessions.specs)
            changed |= self.sessions.specs.keys()
        if self.sessions.reasons != before.sessions.reasons:
            log.info("sessions_refused", reasons={name: reason.name for name, reason in self.sessions.reasons.items()})
        return changed

    def _watch(self, decided: Sessions, now: int) -> Watched:
        """Have BFD watch all paths; return what it leaves of the sessions."""
        asked = asks_for_links(self.peers.values(), decided.specs)
        found = watched(
            decided,
            self.peers,
            on_link=frozenset(name for name in asked if is_on_link(decided.specs[name].remote)),
            statuses=self.bfd.statuses,
            problems=self.bfd.problems,
            limit=self._bfd_hold_limit,
            now=now,
        )
        self.bfd.want(found.paths)
        return found

    def _around(self, peer: BGPPeer) -> NodeSurroundings:
        password = self._secrets.password(peer.password_secret) if peer.password_secret else None
        if peer.address is not None:
            return NodeSurroundings(source=source_address(peer.address, interface=peer.vrf), password=password)
        interface = peer.interface or ""
        return NodeSurroundings(
            router=self._discovery.routers.get(interface), link_local=self._discovery.own.get(interface), password=password
        )

    def _rib(self, peer: str) -> Rib:
        if self._phase is Phase.GONE:
            return NO_ROUTES
        rib = self.routes.index.rib(peer)
        return leaving(rib, self.peers[peer]) if self._phase is Phase.NOTICE else dict(rib)

    def routes_wanted(self, peer: str) -> int:
        """Return how many routes a peer is to hold of this node."""
        return len(self._rib(peer))

    def advertised(self) -> dict[ObjectKey, tuple[str, ...]]:
        """Return the peers that each Service is advertised to from here, by Service."""
        if self._phase is Phase.GONE:
            return {}
        with_session = self.sessions.specs.keys()
        found = {key: self.routes.index.peers_of(key) for key in self.routes.index.services()}
        return {key: named for key, peers in found.items() if (named := tuple(name for name in peers if name in with_session))}
