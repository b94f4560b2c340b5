"""The interoperability matrix as data: which features are tried on which router, and why some cannot be.

The tests (tests/integration/bgp/test_interop.py) are parametrized with it, and the table of docs/reference/bgp-interop.md is printed:

    .venv/bin/python -m tests.support.interop
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from baremetal_lb.bgp.session import Attributes, Prefix, Rib, SessionSpec, TtlMode
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec
from baremetal_lb.model.bgp import Community, DynamicASN, LargeCommunity
from baremetal_lb.model.net import Family
from tests.support.router_tables import Table

NODE, ROUTER, FAR = "198.51.100.11", "198.51.100.1", "198.51.100.129"
NODE6, ROUTER6 = "2001:db8::11", "2001:db8::1"
V4, V6 = "203.0.113.1/32", "2001:db8:1::1/128"
ONLY_V4, ONLY_V6, BOTH = frozenset({Family.IPV4}), frozenset({Family.IPV6}), frozenset(Family)
_SESSION = SessionSpec("router", ip_address(ROUTER), 65000, IPv4Address(NODE), peer_asn=65001, families=ONLY_V4, hold_time_s=9)
_SINGLE_HOP = {"ttl": TtlMode.SINGLE_HOP}


def rib(*prefixes: str, attributes: Attributes | None = None) -> Rib:
    """Return a RIB with these prefixes, all with the same attributes."""
    values: dict[Prefix, Attributes] = {ip_network(prefix): attributes or Attributes() for prefix in prefixes}
    return values


def _is_plain(table: Table) -> None:
    """Take whatever attributes there are."""
    del table


@dataclass(frozen=True, slots=True)
class Feature:
    """One line of the matrix."""

    name: str
    standard: str
    node: Mapping[str, Any] = field(default_factory=dict)
    """What differs in our session from a plain one over IPv4."""
    router: Mapping[str, Any] = field(default_factory=dict)
    """What differs in the router's session."""
    router_asn: int = 65001
    rib: Rib = field(default_factory=lambda: rib(V4))
    check: Callable[[Table], None] = _is_plain
    """Fails if the attributes are not there."""
    gateways: frozenset[str] = frozenset({NODE})
    """Of the routes in the router's kernel."""
    cannot: Mapping[RouterKind, str] = field(default_factory=dict)
    """Why a router is left out."""
    has_own_test: bool = False
    """Its cells need more than one session and its routes."""

    def session(self) -> SessionSpec:
        """Return our session."""

        return replace(_SESSION, **self.node)

    def router_spec(self, kind: RouterKind) -> RouterSpec:
        """Return the router."""
        values = {"name": "node", "asn": 65000, "remote": ip_address(NODE), "families": ONLY_V4, **self.router}
        return RouterSpec(kind, self.router_asn, IPv4Address(ROUTER), (RouterSession(**values),))


_COMMUNITIES = Attributes(
    communities=(Community(65000, 1), Community(65535, 65281)),
    large_communities=(LargeCommunity(65000, 1, 2), LargeCommunity(4200000001, 4, 5)),
    link_bandwidth=125_000_000,
)


def _has_communities(table: Table) -> None:
    (path,) = table[V4]
    assert path.communities == {"65000:1", "65535:65281"}
    assert path.large_communities == {"65000:1:2", "4200000001:4:5"}
    assert path.link_bandwidth == (65000, 125_000_000)


def _has_four_octet_path(table: Table) -> None:
    assert table[V4][0].as_path == (4200000001,)


def _has_local_pref(table: Table) -> None:
    assert (table[V4][0].local_pref, table[V4][0].as_path) == (250, ())


def _has_med_and_prepend(table: Table) -> None:
    assert (table[V4][0].med, table[V4][0].as_path) == (50, (65000, 65000, 65000))


_OVER_V6 = {"remote": IPv6Address(ROUTER6)}
_V6_NODE = {"remote": IPv6Address(NODE6)}

