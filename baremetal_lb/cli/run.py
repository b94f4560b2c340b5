"""``bmlb controller``, ``speaker``, ``exabgp`` and ``bfd``: become the process, with all that stands behind, ``--help`` too.

The command line stands on the same layers as the processes and imports none: it replaces itself by ``python -m``.
"""

import os
import sys
from typing import NoReturn

import typer

_ALL = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
controller_app = typer.Typer(add_completion=False)
speaker_app = typer.Typer(add_completion=False)
exabgp_app = typer.Typer(add_completion=False)
bfd_app = typer.Typer(add_completion=False)


@controller_app.command(context_settings=_ALL)
def controller(ctx: typer.Context) -> None:
    """Run the controller."""
    _become("controller", ctx.args)


@speaker_app.command(context_settings=_ALL)
def speaker(ctx: typer.Context) -> None:
    """Run the speaker of one node."""
    _become("speaker", ctx.args)


@exabgp_app.command(context_settings=_ALL)
def exabgp(ctx: typer.Context) -> None:
    """Run ExaBGP for the speaker of one node."""
    _become("baremetal_lb.engine", ctx.args)


@bfd_app.command(context_settings=_ALL)
def bfd(ctx: typer.Context) -> None:
    """Run BFD for the speaker of one node."""
    _become("baremetal_lb.bfdd", ctx.args)


def _become(module: str, arguments: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  # no shell is wanted
