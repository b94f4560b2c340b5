"""``bmlb lab``: a cluster on this machine. Thin: options in, the lab's own sentences out (``baremetal_lb.lab``)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Annotated, NoReturn

import typer
from rich.table import Table

from baremetal_lb.cli.output import open_console, print_json, say, styled
from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.layout import BadName
from baremetal_lb.lab.state import LabDirectory, LabState, lab_directory

app = typer.Typer(add_completion=False, no_args_is_help=True, help="A cluster on this machine, in network namespaces.")
backend_app = typer.Typer(no_args_is_help=True, help="Stop and start the HTTP servers in the Pods.")
app.add_typer(backend_app, name="backend")

Name = Annotated[str, typer.Option("--name", help="Which lab; several stand side by side.")]
DEFAULT_NAME = "lab"
_INSIDE = "BMLB_LAB_INSIDE"


class Api(Enum):
    """API servers that a lab can have."""

    EMBEDDED = "embedded"
    KUBE = "kube"


class Output(Enum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"


class FaultName(Enum):
    """What can be broken, and mended."""

    KILL_SPEAKER = "kill-speaker"
    PAUSE_SPEAKER = "pause-speaker"
    CUT = "cut"
    HEAL = "heal"
    KILL_CONTROLLER = "kill-controller"
    STOP_API = "stop-api"
    START_API = "start-api"
    CUT_ROUTER = "cut-router"
    KILL_EXABGP = "kill-exabgp"
    STOP_EXABGP = "stop-exabgp"
    KILL_BFD = "kill-bfd"
    STOP_POD = "stop-pod"
    START_POD = "start-pod"


@contextmanager
def _errors() -> Iterator[None]:
    """Print what went wrong, and end with its exit code."""
    try:
        yield
    except (LabError, BadName) as error:
        sentence, *more = str(error).split("\n")
        console = open_console(to_stderr=True)
        console.print(styled(("error:", "bold red"), f" {sentence}"), soft_wrap=True)
        for line in more:
            console.print(line, soft_wrap=True)
        raise typer.Exit(getattr(error, "exit_code", 2)) from None


def _report(line: str) -> None:
    """Print one line of progress, in colour on a terminal only."""
    open_console().print(styled(("lab:", "dim"), f" {line}"), soft_wrap=True)


def _open(name: str, *, must_be_up: bool = True) -> tuple[LabDirectory, LabState]:
    directory = lab_directory(name)
    state = directory.read()
    if must_be_up and not state.is_up:
        raise LabError(f"lab {name!r} was not built to the end; `bmlb lab down --name {name}` removes it")
    return directory, state


def _join(directory: LabDirectory, state: LabState) -> None:
    """Run this same command again where the lab's network is, unless this is there already."""
    if state.owner_holder is None or os.environ.get(_INSIDE) == state.mark:
        return
    from baremetal_lb.lab.privilege import joining  # noqa: PLC0415  # only commands that touch the network need it
    from baremetal_lb.lab.up import environment_of  # noqa: PLC0415  # the same

    command = joining(state.owner_holder, [sys.executable, "-c", "from baremetal_lb.cli.main import main; main()", *sys.argv[1:]])
    os.execvpe(command[0], command, environment_of(directory, state) | {_INSIDE: state.mark})  # noqa: S606  # no shell is wanted


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    nodes: Annotated[int, typer.Option(help="How many nodes.")] = 3,
    api: Annotated[Api, typer.Option(help="Our own small API server, or the real one (built with Go once).")] = Api.EMBEDDED,
    routers: Annotated[
        str, typer.Option("--routers", metavar="frr,bird,gobgp", help="Routers between the client and the nodes, which speak BGP.")
    ] = "",
    demo: Annotated[bool, typer.Option("--demo", help="Apply pools and Services, and show what becomes of them.")] = False,  # noqa: FBT002  # a flag
) -> None:
    """Build a lab, and return when it works."""
    from baremetal_lb.lab.up import LabOptions  # noqa: PLC0415  # loads what the other commands do not need
    from baremetal_lb.lab.up import up as build  # noqa: PLC0415  # the same

    with _errors():
        state = build(LabOptions(name, nodes, api.value, tuple(each.strip() for each in routers.split(",") if each.strip())), _report)
        if demo:
            _show_demo(lab_directory(name), state)
        else:
            _report(f"look around: bmlb lab status{_option(name)}, bmlb lab exec{_option(name)} client -- ip neigh")


def _show_demo(directory: LabDirectory, state: LabState) -> None:
    from baremetal_lb.lab.demo import LinkDemo  # noqa: PLC0415  # only this needs it
    from baremetal_lb.lab.demo_routers import RouterDemo  # noqa: PLC0415  # the same

    demo = RouterDemo if state.layout.routers else LinkDemo
    if not demo(directory, state, open_console()).run():
        raise typer.Exit(1)


def _option(name: str) -> str:
    return "" if name == DEFAULT_NAME else f" --name {name}"


@app.command()
def down(name: Name = DEFAULT_NAME) -> None:
    """Take a lab down, or what is left of one; leaves nothing behind."""
    from baremetal_lb.lab.down import down as take_down  # noqa: PLC0415  # only this needs it

    with _errors():
        take_down(lab_directory(name))
        _report(f"lab {name} is gone")


