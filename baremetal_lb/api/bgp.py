"""BGPAdvertisement, Community, ServiceBGPStatus and BGPSessionStatus: which routes go to whom, and whether they do.

A superset of the reference's schema; ``med``, ``asPathPrepend``, ``weightByEndpoints``, ``serviceAddresses`` and the kind
BGPSessionStatus are ours.
"""

from typing import Annotated, Literal

from pydantic import Field

from baremetal_lb.api.base import (
    ASN_MAX,
    ATOMIC,
    LIST_MAX,
    SET,
    ApiModel,
    Count,
    Name,
    Names,
    NamespaceName,
    Selectors,
    StatusModel,
    Text,
    Timestamp,
    validations,
    with_rules,
)
from baremetal_lb.api.layer2 import IMMUTABLE

COMMUNITIES_MAX = 63
"""Communities of one route: what the reference's engine takes."""
COMMUNITY_RULE = (
    "self.startsWith('large:') ? self.matches('^large:[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}$') && "
    "self.split(':').filter(p, p != 'large').all(p, int(p) <= 4294967295) : "
    "self.matches('^[0-9]{1,5}:[0-9]{1,5}$') && self.split(':').all(p, int(p) <= 65535)"
)
CommunityText = Annotated[str, Field(max_length=253)]


class BGPAdvertisementSpec(ApiModel):
    """Which routes are advertised, with which attributes, by which nodes, to which peers."""

    model_config = with_rules(
        (
            (
                "!has(self.serviceSelectors) || self.serviceSelectors.size() == 0 || "
                "((!has(self.aggregationLength) || self.aggregationLength == 32) && "
                "(!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))"
            ),
            "serviceSelectors and aggregationLength are mutually exclusive",
        ),
    )

    aggregation_length: int = Field(
        32,
        ge=1,
        le=32,
        description="Prefix length of IPv4 routes, 1 to 32 (default 32: one route for each IP).",
        json_schema_extra={"format": "int32"},
    )
    aggregation_length_v6: int = Field(
        128,
        ge=0,
        le=128,
        alias="aggregationLengthV6",
        description="Prefix length of IPv6 routes, 0 to 128 (default 128: one route for each IP).",
        json_schema_extra={"format": "int32"},
    )
    local_pref: int = Field(
        0,
        ge=0,
        le=ASN_MAX,
        description="LOCAL_PREF, 0 to 4294967295 (default 0); sent to peers in the same autonomous system only.",
        json_schema_extra={"format": "int64"},
    )
    communities: Annotated[list[CommunityText], Field(max_length=COMMUNITIES_MAX)] | None = Field(
        None,
        description="Communities of the routes: 64512:1 (two numbers of 16 bit), large:64512:1:2 (three of 32 bit), or an alias that a "
        "Community object defines.",
        json_schema_extra=SET,
    )
    ip_address_pools: Names | None = Field(
        None, alias="ipAddressPools", description="Pools by name. With neither this nor ipAddressPoolSelectors: all pools."
    )
    ip_address_pool_selectors: Selectors | None = Field(
        None, alias="ipAddressPoolSelectors", description="Pools by their labels, in addition to ipAddressPools.", json_schema_extra=ATOMIC
    )
    node_selectors: Selectors | None = Field(
        None, description="Nodes that advertise, by their labels; alternatives. Absent: all nodes.", json_schema_extra=ATOMIC
    )
    peers: Names | None = Field(None, description="Names of the BGPPeers to advertise to. Absent: all.")
    service_selectors: Selectors | None = Field(
        None,
        description="Services to advertise, by their labels; alternatives. Absent: all Services. Excludes aggregation.",
        json_schema_extra=ATOMIC,
    )
    med: int | None = Field(
        None, ge=0, le=ASN_MAX, description="MULTI_EXIT_DISC, 0 to 4294967295. Absent: not sent.", json_schema_extra={"format": "int64"}
    )
    as_path_prepend: int = Field(
        0,
        ge=0,
        le=16,
        description="How many times the own AS number is prepended to AS_PATH, 0 to 16 (default 0); not within one autonomous system.",
    )
    weight_by_endpoints: bool = Field(
        default=False,
        description="Send a link-bandwidth extended community made from the number of usable endpoints on the node, so that routers "
        "weigh nodes by it (default false).",
    )
    service_addresses: Annotated[list[Literal["LoadBalancer", "External", "Cluster"]], Field(min_length=1, max_length=3)] = Field(
        ["LoadBalancer"],
        description="Which addresses of Services are advertised: LoadBalancer (status), External (spec.externalIPs), "
        "Cluster (spec.clusterIPs). Default: LoadBalancer.",
        json_schema_extra=SET,
    )


class BGPAdvertisementStatus(StatusModel):
    """State of the advertisement; written by the controller."""


