"""Faults on purpose, and their end.

===================  ==============================================================================================
fault                what happens
===================  ==============================================================================================
kill-speaker NODE    SIGKILL; the supervisor starts it again after a second, as a kubelet would
pause-speaker NODE   SIGSTOP: the process hangs until ``heal``
cut NODE             the switch's port of the node goes down: no carrier, no wire, until ``heal``. The API server stays in reach
kill-controller      SIGKILL of the one that leads (or of ``1``, ``2``); it is started again after a second
stop-api, start-api  the API server ends, and is started again with all its objects
cut-router ROUTER    both cables of a router: to the wire and to the client, until ``heal``
kill-exabgp NODE     SIGKILL of ExaBGP; its engine starts it again at once
stop-exabgp NODE     SIGSTOP of ExaBGP, until ``heal`` or until its engine takes it for hung
kill-bfd NODE        SIGKILL of the BFD process; it is started again after a second
stop-pod NODE        what a kubelet does to the speaker's Pod: notice and withdrawal, then its sidecars end, until ``start-pod`` or ``heal``
start-pod NODE       the Pod comes back
heal [NODE]          cable in, process awake and running: of one node, or of everything (the API server too)
===================  ==============================================================================================

With ``keep_down`` a killed process stays down until ``heal``.
"""

import os
import signal
from collections.abc import Callable

from baremetal_lb.lab import cluster, topology
from baremetal_lb.lab.control import Control
from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.kube_api import control_plane
from baremetal_lb.lab.netns import entering
from baremetal_lb.lab.processes import MARK_VARIABLE
from baremetal_lb.lab.programs import Programs
from baremetal_lb.lab.servers import ControlPlane
from baremetal_lb.lab.state import LabDirectory, LabState
from baremetal_lb.lab.status import child_of, leader_pid

FAULTS = ("kill-speaker", "pause-speaker", "cut", "heal", "kill-controller", "stop-api", "start-api")
BGP_FAULTS = ("cut-router", "kill-exabgp", "stop-exabgp", "kill-bfd", "stop-pod", "start-pod")
API_DEADLINE_S = 60.0


