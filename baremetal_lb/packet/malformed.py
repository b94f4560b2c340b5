"""What is wrong with a peer's bytes: a reason that is counted, never a failure of ours."""

from baremetal_lb.model.reasons import Reason


class MalformedReason(Reason):
    """Why a frame is none of the kind that it claims to be."""

    TooShort = "The frame ends before its fixed fields do."
    VlanTagged = "The frame has a VLAN tag, which belongs to an interface of its own."
    WrongEtherType = "The frame is of another protocol."
    WrongHardwareType = "The ARP hardware type is not Ethernet."
    WrongProtocolType = "The ARP protocol type is not IPv4."
    WrongAddressLength = "The ARP address lengths are not 6 and 4."
    UnknownOperation = "The ARP operation is neither request nor reply."
    WrongVersion = "The IP version is not 6."
    ExtensionHeader = "The IPv6 header is not followed by ICMPv6 at once; neighbor discovery behind extension headers is refused."
    LengthMismatch = "The IPv6 payload length is more than the frame has."
    WrongHopLimit = "The hop limit is not 255, so a router forwarded it."
    MulticastSource = "The IPv6 source is a multicast address."
    WrongChecksum = "The ICMPv6 checksum is wrong."
    WrongType = "The ICMPv6 message is neither a Neighbor Solicitation nor a Neighbor Advertisement."
    WrongCode = "The ICMPv6 code is not 0."
    MulticastTarget = "The target is a multicast address."
    EmptyOption = "A neighbor discovery option has length 0."
    TruncatedOption = "A neighbor discovery option goes beyond the message."
    ProbeWithOption = "A solicitation from the unspecified address has a source link-layer address."
    ProbeToUnicast = "A solicitation from the unspecified address was not sent to a solicited-node group."
    NoRouterMessage = "The ICMPv6 message is neither a Router Solicitation nor a Router Advertisement."
    RouterNotLinkLocal = "The source of a Router Advertisement is not a link-local address."
    NotVersion1 = "The BFD version is not 1."
    WrongLengthField = "The length that the BFD packet claims is less than its fixed fields need, or more than there is."
    NoDetectMult = "The BFD Detect Mult is 0."
    Multipoint = "The BFD Multipoint bit is set; nobody may set it yet."
    NoDiscriminator = "The BFD packet's own discriminator is 0."
    SolicitedToGroup = "An advertisement to a multicast address has the Solicited flag."


class MalformedPacket(ValueError):
    """The peer's bytes are not what they claim to be; ``reason`` says in which way."""

    def __init__(self, reason: MalformedReason) -> None:
        super().__init__(reason.sentence)
        self.reason = reason