class BGPAdvertisement(ApiModel):
    """Advertise IPs of pools to BGP peers."""

    spec: BGPAdvertisementSpec | None = Field(None, description="Which routes are advertised, to whom.")
    status: BGPAdvertisementStatus | None = Field(None, description="State of the advertisement; written by the controller.")


class CommunityAlias(ApiModel):
    """A name for a community."""

    name: CommunityText = Field(description="Name that advertisements may use. Unique among all Community objects.")
    value: Annotated[str, Field(max_length=64, json_schema_extra={"pattern": "^[a-z0-9:]*$"})] = Field(
        description="The community: 64512:1 (two numbers of 16 bit) or large:64512:1:2 (three of 32 bit).",
        json_schema_extra=validations((COMMUNITY_RULE, "must be 64512:1 (two numbers of 16 bit) or large:64512:1:2 (three of 32 bit)")),
    )


class CommunitySpec(ApiModel):
    """Names for communities."""

    communities: Annotated[list[CommunityAlias], Field(max_length=LIST_MAX)] | None = Field(
        None,
        description="The aliases.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class CommunityStatus(StatusModel):
    """State of the aliases; written by the controller."""


class Community(ApiModel):
    """Names for BGP communities, for use in advertisements."""

    spec: CommunitySpec | None = Field(None, description="The aliases.")
    status: CommunityStatus | None = Field(None, description="State of the aliases; written by the controller.")


class ServiceBGPStatusSpec(ApiModel):
    """Empty: there is nothing to wish for."""


class ServiceBGPStatusStatus(ApiModel):
    """To which peers a node means to advertise a Service."""

    node: Name | None = Field(None, description="Node that advertises. Immutable.", json_schema_extra=IMMUTABLE)
    service_name: Name | None = Field(None, description="Name of the Service. Immutable.", json_schema_extra=IMMUTABLE)
    service_namespace: NamespaceName | None = Field(None, description="Namespace of the Service. Immutable.", json_schema_extra=IMMUTABLE)
    peers: Annotated[list[Name], Field(max_length=LIST_MAX)] | None = Field(
        None, description="Names of the BGPPeers that the node means to advertise to, sorted.", json_schema_extra=ATOMIC
    )


class ServiceBGPStatus(ApiModel):
    """To which peers a node means to advertise a Service; written by the speaker of that node."""

    spec: ServiceBGPStatusSpec | None = Field(None, description="Empty.")
    status: ServiceBGPStatusStatus | None = Field(None, description="To which peers.")


class SessionError(ApiModel):
    """What ended or prevented a session last."""

    direction: Literal["Sent", "Received", "Local"] = Field(
        description="Sent or Received: the NOTIFICATION that we sent or the peer did. Local: none was exchanged."
    )
    code: int | None = Field(None, ge=0, le=255, description="Error code of the NOTIFICATION (RFC 4271, section 4.5).")
    subcode: int | None = Field(None, ge=0, le=255, description="Error subcode of the NOTIFICATION.")
    message: Text = Field("", description="The same in words.")
    time: Timestamp | None = Field(None, description="When.")


class BGPSessionStatusSpec(ApiModel):
    """Empty: there is nothing to wish for."""


class BGPSessionStatusStatus(ApiModel):
    """State of the session of one node with one peer."""

    node: Name = Field(description="Node whose session it is. Immutable.", json_schema_extra=IMMUTABLE)
    peer: Name = Field(description="Name of the BGPPeer. Immutable.", json_schema_extra=IMMUTABLE)
    state: Literal["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"] = Field(
        "Idle", description="State of the session (RFC 4271, section 8.2.2)."
    )
    since: Timestamp | None = Field(None, description="When the session came into this state.")
    last_error: SessionError | None = Field(None, description="What ended or prevented it last.")
    hold_time: int | None = Field(None, ge=0, le=65535, description="Negotiated hold time in seconds; 0: none.")
    bfd_state: Literal["AdminDown", "Down", "Init", "Up"] | None = Field(
        None, description="State of the BFD session (RFC 5880, section 6.2). Absent: the peer has no BFD profile."
    )
    routes_advertised: Count | None = Field(None, description="Routes that the node advertises to the peer now.")
    remote_address: Annotated[str, Field(max_length=64)] | None = Field(None, description="Address of the peer that the node calls.")
    remote_asn: int | None = Field(
        None, ge=0, le=ASN_MAX, alias="remoteASN", description="AS number that the peer said.", json_schema_extra={"format": "int64"}
    )
    reason: Annotated[str, Field(max_length=64)] | None = Field(None, description="Why there is no session, if there is none to be.")
    message: Text | None = Field(None, description="The same in words.")


class BGPSessionStatus(ApiModel):
    """State of the BGP session of one node with one peer; written by the speaker of that node."""

    spec: BGPSessionStatusSpec | None = Field(None, description="Empty.")
    status: BGPSessionStatusStatus | None = Field(None, description="State of the session.")
