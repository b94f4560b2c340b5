"""Takes the decisions of gobgpd into the kernel of its namespace, as zebra would if the two spoke the same protocol.

    python -m baremetal_lb.lab.router_gobgp_fib unix:///DIR/gobgp.sock MAXIMUM_PATHS [NETWORK...]

Each event of ``gobgp monitor global rib`` is only a reason to look: then the whole table is read and the kernel's routes of protocol
``bgp`` are changed to agree. A lab's table is small, and so no event can be lost or misread. Routes over several next hops (ECMP) are all
paths that are as good as the best one by what RFC 4271 §9.1.2.2 compares before it comes to router ids. When gobgpd is gone, so are its
routes.

NETWORKs are originated by gobgpd, which cannot be told so in its configuration.
"""

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

METRIC = 20
_LOOK_AGAIN_S = 0.2
_ORIGIN, _AS_PATH, _NEXT_HOP, _MED, _LOCAL_PREF, _MP_REACH = 1, 2, 3, 4, 5, 14

Routes = Mapping[str, tuple[tuple[str, str], ...]]
"""Next hops by prefix, each an address and the interface of a link-local one, else ""; sorted."""


def wanted_routes(table: Mapping[str, Sequence[Mapping[str, Any]]], maximum_paths: int) -> Routes:
    """Return the routes that this table (``gobgp -j global rib``) means, without those that the router originates itself."""
    routes = {}
    for prefix, paths in table.items():
        ranks = [(_rank(path), path) for path in paths if path.get("neighbor-ip")]
        if ranks and any(path["best"] for _rank_of_it, path in ranks):
            best = min(rank for rank, _path in ranks)
            hops = {_next_hop(path) for rank, path in ranks if rank == best}
            routes[prefix] = tuple(sorted(hops)[:maximum_paths])
    return routes


def commands(have: Routes, want: Routes) -> list[str]:
    """Return what ``ip -batch`` is to do."""
    lines = [f"route delete {prefix} proto bgp metric {METRIC}" for prefix in have if prefix not in want]
    for prefix, hops in want.items():
        if have.get(prefix) != hops:
            lines.append(f"route replace {prefix} proto bgp metric {METRIC} {' '.join(_via(prefix, *hop) for hop in hops)}")
    return lines


def _via(prefix: str, address: str, interface: str) -> str:
    family = "inet6 " if ":" in address and ":" not in prefix else ""
    return f"nexthop via {family}{address}{f' dev {interface}' if interface else ''}"


def _rank(path: Mapping[str, Any]) -> tuple[int, int, int, int]:
    values = {attribute["type"]: attribute for attribute in path["attrs"]}
    segments = values.get(_AS_PATH, {}).get("as_paths", [])
    # A set of AS numbers counts as one (RFC 4271 §9.1.2.2).
    length = sum(1 if segment["segment_type"] == 1 else len(segment["asns"]) for segment in segments)
    preference = values.get(_LOCAL_PREF, {"value": 100})["value"]
    return (-preference, length, values.get(_ORIGIN, {"value": 0})["value"], values.get(_MED, {}).get("metric", 0))


def _next_hop(path: Mapping[str, Any]) -> tuple[str, str]:
    hop = next(attribute["nexthop"] for attribute in path["attrs"] if attribute["type"] in (_NEXT_HOP, _MP_REACH))
    address, _, zone = hop.partition("%")
    zone = zone or path["neighbor-ip"].partition("%")[2]
    return (address, zone if address.startswith("fe80:") else "")


class Fib:
    """The kernel's routes of protocol ``bgp`` in this namespace, all of them ours."""

    def __init__(self) -> None:
        self._have: dict[str, tuple[tuple[str, str], ...]] = {}

    def clear(self) -> None:
        """Remove all, also those of an earlier run."""
        for family in ("-4", "-6"):
            subprocess.run(["ip", family, "route", "flush", "proto", "bgp"], check=False)
        self._have = {}

    def set(self, want: Routes) -> None:
        """Change what differs."""
        want = {prefix: tuple(sorted({_resolved(*hop) for hop in hops})) for prefix, hops in want.items()}
        for line in commands(self._have, want):
            done = subprocess.run(["ip", "-batch", "-"], input=line + "\n", text=True, capture_output=True, check=False)
            prefix = line.split()[2]
            self._have.pop(prefix, None)
            if done.returncode:
                # A next hop that is on no link here: the route is tried again when the table changes.
                sys.stderr.write(f"{line}: {done.stderr.strip()}\n")
            elif prefix in want:
                self._have[prefix] = want[prefix]


def _resolved(address: str, interface: str) -> tuple[str, str]:
    """Return the next hop on a link by which a next hop of BGP is reached (RFC 4271 §5.1.3, the recursive lookup)."""
    if interface:
        return address, interface
    found = subprocess.run(["ip", "-j", "route", "get", address], capture_output=True, text=True, check=False)
    routes = json.loads(found.stdout) if found.returncode == 0 and found.stdout.strip() else [{}]
    return routes[0].get("gateway", address), ""


def _gobgp(api: str, *command: str) -> str:
    done = subprocess.run(["gobgp", "--target", api, "-j", *command], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout


def _follow(api: str, maximum_paths: int, networks: Sequence[str], fib: Fib) -> None:
    """Keep the kernel's routes equal to the table until gobgpd is gone.

    Monitors tell what is there already (``--current``), so nothing is missed between a look and the first event.
    """
    for network in networks:
        _gobgp(api, "global", "rib", "add", network, *(("-a", "ipv6") if ":" in network else ()))
    monitors = [
        subprocess.Popen(["gobgp", "--target", api, "-j", "monitor", "global", "rib", "--current", "-a", family], stdout=subprocess.PIPE)
        for family in ("ipv4", "ipv6")
    ]
    try:
        _watch(api, maximum_paths, monitors, fib)
    finally:
        for monitor in monitors:
            monitor.kill()
            monitor.wait()


def _watch(api: str, maximum_paths: int, monitors: Sequence[subprocess.Popen[bytes]], fib: Fib) -> None:
    selector = selectors.DefaultSelector()
    for monitor in monitors:
        assert monitor.stdout is not None
        selector.register(monitor.stdout, selectors.EVENT_READ)
    while True:
        tables = [json.loads(_gobgp(api, "global", "rib", "-a", family)) for family in ("ipv4", "ipv6")]
        fib.set(wanted_routes({prefix: paths for table in tables for prefix, paths in table.items()}, maximum_paths))
        for key, _events in selector.select():
            if not key.fileobj.read1(1 << 20):  # type: ignore[union-attr]  # they are pipes
                return


def main() -> None:
    """Follow gobgpd for ever."""
    api, maximum_paths, *networks = sys.argv[1:]
    fib = Fib()
    while True:
        fib.clear()
        try:
            _follow(api, int(maximum_paths), networks, fib)
        except (subprocess.SubprocessError, ValueError) as error:
            sys.stderr.write(f"gobgpd does not answer: {error}\n")
        time.sleep(_LOOK_AGAIN_S)


if __name__ == "__main__":
    main()
