"""Metrics: a Prometheus registry whose names begin with the identity's prefix, and whose reason labels are enum members.

    denied = metrics.counter("allocator_denied_total", "Services left without an IP.", ("reason",))
    denied.inc(AllocationReason.NoPool)

Label values are given in the order of the label names. A Reason is written by its name, so the label is the token of conditions and
logs too.
"""

import gc
from collections.abc import Sequence
from enum import Enum

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client import Counter as RawCounter
from prometheus_client import Gauge as RawGauge
from prometheus_client import Histogram as RawHistogram
from prometheus_client.exposition import choose_encoder

from baremetal_lb.model.ids import Identity

LabelValue = str | Enum | object
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def label_text(value: LabelValue) -> str:
    """Return the text of a label value: an enum member's name, anything else as people write it."""
    return value.name if isinstance(value, Enum) else str(value)


class Counter:
    """A value that only grows."""

    def __init__(self, raw: RawCounter) -> None:
        self._raw = raw

    def inc(self, *labels: LabelValue, by: float = 1) -> None:
        """Add ``by`` to the series of these labels."""
        series = self._raw.labels(*map(label_text, labels)) if labels else self._raw
        series.inc(by)

    def remove(self, *labels: LabelValue) -> None:
        """Drop the series of these labels, if there is one."""
        self._raw.remove(*map(label_text, labels))


class Gauge:
    """A value that goes up and down."""

    def __init__(self, raw: RawGauge) -> None:
        self._raw = raw

    def set(self, value: float, *labels: LabelValue) -> None:
        """Set the series of these labels."""
        series = self._raw.labels(*map(label_text, labels)) if labels else self._raw
        series.set(value)

    def remove(self, *labels: LabelValue) -> None:
        """Drop the series of these labels, if there is one."""
        self._raw.remove(*map(label_text, labels))


class Histogram:
    """How often values fell into buckets."""

    def __init__(self, raw: RawHistogram) -> None:
        self._raw = raw

    def observe(self, value: float, *labels: LabelValue) -> None:
        """Count one value, in seconds for durations."""
        series = self._raw.labels(*map(label_text, labels)) if labels else self._raw
        series.observe(value)


class Metrics:
    """The registry of one process."""

    def __init__(self, identity: Identity, *, with_process: bool = True) -> None:
        self.registry = CollectorRegistry()
        self._prefix = identity.metrics_prefix
        if with_process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            if hasattr(gc, "get_stats"):
                GCCollector(registry=self.registry)

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """Register a counter, named with the prefix; ``_total`` is appended by the exposition."""
        return Counter(RawCounter(self._prefix + name, help_text, labels, registry=self.registry))

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        """Register a gauge, named with the prefix."""
        return Gauge(RawGauge(self._prefix + name, help_text, labels, registry=self.registry))

    def histogram(self, name: str, help_text: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = BUCKETS_S) -> Histogram:
        """Register a histogram, named with the prefix."""
        return Histogram(RawHistogram(self._prefix + name, help_text, labels, registry=self.registry, buckets=buckets))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition in the format that the scraper accepts, and its content type."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type
