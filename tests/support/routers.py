"""Real routers for tests: FRR, BIRD or GoBGP in a namespace, as the lab runs them, and what they and their kernel say.

    with Router(lab.host("198.51.100.1/24"), spec, tmp_path / "router") as router:
        until(lambda: router.session("node1").is_established, describe=router.describe)
        router.table()["203.0.113.1/32"][0].communities
        router.kernel_routes()["203.0.113.1/32"]        # the gateways

Entering waits until the router answers. Each question fails, with the log, when one of its processes has died.
"""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from baremetal_lb.lab.routers import RouterKind, RouterSpec, control_command, render
from tests.support.netns import Host
from tests.support.router_tables import SessionView, Table, bird_table, frr_table, gobgp_table, session_command, session_view
from tests.support.wait import until

_ALIVE = {
    RouterKind.FRR: ("vtysh", "-d", "bgpd", "-c", "show bgp summary json"),
    RouterKind.BIRD: ("birdc", "show", "status"),
    RouterKind.GOBGP: ("gobgp", "-j", "neighbor"),
}
_FAMILIES = ("ipv4", "ipv6")
_PROTOCOLS = ("bgp", "bird")


class Router:
    """One router that runs."""

    def __init__(self, host: Host, spec: RouterSpec, directory: Path) -> None:
        self.host, self.spec, self.directory = host, spec, directory
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._sessions = {session.name: session for session in spec.sessions}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        plan = render(self.spec, self.directory)
        for name, text in plan.files.items():
            path = self.directory / name
            path.touch(mode=0o600)
            path.write_text(text)
        for process in plan.processes:
            with (self.directory / f"{process.name}.log").open("a") as log:
                self._processes[process.name] = self.host.popen(*process.argv, stdout=log, stderr=log, start_new_session=True)
        # It takes routes to nodes that forward them.
        self.host.set_sysctl("net.ipv4.ip_forward", 1)
        until(self._answers, describe=self.describe)

    def stop(self) -> None:
        """Stop all its processes."""
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def kill(self, name: str) -> None:
        """Kill one of its processes; the others go on."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all its processes: SIGSTOP and SIGCONT make it hang and go on."""
        for process in self._processes.values():
            os.kill(process.pid, number)

    def control(self, *command: str) -> str:
        """Run the router's command line, as ``vtysh -c ...``, ``birdc ...`` or ``gobgp ...``, and return what it says."""
        self._require_alive()
        return self.host.run(*control_command(self.spec.kind, self.directory, command))

    def session(self, name: str) -> SessionView:
        """Return how a session stands."""
        session = self._sessions[name]
        remote = str(session.remote or session.interface)
        return session_view(self.spec.kind, self.control(*session_command(self.spec.kind, name, remote)))

    def is_up(self, *names: str) -> bool:
        """Tell whether these sessions are established; all of them, where none is named."""
        return all(self.session(name).is_established for name in names or self._sessions)

    def table(self) -> Table:
        """Return all that it has learned, by prefix, with attributes."""
        kind = self.spec.kind
        if kind is RouterKind.FRR:
            return frr_table([self.control("vtysh", "-c", f"show bgp {family} unicast json detail") for family in _FAMILIES])
        if kind is RouterKind.BIRD:
            return bird_table(self.control("birdc", "show", "route", "all", "where", "source", "=", "RTS_BGP"))
        return gobgp_table([self.control("gobgp", "-j", "global", "rib", "-a", family) for family in _FAMILIES])

    def kernel_routes(self) -> Mapping[str, frozenset[str]]:
        """Return the gateways of each route that it has given to its kernel, by prefix."""
        self._require_alive()
        routes = {}
        for family in ("-4", "-6"):
            for route in json.loads(self.host.run("ip", "-j", family, "route", "show") or "[]"):
                if route.get("protocol") in _PROTOCOLS:
                    hops = route.get("nexthops", (route,))
                    gateways = (hop.get("gateway") or hop.get("via", {}).get("host", "") for hop in hops)
                    routes[str(ip_network(route["dst"]))] = frozenset(gateways)
        return routes

    def describe(self) -> str:
        """Return the ends of its logs, for whoever waits in vain."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in logs)

    def _require_alive(self) -> None:
        dead = {name: process.returncode for name, process in self._processes.items() if process.poll() is not None}
        # No AssertionError: nobody is to wait for the dead.
        if dead or not self._processes:
            raise RuntimeError(f"ended: {dead}\n{self.describe()}")

    def _answers(self) -> bool:
        self.control(*_ALIVE[self.spec.kind])
        return True
