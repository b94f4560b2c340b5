"""The machine that drives ExaBGP: what is wanted, against what it holds, becomes commands. No socket, no clock, no file.

    inputs                                             effects (values, in order)
    connected / disconnected / line / tick     ---->   Send(command), WriteConfig(text)
    want_sessions / want_routes / config_written

    hello --> READING (sessions, routes: what ExaBGP holds) --> READY, once something is wanted:
        1. the set of sessions (driver_config): write, reload, verify
        2. withdrawals, announcements, End-of-RIB of the sessions that are up (driver_batches)

Invariants:
* Before the first `want_sessions` nothing is sent but questions; before the first `want_routes` of a peer nothing about its routes.
* Only the difference is sent. ExaBGP keeps a session's routes over a flap and sends them again by itself; a new ExaBGP (epoch), or a
  session that was removed and added, holds nothing and gets all.
* At most MOST_COMMANDS commands and about MOST_NLRI prefixes are under way, so a withdrawal waits for no more than these.
* Routes go only to peers that are up: with routes queued for a peer that is down ExaBGP drops reloads.
* End-of-RIB follows the last route, at each session-up: only then a router drops what it kept of the time before (RFC 4724).
* A session with a value that cannot be written (`exabgp_text`) is left out with a reason, and disturbs no other.
* `reload` travels alone: ExaBGP answers it before the commands that were sent earlier.
"""

from collections.abc import Iterator, Mapping
from enum import Enum

from baremetal_lb.bgp import exabgp_events as events
from baremetal_lb.bgp.driver_batches import ends_of_rib, next_commands
from baremetal_lb.bgp.driver_config import CLOSING_LIMIT, SETTLE_TIME, ExaBgpSessions, Phase, Probe
from baremetal_lb.bgp.driver_effects import Effect, Send, WriteConfig
from baremetal_lb.bgp.driver_flight import Flight, Question, Routes, Sent
from baremetal_lb.bgp.driver_peer import DrivenPeer
from baremetal_lb.bgp.driver_reasons import DriverReason
from baremetal_lb.bgp.exabgp_commands import what_is_unwritable
from baremetal_lb.bgp.exabgp_config import Block, block_of, render
from baremetal_lb.bgp.exabgp_text import Phrase
from baremetal_lb.bgp.rib import FIRST_RETRY
from baremetal_lb.bgp.session import Prefix, Rib, SessionSpec, SessionState
from baremetal_lb.model.bgp import DynamicASN
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import SECOND

BARRED_TIME = 60 * SECOND
"""How long a peer of the wrong AS is left alone."""


class _Link(Enum):
    """What ExaBGP is to us."""

    AWAY = "away"
    READING = "reading"
    READY = "ready"


