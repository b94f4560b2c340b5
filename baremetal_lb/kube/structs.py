"""Records: msgspec Structs that name the fields which we read of each kind. Decoding skips every other byte of the payload.

A record lives for one call (``records`` makes a view of it); none is kept. Explicit nulls are admitted where the API server admits
them, and everything that Kubernetes may leave out is optional.
"""

import sys
from datetime import datetime

import msgspec

from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.views import Port


class BaseRecord(msgspec.Struct, gc=False, rename="camel"):
    """Base of the records: JSON names in camel case; explicit nulls are admitted as the API server admits them."""


class Metadata(BaseRecord):
    """``metav1.ObjectMeta``, as far as we read it."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None

    @property
    def key(self) -> ObjectKey:
        """Namespace and name, interned."""
        return ObjectKey(sys.intern(self.namespace or ""), sys.intern(self.name))


class PortRecord(BaseRecord):
    """One port of a Service or of a ledger entry's user."""

    port: int
    protocol: str | None = None

    @property
    def view(self) -> Port:
        """The port; TCP is the default of Kubernetes."""
        return Port(self.protocol or "TCP", self.port)


class ServiceSpec(BaseRecord):
    """``spec`` of a Service."""

    type: str | None = None
    load_balancer_class: str | None = None
    load_balancer_ip: str | None = msgspec.field(default=None, name="loadBalancerIP")
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = msgspec.field(default=None, name="clusterIPs")
    external_ips: list[str] | None = msgspec.field(default=None, name="externalIPs")
    ip_families: list[str] | None = None
    ip_family_policy: str | None = None
    external_traffic_policy: str | None = None
    ports: list[PortRecord] | None = None
    selector: dict[str, str] | None = None


class IngressRecord(BaseRecord):
    """One entry of ``status.loadBalancer.ingress``."""

    ip: str | None = None
    hostname: str | None = None
    ip_mode: str | None = None


class LoadBalancerStatus(BaseRecord):
    """``status.loadBalancer``."""

    ingress: list[IngressRecord] | None = None


class ConditionRecord(BaseRecord):
    """``metav1.Condition`` and the older conditions of Nodes."""

    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    observed_generation: int | None = None
    last_transition_time: datetime | None = None


class ServiceStatus(BaseRecord):
    """``status`` of a Service."""

    load_balancer: LoadBalancerStatus | None = None
    conditions: list[ConditionRecord] | None = None


class ServiceRecord(BaseRecord):
    """v1 Service."""

    metadata: Metadata
    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class EndpointConditions(BaseRecord):
    """Conditions of an endpoint; absent is not false (KEP-1672)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class EndpointRecord(BaseRecord):
    """One endpoint of a slice."""

    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    node_name: str | None = None


class EndpointSliceRecord(BaseRecord):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: Metadata
    address_type: str | None = None
    endpoints: list[EndpointRecord] | None = None


class NodeAddress(BaseRecord):
    """One of ``status.addresses`` of a Node."""

    type: str
    address: str


class NodeStatus(BaseRecord):
    """``status`` of a Node."""

    conditions: list[ConditionRecord] | None = None
    addresses: list[NodeAddress] | None = None


class NodeRecord(BaseRecord):
    """v1 Node."""

    metadata: Metadata
    status: NodeStatus | None = None


class NamespaceRecord(BaseRecord):
    """v1 Namespace."""

    metadata: Metadata


class EntryServiceRecord(BaseRecord):
    """One user of an IPAllocation; ports as ``TCP/80`` or as ``{protocol, port}``."""

    namespace: str
    name: str
    uid: str | None = None
    ports: list[str | PortRecord] | None = None


class HeldForRecord(BaseRecord):
    """``spec.heldFor`` of an IPAllocation."""

    namespace: str
    name: str
    until: datetime


class EntrySpec(BaseRecord):
    """``spec`` of an IPAllocation."""

    address: str
    owner: str | None = None
    pool: str | None = None
    services: list[EntryServiceRecord] | None = None
    sharing_key: str | None = None
    backend_key: str | None = None
    announcer: str | None = None
    since: datetime | None = None
    held_for: HeldForRecord | None = None


class EntryRecord(BaseRecord):
    """IPAllocation."""

    metadata: Metadata
    spec: EntrySpec


class LeaseSpec(BaseRecord):
    """``spec`` of a Lease."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int | None = None


class LeaseRecord(BaseRecord):
    """coordination.k8s.io/v1 Lease."""

    metadata: Metadata
    spec: LeaseSpec | None = None
