"""ExaBGP's configuration file, from the sessions that it shall keep.

One `neighbor` block per session, in the order of their addresses: equal sessions give an equal file. Nothing is left to ExaBGP's
defaults: without `family` it would announce every family that it knows, without `adj-rib-out` it would forget the routes of a session
that flaps. End-of-RIB is ours to send (`manual-eor`), since ExaBGP sends its own before the first route. UPDATEs are not passed on.

A block is told apart by more than ExaBGP compares when it reloads (it overlooks `source-interface` and `nexthop`, and for others it
re-establishes the session by itself); therefore the driver never changes a block in place, but removes the old one, then adds the new.

The file is a tree of ``exabgp_text``, whose words have a closed alphabet: no value can end its statement.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from baremetal_lb.bgp.exabgp_text import Node, Phrase, Section, Statement, in_base64, listed, name, text_of
from baremetal_lb.bgp.session import SessionSpec, TtlMode
from baremetal_lb.model.bgp import DynamicASN
from baremetal_lb.model.net import Family, IPAddress
from baremetal_lb.model.text import INTERFACE_NAME, PASSWORD

RESTART_TIME_S = 30
"""How long a router keeps our routes while ExaBGP is away (RFC 4724 §3)."""

HELPER = "speaker"
"""Name of the API helper in the configuration."""

_FAMILIES = ((Family.IPV4, "ipv4"), (Family.IPV6, "ipv6"))


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
    """Return the whole file. ``helper`` is the command line of the API helper, words without spaces.

    Raises:
        Unwritable: a value is outside its alphabet (``exabgp_text``).
    """
    process = _section("process", HELPER, body=[_statement("run", *helper.split()), _statement("encoder", "json")])
    ordered = sorted(blocks, key=lambda block: (block.remote.version, int(block.remote)))
    return text_of([process, *map(neighbor_of, ordered)])


def neighbor_of(block: Block) -> Section:
    """Return how one session is written down.

    Raises:
        Unwritable: a value of it cannot be; the others of a file are written without it.
    """
    spec = block.spec
    body = [
        _statement("router-id", spec.router_id),
        _statement("local-address", spec.local or "auto"),
        _statement("local-as", spec.local_asn),
        _statement("peer-as", block.peer_asn or "auto"),
        _statement("hold-time", spec.hold_time_s),
        *_transport(spec),
        _statement("manual-eor", "true"),
        _statement("adj-rib-out", "true"),
        _section("family", body=[_statement(word, "unicast") for family, word in _FAMILIES if family in spec.families]),
        _section("capability", body=_capabilities(spec)),
        *([_section("nexthop", body=[_statement("ipv4", "unicast", "ipv6")])] if spec.has_extended_next_hop else []),
        _section("api", body=_api()),
    ]
    return _section("neighbor", block.remote, body=body)


def _section(*words: str | IPAddress, body: Iterable[Node]) -> Section:
    return Section(Phrase(*words), tuple(body))


def _statement(*words: str | int | IPAddress | Phrase) -> Statement:
    return Statement(Phrase(*words))


def _capabilities(spec: SessionSpec) -> list[Node]:
    return [
        _statement("asn4", "enable"),
        _statement("route-refresh", "enable"),
        *([_statement("graceful-restart", RESTART_TIME_S)] if spec.is_graceful_restart else []),
        *([_statement("nexthop", "enable")] if spec.has_extended_next_hop else []),
    ]


def _api() -> list[Node]:
    return [
        _statement("processes", listed([HELPER])),
        *map(_statement, ("neighbor-changes", "negotiated", "fsm")),
        _section("receive", body=map(_statement, ("parsed", "open", "notification"))),
        _section("send", body=map(_statement, ("parsed", "notification"))),
    ]


def _transport(spec: SessionSpec) -> list[Node]:
    found: list[Node] = []
    if spec.port != 179:
        found.append(_statement("connect", spec.port))
    if spec.interface is not None:
        found.append(_statement("source-interface", name(spec.interface, INTERFACE_NAME, "interface")))
    if spec.ttl is TtlMode.SINGLE_HOP:
        found.append(_statement("outgoing-ttl", 1))
    elif spec.ttl is TtlMode.SECURITY:
        found += [_statement("outgoing-ttl", 255), _statement("incoming-ttl", 255)]
    if spec.password is not None:
        found += [_statement("md5-password", in_base64(spec.password, PASSWORD, "password")), _statement("md5-base64", "true")]
    return found
