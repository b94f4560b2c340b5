"""Metrics of the speaker. What others count already is read when somebody asks, and counted nowhere twice."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import Identity
from baremetal_lb.model.net import IPAddress
from baremetal_lb.telemetry.metrics import Metrics, label_text
from speaker.l2_task import L2Task
from speaker.loop import Loop
from speaker.plan import Standing
from speaker.world import World

PROTOCOL = "layer2"


class Measures:
    """The metrics of one process; ``announced`` is told of each change, the rest is read at each scrape."""

    def __init__(self, identity: Identity, node: str) -> None:
        self.metrics = Metrics(identity)
        self._prefix = identity.metrics_prefix
        self._node = node
        self._announced = self.metrics.gauge(
            "speaker_announced", "IPs that this node announces, by Service.", ("service", "protocol", "node", "ip")
        )
        self._moves = self.metrics.counter("speaker_announcement_changes", "IPs that this node began or ceased to announce.", ("change",))
        self.config_loaded = self.metrics.gauge("k8s_client_config_loaded_bool", "1 once a configuration was compiled.")
        self.config_stale = self.metrics.gauge(
            "k8s_client_config_stale_bool", "1 while an object of the configuration is wrong and its last accepted meaning holds."
        )

    def changed(self, address: IPAddress, before: Standing | None, after: Standing | None) -> None:
        """Take that what stands for an IP changed."""
        old, new = set(before.services if before else ()), set(after.services if after else ())
        for service in old - new:
            self._announced.remove(service, PROTOCOL, self._node, address)
        for service in new - old:
            self._announced.set(1, service, PROTOCOL, self._node, address)
        if (before is None) != (after is None):
            self._moves.inc("announced" if before is None else "withdrawn")

    def read_at_scrape(self, loop: Loop, world: World, l2: L2Task, transport: Transport) -> None:
        """Expose what these count."""
        self.metrics.registry.register(_Reader(self._prefix, loop, world, l2, transport))


class _Reader:
    """A collector of ``prometheus_client``."""

    def __init__(self, prefix: str, loop: Loop, world: World, l2: L2Task, transport: Transport) -> None:
        self._prefix, self._loop, self._world, self._l2, self._transport = prefix, loop, world, l2, transport

    def describe(self) -> list[Metric]:
        """Return nothing: names are not checked at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all families as they stand."""
        yield self._gauge("speaker_ips_announced", "IPs that this node announces.", [], [((), len(self._loop.standings))])
        silent = Counter((label_text(reason),) for reason in self._loop.silent.values())
        yield self._gauge("speaker_ips_silent", "IPs that this node does not announce, by reason.", ["reason"], silent.items())
        members = Counter(
            ("dead" if not m.is_alive else "serving" if m.is_serving else "not_serving",) for m in self._world.roster.members.values()
        )
        yield self._gauge("speaker_roster_members", "Speakers in the roster, by state.", ["state"], members.items())
        cut_off = "1 while own renewals do not come back, so that nobody is taken for dead."
        yield self._gauge("speaker_cut_off", cut_off, [], [((), self._loop.is_cut_off)])
        yield self._counter("k8s_client_requests", "Answers of the API server.", ["method", "code"], self._transport.requests.items())
        if self._l2.announcer is None:
            return
        counted = self._l2.announcer.counters
        yield self._counter("layer2_responses_sent", "Replies.", ["protocol"], [((name,), n) for name, n in counted.replies.items()])
        yield self._counter(
            "layer2_gratuitous_sent", "Frames of announcements.", ["protocol"], [((name,), n) for name, n in counted.announcements.items()]
        )
        dropped = [((label_text(reason),), n) for reason, n in counted.drops.items()]
        yield self._counter("layer2_requests_dropped", "Frames without a reply, by reason.", ["reason"], dropped)
        yield self._counter("layer2_conflicts", "Frames in which another host claimed an IP of ours.", [], [((), counted.conflicts)])
        yield self._counter("layer2_joins_failed", "Multicast groups that the kernel let nobody join.", [], [((), counted.failed_joins)])
        yield self._counter("layer2_opens_failed", "Interfaces whose sockets did not open; tried again.", [], [((), counted.failed_opens)])
        yield self._counter("layer2_link_resyncs", "Times that events of links were lost.", [], [((), counted.link_resyncs)])

    def _gauge(self, name: str, text: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
        family = GaugeMetricFamily(self._prefix + name, text, labels=labels)
        for key, value in values:
            family.add_metric(list(key), value)
        return family

    def _counter(self, name: str, text: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
        family = CounterMetricFamily(self._prefix + name, text, labels=labels)
        for key, value in values:
            family.add_metric(list(key), value)
        return family
