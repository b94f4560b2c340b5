"""What a metric and a log event are, as values: from these the processes register and the reference is written. Pure."""

from dataclasses import dataclass
from enum import Enum

from baremetal_lb.model.ids import METALLB, Identity


class MetricType(Enum):
    """How the values of a metric are to be read, with the words of the exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Process(Enum):
    """Who exposes a metric or writes a log event; the value is the command that runs it."""

    CONTROLLER = "controller"
    SPEAKER = "speaker"
    ENGINE = "exabgp"
    BFD = "bfd"
    LAB = "lab"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """One metric family. A counter's name ends in ``_total``, as it is exposed."""

    name: str
    """Without the identity's prefix."""
    type: MetricType
    help: str
    processes: tuple[Process, ...]
    labels: tuple[str, ...] = ()
    metallb_name: str = ""
    """The whole name under the identity ``metallb``, where it is not the prefix and ``name``: a name that existing dashboards use."""

    def full_name(self, identity: Identity) -> str:
        """Return the name as it is exposed under an identity."""
        if identity is METALLB and self.metallb_name:
            return self.metallb_name
        return identity.metrics_prefix + self.name


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event name; its keys are what the line carries besides."""

    name: str
    level: str
    meaning: str
    processes: tuple[Process, ...]
