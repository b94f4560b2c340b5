"""Metrics of the speaker's BGP half, read at each scrape from what stands of sessions, routes and BFD.

A peer is named as its BGPPeer; under the identity ``metallb`` by ``address:port``, as dashboards made for it expect. A peer that this
node has no session with, for whatever reason, counts as down: an alert on ``bgp_session_up == 0`` must not miss a Secret that is gone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from baremetal_lb.bgp.session import SessionState, SessionStateName
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.ids import METALLB, Identity, ObjectKey
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import SECOND
from baremetal_lb.packet.bfd import State
from baremetal_lb.telemetry import metric_table as table
from baremetal_lb.telemetry.metrics import Metrics
from speaker.bgp_task import BgpTask
from speaker.world import World

BGP = "bgp"


class RoutingMeasures:
    """Reads one BgpTask."""

    def __init__(self, identity: Identity, world: World, bgp: BgpTask) -> None:
        self._is_metallb, self._world, self._bgp = identity is METALLB, world, bgp

    def announced(self) -> list[tuple[ObjectKey, str, IPAddress]]:
        """Return (Service, ``bgp``, IP) of each IP that a peer with a session is told of from here."""
        silent = self._bgp.routes.reasons
        return [
            (key, BGP, address)
            for key in self._bgp.advertised()
            if (view := self._world.services.get(key)) is not None
            for address in view.status_ips
            if address not in silent.get(key, {})
        ]

    def families(self, metrics: Metrics) -> Iterator[Metric]:
        """Return all families as they stand."""
        yield from self._sessions(metrics)
        yield from self._reasons(metrics)
        yield from self._bfd(metrics)

    def _sessions(self, metrics: Metrics) -> Iterator[Metric]:
        engine, states = self._bgp.engine, self._bgp.states
        yield metrics.family(table.ENGINE_UP, [((), engine.is_connected)])
        yield metrics.family(table.ENGINE_EPOCH, [((), engine.epoch)] if engine.epoch is not None else [])
        labels = {name: self._label(name) for name in sorted(self._bgp.peers)}
        yield from session_families(metrics, labels, states, {name: self._bgp.routes_wanted(name) for name in labels if name in states})

    def _label(self, name: str) -> str:
        return address_of(self._bgp.peers[name]) if self._is_metallb else name

    def _reasons(self, metrics: Metrics) -> Iterator[Metric]:
        refused = Counter((reason,) for reason in self._bgp.sessions.reasons.values())
        yield metrics.family(table.SESSIONS_REFUSED, refused.items())
        silent = Counter((reason,) for of_service in self._bgp.routes.reasons.values() for reason in of_service.values())
        yield metrics.family(table.BGP_SILENT, silent.items())

    def _bfd(self, metrics: Metrics) -> Iterator[Metric]:
        bfd = self._bgp.bfd
        yield metrics.family(table.BFD_RUNNING, [((), bfd.is_connected)])
        statuses = {self._label(peer): status for peer, status in sorted(bfd.statuses.items()) if peer in self._bgp.peers}
        yield metrics.family(table.BFD_UP, [((label,), status.state is State.UP) for label, status in statuses.items()])
        yield metrics.family(table.BFD_DISCARDED, [((reason,), count) for reason, count in sorted(bfd.report.drops.items())])


def session_families(
    metrics: Metrics, labels: Mapping[str, str], states: Mapping[str, SessionState], wanted: Mapping[str, int]
) -> Iterator[Metric]:
    """Return the families about sessions: the label of each peer, how those with a session stand, and how many routes they are to have."""
    there = {label: states[name] for name, label in labels.items() if name in states}
    up = {label for label, state in there.items() if state.state is SessionStateName.ESTABLISHED}
    yield metrics.family(table.SESSION_UP, [((label,), label in up) for label in labels.values()])
    yield metrics.family(table.SESSION_SINCE, [((label,), state.since_utc / SECOND) for label, state in there.items()])
    yield metrics.family(table.PREFIXES, [((label,), state.routes_advertised) for label, state in there.items()])
    pending = [((label,), max(0, wanted[state.peer] - state.routes_advertised)) for label, state in there.items()]
    yield metrics.family(table.PREFIXES_PENDING, pending)


def address_of(peer: BGPPeer) -> str:
    """Return the peer's ``address:port``, an IPv6 address in brackets; for an unnumbered peer its interface instead."""
    if peer.address is None:
        return f"{peer.interface}:{peer.port}"
    host = f"[{peer.address}]" if peer.address.version == 6 else str(peer.address)
    return f"{host}:{peer.port}"
