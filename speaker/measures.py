"""Metrics of the speaker. What others count already is read when somebody asks, and counted nowhere twice."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric

from baremetal_lb.api.compile import Compiled
from baremetal_lb.kube.events import EventRecorder
from baremetal_lb.kube.transport import Transport
from baremetal_lb.l2.reasons import YieldReason
from baremetal_lb.model.ids import Identity
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.time import SECOND
from baremetal_lb.telemetry import metric_table as table
from baremetal_lb.telemetry.api_client import client_families, configuration_families, queue_family
from baremetal_lb.telemetry.metrics import Metrics
from speaker.inputs import Inputs
from speaker.l2_task import L2Task
from speaker.loop import Loop
from speaker.plan import Standing
from speaker.routing_measures import RoutingMeasures
from speaker.state_file import StateFile
from speaker.world import World

LAYER2 = "layer2"


class Measures:
    """The metrics of one process; a few are told of as it happens, the rest is read at each scrape."""

    def __init__(self, identity: Identity, node: str) -> None:
        self.metrics = Metrics(identity)
        self._node = node
        self._moves = self.metrics.counter(table.ANNOUNCEMENT_CHANGES)
        self._yields = self.metrics.counter(table.YIELDS)
        self._turns = self.metrics.histogram(table.TURN_TIME)
        self.compiled: Compiled | None = None
        """The configuration as it was compiled last."""

    def changed(self, before: Standing | None, after: Standing | None) -> None:
        """Take that what stands for an IP changed."""
        if (before is None) != (after is None):
            self._moves.inc("announced" if before is None else "withdrawn")

    def yielded(self, reason: YieldReason) -> None:
        """Take that an IP was left to another member, was not, or was taken back."""
        self._yields.inc(reason)

    def turned(self, took: int) -> None:
        """Take that IPs were worked off, in how many ns."""
        self._turns.observe(took / SECOND)

    def read_at_scrape(
        self,
        loop: Loop,
        world: World,
        l2: L2Task,
        *,
        transport: Transport,
        inputs: Inputs,
        events: EventRecorder,
        state_file: StateFile,
        routing: RoutingMeasures | None,
    ) -> None:
        """Expose what these count."""

        def read() -> Iterator[Metric]:
            yield from client_families(self.metrics, transport, inputs.reflectors, events)
            yield from self._configuration()
            yield queue_family(self.metrics, world.dirty)
            yield self._state_copies(state_file)
            yield self._announced(loop, routing)
            yield from self._election(loop, world)
            yield from self._layer2(l2)
            if routing is not None:
                yield from routing.families(self.metrics)

        self.metrics.read_at_scrape(read)

    def _configuration(self) -> Iterator[Metric]:
        compiled = self.compiled
        return configuration_families(
            self.metrics,
            is_loaded=compiled is not None,
            is_stale=compiled is not None and any(accepted.uses_last_accepted for accepted in compiled.accepted.values()),
            problems=compiled.problems if compiled is not None else (),
        )

    def _state_copies(self, state_file: StateFile) -> Metric:
        rows = [((copy.value, reason.name), 1) for copy, reason in state_file.refused.items()]
        if state_file.used is not None:
            rows.append(((state_file.used.value, "used"), 1))
        return self.metrics.family(table.STATE_COPIES, rows)

    def _announced(self, loop: Loop, routing: RoutingMeasures | None) -> Metric:
        found: list[tuple[object, str, IPAddress]] = [
            (service, LAYER2, address) for address, standing in loop.standings.items() for service in standing.services
        ]
        if routing is not None:
            found += routing.announced()
        return self.metrics.family(table.ANNOUNCED, [((service, protocol, self._node, ip), 1) for service, protocol, ip in found])

    def _election(self, loop: Loop, world: World) -> Iterator[Metric]:
        yield self.metrics.family(table.IPS_ANNOUNCED, [((), len(loop.standings))])
        yield self.metrics.family(table.IPS_SILENT, Counter((reason,) for reason in loop.silent.values()).items())
        states = Counter(
            ("dead" if not member.is_alive else "serving" if member.is_serving else "not_serving",)
            for member in world.roster.members.values()
        )
        yield self.metrics.family(table.ROSTER, states.items())
        yield self.metrics.family(table.CUT_OFF, [((), loop.is_cut_off)])

    def _layer2(self, l2: L2Task) -> Iterator[Metric]:
        if l2.announcer is None:
            return
        counted = l2.announcer.counters
        for definition, by_protocol in (
            (table.L2_REQUESTS, counted.requests),
            (table.L2_RESPONSES, counted.replies),
            (table.L2_GRATUITOUS, counted.announcements),
            (table.L2_PROBES, counted.probes),
        ):
            yield self.metrics.family(definition, [((protocol,), count) for protocol, count in by_protocol.items()])
        yield self.metrics.family(table.L2_DROPPED, [((reason,), count) for reason, count in counted.drops.items()])
        for definition, total in (
            (table.L2_CONFLICTS, counted.conflicts),
            (table.L2_JOINS_FAILED, counted.failed_joins),
            (table.L2_OPENS_FAILED, counted.failed_opens),
            (table.L2_RESYNCS, counted.link_resyncs),
        ):
            yield self.metrics.family(definition, [((), total)])