@app.command()
def status(
    name: Name = DEFAULT_NAME,
    output: Annotated[Output, typer.Option("--output", "-o", help="table, or json for scripts.")] = Output.TABLE,
) -> None:
    """Show what there is of a lab."""
    from baremetal_lb.lab.control import Control  # noqa: PLC0415  # loads the client of the API server
    from baremetal_lb.lab.status import document  # noqa: PLC0415  # the same

    with _errors():
        directory, state = _open(name)
        found = document(directory, state)
        if output is Output.JSON:
            print_json(found)
            return
        console = open_console()
        console.print(f"lab {state.name}, API server: {state.api}, kubeconfig: {directory.kubeconfig}", soft_wrap=True, highlight=False)
        hosts = Table("machine", "addresses", "MAC", "on it", box=None)
        for node in found["nodes"]:
            pods = ", ".join(pod.name for pod in state.layout.pods if pod.node == node["name"])
            hosts.add_row(node["name"], " ".join(node["ips"]), node["mac"], f"{pods}")
        for router in found["routers"]:
            hosts.add_row(router["name"], " ".join(router["ips"]), router["mac"], f"AS {router['asn']}")
        hosts.add_row("client", " ".join(found["client"]["ips"]), found["client"]["mac"], "")
        console.print(hosts)
        leaders = [controller["pid"] for controller in found["controllers"] if controller["leader"]]
        processes = Table("process", "state", "pid", "restarts", "", box=None)
        for process in Control(directory).processes().values():
            note = "leads" if process.pid in leaders else ""
            processes.add_row(process.name, process.state, str(process.pid or "-"), str(process.restarts), note)
        console.print(processes)


@app.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def execute(
    where: Annotated[str, typer.Argument(help="client, node1, ..., frr, bird, gobgp, switch, control, api or a Pod.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="What to run there.")],
    name: Name = DEFAULT_NAME,
) -> None:
    """Run a command on a machine of the lab; ends with its exit code."""
    with _errors():
        _run_inside(name, where, command[command[0] == "--" :])


def _run_inside(name: str, where: str, command: list[str]) -> NoReturn:
    from baremetal_lb.lab.netns import entering  # noqa: PLC0415  # only this needs it
    from baremetal_lb.lab.privilege import joining  # noqa: PLC0415  # the same
    from baremetal_lb.lab.programs import router_directory  # noqa: PLC0415  # the same
    from baremetal_lb.lab.routers import control_command  # noqa: PLC0415  # the same
    from baremetal_lb.lab.up import environment_of  # noqa: PLC0415  # the same

    directory, state = _open(name)
    if where not in state.layout.hosts:
        raise LabError(f"there is no {where!r} in the lab; there are: {', '.join(state.layout.hosts)}")
    router = state.layout.router(where)
    if router is not None:  # its command line finds this router, and no other one of the machine
        command = list(control_command(router.kind, router_directory(directory, router), command))
    argv = joining(state.owner_holder, entering(state.layout.namespace(where), command))
    environment = environment_of(directory, state) | {"KUBECONFIG": str(directory.kubeconfig)}
    os.execvpe(argv[0], argv, environment)  # noqa: S606  # no shell is wanted


@app.command()
def kubeconfig(name: Name = DEFAULT_NAME) -> None:
    """Print the path of the lab's kubeconfig: ``export KUBECONFIG=$(bmlb lab kubeconfig)``."""
    with _errors():
        say(str(_open(name)[0].kubeconfig))


@app.command()
def fault(
    what: Annotated[FaultName, typer.Argument(metavar="FAULT", help=", ".join(fault.value for fault in FaultName))],
    target: Annotated[
        str | None, typer.Argument(metavar="[NODE]", help="Which node or router, or which controller (1, 2; else the leader).")
    ] = None,
    name: Name = DEFAULT_NAME,
    keep_down: Annotated[bool, typer.Option("--keep-down", help="What is killed stays down until heal.")] = False,  # noqa: FBT002  # a flag
) -> None:
    """Break something, or mend it again with heal and start-api.

    A killed process is started again after a second, as a kubelet would; what was paused, cut or stopped stays so until heal.
    """
    from baremetal_lb.lab.faults import Faults  # noqa: PLC0415  # loads the client of the API server

    with _errors():
        directory, state = _open(name)
        _join(directory, state)
        _report(Faults(directory, state).inject(what.value, target, keep_down=keep_down))


@app.command()
def logs(
    what: Annotated[str | None, typer.Argument(help="Which process, as in `lab status`; without it: all, the last lines.")] = None,
    name: Name = DEFAULT_NAME,
    tail: Annotated[int, typer.Option(help="How many of the last lines; 0 for all.")] = 0,
) -> None:
    """Print logs."""
    with _errors():
        directory, _ = _open(name, must_be_up=False)
        files = sorted([*directory.logs.glob("*.log"), *directory.path.glob("kube/*.log")])
        chosen = [file for file in files if what in (None, file.stem)]
        if not chosen:
            raise LabError(f"there is no log of {what!r}; there are: {', '.join(file.stem for file in files)}")
        for file in chosen:
            lines = file.read_text(errors="replace").splitlines()
            if what is None:
                say(f"==> {file.stem} <==")
            for line in lines[-(tail or (10 if what is None else len(lines))) :]:
                say(line)


@backend_app.command()
def stop(pod: Annotated[str, typer.Argument(help="Name of the Pod: web-node1-a, ...")], name: Name = DEFAULT_NAME) -> None:
    """Stop the server of a Pod, and make the Pod not ready."""
    _set_backend(name, pod, is_running=False)


@backend_app.command()
def start(pod: Annotated[str, typer.Argument(help="Name of the Pod: web-node1-a, ...")], name: Name = DEFAULT_NAME) -> None:
    """Start the server of a Pod again, and make the Pod ready."""
    _set_backend(name, pod, is_running=True)


def _set_backend(name: str, pod: str, *, is_running: bool) -> None:
    from baremetal_lb.lab.faults import set_backend  # noqa: PLC0415  # loads the client of the API server

    with _errors():
        directory, state = _open(name)
        _report(set_backend(directory, state, pod, is_running=is_running))
