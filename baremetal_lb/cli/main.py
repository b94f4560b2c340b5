"""The entry point ``bmlb``: a table of commands, each imported only when it is called.

Importing every command costs ten times what showing the help may cost, so the root group knows names and one-line helps, and
loads the rest on demand.
"""

import importlib
from dataclasses import dataclass

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives: ``module:attribute``, the attribute being a typer.Typer, and its line in the help."""

    target: str
    help: str


COMMANDS: dict[str, LazyCommand] = {
    "validate": LazyCommand("baremetal_lb.cli.validate:app", "Tell every problem of resources in files, with file, line and field."),
    "plan": LazyCommand("baremetal_lb.cli.plan:app", "Show what a cluster would settle to: IPs, announcers and reasons. Offline."),
    "crds": LazyCommand("baremetal_lb.cli.crds:app", "Print the custom resource definitions to apply."),
    "lab": LazyCommand("baremetal_lb.cli.lab:app", "A cluster on this machine, in network namespaces."),
    "controller": LazyCommand("baremetal_lb.cli.run:controller_app", "Run the controller."),
    "speaker": LazyCommand("baremetal_lb.cli.run:speaker_app", "Run the speaker of one node."),
}


class LazyGroup(TyperGroup):
    """A group that imports a command when it is asked for, and none to print its own help."""

    _is_listing = False

    def format_help(self, ctx, formatter):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # click's signature
        """Print the help from the table alone."""
        self._is_listing = True
        try:
            super().format_help(ctx, formatter)
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


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False, help="LoadBalancer for clusters that have no cloud.")


@app.callback()
def root() -> None:
    """LoadBalancer for clusters that have no cloud."""


def main() -> None:
    """Run the command line."""
    app()
