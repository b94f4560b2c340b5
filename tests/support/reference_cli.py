"""The reference of the command line, from the commands themselves."""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from baremetal_lb.cli.main import COMMANDS
from tests.support.reference_markdown import cell

PROCESSES = ("controller", "speaker", "exabgp", "bfd")
"""Their options are settings, which have a page of their own."""


def cli_lines() -> list[str]:
    """Return the page, without its head."""
    lines = [
        "# `bmlb`",
        "",
        "Also as `kubectl bmlb`, where `kubectl-bmlb` is on the PATH. Exit codes: 0 done, 1 a problem was found, 2 the command cannot be",
        "meant, 3 the API server said no or nothing, 4 a conflict. No colour where the output is no terminal, or `NO_COLOR` is set.",
        "",
        "What is written in objects, files and arguments is shown as text: a character that would steer the terminal or be seen by nobody",
        "is written out (`\\x1b`, `\\u202e`, `\\n`). In JSON and YAML it is escaped as these languages do, and reads back the same.",
    ]
    for name, lazy in COMMANDS.items():
        if name in PROCESSES:
            lines += ["", f"## `bmlb {name}`", "", f"{lazy.help} Its options are [settings](settings.md)."]
            continue
        module, _, attribute = lazy.target.partition(":")
        command = get_command(getattr(importlib.import_module(module), attribute))
        for path, each in _commands(command, f"bmlb {name}"):
            lines += _section(path, each)
    return lines


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            yield from _commands(each, f"{path} {name}")
    else:
        yield path, command


def _section(path: str, command: Any) -> list[str]:
    parameters = [each for each in command.params if each.name != "help"]
    arguments = " ".join(each.metavar or each.name.upper() for each in parameters if each.param_type_name == "argument")
    lines = ["", f"## `{f'{path} {arguments}'.strip()}`", "", inspect.cleandoc(command.help or "")]
    options = [each for each in parameters if each.param_type_name == "option"]
    if options:
        lines += ["", "| option | |", "|---|---|"]
        for option in options:
            names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
            lines.append(f"| {names} | {cell(str(getattr(option, 'help', '') or ''))} |")
    return lines
