"""Views: frozen values of what decisions need of Kubernetes objects, and nothing more.

They are made at the edge (from watch payloads, from files) and compared by value, so that an update which changes nothing that
matters is no change.
Nothing in here is validated: texts that people wrote are kept as texts, and the decision that reads them says what is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import Family, IPAddress


class TrafficPolicy(Enum):
    """``spec.externalTrafficPolicy``."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class FamilyPolicy(Enum):
    """``spec.ipFamilyPolicy``."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """Protocol (``TCP``, ``UDP``, ``SCTP``) and number of a Service port."""

    protocol: str
    number: int

    def __str__(self) -> str:
        """Return ``TCP/80``."""
        return f"{self.protocol}/{self.number}"


@dataclass(frozen=True, slots=True)
class IngressView:
    """One entry of ``status.loadBalancer.ingress``; ``ip`` is None for a hostname entry or an unparsable text."""

    ip: IPAddress | None
    text: str
    ip_mode: str | None = None


@dataclass(frozen=True, slots=True)
class ConditionView:
    """Our own condition as it stands on an object."""

    status: str
    reason: str
    message: str
    observed_generation: int | None = None
    last_transition_utc: int = field(default=0, compare=False)
    """ns since the epoch; for the writer, who keeps it while the status stays the same."""


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What we read of a Service. Annotations are looked up under the identity's prefix, then under its legacy prefix.

    An annotation that is present counts, even when empty; None is absent.
    """

    key: ObjectKey
    uid: str
    type: str = "LoadBalancer"
    created_utc: int = 0
    """creationTimestamp, ns since the epoch."""
    generation: int = 0
    resource_version: str = field(default="", compare=False)
    """No part of the value: a Service that differs in nothing else is the same to every decision."""
    labels: Mapping[str, str] = field(default_factory=dict)
    load_balancer_class: str | None = None
    cluster_ips: tuple[str, ...] = ()
    """``clusterIPs``, or ``(clusterIP,)`` where only that is set; ``("None",)`` for headless."""
    families: tuple[Family, ...] = ()
    """``spec.ipFamilies``, primary first; may be empty in hand-written manifests."""
    family_policy: FamilyPolicy = FamilyPolicy.SINGLE_STACK
    ports: tuple[Port, ...] = ()
    traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    selector: tuple[tuple[str, str], ...] = ()
    """``spec.selector``, sorted."""
    requested_ips: str | None = None
    """Annotation ``loadBalancerIPs``, as written."""
    spec_load_balancer_ip: str | None = None
    requested_pool: str | None = None
    """Annotation ``address-pool``."""
    sharing_key: str | None = None
    """Annotation ``allow-shared-ip``."""
    wanted_announcer: str | None = None
    """Annotation ``announcer``: the node that a person wants to announce."""
    deprecated_annotations: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    ingress: tuple[IngressView, ...] = ()
    allocated_from_pool: str | None = None
    """Annotation ``ip-allocated-from-pool``, which the controller writes."""
    condition: ConditionView | None = None
    """Our condition ``<prefix>Satisfied``, as it stands."""
    is_deleting: bool = False
    finalizers: tuple[str, ...] = ()

    @property
    def status_ips(self) -> tuple[IPAddress, ...]:
        """The addresses that the status names, in its order."""
        return tuple(entry.ip for entry in self.ingress if entry.ip is not None)

    @property
    def age_order(self) -> tuple[bool, int, ObjectKey]:
        """Sort key that puts older Services first, equally old ones by name; one that was never applied, as in a file, is the youngest."""
        return not self.created_utc, self.created_utc, self.key


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint of an EndpointSlice; conditions keep "absent" (None) apart from False."""

    node: str | None
    family: Family | None
    """addressType of its slice; None for FQDN."""
    has_address: bool = True
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None

    @property
    def is_ready(self) -> bool:
        """Ready as in KEP-1672: true or absent."""
        return self.has_address and self.ready is not False

    @property
    def is_usable(self) -> bool:
        """Ready, or else still serving while it terminates."""
        return self.has_address and (self.ready is not False or self.serving is True)


@dataclass(frozen=True, slots=True)
class EndpointSliceView:
    """One EndpointSlice, with the Service that it belongs to (label ``kubernetes.io/service-name``)."""

    key: ObjectKey
    service: ObjectKey
    endpoints: tuple[EndpointView, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeView:
    """What we read of a Node."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    is_network_unavailable: bool = False
    is_draining: bool = False
    """Annotation ``drain`` is present and not ``false``."""
    internal_ips: tuple[IPAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """What we read of a Namespace."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntryService:
    """One user of a ledger entry."""

    key: ObjectKey
    uid: str
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldFor:
    """For whom an IP without users is held, and until when (ns since the epoch)."""

    key: ObjectKey
    until_utc: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One IPAllocation: who has this IP. ``uid`` and ``resource_version`` are empty for an entry that is not written yet."""

    address: IPAddress
    owner: str
    pool: str
    """"" for an adopted IP that is in no pool."""
    services: tuple[EntryService, ...] = ()
    sharing_key: str = ""
    backend_key: str = ""
    announcer: str | None = None
    since_utc: int = 0
    held_for: HeldFor | None = None
    uid: str = ""
    resource_version: str = ""

    def has_service(self, uid: str) -> bool:
        """Tell whether the Service with this uid uses the IP."""
        return any(service.uid == uid for service in self.services)


@dataclass(frozen=True, slots=True)
class LeaseView:
    """What is read of a Lease, be it of a speaker or of an election."""

    key: ObjectKey
    holder: str = ""
    """"" when nobody holds it."""
    duration: int = 0
    """ns."""
    renewed_utc: int = 0
    """ns since the epoch, by the holder's clock: only that it changes means anything."""
    acquired_utc: int = 0
    transitions: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    uid: str = ""
    resource_version: str = ""
