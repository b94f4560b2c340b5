"""IPAddressPool and IPReservation: which addresses there are, and for whom.

IPAddressPool is a superset of the reference's schema; ``excluded``, ``disabled``, ``retainFor``, ``quotas`` and ``sharing``
are ours.
IPReservation is ours alone, cluster-scoped, and written by people.
"""

from typing import Annotated, Literal

from pydantic import Field

from baremetal_lb.api.base import (
    ATOMIC,
    LIST_MAX,
    SET,
    ApiModel,
    Count,
    Duration,
    IntOrString,
    Name,
    NamespaceName,
    RangeOrAddressText,
    RangeText,
    Selectors,
    StatusModel,
    Text,
    validations,
)

ADDRESSES_MAX = 1024
Namespaces = Annotated[list[NamespaceName], Field(max_length=LIST_MAX, json_schema_extra=SET)]


class ServiceAllocationModel(ApiModel):
    """To whom the pool gives addresses. Where several are given, all of them must admit the Service."""

    priority: int = Field(
        0, ge=-(2**31), le=2**31 - 1, description="Order among pools that admit a Service: lower numbers are tried first, 0 (default) last."
    )
    namespaces: Namespaces | None = Field(None, description="Namespaces whose Services may have addresses of the pool.")
    namespace_selectors: Selectors | None = Field(
        None,
        description="Selectors on labels of namespaces, alternatives to each other and to namespaces. What matches nothing admits nobody.",
    )
    service_selectors: Selectors | None = Field(None, description="Selectors on labels of Services, alternatives to each other.")


class QuotaModel(ApiModel):
    """A limit on how many addresses of the pool each of some namespaces may have."""

    namespaces: Namespaces | None = Field(
        None, description="Namespaces meant. With no namespaces and no namespaceSelectors: every namespace."
    )
    namespace_selectors: Selectors | None = Field(
        None, description="Selectors on labels of the namespaces meant, alternatives to each other."
    )
    addresses: Count = Field(description="Addresses of this pool that each of the namespaces may have at most, both families together.")


class IPAddressPoolSpec(ApiModel):
    """Addresses to give to Services, and the rules for giving them."""

    addresses: Annotated[list[RangeText], Field(min_length=1, max_length=ADDRESSES_MAX)] = Field(
        description="Addresses of the pool, each a CIDR (198.51.100.0/24, all of its addresses are used) or a range "
        "(198.51.100.10-198.51.100.20). They may not overlap with each other or with another pool; where they do, the older pool has them.",
        json_schema_extra=ATOMIC,
    )
    auto_assign: bool = Field(
        default=True,
        description="Whether Services get addresses of the pool without asking for it (default true). Otherwise only on request.",
    )
    avoid_buggy_ips: bool = Field(
        default=False, alias="avoidBuggyIPs", description="Never give IPv4 addresses that end in .0 or .255 (default false)."
    )
    service_allocation: ServiceAllocationModel | None = Field(None, description="To whom the pool gives addresses. Absent: to everybody.")
    excluded: Annotated[list[RangeOrAddressText], Field(max_length=ADDRESSES_MAX)] | None = Field(
        None, description="Addresses, CIDRs or ranges inside the pool that are never given.", json_schema_extra=ATOMIC
    )
    disabled: bool = Field(default=False, description="Drain the pool: what is allocated stays, nothing new is given (default false).")
    retain_for: Duration | None = Field(
        None,
        description="How long an address of a deleted Service is held for a Service of the same namespace and name, for instance 24h. "
        "Meanwhile others get it only when nothing else is free, and never because they ask for it. Default 2m; 0s: not at all.",
        json_schema_extra=validations(("duration(self) >= duration('0s')", "must be a duration that is not negative, for instance 24h")),
    )
    quotas: Annotated[list[QuotaModel], Field(max_length=64)] | None = Field(
        None, description="Limits on the addresses that namespaces may have of the pool.", json_schema_extra=ATOMIC
    )
    sharing: Literal["Namespace", "Cluster"] | None = Field(
        None,
        description="Who may share an IP of the pool, with equal sharing keys: Services of one namespace (Namespace, the default), or of "
        "several ones (Cluster, the default where the install has the identity metallb). Who shares an IP already goes on doing so.",
    )


class FamilyCounters(ApiModel):
    """Exact numbers of addresses of one family; integers, or texts of digits where they are 2^63 or more."""

    capacity: IntOrString = Field(description="Addresses that can be given at all: all of the pool without the excluded ones.")
    allocated: IntOrString = Field(description="Addresses in use by Services; one that Services share counts once.")
    held: IntOrString = Field(description="Addresses without a user that are held for one (retainFor).")
    reserved: IntOrString = Field(description="Free addresses that an IPReservation keeps for somebody.")
    available: IntOrString = Field(description="Addresses that anybody whom the pool admits may get.")


class IPAddressPoolStatus(StatusModel):
    """State of the pool; written by the controller."""

    assigned_ipv4: Count | None = Field(None, alias="assignedIPv4", description="IPv4 addresses in use.")
    assigned_ipv6: Count | None = Field(None, alias="assignedIPv6", description="IPv6 addresses in use.")
    available_ipv4: Count | None = Field(None, alias="availableIPv4", description="IPv4 addresses not in use, at most 2^63-1.")
    available_ipv6: Count | None = Field(None, alias="availableIPv6", description="IPv6 addresses not in use, at most 2^63-1.")
    ipv4: FamilyCounters | None = Field(None, description="Exact numbers for IPv4.")
    ipv6: FamilyCounters | None = Field(None, description="Exact numbers for IPv6.")


class IPAddressPool(ApiModel):
    """A pool of addresses that Services of type LoadBalancer get their external IPs from."""

    spec: IPAddressPoolSpec = Field(description="Addresses, and the rules for giving them.")
    status: IPAddressPoolStatus | None = Field(None, description="State of the pool; written by the controller.")


class IPReservationSpec(ApiModel):
    """Which addresses are kept, and for whom."""

    addresses: Annotated[list[RangeOrAddressText], Field(min_length=1, max_length=ADDRESSES_MAX)] = Field(
        description="Addresses, CIDRs or ranges that are kept. Where two reservations claim an address, the older one has it.",
        json_schema_extra=ATOMIC,
    )
    namespace: Annotated[NamespaceName, Field(min_length=1)] = Field(description="Namespace whose Services may have them.")
    service_name: Name | None = Field(
        None, description="Name of the one Service that may have them. Absent: every Service of the namespace."
    )
    reason: Text = Field("", description="Why, for people.")


class IPReservationStatus(StatusModel):
    """State of the reservation; written by the controller."""


class IPReservation(ApiModel):
    """Addresses that go only to whom they are for."""

    spec: IPReservationSpec = Field(description="Which addresses are kept, and for whom.")
    status: IPReservationStatus | None = Field(None, description="State of the reservation; written by the controller.")
