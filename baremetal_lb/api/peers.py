"""BGPPeer (v1beta2, and v1beta1 for manifests of the reference) and BFDProfile: sessions with routers.

A superset of the reference's schema. v1beta1 has a part of v1beta2's fields under the same names, so that the API server converts by
changing the version alone (conversion strategy None).
"""

from typing import Annotated

from pydantic import Field, JsonValue

from baremetal_lb.api.base import (
    ASN_MAX,
    ATOMIC,
    AddressText,
    ApiModel,
    Duration,
    NamespaceName,
    OptionalInterfaceName,
    OptionalName,
    OptionalPassword,
    Selectors,
    StatusModel,
    validations,
    with_rules,
)

PORT_MAX = 16384
"""Highest port that the reference takes."""
IP_RULE = validations(("isIP(self)", "must be an IP address"))
INT64: dict[str, JsonValue] = {"format": "int64"}


class SecretReference(ApiModel):
    """A Secret that holds a password."""

    name: OptionalName | None = Field(None, description="Name of a Secret of type kubernetes.io/basic-auth, with the key password.")
    namespace: NamespaceName | None = Field(None, description="Not used: the Secret is looked up in the namespace of the install.")


class BGPPeerSpec(ApiModel):
    """A router to keep BGP sessions with, and how."""

    model_config = with_rules(
        (
            "(has(self.peerASN) && self.peerASN != 0) != (has(self.dynamicASN) && self.dynamicASN != '')",
            "exactly one of peerASN and dynamicASN must be given",
        ),
        (
            "(has(self.peerAddress) && self.peerAddress != '') != (has(self.interface) && self.interface != '')",
            "exactly one of peerAddress and interface must be given",
        ),
        (
            "!(has(self.ebgpMultiHop) && self.ebgpMultiHop && has(self.peerASN) && self.peerASN == self.myASN)",
            "ebgpMultiHop is for peers in another autonomous system",
        ),
        (
            (
                "!(has(self.password) && self.password != '' && has(self.passwordSecret) && has(self.passwordSecret.name) && "
                "self.passwordSecret.name != '')"
            ),
            "password and passwordSecret are mutually exclusive",
        ),
        (
            "!has(self.holdTime) || !has(self.keepaliveTime) || duration(self.keepaliveTime) <= duration(self.holdTime)",
            "keepaliveTime must not be longer than holdTime",
        ),
        (
            (
                "(has(self.enableGracefulRestart) && self.enableGracefulRestart) == "
                "(has(oldSelf.enableGracefulRestart) && oldSelf.enableGracefulRestart)"
            ),
            "enableGracefulRestart is immutable",
        ),
        (
            (
                "!has(self.peerAddress) || !has(self.sourceAddress) || !isIP(self.peerAddress) || !isIP(self.sourceAddress) || "
                "ip(self.peerAddress).family() == ip(self.sourceAddress).family()"
            ),
            "sourceAddress and peerAddress must be of one family",
        ),
    )

    my_asn: int = Field(
        ge=1, le=ASN_MAX, alias="myASN", description="Own autonomous system number, 1 to 4294967295. Required.", json_schema_extra=INT64
    )
    peer_asn: int | None = Field(
        None,
        ge=0,
        le=ASN_MAX,
        alias="peerASN",
        description="AS number of the peer, 1 to 4294967295. Exactly one of peerASN and dynamicASN.",
        json_schema_extra=INT64,
    )
    dynamic_asn: Annotated[str, Field(max_length=16)] | None = Field(
        None,
        alias="dynamicASN",
        description="internal: the peer is in our autonomous system. external: it is in another one, whichever it says.",
        json_schema_extra={"enum": ["internal", "external"]},
    )
    local_asn: int | None = Field(
        None,
        ge=1,
        le=ASN_MAX,
        alias="localASN",
        description="AS number to present to this peer instead of myASN, 1 to 4294967295.",
        json_schema_extra=INT64,
    )
    peer_address: AddressText | None = Field(
        None, description="IP address of the peer. Exactly one of peerAddress and interface.", json_schema_extra=IP_RULE
    )
    interface: OptionalInterfaceName | None = Field(
        None,
        description="Interface for a session with the one router on that link (unnumbered): 1 to 15 letters, digits and _ . : @ -.",
    )
    source_address: AddressText | None = Field(
        None, description="Own address to connect from. Absent: the kernel chooses.", json_schema_extra=IP_RULE
    )
    peer_port: int = Field(179, ge=0, le=PORT_MAX, description="TCP port of the peer, 1 to 16384 (default 179; 0 means 179).")
    hold_time: Duration | None = Field(
        None,
        description="Hold time to propose: 0s (none) or 3s to 65535s. Default: 3 times keepaliveTime if that is given, else 90s.",
        json_schema_extra=validations(
            (
                "duration(self).getSeconds() == 0 || (duration(self).getSeconds() >= 3 && duration(self).getSeconds() <= 65535)",
                "must be 0s or 3s to 65535s",
            ),
            ("duration(self) >= duration('0s')", "must not be negative"),
        ),
    )
    keepalive_time: Duration | None = Field(
        None,
        description="Keepalive interval, at most holdTime. Default: a third of it.",
        json_schema_extra=validations(("duration(self) >= duration('0s')", "must not be negative")),
    )
    connect_time: Duration | None = Field(
        None,
        description="Time between attempts to connect, whole seconds, 1s to 65535s.",
        json_schema_extra=validations(
            ("duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535", "must be 1s to 65535s"),
            ("duration(self).getMilliseconds() % 1000 == 0", "must be whole seconds"),
        ),
    )
    router_id: AddressText | None = Field(
        None,
        alias="routerID",
        description="BGP identifier, in the form of an IPv4 address. Absent: chosen for each node.",
        json_schema_extra=validations(("isIP(self) && ip(self).family() == 4", "must have the form of an IPv4 address")),
    )
    node_selectors: Selectors | None = Field(
        None, description="Nodes that keep the session, by their labels; alternatives. Absent: all nodes.", json_schema_extra=ATOMIC
    )
    password: OptionalPassword | None = Field(
        None, description="Password of TCP MD5 (RFC 2385), 1 to 80 printable characters of ASCII. Better: passwordSecret."
    )
    password_secret: SecretReference | None = Field(None, description="Secret that holds the password of TCP MD5 (RFC 2385).")
    bfd_profile: OptionalName | None = Field(None, description="Name of a BFDProfile; with one, a BFD session runs beside the BGP session.")
    enable_graceful_restart: bool = Field(
        default=False, description="Offer graceful restart (RFC 4724) to the peer (default false). Immutable."
    )
    ebgp_multi_hop: bool = Field(
        default=False, description="The peer, in another autonomous system, is not on a link of the node (default false)."
    )
    ttl_security: bool = Field(
        default=False, description="Send packets with TTL 255 and take no other ones (GTSM, RFC 5082); the router must do the same."
    )
    vrf: OptionalInterfaceName | None = Field(
        None, description="VRF device to connect from, called by 1 to 15 letters, digits and _ . : @ -. Absent: the default VRF."
    )
    disable_mp: bool = Field(
        default=False, alias="disableMP", description="Deprecated, without effect: dualStackAddressFamily says what is meant."
    )
    dual_stack_address_family: bool = Field(
        default=False, description="Exchange both address families in the session, not only its own (default false)."
    )


