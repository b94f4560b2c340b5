"""What can be set of the speaker: one dataclass, from which options, environment variables and their reference are made.

A field ``node_name`` is the option ``--node-name`` and the environment variable ``BMLB_NODE_NAME``; the option wins. Its attribute
docstring is its help: unit, why the default, and what turning it does.
"""

from dataclasses import dataclass

from baremetal_lb.model.ids import IDENTITIES, Identity
from baremetal_lb.model.net import IPAddress, parse_addresses


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one speaker process; immutable while it runs."""

    kubeconfig: str = ""
    """Path of the kubeconfig. Empty: the ServiceAccount of the Pod."""
    namespace: str = ""
    """Namespace of our resources and of the speakers' Leases. Empty: the one that goes with the identity (``baremetal-lb-system``)."""
    identity: str = "baremetal-lb"
    """API group, annotations and metric names to live under: ``baremetal-lb``, or ``metallb`` to serve manifests written for it."""
    node_name: str = ""
    """Name of the Node that this process runs on, exactly as in ``kubectl get nodes``. Required."""
    lb_class: str = ""
    """Announce only Services whose ``loadBalancerClass`` is exactly this. Empty: only Services without a class."""
    ignore_exclude_lb: bool = False
    """Announce from nodes that have the label ``node.kubernetes.io/exclude-from-external-load-balancers`` too. Must be the same on all
    speakers, since each elects by itself."""
    exclude_interfaces: str = ""
    """Regular expressions of interface names never to announce on, separated by commas, searched anywhere in the name. Empty: those of
    container runtimes and network plugins (docker, veth, cali, cni, flannel, lxc, ...)."""
    state_file: str = ""
    """File with the last good inputs, from which the speaker starts when the API server is away; on a path of the node that outlives
    the Pod. Empty: none, and a speaker that is restarted during an outage announces nothing."""
    state_interval_s: float = 2.0
    """Shortest time between two writes of the state file, in seconds; it is written on change only, and for at most a fiftieth of the
    time. What changed since is forgotten by a speaker that is killed while the API server is away."""
    state_max_age_s: float = 86400.0
    """Seconds after which a state file is too old to start from: a node that was off for days must not announce what it had."""
    metrics_port: int = 9121
    """TCP port of ``/metrics``. 0 switches it off."""
    health_port: int = 17473
    """TCP port of ``/healthz`` and ``/readyz``. 0 switches it off."""
    listen_address: str = "127.0.0.1"
    """Addresses that both ports listen on, separated by commas; the chart gives those of the node, its InternalIPs.
    ``0.0.0.0,::`` is all. An address that is not there yet is answered on as soon as it is. Loopback where nothing is said, since a port
    that everybody reaches is to be asked for."""
    log_level: str = "info"
    """debug, info, warning or error. One line for each change at info, nothing when nothing changes."""
    log_format: str = "json"
    """json for machines, console for people."""
    lease_interval_s: float = 1.0
    """Seconds between two renewals of this speaker's Lease; each is one write of the API server and one watch event for every speaker."""
    lease_duration_s: float = 4.0
    """Seconds without renewal after which the others take this node's IPs over. Shorter fails over faster, and more often in vain when
    the API server is slow. A restart of the speaker that takes an interval less than this moves no IP. Must be the same on all
    speakers, and more than twice the interval."""
    api_patience_s: float = 2.0
    """Seconds that a starting speaker waits for the API server before it starts from the state file."""
    handover_limit_s: float = 2.5
    """Seconds that a speaker told to stop goes on answering, at most, until another one has taken its IPs over."""
    runtime_dir: str = ""
    """Directory shared with the engine and the BFD process of this node (``bmlb exabgp``, ``bmlb bfd``). Empty: no BGP, and BGP resources
    are not read."""
    service_cidrs: str = ""
    """CIDRs of the cluster's Services, separated by commas: no cluster IP outside of them is advertised. Empty: none is."""
    secret_interval_s: float = 15.0
    """Seconds between two looks at a Secret that a BGPPeer names: after this a new password is in use at the latest."""
    shutdown_wait_s: float = 2.0
    """Seconds that routers get to take another way before the routes of a node that is drained, or whose Pod is stopped, are withdrawn
    (RFC 8326)."""
    bfd_hold_limit_s: float = 60.0
    """Seconds that a BGP session is held down, at most, after BFD saw its path fail; a router that lost BFD for good gets its routes back
    after them, without BFD."""
    pod_name: str = ""
    """Name of the Pod that this process runs in. With it a speaker that is told to stop sees whether its Pod is going (routes are withdrawn
    with notice), or only its container is restarted (nothing is)."""
    list_hold_s: float = 60.0
    """Seconds for which a list that came back empty, or older than what was seen, takes nothing away."""

    @property
    def names(self) -> Identity:
        """The identity, as a value."""
        return IDENTITIES[self.identity]

    @property
    def home(self) -> str:
        """The namespace, with its default applied."""
        return self.namespace or self.names.default_namespace

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """The addresses to listen on; ``parse_options`` has refused what is none."""
        return parse_addresses(self.listen_address)


CHOICES = {
    "identity": tuple(IDENTITIES),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("json", "console"),
}
"""Fields that take one of a few words."""
CHECKS = {"listen_address": parse_addresses}
"""Fields whose text has to be readable."""
