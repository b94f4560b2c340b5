"""The frames by which we ask who has an IP, without claiming it and without teaching anybody a wrong address.

* ARP Probe: sender protocol address 0 (RFC 5227 §2.1.1), so that no cache takes anything from it; whoever has the IP replies to us alone.
* Neighbor Solicitation from our link-local address with our hardware address, which is what neighbours know anyway. One from ``::``
  (RFC 4862 §5.4) would be answered to all nodes, by the same octets as an unsolicited advertisement: nobody could tell whether it is an
  answer. To this one the answer is to us alone, with Solicited set (RFC 4861 §7.2.4).
"""

from ipaddress import IPv4Address, IPv6Address

from baremetal_lb.model.net import IPAddress, Mac
from baremetal_lb.packet import arp, ethernet, ndp

_NO_MAC, _NO_IP = Mac(ethernet.ZERO), IPv4Address(0)


def probe_of(address: IPAddress, mac: Mac, link_local: IPv6Address | None) -> bytes | None:
    """Return the question of ``mac`` for an IP; None: it takes a link-local address that the interface does not have."""
    if isinstance(address, IPv4Address):
        return arp.encode(arp.ArpFrame(Mac(ethernet.BROADCAST), mac, arp.Operation.REQUEST, mac, _NO_IP, _NO_MAC, address))
    if link_local is None:
        return None
    group = ndp.solicited_node_group(address)
    return ndp.encode(ndp.NeighborSolicitation(ndp.group_hardware(group), mac, link_local, group, address, mac))
