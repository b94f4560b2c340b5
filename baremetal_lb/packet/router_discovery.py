"""Router Solicitation and Router Advertisement, as ICMPv6 messages (RFC 4861 §4.1, §4.2, §6.1).

::

    0    1    2        4                                       8                                16
    |133 | 0  | cksum  | reserved                              | options ...
    |134 | 0  | cksum  | hop limit | M O | router lifetime     | reachable time | retrans timer | options ...

These are read from and written to an ICMPv6 socket, not a packet socket: the kernel drops what has a wrong checksum, and fills in ours
(RFC 3542 §3.1); it also tells source and hop limit, which are arguments here.

Implemented: both messages with their source link-layer address option, and the other validity checks of §6.1.1 and §6.1.2.
Not implemented: other options (prefixes, MTU), which are walked over and never sent; nobody is to configure himself after us.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from baremetal_lb.model.net import Mac
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason
from baremetal_lb.packet.ndp import HOP_LIMIT, SOURCE_LINK_LAYER, link_layer_options

SOLICITATION, ADVERTISEMENT = 133, 134
ALL_NODES, ALL_ROUTERS = IPv6Address("ff02::1"), IPv6Address("ff02::2")
_SOLICITATION = struct.Struct("!BBHI")
_ADVERTISEMENT = struct.Struct("!BBHBBHII")


@dataclass(frozen=True, slots=True)
class RouterSolicitation:
    """One RS: routers shall speak up."""

    source_link_layer: Mac | None = None


@dataclass(frozen=True, slots=True)
class RouterAdvertisement:
    """One RA. The defaults say: here am I, but I am nobody's default router, and tell you nothing else."""

    router_lifetime_s: int = 0
    """0: not a default router."""
    source_link_layer: Mac | None = None


def parse(message: bytes, *, source: IPv6Address, hop_limit: int) -> RouterSolicitation | RouterAdvertisement:
    """Parse an ICMPv6 message whose checksum is right.

    Raises:
        MalformedPacket: it is none of the two messages, or RFC 4861 §6.1 says to discard it.
    """
    # §6.1: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been forwarded by a router."
    if hop_limit != HOP_LIMIT:
        raise MalformedPacket(MalformedReason.WrongHopLimit)
    if not message or message[0] not in (SOLICITATION, ADVERTISEMENT):
        raise MalformedPacket(MalformedReason.NoRouterMessage)
    is_solicitation = message[0] == SOLICITATION
    # §6.1: "ICMP length (derived from the IP length) is 8 or more octets", or 16 of an advertisement.
    fixed = _SOLICITATION.size if is_solicitation else _ADVERTISEMENT.size
    if len(message) < fixed:
        raise MalformedPacket(MalformedReason.TooShort)
    # §6.1: "ICMP Code is 0."
    if message[1] != 0:
        raise MalformedPacket(MalformedReason.WrongCode)
    sender = link_layer_options(message[fixed:]).get(SOURCE_LINK_LAYER)
    if is_solicitation:
        # §6.1.1: "If the IP source address is the unspecified address, there is no source link-layer address option."
        if source.is_unspecified and sender is not None:
            raise MalformedPacket(MalformedReason.ProbeWithOption)
        return RouterSolicitation(sender)
    # §6.1.2: "IP Source Address is a link-local address."
    if not source.is_link_local:
        raise MalformedPacket(MalformedReason.RouterNotLinkLocal)
    return RouterAdvertisement(_ADVERTISEMENT.unpack_from(message)[5], sender)


def encode(message: RouterSolicitation | RouterAdvertisement) -> bytes:
    """Return the message, its checksum left to the kernel."""
    if isinstance(message, RouterSolicitation):
        fixed = _SOLICITATION.pack(SOLICITATION, 0, 0, 0)
    else:
        fixed = _ADVERTISEMENT.pack(ADVERTISEMENT, 0, 0, 0, 0, message.router_lifetime_s, 0, 0)
    link_layer = message.source_link_layer
    return fixed + (b"" if link_layer is None else bytes((SOURCE_LINK_LAYER, 1)) + link_layer.octets)
