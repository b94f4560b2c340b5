"""FRR as a router of a lab: one configuration for each of zebra, bfdd and bgpd, and how to start them where nobody installed FRR.

* ``-u root -g frrvty``: FRR wants to become its user's, and that user to be in the group that it was built with. Asked to stay root, it
  asks for nothing that a user namespace has not: it looks up the group's name and leaves all identities as they are.
* Sockets, pid files and the zebra socket are in the router's directory; there is no TCP port for its command line.
* bgpd and bfdd wait for zebra's socket: a first attempt that fails is repeated after 10 s only.
"""

from collections.abc import Iterator
from pathlib import Path

from baremetal_lb.lab.router_spec import RouterPlan, RouterProcess, RouterSession, RouterSpec
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.net import Family
from baremetal_lb.model.time import MILLISECOND

_DAEMONS = Path("/usr/lib/frr")
_POLICY = "FROM-NODES"
_WHEN_THERE = 'while [ ! -S "$0" ]; do sleep 0.02; done; exec "$@"'


def render(spec: RouterSpec, directory: Path) -> RouterPlan:
    """Return the files and processes of an FRR router."""
    profiles = {session.bfd.name: session.bfd for session in spec.sessions if session.bfd is not None}
    # Without a vtysh.conf of its own it would look for the machine's.
    files = {"vtysh.conf": "", "zebra.conf": _ZEBRA, "bgpd.conf": "\n".join(_bgpd(spec)) + "\n"}
    zebra_socket = str(directory / "zserv.api")
    processes = [RouterProcess("zebra", _daemon("zebra", directory))]
    if profiles:
        files["bfdd.conf"] = "\n".join(_bfdd(profiles)) + "\n"
        argv = _daemon("bfdd", directory, "--bfdctl", str(directory / "bfdd.sock"))
        processes.append(RouterProcess("bfdd", ("sh", "-c", _WHEN_THERE, zebra_socket, *argv)))
    processes.append(RouterProcess("bgpd", ("sh", "-c", _WHEN_THERE, zebra_socket, *_daemon("bgpd", directory))))
    return RouterPlan(files, tuple(processes))


_ZEBRA = "hostname router\n"


def _daemon(name: str, directory: Path, *more: str) -> tuple[str, ...]:
    own = ("-f", str(directory / f"{name}.conf"), "-i", str(directory / f"{name}.pid"))
    shared = ("-P", "0", "--vty_socket", str(directory), "-z", str(directory / "zserv.api"))
    return (str(_DAEMONS / name), "-u", "root", "-g", "frrvty", *own, *shared, *more, "--log", "stdout", "--log-level", "info")


def _bgpd(spec: RouterSpec) -> Iterator[str]:
    yield "hostname router"
    # Before who uses it: a policy that is not there yet denies all, and is looked for again after 5 s.
    yield "bgp community-list standard GRACEFUL-SHUTDOWN seq 5 permit 65535:0"
    yield from (f"route-map {_POLICY} permit 10", " match community GRACEFUL-SHUTDOWN", " set local-preference 0", "exit")
    yield from (f"route-map {_POLICY} permit 20", "exit")
    yield f"router bgp {spec.asn}"
    yield f" bgp router-id {spec.router_id}"
    yield " bgp log-neighbor-changes"
    yield " no bgp ebgp-requires-policy"
    yield " no bgp default ipv4-unicast"
    yield " no bgp network import-check"
    # Nodes of different AS numbers are next hops of one route all the same.
    yield " bgp bestpath as-path multipath-relax"
    for session in spec.sessions:
        yield from (f" neighbor {_name(session)} {line}" for line in _neighbor(session, spec))
    for family in Family:
        yield f" address-family {'ipv4' if family is Family.IPV4 else 'ipv6'} unicast"
        yield f"  maximum-paths {spec.maximum_paths}"
        yield f"  maximum-paths ibgp {spec.maximum_paths}"
        yield from (f"  network {network}" for network in spec.networks if network.version == _version(family))
        for session in spec.sessions:
            if family in session.families:
                yield f"  neighbor {_name(session)} activate"
                if spec.has_graceful_shutdown_policy:
                    yield f"  neighbor {_name(session)} route-map {_POLICY} in"
        yield " exit-address-family"
    yield "exit"


def _version(family: Family) -> int:
    return 4 if family is Family.IPV4 else 6


def _name(session: RouterSession) -> str:
    return str(session.remote or session.interface)


def _neighbor(session: RouterSession, spec: RouterSpec) -> Iterator[str]:
    asn = "external" if session.asn is None else str(session.asn)
    if session.remote is None:
        yield f"interface remote-as {asn}"
    else:
        yield f"remote-as {asn}"
        if session.interface is not None:
            yield f"interface {session.interface}"
    yield f"description {session.name}"
    yield f"timers {session.hold_time_s // 3} {session.hold_time_s}"
    yield f"timers connect {session.connect_s}"
    if session.local_asn is not None and session.local_asn != spec.asn:
        yield f"local-as {session.local_asn}"
    if session.local is not None:
        yield f"update-source {session.local}"
    if session.port != 179:
        yield f"port {session.port}"
    if session.is_passive:
        yield "passive"
    if session.password is not None:
        yield f"password {session.password}"
    if session.has_ttl_security:
        yield "ttl-security hops 1"
    if session.is_multihop and not session.is_internal_to(spec.asn):
        yield "ebgp-multihop 64"
    yield "graceful-restart-helper" if session.is_graceful_restart_helper else "graceful-restart-disable"
    if session.has_extended_next_hop:
        yield "capability extended-nexthop"
    if session.bfd is not None:
        yield "bfd"
        yield f"bfd profile {session.bfd.name}"
    if session.has_bfd_control_plane_check:
        yield "bfd check-control-plane-failure"


def _bfdd(profiles: dict[str, BFDProfile]) -> Iterator[str]:
    yield from ("hostname router", "bfd")
    for name, profile in sorted(profiles.items()):
        yield f" profile {name}"
        yield f"  detect-multiplier {profile.detect_mult}"
        yield f"  receive-interval {profile.required_min_rx // MILLISECOND}"
        yield f"  transmit-interval {profile.desired_min_tx // MILLISECOND}"
        yield f"  minimum-ttl {profile.minimum_ttl}"
        if profile.is_passive:
            yield "  passive-mode"
        yield " exit"
    yield "exit"
