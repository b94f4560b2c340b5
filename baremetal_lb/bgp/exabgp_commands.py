"""Commands for ExaBGP's API, as text.

Routes travel in bulk: one command carries one attribute set, up to NLRI_PER_COMMAND prefixes of one family, and every peer that gets
exactly these. ExaBGP answers each command with one line, `done` or `error`, without a reason.

    neighbor 198.51.100.1 , neighbor 198.51.100.2 announce attributes next-hop self med 50 nlri 203.0.113.1/32 203.0.113.2/32

What ExaBGP 5.0.15 does with them, seen on the wire: an AS_PATH that is given replaces the one that it would make, our own number
included; a withdrawal needs a next hop but compares prefixes only; an announcement equal to the last one is not sent again;
`next-hop self` for IPv6 routes of an IPv4 session is refused, for IPv4 routes of an IPv6 session it is the router id.

A command is a ``Phrase``: words of a closed alphabet on one line. Each function here raises ``Unwritable`` where a value is no such word.
"""

import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from baremetal_lb.bgp.exabgp_config import block_of, neighbor_of
from baremetal_lb.bgp.exabgp_text import Phrase, Unwritable, alternatives, listed
from baremetal_lb.bgp.session import Attributes, Prefix, SessionSpec
from baremetal_lb.model.bgp import DynamicASN
from baremetal_lb.model.net import Family, IPAddress

NLRI_PER_COMMAND = 100
"""More buys nothing (docs/design/0004-bgp-engine.md), and keeps what is urgent waiting longer."""
PEERS_PER_COMMAND = 32

_AS_TRANS = 23456
"""RFC 6793: stands for an AS number of 4 octets where only 2 have room."""
_WITHDRAWN_NEXT_HOP = {Family.IPV4: "192.0.2.1", Family.IPV6: "2001:db8::1"}
"""ExaBGP wants one, and does not send it."""


def is_internal(spec: SessionSpec) -> bool:
    """Tell whether the peer is in our autonomous system."""
    return spec.dynamic_asn is DynamicASN.INTERNAL or spec.peer_asn == spec.local_asn


def next_hop_of(spec: SessionSpec, family: Family) -> str:
    """Return the next hop of the routes of a family: an address, or ``self``."""
    return next((str(address) for of, address in spec.next_hops if of is family), "self")


def attributes_of(spec: SessionSpec, attributes: Attributes) -> dict[str, tuple[str, ...]]:
    """Return a route's attributes in ExaBGP's words, as this kind of peer may get them (LOCAL_PREF: RFC 4271 §5.1.5)."""
    words: dict[str, tuple[str, ...]] = {}
    internal = is_internal(spec)
    if attributes.as_path_prepend and not internal:  # inside our AS, our own number in the path would be a loop
        words["as-path"] = (str(spec.local_asn),) * (attributes.as_path_prepend + 1)
    if attributes.local_pref is not None and internal:
        words["local-preference"] = (str(attributes.local_pref),)
    if attributes.med is not None:
        words["med"] = (str(attributes.med),)
    if attributes.communities:
        words["community"] = tuple(map(str, attributes.communities))
    if attributes.large_communities:
        words["large-community"] = tuple(map(str, attributes.large_communities))
    if attributes.link_bandwidth is not None:
        asn = spec.local_asn if spec.local_asn < 1 << 16 else _AS_TRANS
        words["extended-community"] = ("0x" + struct.pack("!HHf", 0x4004, asn, attributes.link_bandwidth).hex().upper(),)
    return words


def what_is_unwritable(spec: SessionSpec) -> str | None:
    """Return which value of a session cannot be written down, None: all can. It is tried, so that nothing is decided twice."""
    block = block_of(spec)
    try:
        neighbor_of(block)
        probe(block.remote, spec.local_asn, block.peer_asn, spec.router_id)
        for family in spec.families:
            announce_body(spec, family, Attributes())
    except Unwritable as error:
        return str(error)
    return None


def announce_body(spec: SessionSpec, family: Family, attributes: Attributes) -> Phrase:
    """Return what stands between the peers and the prefixes of an announcement."""
    parts = [Phrase("announce", "attributes", "next-hop", next_hop_of(spec, family))]
    for word, values in attributes_of(spec, attributes).items():
        parts.append(Phrase(word, values[0]) if word in ("local-preference", "med") else Phrase(word, listed(values)))
    return Phrase(*parts)


def withdraw_body(family: Family) -> Phrase:
    """Return what stands between the peers and the prefixes of a withdrawal."""
    return Phrase("withdraw", "attributes", "next-hop", _WITHDRAWN_NEXT_HOP[family])


def routes_command(remotes: Sequence[IPAddress], body: Phrase, prefixes: Iterable[Prefix]) -> Phrase:
    """Return one command for these peers and prefixes."""
    return Phrase(alternatives(Phrase("neighbor", remote) for remote in remotes), body, "nlri", *prefixes)


def end_of_rib(remote: IPAddress, family: Family) -> Phrase:
    """Return the command that tells a peer that it has all routes of a family (RFC 4724 §2)."""
    return Phrase("neighbor", remote, "announce", "eor", family.value.lower(), "unicast")


def probe(remote: IPAddress, local_asn: int, peer_asn: int | None, router_id: IPv4Address) -> Phrase:
    """Return a command that does nothing, and is an `error` if ExaBGP keeps no such session.

    It clears what was received of the peer, and nothing of that is ever kept. `show neighbor summary` cannot be asked instead: it
    fails as a whole while one peer's AS number is not known.
    """
    who = Phrase("neighbor", remote, "local-as", local_asn, "peer-as", peer_asn or "auto", "router-id", router_id)
    return Phrase(who, "clear", "adj-rib", "in")
