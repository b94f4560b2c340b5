"""BIRD as a router of a lab: one configuration, one process.

Unnumbered sessions: BIRD does not learn neighbors from Router Advertisements, so it sends its own (the node learns it by these) and takes
sessions from any link-local address of the link.
"""

from collections.abc import Iterator
from pathlib import Path

from baremetal_lb.lab.router_spec import RouterCannot, RouterPlan, RouterProcess, RouterSession, RouterSpec
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.net import Family
from baremetal_lb.model.time import MILLISECOND


def render(spec: RouterSpec, directory: Path) -> RouterPlan:
    """Return the file and the process of a BIRD router.

    Raises:
        RouterCannot: BIRD has no such feature.
    """
    argv = ("bird", "-f", "-c", str(directory / "bird.conf"), "-s", str(directory / "bird.ctl"), "-P", str(directory / "bird.pid"))
    return RouterPlan({"bird.conf": "\n".join(_configuration(spec)) + "\n"}, (RouterProcess("bird", argv),))


def _configuration(spec: RouterSpec) -> Iterator[str]:
    yield "log stderr all;"
    yield f"router id {spec.router_id};"
    yield "protocol device { scan time 1; }"
    # Next hops of multihop sessions are looked up in the table: it has to know the links and the static routes of the namespace.
    yield "protocol direct { ipv4; ipv6; }"
    for family in ("ipv4", "ipv6"):
        channel = f"{family} {{ import all; export where source = RTS_BGP; }};"
        yield f"protocol kernel kernel_{family} {{ learn; merge paths on limit {spec.maximum_paths}; {channel} }}"
        routes = " ".join(f"route {network} blackhole;" for network in spec.networks if f"ipv{network.version}" == family)
        yield f"protocol static networks_{family} {{ {family}; {routes} }}"
    yield "filter from_nodes {"
    if spec.has_graceful_shutdown_policy:
        yield "  if (65535, 0) ~ bgp_community then bgp_local_pref = 0;"
    yield "  accept;"
    yield "}"
    if any(session.bfd is not None for session in spec.sessions):
        yield "protocol bfd { }"
    interfaces = sorted({session.interface for session in spec.sessions if session.remote is None and session.interface})
    for interface in interfaces:
        yield f'protocol radv {{ interface "{interface}" {{ min ra interval 3; max ra interval 4; default lifetime 30; }}; }}'
    for session in spec.sessions:
        yield f"protocol bgp {session.name} {{"
        yield from (f"  {line}" for line in _session(session, spec))
        yield "}"


def _session(session: RouterSession, spec: RouterSpec) -> Iterator[str]:
    source = f" {session.local}" if session.local is not None else ""
    yield f"local{source} as {session.local_asn or spec.asn};"
    asn = "external" if session.asn is None else f"as {session.asn}"
    if session.remote is None:
        yield f"neighbor range fe80::/10 {asn};"
        yield f'dynamic name "{session.name}_";'
    else:
        yield f"neighbor {session.remote} port {session.port} {asn};"
    if session.interface is not None:
        yield f'interface "{session.interface}";'
    yield "multihop 64;" if session.is_multihop else "direct;"
    yield f"hold time {session.hold_time_s}; keepalive time {max(1, session.hold_time_s // 3)};"
    yield f"connect delay time {session.connect_s}; connect retry time {session.connect_s}; error wait time 1, 2;"
    yield f"graceful restart {'aware' if session.is_graceful_restart_helper else 'off'};"
    if session.is_passive:
        yield "passive on;"
    if session.password is not None:
        yield f'password "{session.password}";'
    if session.has_ttl_security:
        yield "ttl security on;"
    if session.bfd is not None:
        yield from _bfd(session.bfd)
    if session.has_bfd_control_plane_check:
        raise RouterCannot("BIRD does not look at the C bit of BFD")
    for family in sorted(session.families, key=lambda each: each.value):
        name = "ipv4" if family is Family.IPV4 else "ipv6"
        extended = " extended next hop on;" if session.has_extended_next_hop and family is Family.IPV4 else ""
        yield f"{name} {{ import filter from_nodes; export where source = RTS_STATIC; next hop self;{extended} }};"


def _bfd(profile: BFDProfile) -> Iterator[str]:
    yield "bfd {"
    yield f"  min rx interval {profile.required_min_rx // MILLISECOND} ms; min tx interval {profile.desired_min_tx // MILLISECOND} ms;"
    yield f"  multiplier {profile.detect_mult};{' passive on;' if profile.is_passive else ''}"
    yield "};"
