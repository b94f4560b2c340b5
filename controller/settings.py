"""What can be set of the controller: one dataclass, from which options, environment variables and their reference are made.

A field ``write_concurrency`` is the option ``--write-concurrency`` and the environment variable ``BMLB_WRITE_CONCURRENCY``; the
option wins. Its attribute docstring is its help: unit, why the default, and what turning it does.
"""

from dataclasses import dataclass

from baremetal_lb.model.ids import IDENTITIES, Identity
from baremetal_lb.model.net import IPAddress, parse_addresses


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one controller process; immutable while it runs."""

    kubeconfig: str = ""
    """Path of the kubeconfig. Empty: the ServiceAccount of the Pod, as in every controller that runs in its cluster."""
    namespace: str = ""
    """Namespace of our resources and of our Lease. Empty: the one that goes with the identity (``baremetal-lb-system``)."""
    identity: str = "baremetal-lb"
    """API group, annotations and metric names to live under: ``baremetal-lb``, or ``metallb`` to serve manifests written for it."""
    lb_class: str = ""
    """Serve only Services whose ``loadBalancerClass`` is exactly this. Empty: only Services without a class."""
    ignore_exclude_lb: bool = False
    """Prefer nodes that have the label ``node.kubernetes.io/exclude-from-external-load-balancers`` like others. Must be what the speakers
    are told: they elect, and what the controller prefers is to be what they can elect."""
    metrics_port: int = 9120
    """TCP port of ``/metrics``. 0 switches it off."""
    health_port: int = 17472
    """TCP port of ``/healthz`` and ``/readyz``. 0 switches it off."""
    listen_address: str = "127.0.0.1"
    """Addresses that both ports listen on, separated by commas; the chart gives those of the Pod.
    ``0.0.0.0,::`` is all. An address that is not there yet is answered on as soon as it is. Loopback where nothing is said, since a port
    that everybody reaches is to be asked for."""
    log_level: str = "info"
    """debug, info, warning or error. One line for each change at info, nothing when nothing changes."""
    log_format: str = "json"
    """json for machines, console for people."""
    owner: str = ""
    """Install id, written into every ledger entry; entries with another one are never touched. Empty: ``identity/namespace``, which
    tells two installs of one cluster apart and stays the same when the controller moves to another node."""
    lease_name: str = "controller"
    """Name of the Lease by which one of several controllers leads."""
    lease_duration_s: float = 15.0
    """Seconds until a standby takes over from a leader that went silent. The value of Kubernetes' own controllers."""
    renew_deadline_s: float = 10.0
    """Seconds without a renewal after which a leader stops writing. Must be shorter than the Lease, by more than clocks may drift."""
    retry_period_s: float = 1.0
    """Seconds between two looks at the Lease. Kubernetes uses 2; at 1 a hand-over on SIGTERM takes less than 2 seconds."""
    write_concurrency: int = 16
    """How many Services are written at the same time. Measured with 1 000 Services on two cores: 8 to 16 give the best tail, 32 a worse
    one and 5 MiB more of connections; the API server is the limit by then."""
    pool_status_interval_s: float = 1.0
    """Shortest time between two writes of one pool's status, in seconds. Counters are exact whenever they are written."""
    placement_delay_s: float = 3.0
    """Seconds for which a preferred announcer must have been ineligible before another one is preferred. Speakers fail over by
    themselves at once; this only keeps a rollout from costing a write for each Pod."""
    leftover_grace_s: float = 30.0
    """Seconds that a node or Service must have been gone before its status objects are removed: the speaker's own turn comes first."""
    shutdown_grace_s: float = 1.0
    """Seconds that writes under way get to finish on SIGTERM, before the Lease is handed over."""

    @property
    def names(self) -> Identity:
        """The identity, as a value.

        Raises:
            KeyError: there is no such identity; ``parse_options`` refuses it before.
        """
        return IDENTITIES[self.identity]

    @property
    def home(self) -> str:
        """The namespace, with its default applied."""
        return self.namespace or self.names.default_namespace

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """The addresses to listen on; ``parse_options`` has refused what is none."""
        return parse_addresses(self.listen_address)

    @property
    def install(self) -> str:
        """The install id, with its default applied."""
        return self.owner or f"{self.identity}/{self.home}"


CHOICES = {
    "identity": tuple(IDENTITIES),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("json", "console"),
}
"""Fields that take one of a few words."""
CHECKS = {"listen_address": parse_addresses}
"""Fields whose text has to be readable."""
