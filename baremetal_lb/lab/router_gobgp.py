"""GoBGP as a router of a lab: gobgpd decides, and a small process of ours takes its decisions into the kernel.

GoBGP itself forwards nothing. It knows how to tell zebra, but no version of zebra's protocol that FRR 8.4 speaks: gobgpd 3.10 ends with a
slice out of bounds on the first interface that zebra describes. So ``router_gobgp_fib`` follows gobgpd's table instead.

After a session was reset it takes no other for 30 s; ``idle-hold-time-after-reset`` is read and then ignored by 3.10.

RFC 8950 and IPv6 sessions: GoBGP offers IPv4 routes with IPv6 next hops on each IPv6 session by itself.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from baremetal_lb.lab.router_spec import RouterCannot, RouterPlan, RouterProcess, RouterSession, RouterSpec
from baremetal_lb.model.net import Family

_POLICY = "from-nodes"


def render(spec: RouterSpec, directory: Path) -> RouterPlan:
    """Return the file and the processes of a GoBGP router.

    Raises:
        RouterCannot: GoBGP has no such feature.
    """
    api = f"unix://{directory / 'gobgp.sock'}"
    argv = ("gobgpd", "-f", str(directory / "gobgpd.toml"), "-p", "-l", "info", "--api-hosts", api, "--pprof-disable")
    networks = tuple(str(network) for network in spec.networks)
    fib = (sys.executable, "-m", "baremetal_lb.lab.router_gobgp_fib", api, str(spec.maximum_paths), *networks)
    files = {"gobgpd.toml": "\n".join(_configuration(spec)) + "\n"}
    return RouterPlan(files, (RouterProcess("gobgpd", argv), RouterProcess("fib", fib)))


def _configuration(spec: RouterSpec) -> Iterator[str]:
    yield "[global.config]"
    yield f"as = {spec.asn}"
    yield f'router-id = "{spec.router_id}"'
    yield "[global.use-multiple-paths.config]"
    yield "enabled = true"
    if spec.has_graceful_shutdown_policy:
        yield from _graceful_shutdown()
    for session in spec.sessions:
        yield from _session(session, spec)


def _graceful_shutdown() -> Iterator[str]:
    yield "[global.apply-policy.config]"
    yield f'import-policy-list = ["{_POLICY}"]'
    yield 'default-import-policy = "accept-route"'
    yield "[[defined-sets.bgp-defined-sets.community-sets]]"
    yield 'community-set-name = "graceful-shutdown"'
    yield 'community-list = ["65535:0"]'
    yield "[[policy-definitions]]"
    yield f'name = "{_POLICY}"'
    yield "[[policy-definitions.statements]]"
    yield "[policy-definitions.statements.conditions.bgp-conditions.match-community-set]"
    yield 'community-set = "graceful-shutdown"'
    yield "[policy-definitions.statements.actions]"
    yield 'route-disposition = "accept-route"'
    yield "[policy-definitions.statements.actions.bgp-actions]"
    # RFC 8326 says 0, which GoBGP takes for "not set".
    yield "set-local-pref = 1"


def _session(session: RouterSession, spec: RouterSpec) -> Iterator[str]:
    if session.bfd is not None:
        raise RouterCannot("GoBGP has no BFD before 4.6")
    if session.asn is None:
        raise RouterCannot("GoBGP has to know the AS number of a neighbor")
    yield "[[neighbors]]"
    yield "[neighbors.config]"
    yield f"peer-as = {session.asn}"
    yield f"local-as = {session.local_asn or spec.asn}"
    yield f'description = "{session.name}"'
    if session.remote is None:
        yield f'neighbor-interface = "{session.interface}"'
    else:
        zone = f"%{session.interface}" if session.interface is not None else ""
        yield f'neighbor-address = "{session.remote}{zone}"'
    if session.password is not None:
        yield f'auth-password = "{session.password}"'
    yield "[neighbors.timers.config]"
    yield f"hold-time = {session.hold_time_s}"
    yield f"keepalive-interval = {max(1, session.hold_time_s // 3)}"
    yield f"connect-retry = {session.connect_s}"
    yield "[neighbors.transport.config]"
    yield f"remote-port = {session.port}"
    yield f"passive-mode = {'true' if session.is_passive else 'false'}"
    if session.local is not None:
        yield f'local-address = "{session.local}"'
    if session.has_ttl_security:
        yield from ("[neighbors.ttl-security.config]", "enabled = true", "ttl-min = 255")
    if session.is_multihop and not session.is_internal_to(spec.asn):
        yield from ("[neighbors.ebgp-multihop.config]", "enabled = true", "multihop-ttl = 64")
    if session.is_graceful_restart_helper:
        yield from ("[neighbors.graceful-restart.config]", "enabled = true", "restart-time = 120", "helper-only = true")
    for family in sorted(session.families, key=lambda each: each.value):
        yield "[[neighbors.afi-safis]]"
        yield "[neighbors.afi-safis.config]"
        yield f'afi-safi-name = "{"ipv4" if family is Family.IPV4 else "ipv6"}-unicast"'
        if session.is_graceful_restart_helper:
            yield from ("[neighbors.afi-safis.mp-graceful-restart.config]", "enabled = true")