FEATURES = (
    Feature("IPv4", "RFC 4271", node=_SINGLE_HOP),
    Feature(
        "IPv6",
        "RFC 2545, 4760",
        node={**_OVER_V6, **_SINGLE_HOP, "families": ONLY_V6},
        router={**_V6_NODE, "families": ONLY_V6},
        rib=rib(V6),
        gateways=frozenset({NODE6}),
    ),
    Feature(
        "dual stack on one session",
        "RFC 4760",
        node={"families": BOTH, "next_hops": ((Family.IPV6, IPv6Address(NODE6)),)},
        router={"families": BOTH},
        rib=rib(V4, V6),
        gateways=frozenset({NODE, NODE6}),
    ),
    Feature("MD5", "RFC 2385", node={"password": "s3;c{r"}, router={"password": "s3;c{r"}),
    Feature("GTSM", "RFC 5082", node={"ttl": TtlMode.SECURITY}, router={"has_ttl_security": True}),
    Feature(
        "multihop",
        "RFC 4271 §5.1.3",
        node={"local": IPv4Address(FAR), "ttl": TtlMode.MULTIHOP},
        router={"remote": IPv4Address(FAR), "is_multihop": True},
    ),
    Feature(
        "4-octet AS numbers",
        "RFC 6793",
        node={"local_asn": 4200000001, "peer_asn": 4200000002},
        router={"asn": 4200000001},
        router_asn=4200000002,
        check=_has_four_octet_path,
    ),
    Feature(
        "IPv4 routes over IPv6",
        "RFC 8950",
        node={
            **_OVER_V6,
            # A router that has this sends Router Advertisements, by which the node may get another address to call from.
            "local": IPv6Address(NODE6),
            "families": BOTH,
            "has_extended_next_hop": True,
            "next_hops": ((Family.IPV4, IPv6Address(NODE6)),),
        },
        router={**_V6_NODE, "families": BOTH, "has_extended_next_hop": True},
        rib=rib(V4, V6),
        gateways=frozenset({NODE6}),
    ),
    Feature(
        "communities, large ones and link bandwidth",
        "RFC 1997, 8092, draft-ietf-idr-link-bandwidth",
        rib=rib(V4, attributes=_COMMUNITIES),
        check=_has_communities,
    ),
    Feature(
        "iBGP with LOCAL_PREF",
        "RFC 4271 §5.1.5",
        node={"peer_asn": 65000},
        router_asn=65000,
        rib=rib(V4, attributes=Attributes(local_pref=250)),
        check=_has_local_pref,
    ),
    Feature(
        "MED and prepended AS_PATH",
        "RFC 4271 §5.1.4, §5.1.2",
        rib=rib(V4, attributes=Attributes(med=50, as_path_prepend=2)),
        check=_has_med_and_prepend,
    ),
    Feature("AS number of the peer not given", "`dynamicASN`", node={"peer_asn": None, "dynamic_asn": DynamicASN.EXTERNAL}),
    Feature(
        "graceful restart",
        "RFC 4724",
        node={"is_graceful_restart": True, "local": IPv4Address(NODE)},
        rib=rib(V4, "203.0.113.2/32"),
        has_own_test=True,
    ),
    Feature(
        "BFD",
        "RFC 5880, 5881, 5883",
        has_own_test=True,
        cannot={RouterKind.GOBGP: "GoBGP has no BFD before 4.6, and 3.10 is tried"},
    ),
    Feature(
        "unnumbered",
        "RFC 4861, 8950",
        has_own_test=True,
        rib=rib(V4, V6),
        cannot={
            RouterKind.GOBGP: "GoBGP looks for its neighbor once, when it starts, in the kernel's neighbor table, and wants its AS number"
        },
    ),
)


def table() -> str:
    """Return the matrix in Markdown."""
    lines = ["| | standard | FRR | BIRD | GoBGP |", "|---|---|---|---|---|"]
    notes: list[str] = []
    for feature in FEATURES:
        cells = []
        for kind in RouterKind:
            if kind in feature.cannot:
                notes.append(f"{len(notes) + 1}. {feature.cannot[kind]}.")
                cells.append(f"no ({len(notes)})")
            else:
                cells.append("tested")
        lines.append(f"| {feature.name} | {feature.standard} | {' | '.join(cells)} |")
    return "\n".join((*lines, "", *notes))


if __name__ == "__main__":
    print(table())