class BGPPeerStatus(StatusModel):
    """State of the peer's definition; written by the controller. Sessions are told by BGPSessionStatus."""


class BGPPeer(ApiModel):
    """A router that nodes keep BGP sessions with."""

    spec: BGPPeerSpec = Field(description="The router, and how sessions with it are kept.")
    status: BGPPeerStatus | None = Field(None, description="State of the definition; written by the controller.")


class BGPPeerV1Beta1Spec(ApiModel):
    """A router to keep BGP sessions with, in the fields of v1beta1."""

    my_asn: int = Field(ge=0, le=ASN_MAX, alias="myASN", description="Own autonomous system number.", json_schema_extra=INT64)
    peer_asn: int = Field(ge=0, le=ASN_MAX, alias="peerASN", description="AS number of the peer.", json_schema_extra=INT64)
    peer_address: AddressText = Field(description="IP address of the peer.")
    source_address: AddressText | None = Field(None, description="Own address to connect from.")
    peer_port: int | None = Field(None, ge=0, le=PORT_MAX, description="TCP port of the peer (default 179).")
    hold_time: Duration | None = Field(None, description="Hold time to propose.")
    keepalive_time: Duration | None = Field(None, description="Keepalive interval.")
    router_id: AddressText | None = Field(None, alias="routerID", description="BGP identifier.")
    node_selectors: Selectors | None = Field(None, description="Nodes that keep the session; alternatives.", json_schema_extra=ATOMIC)
    password: OptionalPassword | None = Field(None, description="Password of TCP MD5 (RFC 2385).")
    bfd_profile: OptionalName | None = Field(None, description="Name of a BFDProfile.")
    ebgp_multi_hop: bool = Field(default=False, description="The peer is not on a link of the node.")


class BGPPeerV1Beta1(ApiModel):
    """A router that nodes keep BGP sessions with, in the fields of v1beta1 (deprecated)."""

    spec: BGPPeerV1Beta1Spec = Field(description="The router, and how sessions with it are kept.")
    status: BGPPeerStatus | None = Field(None, description="State of the definition; written by the controller.")


class BFDProfileSpec(ApiModel):
    """Parameters of BFD sessions (RFC 5880)."""

    receive_interval: int | None = Field(None, ge=10, le=60000, description="Required Min RX Interval in ms, 10 to 60000 (default 300).")
    transmit_interval: int | None = Field(None, ge=10, le=60000, description="Desired Min TX Interval in ms, 10 to 60000 (default 300).")
    detect_multiplier: int | None = Field(None, ge=2, le=255, description="Detect Mult, 2 to 255 (default 3).")
    echo_interval: int | None = Field(None, ge=10, le=60000, description="Interval of echo packets in ms, 10 to 60000 (default 50).")
    echo_mode: bool | None = Field(None, description="Use the echo function (default false). Not for IPv6.")
    passive_mode: bool | None = Field(None, description="Wait for the peer to start the session (default false).")
    minimum_ttl: int | None = Field(
        None, ge=1, le=254, description="Lowest TTL of received packets in multihop sessions, 1 to 254 (default 254)."
    )


class BFDProfileStatus(StatusModel):
    """State of the profile; written by the controller."""


class BFDProfile(ApiModel):
    """Parameters of BFD sessions, for use by BGPPeers."""

    spec: BFDProfileSpec | None = Field(None, description="The parameters.")
    status: BFDProfileStatus | None = Field(None, description="State of the profile; written by the controller.")
