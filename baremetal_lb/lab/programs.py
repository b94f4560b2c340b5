"""Every process of a lab: its command, its namespace and its credentials.

The controllers and speakers are the product's own, started by the same modules as in a cluster. Each has its own ports where two share a
namespace, and its own user with the real API server, so that its audit log tells them apart; the embedded one knows one user only.
"""

import sys
from pathlib import Path

from baremetal_lb.lab.backend import __file__ as backend_file
from baremetal_lb.lab.build import find_or_build
from baremetal_lb.lab.layout import POD_PORT
from baremetal_lb.lab.servers import kube_proxy_command
from baremetal_lb.lab.state import SYSTEM_NAMESPACE, LabDirectory, LabState
from baremetal_lb.lab.supervisor import ProcessSpec
from baremetal_lb.lab.topology import API, CONTROL

CONTROLLER_COUNT = 2
_CONTROLLER_PORTS = (9120, 17472)
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
        hosts = (*self._layout.nodes, self._layout.client)
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

    def speakers(self) -> tuple[ProcessSpec, ...]:
        """Return the speaker of each node."""
        specs = []
        for node in self._layout.nodes:
            name = f"speaker-{node.name}"
            options = (*self._common(name), "--node-name", node.name, "--state-file", str(self._directory.path / f"{name}.state"))
            specs.append(ProcessSpec(name, self._module("speaker", *options), self._layout.namespace(node.name)))
        return tuple(specs)

    def _common(self, user: str) -> tuple[str, ...]:
        return ("--kubeconfig", str(self.kubeconfig(user)), "--namespace", SYSTEM_NAMESPACE, "--log-format", "console")

    def _module(self, module: str, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", module, *arguments)


def _unheard(line: str) -> None:
    """Take a line of progress of a build that is long done."""
    del line
