"""Every process of a lab: its command, its namespace and its credentials.

The controllers and speakers are the product's own, started by the same modules as in a cluster. Each has its own ports where two share a
namespace, and its own user with the real API server, so that its audit log tells them apart; the embedded one knows one user only.
"""

import sys
from ipaddress import IPv4Address
from pathlib import Path

from baremetal_lb.lab.backend import __file__ as backend_file
from baremetal_lb.lab.build import find_or_build
from baremetal_lb.lab.layout import CLUSTER_ASN, POD_PORT, Layout, Router
from baremetal_lb.lab.routers import RouterKind, RouterSession, RouterSpec, render
from baremetal_lb.lab.servers import kube_proxy_command
from baremetal_lb.lab.state import SYSTEM_NAMESPACE, LabDirectory, LabState
from baremetal_lb.lab.supervisor import ProcessSpec
from baremetal_lb.lab.topology import API, CONTROL
from baremetal_lb.model.bgp import BFDProfile
from baremetal_lb.model.time import MILLISECOND

CONTROLLER_COUNT = 2
_CONTROLLER_PORTS = (9120, 17472)
ROUTER_BFD = BFDProfile("nodes", required_min_rx=100 * MILLISECOND, desired_min_tx=100 * MILLISECOND, detect_mult=5)
"""As fast as a node wants it, and nodes that want none have none; but half a second, for a lab is two dozen processes on one machine."""
_POD_CIDRS = ("10.244.0.0/16", "fd00:10:244::/48")


