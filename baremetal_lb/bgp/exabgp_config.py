"""ExaBGP's configuration file, from the sessions that it shall keep.

One `neighbor` block per session, in the order of their addresses: equal sessions give an equal file. Nothing is left to ExaBGP's
defaults: without `family` it would announce every family that it knows, without `adj-rib-out` it would forget the routes of a session
that flaps. End-of-RIB is ours to send (`manual-eor`), since ExaBGP sends its own before the first route. UPDATEs are not passed on.

A block is told apart by more than ExaBGP compares when it reloads (it overlooks `source-interface` and `nexthop`, and for others it
re-establishes the session by itself); therefore the driver never changes a block in place, but removes the old one, then adds the new.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_lb.bgp.session import SessionSpec, TtlMode
from baremetal_lb.model.bgp import DynamicASN
from baremetal_lb.model.net import Family, IPAddress

RESTART_TIME_S = 30
"""How long a router keeps our routes while ExaBGP is away (RFC 4724 §3)."""

HELPER = "speaker"
"""Name of the API helper in the configuration."""

_FAMILIES = ((Family.IPV4, "ipv4 unicast"), (Family.IPV6, "ipv6 unicast"))


@dataclass(frozen=True, slots=True)
class Block:
    """One session as it is written down."""

    spec: SessionSpec
    peer_asn: int | None
    """None: any, to learn it from the peer's OPEN."""

    @property
    def remote(self) -> IPAddress:
        """What ExaBGP knows the session by."""
        return self.spec.remote


def block_of(spec: SessionSpec, learned_asn: int | None = None) -> Block:
    """Return how a session is written down; ``learned_asn`` is what the peer last said, where the AS number is not given."""
    if spec.peer_asn is not None:
        return Block(spec, spec.peer_asn)
    return Block(spec, spec.local_asn if spec.dynamic_asn is DynamicASN.INTERNAL else learned_asn)


def render(blocks: Iterable[Block], helper: str) -> str:
    """Return the whole file. ``helper`` is the command line of the API helper."""
    parts = [f"process {HELPER} {{\n    run {helper};\n    encoder json;\n}}\n"]
    parts += [_neighbor(block) for block in sorted(blocks, key=lambda block: (block.remote.version, int(block.remote)))]
    return "\n".join(parts)


def _neighbor(block: Block) -> str:
    spec = block.spec
    lines = [
        f"router-id {spec.router_id};",
        f"local-address {spec.local or 'auto'};",
        f"local-as {spec.local_asn};",
        f"peer-as {block.peer_asn or 'auto'};",
        f"hold-time {spec.hold_time_s};",
        *_transport(spec),
        "manual-eor true;",
        "adj-rib-out true;",
        "family {",
        *(f"    {text};" for family, text in _FAMILIES if family in spec.families),
        "}",
        "capability {",
        "    asn4 enable;",
        "    route-refresh enable;",
        *([f"    graceful-restart {RESTART_TIME_S};"] if spec.is_graceful_restart else []),
        *(["    nexthop enable;"] if spec.has_extended_next_hop else []),
        "}",
        *(["nexthop {", "    ipv4 unicast ipv6;", "}"] if spec.has_extended_next_hop else []),
        "api {",
        f"    processes [ {HELPER} ];",
        "    neighbor-changes;",
        "    negotiated;",
        "    fsm;",
        "    receive {",
        "        parsed;",
        "        open;",
        "        notification;",
        "    }",
        "    send {",
        "        parsed;",
        "        notification;",
        "    }",
        "}",
    ]
    return f"neighbor {block.remote} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _transport(spec: SessionSpec) -> list[str]:
    lines = []
    if spec.port != 179:
        lines.append(f"connect {spec.port};")
    if spec.interface is not None:
        lines.append(f"source-interface {spec.interface};")
    if spec.ttl is TtlMode.SINGLE_HOP:
        lines.append("outgoing-ttl 1;")
    elif spec.ttl is TtlMode.SECURITY:
        lines += ["outgoing-ttl 255;", "incoming-ttl 255;"]
    if spec.password is not None:
        # In base64 no character of a password can end the string, or mean something to the parser.
        lines += [f'md5-password "{base64.b64encode(spec.password.encode()).decode()}";', "md5-base64 true;"]
    return lines
