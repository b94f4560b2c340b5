"""L2Advertisement and ServiceL2Status: who may answer for an IP on the link, and who does.

A superset of the reference's schema; ``preemption`` is ours.
"""

from typing import Annotated, Literal

from pydantic import Field

from baremetal_lb.api.base import (
    ATOMIC,
    LIST_MAX,
    ApiModel,
    Duration,
    InterfaceName,
    LabelSelector,
    Name,
    Names,
    NamespaceName,
    Selectors,
    StatusModel,
    validations,
    with_rules,
)

IMMUTABLE = validations(("self == oldSelf", "is immutable"))


class PreferredNodeSelector(ApiModel):
    """A soft preference for some nodes."""

    weight: int = Field(
        ge=1, le=100, description="Weight, 1 to 100; the weights of all that match a node add up.", json_schema_extra={"format": "int32"}
    )
    preference: LabelSelector = Field(description="Selector on labels of nodes.")


class PreemptionModel(ApiModel):
    """Whether a better candidate that comes back takes an IP over from the node that announces it."""

    model_config = with_rules(("!has(self.delay) || self.policy == 'Delayed'", "delay has a meaning with policy Delayed only"))

    policy: Literal["Never", "Delayed"] = Field(
        "Never",
        description="Never (default): a node that comes back, or gets a greater weight, takes no IP over while its announcer can go on. "
        "Delayed: a candidate with a greater sum of weights in preferredNodeSelectors takes it over after delay, the new node "
        "answering before the old one stops. Without weights no candidate is better than another.",
    )
    delay: Duration | None = Field(
        None,
        description="How long the better candidate must have been eligible without a break, as the controller sees it; the shortest delay "
        "counts where several advertisements speak of an IP. Default with policy Delayed: 60s.",
        json_schema_extra=validations(("duration(self) >= duration('0s')", "must be a duration that is not negative")),
    )


class L2AdvertisementSpec(ApiModel):
    """Which IPs are announced on the link, by which nodes and interfaces."""

    ip_address_pools: Names | None = Field(
        None,
        alias="ipAddressPools",
        description="Pools by name. With neither this nor ipAddressPoolSelectors: all pools.",
    )
    ip_address_pool_selectors: Selectors | None = Field(
        None, alias="ipAddressPoolSelectors", description="Pools by their labels, in addition to ipAddressPools.", json_schema_extra=ATOMIC
    )
    node_selectors: Selectors | None = Field(
        None, description="Nodes that may announce, by their labels; alternatives. Absent: all nodes.", json_schema_extra=ATOMIC
    )
    interfaces: Annotated[list[InterfaceName], Field(max_length=LIST_MAX)] | None = Field(
        None,
        description="Interfaces to announce on, by name: 1 to 15 letters, digits and _ . : @ - each. Absent: all that can.",
        json_schema_extra=ATOMIC,
    )
    service_selectors: Selectors | None = Field(
        None, description="Services to announce, by their labels; alternatives. Absent: all Services.", json_schema_extra=ATOMIC
    )
    preferred_node_selectors: Annotated[list[PreferredNodeSelector], Field(max_length=64)] | None = Field(
        None, description="Soft preferences among the nodes that may announce.", json_schema_extra=ATOMIC
    )
    preemption: PreemptionModel | None = Field(
        None, description="Whether a better node takes IPs over from one that can go on. Absent: Never."
    )


class L2AdvertisementStatus(StatusModel):
    """State of the advertisement; written by the controller."""


class L2Advertisement(ApiModel):
    """Announce IPs of pools on the local link (ARP and NDP)."""

    spec: L2AdvertisementSpec | None = Field(None, description="Which IPs are announced, by which nodes and interfaces.")
    status: L2AdvertisementStatus | None = Field(None, description="State of the advertisement; written by the controller.")


class InterfaceInfo(ApiModel):
    """An interface that an IP is announced on."""

    # Any: what the node's kernel says, and not what somebody wrote.
    name: Annotated[str, Field(max_length=64)] | None = Field(None, description="Name of the interface.")


class ServiceL2StatusStatus(ApiModel):
    """Who announces the IPs of a Service on the link."""

    node: Name | None = Field(None, description="Node that announces. Immutable.", json_schema_extra=IMMUTABLE)
    service_name: Name | None = Field(None, description="Name of the Service. Immutable.", json_schema_extra=IMMUTABLE)
    service_namespace: NamespaceName | None = Field(None, description="Namespace of the Service. Immutable.", json_schema_extra=IMMUTABLE)
    interfaces: Annotated[list[InterfaceInfo], Field(max_length=LIST_MAX)] | None = Field(
        None, description="Interfaces that it is announced on. Empty: all that can.", json_schema_extra=ATOMIC
    )


class ServiceL2StatusSpec(ApiModel):
    """Empty: there is nothing to wish for."""


class ServiceL2Status(ApiModel):
    """Who announces the IPs of a Service on the link now; written by the speaker of that node."""

    spec: ServiceL2StatusSpec | None = Field(None, description="Empty.")
    status: ServiceL2StatusStatus | None = Field(None, description="Who announces.")
