"""Print the templates of ``baremetal_lb.l2.templates``: whole frames whose addresses and checksums are zeros."""

import json
import sys

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

_NO_MAC = "00:00:00:00:00:00"


def _arp(operation: int) -> bytes:
    ether = Ether(dst=_NO_MAC, src=_NO_MAC, type=0x0806)
    return bytes(ether / ARP(op=operation, hwsrc=_NO_MAC, psrc="0.0.0.0", hwdst=_NO_MAC, pdst="0.0.0.0"))  # noqa: S104 - an ARP field


def _advertisement(*, is_solicited: bool) -> bytes:
    ether = Ether(dst=_NO_MAC, src=_NO_MAC, type=0x86DD)
    message = ICMPv6ND_NA(R=0, S=int(is_solicited), O=1, tgt="::", cksum=0) / ICMPv6NDOptDstLLAddr(lladdr=_NO_MAC)
    return bytes(ether / IPv6(src="::", dst="::", hlim=255) / message)


def build() -> dict[str, bytes]:
    """Return one template per form."""
    return {
        "arp_request": _arp(1),
        "arp_reply": _arp(2),
        "solicited_advertisement": _advertisement(is_solicited=True),
        "unsolicited_advertisement": _advertisement(is_solicited=False),
    }


if __name__ == "__main__":
    json.dump({form: frame.hex() for form, frame in build().items()}, sys.stdout)
