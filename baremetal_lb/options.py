"""Options and environment variables from a dataclass of settings, without a command-line framework: a process starts in milliseconds.

A field ``health_port`` is the option ``--health-port`` and the environment variable ``BMLB_HEALTH_PORT``; the option wins, then the
variable, then the default. Fields are str, int, float or bool; a bool is a flag without value, and ``true`` or ``false`` in the
environment. Attribute docstrings are the help texts; they exist in the source only, so they are looked up for ``--help`` alone.
"""

import argparse
import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar

PREFIX = "BMLB_"
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Settings(Protocol):
    """A dataclass whose fields all have defaults."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


S = TypeVar("S", bound=Settings)


def attribute_docstrings(cls: type) -> dict[str, str]:
    """Return name to docstring of the annotated attributes, each on one line; empty where the source is not at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, SyntaxError):
        return {}
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    found = {}
    for attribute, text in pairwise(body):
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[attribute.target.id] = " ".join(value.value.split())
    return found


def environment_name(field_name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field_name.upper()


def parse_options(
    cls: type[S],
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    prog: str,
    description: str,
    choices: Mapping[str, Sequence[str]] | None = None,
    required: Sequence[str] = (),
    checks: Mapping[str, Callable[[str], object]] | None = None,
) -> S:
    """Return the settings; what ``checks`` have for a field raises ValueError for a text that cannot be meant.

    Raises:
        SystemExit: 2 after the usage, for an unknown option, a value that cannot be meant, or a required field that is empty;
            0 after the help.
    """
    allowed = choices or {}
    texts = attribute_docstrings(cls) if {"-h", "--help"} & set(argv) else {}
    parser = argparse.ArgumentParser(prog=prog, description=description, allow_abbrev=False)
    for name, default in _defaults(cls).items():
        shown = f"{texts.get(name, '')} (default: {default!r}; {environment_name(name)})".replace("%", "%%")
        option = "--" + name.replace("_", "-")
        if isinstance(default, bool):
            parser.add_argument(option, dest=name, action=argparse.BooleanOptionalAction, default=None, help=shown)
            continue
        metavar = None if name in allowed else type(default).__name__.upper()
        parser.add_argument(option, dest=name, type=type(default), choices=allowed.get(name), default=None, metavar=metavar, help=shown)
    given = vars(parser.parse_args(list(argv)))
    values = {
        name: given[name] if given[name] is not None else _from_environment(name, default, environ, allowed.get(name), parser.error)
        for name, default in _defaults(cls).items()
    }
    for name in required:
        if values[name] == "":
            parser.error(f"--{name.replace('_', '-')} (or {environment_name(name)}) is required")
    for name, check in (checks or {}).items():
        try:
            check(values[name])
        except ValueError as error:
            parser.error(f"--{name.replace('_', '-')} (or {environment_name(name)}): {error}")
    return cls(**values)


def _defaults(cls: type[S]) -> dict[str, Any]:
    return {field.name: field.default for field in fields(cls)}


class _Fail(Protocol):
    def __call__(self, message: str) -> NoReturn: ...


def _from_environment(name: str, default: Any, environ: Mapping[str, str], allowed: Sequence[str] | None, fail: _Fail) -> Any:
    variable = environment_name(name)
    text = environ.get(variable, "")
    if text == "":
        return default
    if isinstance(default, bool):
        if text.lower() not in _TRUTHS:
            fail(f"{variable}={text!r} is neither true nor false")
        return _TRUTHS[text.lower()]
    try:
        value = type(default)(text)
    except ValueError:
        fail(f"{variable}={text!r} is no {type(default).__name__}")
    if allowed is not None and value not in allowed:
        fail(f"{variable}={text!r} is none of {', '.join(allowed)}")
    return value