class Faults:
    """What can be done to one lab, from where its network is."""

    def __init__(self, directory: LabDirectory, state: LabState) -> None:
        self._directory, self._state, self._layout = directory, state, state.layout
        self._control, self._programs = Control(directory), Programs(directory, state)

    def inject(self, fault: str, target: str | None, *, keep_down: bool = False) -> str:
        """Do it, and return a sentence about what was done.

        Raises:
            LabError: there is no such node, or it could not be done.
        """
        actions: dict[str, Callable[[], str]] = {
            "kill-speaker": lambda: self._kill(f"speaker-{self._node(target)}", keep_down=keep_down),
            "pause-speaker": lambda: self._pause(self._node(target)),
            "cut": lambda: self._cut(self._node(target)),
            "heal": lambda: self._heal(target),
            "kill-controller": lambda: self._kill(self._controller(target), keep_down=keep_down),
            "cut-router": lambda: self._cut_router(target),
            "kill-exabgp": lambda: self._signal_exabgp(self._node(target), signal.SIGKILL, "was killed; its engine starts it again"),
            "stop-exabgp": lambda: self._signal_exabgp(
                self._node(target), signal.SIGSTOP, "hangs until `heal`, or until its engine kills it"
            ),
            "kill-bfd": lambda: self._kill(self._of_bgp("bfd", target), keep_down=keep_down),
            "stop-pod": lambda: self._stop_pod(self._node(target)),
            "start-pod": lambda: self._start_pod(self._node(target)),
            "stop-api": self._stop_api,
            "start-api": self._start_api,
        }
        if fault not in actions:
            raise LabError(f"no fault is called {fault!r}; there are: {', '.join((*FAULTS, *BGP_FAULTS))}")
        return actions[fault]()

    def _kill(self, name: str, *, keep_down: bool) -> str:
        pid = self._control.processes()[name].pid
        self._control.request("kill", name=name, keep_down=keep_down)
        return f"{name} (pid {pid}) was killed; {'`heal` starts it again' if keep_down else 'it is started again in a moment'}"

    def _pause(self, node: str) -> str:
        self._control.request("pause", name=f"speaker-{node}")
        return f"speaker-{node} hangs until `heal`"

    def _cut(self, node: str) -> str:
        topology.cut(self._layout, node)
        return f"{node} has no carrier until `heal`"

    def _cut_router(self, target: str | None) -> str:
        names = [router.name for router in self._layout.routers]
        if target not in names:
            raise LabError(
                f"say which router: {', '.join(names)}" if names else "this lab has no routers; `bmlb lab up --routers` makes some"
            )
        topology.cut(self._layout, target)
        return f"{target} has no carrier until `heal`"

    def _of_bgp(self, program: str, target: str | None) -> str:
        name = f"{program}-{self._node(target)}"
        if name not in self._control.processes():
            raise LabError("this lab has no routers, so nodes have no BGP; `bmlb lab up --routers` makes some")
        return name

    def _signal_exabgp(self, node: str, number: signal.Signals, what: str) -> str:
        engine = self._control.processes().get(f"engine-{node}")
        pid = child_of(engine.pid if engine else None)
        if pid is None:
            raise LabError(f"no ExaBGP runs on {node}")
        os.kill(pid, number)
        return f"ExaBGP on {node} (pid {pid}) {what}"

    def _stop_pod(self, node: str) -> str:
        """Have the speaker leave with notice, then end the engine."""
        name = f"speaker-{node}"
        pid = self._control.processes()[name].pid
        if pid is not None:
            os.kill(pid, signal.SIGUSR1)
            self._control.wait_for(lambda: self._control.processes()[name].pid != pid, f"the end of {name}")
        self._control.request("stop", name=name)
        if self._layout.routers:
            for program in ("engine", "bfd"):
                self._control.request("stop", name=f"{program}-{node}")
        return f"the speaker's Pod on {node} is stopped until `start-pod` or `heal`"

    def _start_pod(self, node: str) -> str:
        for name in (f"engine-{node}", f"bfd-{node}", f"speaker-{node}"):
            if name in self._control.processes():
                self._control.request("start", name=name)
        return f"the speaker's Pod on {node} runs"

    def _heal(self, target: str | None) -> str:
        if target and self._layout.router(target) is not None:
            topology.heal(self._layout, target)
            return f"healed: {target}"
        nodes = [self._node(target)] if target else [node.name for node in self._layout.nodes]
        if not target:
            self._start_api()
            for router in self._layout.routers:
                topology.heal(self._layout, router.name)
        processes = self._control.processes()
        for node in nodes:
            engine = processes.get(f"engine-{node}")
            exabgp = child_of(engine.pid if engine else None)
            if exabgp is not None:
                os.kill(exabgp, signal.SIGCONT)
            if processes[f"speaker-{node}"].state == "stopped":
                self._start_pod(node)
        for node in nodes:
            topology.heal(self._layout, node)
        for name in self._control.processes():
            if name in {f"{program}-{node}" for program in ("speaker", "bfd") for node in nodes} or (
                not target and name.startswith("controller-")
            ):
                self._control.request("heal", name=name)
        return f"healed: {', '.join(nodes)}{'' if target else ', the controllers and the API server'}"

    def _stop_api(self) -> str:
        if self._state.api == "kube":
            self._plane().stop_api()
        else:
            self._control.request("kill", name="api", keep_down=True)
            self._control.wait_for(lambda: self._control.processes()["api"].state == "stopped", "the end of the API server")
        return "the API server is down until `start-api` or `heal`"

    def _start_api(self) -> str:
        if self._state.api == "kube":
            self._plane().start_api()
        else:
            self._control.request("heal", name="api")
        self._control.wait_for(self._is_api_ready, "the API server", deadline_s=API_DEADLINE_S)
        return "the API server answers"

    def _plane(self) -> ControlPlane:
        prefix = entering(self._layout.namespace(topology.API), ["env", f"{MARK_VARIABLE}={self._state.mark}"])
        return control_plane(self._directory.path, self._state.port, ("admin", *self._programs.users()), prefix)

    def _is_api_ready(self) -> bool:
        return cluster.run(self._directory.kubeconfig, lambda opened: opened.transport.request("GET", "/readyz")) == b"ok"

    def _node(self, target: str | None) -> str:
        if target is None or self._layout.node(target) is None:
            names = ", ".join(node.name for node in self._layout.nodes)
            raise LabError(f"say which node: {names}" if target is None else f"there is no node {target!r}; there are: {names}")
        return target

    def _controller(self, target: str | None) -> str:
        names = [spec.name for spec in self._programs.controllers()]
        if target is not None:
            name = target if target.startswith("controller-") else f"controller-{target}"
            if name not in names:
                raise LabError(f"there is no {name}; there are: {', '.join(names)}")
            return name
        leader = leader_pid(self._directory)
        running = self._control.processes()
        return next((name for name in names if running[name].pid == leader and leader is not None), names[0])


def set_backend(directory: LabDirectory, state: LabState, pod_name: str, *, is_running: bool) -> str:
    """Start or stop the server of a Pod, and write the Pod's readiness, as a kubelet does.

    Raises:
        LabError: there is no such Pod, or the API server does not take its readiness.
    """
    pod = state.layout.pod(pod_name)
    if pod is None:
        raise LabError(f"there is no Pod {pod_name!r}; there are: {', '.join(pod.name for pod in state.layout.pods)}")
    Control(directory).request("start" if is_running else "stop", name=pod.name)
    cluster.run(directory.kubeconfig, lambda opened: cluster.set_ready(opened, pod, is_ready=is_running))
    return f"{pod.name} on {pod.node} {'runs and is ready' if is_running else 'is stopped and not ready'}"
