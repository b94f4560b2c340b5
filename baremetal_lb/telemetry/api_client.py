"""What both processes tell of their dealings with the API server: requests, watches, events. All of it is counted there already."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, Protocol

from prometheus_client.core import Metric

from baremetal_lb.model.problem import Problem
from baremetal_lb.telemetry import metric_table as table
from baremetal_lb.telemetry.metrics import Metrics


class Requests(Protocol):
    """What ``kube.transport.Transport`` counts."""

    requests: Counter[tuple[str, str]]


class Watching(Protocol):
    """What ``kube.reflector.Reflector`` counts, and has."""

    counters: Counter[str]

    @property
    def store(self) -> Mapping[Any, Any]:
        """The objects in memory."""
        ...

    @property
    def decode_errors(self) -> int:
        """Payloads that could not be read."""
        ...


class Recording(Protocol):
    """What ``kube.events.EventRecorder`` counts."""

    sent: int
    dropped: int


def client_families(metrics: Metrics, requests: Requests, watching: Mapping[str, Watching], events: Recording) -> Iterator[Metric]:
    """Return the families of one process; ``watching`` has the reflectors by the plural of their resource."""
    yield metrics.family(table.REQUESTS, requests.requests.items())
    yield metrics.family(table.UPDATES, [((), sum(one.counters["events"] for one in watching.values()))])
    yield metrics.family(table.UPDATE_ERRORS, [((), sum(one.decode_errors for one in watching.values()))])
    yield metrics.family(table.WATCH_FAILURES, [((name,), one.counters["failures"]) for name, one in watching.items()])
    yield metrics.family(table.LISTS, [((name,), one.counters["lists"]) for name, one in watching.items()])
    yield metrics.family(table.OBJECTS, [((name,), len(one.store)) for name, one in watching.items()])
    yield metrics.family(table.EVENTS_SENT, [((), events.sent)])
    yield metrics.family(table.EVENTS_DROPPED, [((), events.dropped)])


def configuration_families(metrics: Metrics, *, is_loaded: bool, is_stale: bool, problems: Iterable[Problem]) -> Iterator[Metric]:
    """Return the families about what was compiled."""
    yield metrics.family(table.CONFIG_LOADED, [((), is_loaded)])
    yield metrics.family(table.CONFIG_STALE, [((), is_stale)])
    counted = Counter((problem.reason,) for problem in problems)
    yield metrics.family(table.CONFIG_PROBLEMS, counted.items())


def queue_family(metrics: Metrics, waiting: Sized) -> Metric:
    """Return how much waits to be decided."""
    return metrics.family(table.QUEUE_DEPTH, [((), len(waiting))])
