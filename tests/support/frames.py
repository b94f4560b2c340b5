"""Frames that neighbours send, for tests of layer 2."""

from ipaddress import IPv4Address, IPv6Address

from baremetal_lb.frames.__main__ import build
from baremetal_lb.l2.templates import Templates
from baremetal_lb.model.net import Mac
from baremetal_lb.packet import arp, ndp

OURS = Mac.parse("02:00:00:00:00:01")
PEER = Mac.parse("02:00:00:00:00:0b")
BROADCAST = Mac(b"\xff" * 6)
STRANGER = Mac.parse("02:00:00:00:00:66")
PEER_V4 = IPv4Address("198.51.100.7")
PEER_V6 = IPv6Address("2001:db8::7")
TEMPLATES = Templates.of(build())


def arp_request(target: IPv4Address, *, source: IPv4Address = PEER_V4, mac: Mac = PEER, to: Mac = BROADCAST) -> bytes:
    """Build the question who has ``target``."""
    return arp.encode(arp.ArpFrame(to, mac, arp.Operation.REQUEST, mac, source, Mac(bytes(6)), target))


def solicitation(target: IPv6Address, *, source: IPv6Address = PEER_V6, mac: Mac = PEER, has_option: bool = True) -> bytes:
    """Build the question who has ``target``, to its solicited-node group; from :: a probe."""
    group = ndp.solicited_node_group(target)
    return ndp.encode(ndp.NeighborSolicitation(ndp.group_hardware(group), mac, source, group, target, mac if has_option else None))


def probe(target: IPv6Address, *, mac: Mac = PEER) -> bytes:
    """Build the question of duplicate address detection."""
    return solicitation(target, source=IPv6Address("::"), mac=mac, has_option=False)


def arp_told(sender: Mac, ip: IPv4Address, operation: arp.Operation = arp.Operation.REQUEST) -> bytes:
    """Build the claim that ``sender`` has ``ip``."""
    return arp.encode(arp.ArpFrame(BROADCAST, sender, operation, sender, ip, Mac(bytes(6)), ip))


def advertisement(sender: Mac, target: IPv6Address, option: Mac | None) -> bytes:
    """Build the claim that ``sender`` has ``target``, to all nodes."""
    group = ndp.group_hardware(ndp.ALL_NODES)
    return ndp.encode(ndp.NeighborAdvertisement(group, sender, target, ndp.ALL_NODES, target, is_override=True, target_link_layer=option))
