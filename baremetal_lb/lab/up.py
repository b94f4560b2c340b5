"""Builds a lab, step by step, and returns when it works.

Each step is written to the state file before it is taken, waits for what it has made to be seen working, and fails with the log of the
process that did not. A lab whose building fails is taken down again.

Without root the steps run where the lab's holder is (``privilege``), in a process of their own: ``python -m baremetal_lb.lab.up NAME FD``.
"""

import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from baremetal_lb.lab import cluster, netns, topology
from baremetal_lb.lab.build import ServersUnavailable, find_or_build
from baremetal_lb.lab.control import Control, start_supervisor
from baremetal_lb.lab.down import take_down
from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.layout import Layout
from baremetal_lb.lab.privilege import is_privileged, joining, require_user_namespaces, start_holder
from baremetal_lb.lab.processes import MARK_VARIABLE
from baremetal_lb.lab.programs import Programs, write_router_files
from baremetal_lb.lab.state import ROOT_VARIABLE, LabDirectory, LabState, lab_directory
from baremetal_lb.lab.tools import require, require_router, search_path
from baremetal_lb.model.visible import visible, visible_lines

Report = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What lab is wanted."""

    name: str = "lab"
    nodes: int = 3
    api: str = "embedded"
    """``embedded``, or ``kube`` for the real API server, kube-controller-manager and kube-proxy."""
    routers: tuple[str, ...] = ()
    """``frr``, ``bird``, ``gobgp``: those that stand between the client and the nodes."""


def up(options: LabOptions, report: Report) -> LabState:
    """Build a lab and return when it works.

    Raises:
        LabError: it cannot be; nothing of it is left then.
    """
    layout = Layout(options.name, options.nodes, options.routers)
    directory, privileged = lab_directory(options.name), is_privileged()
    require(["ip", "nft"] if privileged else ["ip", "nft", "unshare", "nsenter", "mount"])
    if not privileged:
        require_user_namespaces()
    for router in layout.routers:
        require_router(router.kind)
    if options.api == "kube":
        try:
            find_or_build(report)
        except ServersUnavailable as error:
            raise LabError(str(error)) from None
    with directory.lock():
        if directory.path.exists():
            raise LabError(f"there is a lab {options.name!r} already; `bmlb lab down --name {options.name}` removes it")
        take_down(directory)  # what a lab of this name may have left without its directory
        try:
            return _build_locked(directory, options, report, privileged=privileged)
        except BaseException:
            report("it failed: taking down what was built")
            take_down(directory)
            raise


def _build_locked(directory: LabDirectory, options: LabOptions, report: Report, *, privileged: bool) -> LabState:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as outside:
        state = directory.write(
            LabState(options.name, options.nodes, options.api, uuid.uuid4().hex, outside.getsockname()[1], routers=options.routers)
        )
        directory.logs.mkdir(mode=0o700)
        if privileged:
            return build(directory, state, outside.fileno(), report)
        report("making a user namespace, as this is not root")
        holder = start_holder(directory.root, state.mark, directory.logs / "holder.log")
        state = directory.update(state, owner_holder=holder)
        os.set_inheritable(outside.fileno(), True)
        command = [sys.executable, "-m", "baremetal_lb.lab.up", options.name, str(outside.fileno())]
        environment = environment_of(directory, state)
        done = subprocess.run(
            joining(holder, command), env=environment, pass_fds=[outside.fileno()], stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise LabError(done.stderr.strip() or f"building the lab ended with {done.returncode}")
        return directory.read()


def environment_of(directory: LabDirectory, state: LabState) -> dict[str, str]:
    """Return the environment of all processes of a lab: their mark, where its state is, and where system tools are."""
    own = {MARK_VARIABLE: state.mark, ROOT_VARIABLE: str(directory.root), "PATH": search_path(os.environ), "PYTHONUNBUFFERED": "1"}
    return dict(os.environ) | own


def build(directory: LabDirectory, state: LabState, outside: int, report: Report) -> LabState:
    """Build the lab where this process has the right to; the state is written already.

    Raises:
        LabError: a step failed; what the ones before it made is still there.
    """
    layout, control = state.layout, Control(directory)
    between = f"{' and '.join(router.name for router in layout.routers)} between them, " if layout.routers else ""
    report(f"network: {state.nodes} nodes, a client, {between}a switch and {len(layout.pods)} Pods, each in a namespace of its own")
    topology.build(layout)
    state = directory.update(state, supervisor=start_supervisor(directory, environment_of(directory, state), [outside]))
    programs = Programs(directory, state)
    for spec in (*programs.holders(), programs.relay(outside), programs.api(), *programs.backends()):
        control.start(spec)
    report(f"API server: {'the real one, with kube-controller-manager' if state.api == 'kube' else 'embedded'}, on 127.0.0.1:{state.port}")
    control.wait_for(lambda: _is_api_ready(directory, programs), "the API server", of=("api", "relay"), deadline_s=90)
    report("objects: CRDs, nodes and Pods")
    try:
        cluster.run(directory.kubeconfig, lambda opened: cluster.install(opened, layout, users=programs.users()))
    except LabError as error:
        raise LabError(f"{error}{control.tail('api')}") from None
    report(f"service traffic: {'kube-proxy on each node' if state.api == 'kube' else 'nftables on each node'}")
    for spec in programs.proxies():
        control.start(spec)
    if layout.routers:
        report(f"routers: {', '.join(f'{router.name} (AS {router.asn})' for router in layout.routers)}")
        write_router_files(directory, layout)
        for spec in programs.routers():
            control.start(spec)
    engines = ", with an engine for BGP" if layout.routers else ""
    report(f"controllers (2, one leads) and a speaker on each node{engines}")
    for spec in (*programs.controllers(), *programs.engines(), *programs.speakers()):
        control.start(spec)
    _wait_until_working(control, state, programs)
    state = directory.update(state, is_up=True)
    report("it works")
    return state


def _wait_until_working(control: Control, state: LabState, programs: Programs) -> None:
    kubeconfig, layout = control.directory.kubeconfig, state.layout
    names = {node.name for node in layout.nodes}
    control.wait_for(
        lambda: cluster.run(kubeconfig, lambda opened: cluster.lease_holder(opened, programs.LEASE)),
        "a controller that leads",
        of=[spec.name for spec in programs.controllers()],
    )
    control.wait_for(
        lambda: cluster.run(kubeconfig, cluster.serving_speakers) >= names,
        "speakers that serve on all nodes",
        of=[spec.name for spec in programs.speakers()],
    )
    for node in layout.nodes:
        table = "kube-proxy" if state.api == "kube" else "bmlb-lab"
        control.wait_for(
            lambda node=node, table=table: (
                table in netns.run(["ip", "netns", "exec", layout.namespace(node.name), "nft", "list", "tables"])
            ),  # type: ignore[misc]
            f"rules for service traffic on {node.name}",
            of=[spec.name for spec in programs.proxies()],
        )


def _is_api_ready(directory: LabDirectory, programs: Programs) -> bool:
    """Tell whether the API server answers by way of the relay; its kubeconfig is put in place on the way."""
    source = programs.kubeconfig("admin")
    if not source.exists():
        return False
    if source != directory.kubeconfig:
        shutil.copyfile(source, directory.kubeconfig)
        directory.kubeconfig.chmod(0o600)
    ready = cluster.run(directory.kubeconfig, lambda opened: opened.transport.request("GET", "/readyz"))
    return ready == b"ok"


def main() -> None:
    """Build the lab whose state file is written already, where this process is."""
    directory, outside = lab_directory(sys.argv[1]), int(sys.argv[2])

    def report(line: str) -> None:
        sys.stdout.write(f"  {visible(line)}\n")
        sys.stdout.flush()

    try:
        build(directory, directory.read(), outside, report)
    except LabError as error:
        sys.stderr.write(f"{visible_lines(str(error))}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
