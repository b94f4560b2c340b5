"""Metrics: a Prometheus registry of what the table defines, named as the identity wants, with enum members for reasons.

    denied = metrics.counter(metric_table.DENIED)                       what happens is counted where it happens
    denied.inc(AllocationReason.NoPool)

    metrics.read_at_scrape(lambda: [metrics.family(metric_table.ENTRIES, [((), len(entries))])])
                                                                        what stands, or is counted elsewhere, is read when asked for:
                                                                        a series cannot outlive its object

Label values are given in the order of the label names. A Reason is written by its name, so the label is the token of conditions and
logs too.
"""

import gc
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client import Counter as RawCounter
from prometheus_client import Histogram as RawHistogram
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from baremetal_lb.model.ids import Identity
from baremetal_lb.telemetry import metric_table
from baremetal_lb.telemetry.definitions import MetricDefinition, MetricType

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter, that nobody asks for

LabelValue = str | Enum | object
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def label_text(value: LabelValue) -> str:
    """Return the text of a label value: an enum member's name, anything else as people write it."""
    return value.name if isinstance(value, Enum) else str(value)


def version() -> str:
    """Return the version that is installed; "unknown" where it runs from sources that were not."""
    try:
        return importlib.metadata.version("baremetal-lb")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


class Counter:
    """A value that only grows."""

    def __init__(self, raw: RawCounter) -> None:
        self._raw = raw

    def inc(self, *labels: LabelValue, by: float = 1) -> None:
        """Add ``by`` to the series of these labels."""
        series = self._raw.labels(*map(label_text, labels)) if labels else self._raw
        series.inc(by)


class Histogram:
    """How often values fell into buckets."""

    def __init__(self, raw: RawHistogram) -> None:
        self._raw = raw

    def observe(self, value: float, *labels: LabelValue) -> None:
        """Count one value, in seconds for durations."""
        series = self._raw.labels(*map(label_text, labels)) if labels else self._raw
        series.observe(value)


class _Reader:
    """A collector of ``prometheus_client`` that asks when it is asked."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        """Return nothing: the table has each name once."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all families as they stand."""
        yield from self._read()


class Metrics:
    """The registry of one process."""

    def __init__(self, identity: Identity, *, with_process: bool = True) -> None:
        self.registry = CollectorRegistry()
        self._identity = identity
        self.read_at_scrape(lambda: [self.family(metric_table.BUILD_INFO, [((version(),), 1)])])
        if with_process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            if hasattr(gc, "get_stats"):
                GCCollector(registry=self.registry)

    def counter(self, definition: MetricDefinition) -> Counter:
        """Register a counter."""
        return Counter(RawCounter(definition.full_name(self._identity), definition.help, definition.labels, registry=self.registry))

    def histogram(self, definition: MetricDefinition) -> Histogram:
        """Register a histogram of durations."""
        name = definition.full_name(self._identity)
        return Histogram(RawHistogram(name, definition.help, definition.labels, registry=self.registry, buckets=BUCKETS_S))

    def family(self, definition: MetricDefinition, values: Iterable[tuple[tuple[LabelValue, ...], float]]) -> Metric:
        """Return a family as it stands, for ``read_at_scrape``, from (label values, value).

        A counter whose name under the identity lacks ``_total`` has no type, since the exposition formats want that suffix.
        """
        name, kind = definition.full_name(self._identity), definition.type.value
        if definition.type is MetricType.COUNTER and not name.endswith("_total"):
            kind = "unknown"
        family = Metric(name.removesuffix("_total") if kind == "counter" else name, definition.help, kind)
        for labels, value in values:
            family.add_sample(name, dict(zip(definition.labels, map(label_text, labels), strict=True)), value)
        return family

    def read_at_scrape(self, read: Callable[[], Iterable[Metric]]) -> None:
        """Have these families asked for at each scrape."""
        self.registry.register(_Reader(read))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition in the format that the scraper accepts, and its content type."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type