class Programs:
    """The processes of one lab, as specs for its supervisor."""

    LEASE = "controller"
    """Lease by which one of the controllers leads."""

    def __init__(self, directory: LabDirectory, state: LabState) -> None:
        self._directory, self._state, self._layout = directory, state, state.layout

    def users(self) -> tuple[str, ...]:
        """Return the users beside the administrator; none where the API server knows only one."""
        if self._state.api != "kube":
            return ()
        controllers = tuple(f"controller-{number}" for number in range(1, CONTROLLER_COUNT + 1))
        per_node = tuple(f"{what}-{node.name}" for node in self._layout.nodes for what in ("speaker", "kube-proxy"))
        return controllers + per_node

    def kubeconfig(self, user: str) -> Path:
        """Return the credentials of a user; they are there once the API server has started."""
        return self._directory.path / "kube" / f"{user}.kubeconfig" if self._state.api == "kube" else self._directory.kubeconfig

    def holders(self) -> tuple[ProcessSpec, ...]:
        """One process that does nothing in each namespace of a machine on the wire, for nsenter."""
        hosts = (*self._layout.nodes, *self._layout.routers, self._layout.client)
        return tuple(ProcessSpec(f"holder-{host.name}", ("sleep", "infinity"), self._layout.namespace(host.name)) for host in hosts)

    def relay(self, outside: int) -> ProcessSpec:
        """Return what brings the API server to all that need it."""
        hosts = [CONTROL, *(node.name for node in self._layout.nodes)]
        where = [self._layout.namespace(host) for host in hosts]
        if self._state.owner_holder is not None:
            where.append(f"/proc/{self._state.owner_holder.pid}/ns/net")
        argv = self._module("baremetal_lb.lab.relay", str(self._state.port), str(outside), *where)
        return ProcessSpec("relay", argv, self._layout.namespace(API), descriptors=(outside,))

    def api(self) -> ProcessSpec:
        """Return the API server."""
        path, port = self._directory.path, str(self._state.port)
        if self._state.api == "kube":
            argv = self._module("baremetal_lb.lab.kube_api", str(path), port, "admin", *self.users())
        else:
            files = ("--kubeconfig-out", str(self._directory.kubeconfig), "--state", str(path / "objects.jsonl"))
            argv = self._module("baremetal_lb.lab.api_shell", "--port", port, *files)
        return ProcessSpec("api", argv, self._layout.namespace(API))

    def backends(self) -> tuple[ProcessSpec, ...]:
        """Return the HTTP server of each Pod, named like it."""
        return tuple(
            ProcessSpec(
                pod.name,
                (sys.executable, "-I", "-S", str(backend_file), pod.node, pod.name, str(POD_PORT)),
                self._layout.namespace(pod.host),
            )
            for pod in self._layout.pods
        )

    def proxies(self) -> tuple[ProcessSpec, ...]:
        """Return what brings traffic for IPs of Services to the Pods."""
        if self._state.api != "kube":
            arguments = (str(self._directory.kubeconfig), self._state.name, str(self._state.nodes))
            return (
                ProcessSpec("service-proxy", self._module("baremetal_lb.lab.service_proxy", *arguments), self._layout.namespace(CONTROL)),
            )
        binaries = find_or_build(_unheard)
        specs = []
        for node in self._layout.nodes:
            name = f"kube-proxy-{node.name}"
            argv = kube_proxy_command(binaries, self.kubeconfig(name), node.name, cluster_cidrs=_POD_CIDRS)
            specs.append(ProcessSpec(name, tuple(argv), self._layout.namespace(node.name)))
        return tuple(specs)

    def controllers(self) -> tuple[ProcessSpec, ...]:
        """Return the controllers, of which one leads."""
        specs = []
        for number in range(1, CONTROLLER_COUNT + 1):
            name = f"controller-{number}"
            metrics, health = (str(port + 100 * (number - 1)) for port in _CONTROLLER_PORTS)
            options = (*self._common(name), "--lease-name", self.LEASE, "--metrics-port", metrics, "--health-port", health)
            specs.append(ProcessSpec(name, self._module("controller", *options), self._layout.namespace(CONTROL)))
        return tuple(specs)

    def routers(self) -> tuple[ProcessSpec, ...]:
        """Return the processes of all routers, in the order in which to start them."""
        return tuple(
            ProcessSpec(f"{router.name}-{process.name}", process.argv, self._layout.namespace(router.name))
            for router in self._layout.routers
            for process in render(router_spec(self._layout, router), router_directory(self._directory, router)).processes
        )

    def engines(self) -> tuple[ProcessSpec, ...]:
        """Return engine and BFD process of each node; without routers there is nobody to keep sessions with, and none is needed."""
        if not self._layout.routers:
            return ()
        return tuple(
            ProcessSpec(
                f"{name}-{node.name}",
                self._module(module, "--runtime-dir", str(self._runtime(node.name)), "--log-format", "console"),
                self._layout.namespace(node.name),
            )
            for node in self._layout.nodes
            for name, module in (("engine", "baremetal_lb.engine"), ("bfd", "baremetal_lb.bfdd"))
        )

    def _runtime(self, node: str) -> Path:
        return self._directory.path / f"run-{node}"

    def speakers(self) -> tuple[ProcessSpec, ...]:
        """Return the speaker of each node."""
        specs = []
        for node in self._layout.nodes:
            name = f"speaker-{node.name}"
            options = (*self._common(name), "--node-name", node.name, "--state-file", str(self._directory.path / f"{name}.state"))
            if self._layout.routers:
                options += ("--runtime-dir", str(self._runtime(node.name)))
            specs.append(ProcessSpec(name, self._module("speaker", *options), self._layout.namespace(node.name)))
        return tuple(specs)

    def _common(self, user: str) -> tuple[str, ...]:
        return ("--kubeconfig", str(self.kubeconfig(user)), "--namespace", SYSTEM_NAMESPACE, "--log-format", "console")

    def _module(self, module: str, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", module, *arguments)


def router_directory(directory: LabDirectory, router: Router) -> Path:
    """Return where a router has its files and sockets."""
    return directory.path / f"router-{router.name}"


def router_spec(layout: Layout, router: Router) -> RouterSpec:
    """Return what a router of a lab does: one session to each node, for both families, which the node begins."""
    bfd = None if router.kind is RouterKind.GOBGP else ROUTER_BFD
    sessions = tuple(RouterSession(node.name, CLUSTER_ASN, node.ips[0], is_passive=True, bfd=bfd) for node in layout.nodes)
    return RouterSpec(router.kind, router.asn, IPv4Address(str(router.ips[0])), sessions, maximum_paths=max(8, len(layout.nodes)))


def write_router_files(directory: LabDirectory, layout: Layout) -> None:
    """Write the configuration of every router."""
    for router in layout.routers:
        where = router_directory(directory, router)
        where.mkdir(mode=0o700)
        for name, text in render(router_spec(layout, router), where).files.items():
            (where / name).touch(mode=0o600)
            (where / name).write_text(text)


def _unheard(line: str) -> None:
    """Take a line of progress of a build that is long done."""
    del line
