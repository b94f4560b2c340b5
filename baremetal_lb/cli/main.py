"""The entry point ``bmlb``: a table of commands, each imported only when it is called.

Importing every command costs ten times what showing the help may cost, so the root group knows names and one-line helps, and
loads the rest on demand.
"""

import importlib
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from baremetal_lb.model.visible import visible_lines


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives: ``module:attribute``, the attribute being a typer.Typer, and its line in the help."""

    target: str
    help: str


COMMANDS: dict[str, LazyCommand] = {
    "validate": LazyCommand("baremetal_lb.cli.validate:app", "Tell every problem of resources in files, with file, line and field."),
    "plan": LazyCommand("baremetal_lb.cli.plan:app", "Show what a cluster would settle to: IPs, announcers and reasons. Offline."),
    "crds": LazyCommand("baremetal_lb.cli.crds:app", "Print the custom resource definitions to apply."),
    "manifests": LazyCommand("baremetal_lb.cli.manifests:app", "Print all objects of an installation, to apply without Helm."),
    "pool": LazyCommand("baremetal_lb.cli.pool:app", "Pools of IPs: see, make, change, drain and check them."),
    "ip": LazyCommand("baremetal_lb.cli.ip:app", "Who has which IP; reservations."),
    "svc": LazyCommand("baremetal_lb.cli.svc:app", "Services: their IPs, who reaches them, and why not."),
    "node": LazyCommand("baremetal_lb.cli.node:app", "Nodes and their speakers."),
    "peer": LazyCommand("baremetal_lb.cli.peer:app", "BGP peers, sessions and routes of a running cluster."),
    "lab": LazyCommand("baremetal_lb.cli.lab:app", "A cluster on this machine, in network namespaces."),
    "version": LazyCommand("baremetal_lb.cli.version:app", "Print the versions of this program, of the install and of Kubernetes."),
    "controller": LazyCommand("baremetal_lb.cli.run:controller_app", "Run the controller."),
    "speaker": LazyCommand("baremetal_lb.cli.run:speaker_app", "Run the speaker of one node."),
    "exabgp": LazyCommand("baremetal_lb.cli.run:exabgp_app", "Run ExaBGP for the speaker of one node."),
    "bfd": LazyCommand("baremetal_lb.cli.run:bfd_app", "Run BFD for the speaker of one node."),
}


@contextmanager
def _usage_errors_as_text() -> Iterator[None]:
    """Write out what would steer the terminal in an error about arguments, which repeats them; the lines are the library's."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # of the library's ClickException, which typer does not export
            told = visible_lines(error.format_message())
            error.format_message = lambda: told
        raise


class LazyGroup(TyperGroup):
    """A group that imports a command when it is asked for, and none to print its own help."""

    _is_listing = False

    def make_context(self, info_name, args, parent=None, **extra):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN201  # click's signature
        """Parse the arguments of ``bmlb`` itself."""
        with _usage_errors_as_text():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # click's signature
        """Run the command, after its arguments were parsed."""
        with _usage_errors_as_text():
            return super().invoke(ctx)

    def parse_args(self, ctx, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # click's signature
        """Parse the options of ``bmlb`` itself, help and completion, only where one of them can be: not if a command comes first.

        typer has pydantic convert the value of each option, given or not, and importing that took half of the 0.4 s that a help text
        may take.
        """
        if args and args[0] in COMMANDS:
            self.params, self.add_help_option = [], False
        return super().parse_args(ctx, args)

    def format_help(self, ctx, formatter):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # click's signature
        """Print the help from the table alone."""
        self._is_listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._is_listing = False

    def shell_complete(self, ctx, incomplete):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # click's signature
        """Return the completions of a name, from the table alone."""
        self._is_listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._is_listing = False

    def list_commands(self, ctx):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002  # click's signature
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx, cmd_name):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002  # click's signature
        """Import and return one command."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        if self._is_listing:
            return TyperCommand(cmd_name, help=lazy.help)
        module, _, attribute = lazy.target.partition(":")
        command = get_command(getattr(importlib.import_module(module), attribute))
        command.name = cmd_name
        return command


PLUGIN = "kubectl-"
IS_PLUGIN = Path(sys.argv[0]).name.startswith(PLUGIN)
"""kubectl runs ``kubectl-bmlb`` for ``kubectl bmlb``."""
app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="LoadBalancer for clusters that have no cloud.",
    add_completion=not IS_PLUGIN,  # kubectl's own completion asks kubectl_complete-bmlb
)


@app.callback()
def root() -> None:
    """LoadBalancer for clusters that have no cloud."""


def main() -> None:
    """Run the command line, by the name that it was called by."""
    sys.excepthook = _tell_crash
    app(prog_name="kubectl bmlb" if IS_PLUGIN else "bmlb")


def _tell_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of an error of ours, whose message may hold what strangers wrote."""
    sys.stderr.write(visible_lines("".join(traceback.format_exception(kind, error, trace))))


def complete_for_kubectl() -> None:
    """Answer kubectl's completion of ``kubectl bmlb ...``, the words after ``bmlb`` being the arguments, the last one incomplete.

    kubectl wants what cobra prints: one completion on a line, with a tab before its help, which is the form for fish too; then a directive,
    here 0: file names where there are none, for those who name files.
    """
    words = shlex.join(sys.argv[1:-1])
    line = " ".join(filter(None, ("bmlb", words))) + " " + (sys.argv[-1] if sys.argv[1:] else "")
    os.environ |= {"_BMLB_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    try:
        app(prog_name="bmlb")
    finally:
        sys.stdout.write(":0\n")