class Driver:
    """Drives one ExaBGP. After each call, ``effects`` has what is to be done."""

    def __init__(self, helper: str) -> None:
        self.epoch: int | None = None
        self.pid: int | None = None
        self.unreadable_lines = 0
        self.refused_commands = 0
        self._helper = helper
        self._link = _Link.AWAY
        self._is_hub_there = False
        self._specs: dict[IPAddress, SessionSpec] | None = None
        self._ribs: dict[str, Rib] = {}
        self._peers: dict[IPAddress, DrivenPeer] = {}
        self._sessions = ExaBgpSessions()
        self._flight = Flight()
        self._neighbors: tuple[events.NeighborSeen, ...] | None = None
        self._routes: dict[IPAddress, dict[Prefix, events.RouteSeen]] = {}
        self._is_without_auto = False
        self._barred: dict[str, tuple[SessionSpec, int]] = {}
        self._unwritable: dict[str, SessionSpec] = {}
        self._close_at: int | None = None
        self._closing_since = 0
        self._write_failure: DriverReason | None = None
        self._effects: list[Effect] = []
        self._is_late = False

    # Inputs

    def want_sessions(self, sessions: Mapping[str, SessionSpec], *, now: int, now_utc: int) -> list[Effect]:
        """Keep exactly these sessions."""
        self._specs = {spec.remote: spec for spec in sessions.values()}
        self._barred = {name: barred for name, barred in self._barred.items() if sessions.get(name) == barred[0]}
        self._ribs = {name: rib for name, rib in self._ribs.items() if name in sessions}
        for remote in self._specs:
            self._peer(remote, now_utc=now_utc)
        for remote, peer in list(self._peers.items()):
            peer.is_wanted = remote in self._specs
            if peer.is_wanted:
                self._name(peer, self._specs[remote])
            elif remote not in self._sessions.in_force and remote not in self._sessions.target:
                del self._peers[remote]
        self._leave_out(sessions, now_utc=now_utc)
        return self.tick(now=now)

    def want_routes(self, peer: str, rib: Rib, *, now: int) -> list[Effect]:
        """Have this peer hold exactly these routes."""
        self._ribs[peer] = rib
        for driven in self._peers.values():
            if driven.spec is not None and driven.spec.peer == peer:
                driven.rib.want(rib)
        return self.tick(now=now)

    def disconnected(self, *, now: int) -> list[Effect]:
        """The hub is gone: answers to what is under way will not come."""
        self._is_hub_there = False
        self._go_away()
        return self.tick(now=now)

    def line(self, line: str, *, now: int, now_utc: int) -> list[Effect]:
        """Take a line of the hub or of ExaBGP."""
        self._take(events.parse_line(line), now=now, now_utc=now_utc)
        return self.tick(now=now)

    def config_written(self, refused: DriverReason | None, particulars: str = "", *, now: int, now_utc: int) -> list[Effect]:
        """The file is in place, or why not; ``particulars`` is ExaBGP's reason, without secrets."""
        if self._sessions.phase is Phase.WRITING:
            self._write_failure = refused
            if refused is None:
                self._sessions.accept()
                self._send(Question.RELOAD.value, Question.RELOAD, now=now)
            elif refused is DriverReason.ConfigurationRefused:
                block = self._sessions.refuse()
                if block is not None:
                    self._peer(block.remote, now_utc=now_utc).fail(refused, particulars, now_utc=now_utc)
            else:
                self._sessions.phase, self._sessions.wait_until = Phase.WAITING, now + SECOND
        return self.tick(now=now)

    def tick(self, *, now: int) -> list[Effect]:
        """Do what is due."""
        overdue = self._flight.overdue_at
        self._is_late = overdue is not None and overdue <= now
        self._barred = {name: barred for name, barred in self._barred.items() if barred[1] > now}
        if self._link is _Link.READY and self._specs is not None:
            self._step(now=now)
        effects, self._effects = self._effects, []
        return effects

    def deadline(self, *, now: int) -> int | None:
        """Return when ``tick`` has something to do."""
        times = [until for _spec, until in self._barred.values()]
        if self._flight.overdue_at is not None and not self._is_late:
            times.append(self._flight.overdue_at)
        if self._link is _Link.READY:
            if self._sessions.phase is Phase.WAITING:
                times.append(self._sessions.wait_until)
            if self._sessions.phase is Phase.CLOSING:
                times += [at for at in (self._close_at, self._closing_since + CLOSING_LIMIT) if at is not None and at > now]
            if any(peer.rib.refused_routes and not peer.rib.is_settled() for peer in self._peers.values()):
                times.append(now + FIRST_RETRY)
        return min(times, default=None)

    # What is seen from outside

    @property
    def states(self) -> dict[str, SessionState]:
        """How each wanted session stands, by peer."""
        states = (peer.state() for peer in self._peers.values())
        return {state.peer: state for state in states if state is not None}

    @property
    def problem(self) -> DriverReason | None:
        """What keeps all of it from being as wanted; what concerns one session is in its state."""
        if not self._is_hub_there:
            return DriverReason.NotConnected
        if self._link is _Link.AWAY:
            return DriverReason.ExaBgpNotRunning
        if self._is_late:
            return DriverReason.NoAnswer
        if self._sessions.is_without_effect:
            return DriverReason.ReloadWithoutEffect
        if any(peer.rib.refused_routes for peer in self._peers.values()):
            return DriverReason.RouteRefused
        return self._write_failure

    def is_settled(self) -> bool:
        """Tell whether ExaBGP has answered that all is as wanted; peers that are down get theirs when they come."""
        return (
            self._link is _Link.READY
            and self._specs is not None
            and not self._flight
            and self._sessions.phase is Phase.STEADY
            and set(self._sessions.in_force) == {block.remote for block in self._desired()}
            and all(self._peers[remote].rib.is_settled() and not self._peers[remote].is_end_of_rib_due for remote in self._sendable_to())
        )

    # Lines

    def _take(self, event: events.Event, *, now: int, now_utc: int) -> None:
        match event:
            case events.Ack(is_done=is_done):
                self._answered(self._flight.pop(), is_done=is_done, now=now, now_utc=now_utc)
            case events.Hello(epoch=epoch, pid=pid, is_running=is_running):
                self._is_hub_there, self.epoch, self.pid = True, epoch, pid
                self._go_away()
                if is_running:
                    self._read(now=now)
            case events.HubWithdrew():
                if self._link is not _Link.AWAY:
                    self._read(now=now)
            case events.NeighborsSeen(neighbors=neighbors):
                self._neighbors = neighbors
            case events.RouteSeen(remote=remote, prefix=prefix):
                self._routes.setdefault(remote, {})[prefix] = event
            case events.StateChanged() | events.FsmChanged() | events.Opened() | events.Negotiated() | events.Notified():
                peer = self._peers.get(event.remote)
                if peer is not None:
                    peer.handle(event, now_utc=now_utc)
                    self._judge(peer, event, now=now, now_utc=now_utc)
            case events.Unreadable():
                self.unreadable_lines += 1

    def _judge(self, peer: DrivenPeer, event: events.Event, *, now: int, now_utc: int) -> None:
        """Where the AS number is not given, take it from the OPEN, or bar a peer that has ours."""
        spec = peer.spec
        if spec is None or spec.dynamic_asn is not DynamicASN.EXTERNAL:
            return
        if isinstance(event, events.Opened):
            if event.asn != spec.local_asn:
                peer.learned_asn = event.asn
                return
            peer.learned_asn = None
            self._barred[spec.peer] = (spec, now + BARRED_TIME)
            peer.fail(DriverReason.WrongPeerASN, "", now_utc=now_utc)

    def _answered(self, sent: Sent | None, *, is_done: bool, now: int, now_utc: int) -> None:
        if not is_done and not isinstance(sent, Probe | Question):
            self.refused_commands += 1
        if isinstance(sent, Routes):
            self._routes_answered(sent, is_done=is_done, now=now)
        elif isinstance(sent, Probe):
            self._sessions.probed(sent, is_there=is_done)
            if not self._flight:
                self._probing_done(now=now, now_utc=now_utc)
        elif sent is Question.RELOAD:
            for probe in self._sessions.start_probing():
                self._send(probe.command, probe, now=now)
            if not self._flight:
                self._probing_done(now=now, now_utc=now_utc)
        elif sent is Question.ROUTES:
            self._adopt(now_utc=now_utc)

    def _routes_answered(self, sent: Routes, *, is_done: bool, now: int) -> None:
        for remote in sent.remotes:
            peer = self._peers.get(remote)
            if peer is None:
                continue
            for prefix, attributes in sent.routes:
                if is_done:
                    peer.rib.answered(prefix, attributes)
                else:
                    peer.rib.refused(prefix, was_alone=len(sent.routes) == len(sent.remotes) == 1, now=now)

    # Coming and going

    def _go_away(self) -> None:
        self._link = _Link.AWAY
        self._flight.clear()
        self._sessions.phase = Phase.STEADY
        self._close_at = None

    def _read(self, *, now: int) -> None:
        """Ask what ExaBGP holds."""
        self._link = _Link.READING
        self._neighbors, self._routes = None, {}
        self._send(Question.NEIGHBORS.value, Question.NEIGHBORS, now=now)
        self._send(Question.ROUTES.value, Question.ROUTES, now=now)

    def _adopt(self, *, now_utc: int) -> None:
        """Take what it holds.

        Without an answer about the sessions there is one of any AS number: it goes first, then we ask again.
        """
        self._link = _Link.READY
        self._is_without_auto = self._neighbors is None
        seen = {neighbor.remote: neighbor for neighbor in self._neighbors or ()}
        self._sessions.start_over(seen)
        for remote in list({**seen, **self._peers}):
            self._peer(remote, now_utc=now_utc).adopt(seen.get(remote), self._routes.get(remote, {}), now_utc=now_utc)
        self._routes = {}

    def _peer(self, remote: IPAddress, *, now_utc: int) -> DrivenPeer:
        return self._peers.setdefault(remote, DrivenPeer(remote, now_utc=now_utc))

    def _name(self, peer: DrivenPeer, spec: SessionSpec) -> None:
        if peer.spec is None or peer.spec.peer != spec.peer:
            peer.rib.wanted = None
        peer.spec = spec
        if spec.peer in self._ribs:
            peer.rib.want(self._ribs[spec.peer])

    def _leave_out(self, sessions: Mapping[str, SessionSpec], *, now_utc: int) -> None:
        """Tell, once, why sessions that cannot be written down are not to be."""
        before, self._unwritable = self._unwritable, {}
        for name, spec in sessions.items():
            what = what_is_unwritable(spec)
            if what is not None:
                self._unwritable[name] = spec
                if before.get(name) != spec:
                    self._peers[spec.remote].fail(DriverReason.SessionNotWritable, f"At fault: {what}.", now_utc=now_utc)

    # What is due

    def _desired(self) -> Iterator[Block]:
        for remote, spec in (self._specs or {}).items():
            if spec.peer in self._barred or spec.peer in self._unwritable:
                continue
            seen = self._sessions.in_force.get(remote)
            peer = self._peers[remote]
            if peer.learned_asn is None and isinstance(seen, events.NeighborSeen) and seen.peer_asn != spec.local_asn:
                peer.learned_asn = seen.peer_asn
            block = block_of(spec, peer.learned_asn)
            if not (self._is_without_auto and block.peer_asn is None) and not self._sessions.is_refused(block):
                yield block

    def _sendable_to(self) -> list[IPAddress]:
        """Peers that take routes now: up, and of a known AS."""
        return [
            remote
            for remote, there in self._sessions.in_force.items()
            if (peer := self._peers.get(remote)) is not None and peer.is_up and there.peer_asn is not None
        ]

    def _step(self, *, now: int) -> None:
        sessions = self._sessions
        if sessions.phase is Phase.WAITING and sessions.wait_until <= now:
            sessions.phase = Phase.STEADY
        if sessions.phase in (Phase.STEADY, Phase.CLOSING):
            self._aim(now=now)
        if sessions.phase in (Phase.STEADY, Phase.CLOSING, Phase.WAITING) and not self._is_about_to_write(now=now):
            self._send_routes(now=now)
        if self._is_about_to_write(now=now) and not self._flight:
            self._close_at = None
            sessions.phase = Phase.WRITING
            self._effects.append(WriteConfig(render(sessions.target.values(), self._helper), sessions.is_proven))

    def _aim(self, *, now: int) -> None:
        """Turn towards what is wanted now; sessions that are left start to be emptied."""
        sessions = self._sessions
        sessions.aim(self._desired())
        if sessions.is_target_in_force:
            sessions.phase, self._close_at = Phase.STEADY, None
        elif sessions.phase is Phase.STEADY:
            sessions.phase, self._closing_since, self._close_at = Phase.CLOSING, now, None
        leaving = set(sessions.leaving)
        for remote, peer in self._peers.items():
            is_closing = remote in leaving
            if is_closing and not peer.is_closing:
                peer.rib.close()
            elif peer.is_closing and not is_closing:
                peer.rib.compare_all()
            peer.is_closing = is_closing

    def _is_about_to_write(self, *, now: int) -> bool:
        """Tell whether the sessions that are left are empty, so that only answers are waited for."""
        if self._sessions.phase is not Phase.CLOSING:
            return False
        waited_for = [peer for remote in self._sessions.leaving if (peer := self._peers[remote]).is_up]
        if now >= self._closing_since + CLOSING_LIMIT or not waited_for:
            return True
        if any(peer.rib.held or peer.rib.is_in_flight for peer in waited_for):
            self._close_at = None
            return False
        if self._close_at is None:
            self._close_at = now + SETTLE_TIME
        return now >= self._close_at

    def _send_routes(self, *, now: int) -> None:
        peers = [self._peers[remote] for remote in self._sendable_to()]
        for peer in peers:
            peer.recognize()
        room = self._flight.room
        if not room:
            return
        for command, sent in next_commands(peers, room, now=now):
            if not self._flight.room:
                return
            self._send(command, sent, now=now)
        if not self._flight.room:
            return
        for command, sent in ends_of_rib(peers):
            self._send(command, sent, now=now)

    def _probing_done(self, *, now: int, now_utc: int) -> None:
        gone = self._sessions.finish_probing(now=now)
        for remote in gone or ():
            peer = self._peers[remote]
            peer.remove(now_utc=now_utc)
            if remote not in (self._specs or {}):
                del self._peers[remote]
        if gone is not None and self._is_without_auto:
            self._read(now=now)
        if self._sessions.is_restart_due:
            self._send(Question.SHUTDOWN.value, Question.SHUTDOWN, now=now)

    def _send(self, command: Phrase, sent: Sent, *, now: int) -> None:
        self._effects.append(Send(command))
        self._flight.add(sent, now=now)
        if isinstance(sent, Routes):
            for remote in sent.remotes:
                for prefix, _attributes in sent.routes:
                    self._peers[remote].rib.sent(prefix)
