"""Options and environment variables from a dataclass of settings, without a command-line framework.

Attribute docstrings exist in the source only, so they are read from it; a process that is only told to run never needs them, and
they are looked up for ``--help`` alone.
"""

import argparse
import ast
import inspect
import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PREFIX = "BMLB_"


S = TypeVar("S", bound="DataclassInstance")


def attribute_docstrings(cls: type) -> dict[str, str]:
    """Return name to docstring of the annotated attributes, on one line each; empty where the source is not at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, SyntaxError):
        return {}
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    found = {}
    for attribute, text in itertools.pairwise(body):
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[attribute.target.id] = " ".join(value.value.split())
    return found


def environment_name(field_name: str) -> str:
    """Return the environment variable of a field: ``BMLB_`` and its name in capitals."""
    return PREFIX + field_name.upper()


def parser_for(
    cls: type[S], *, prog: str, description: str, choices: Mapping[str, tuple[str, ...]], with_help: bool
) -> argparse.ArgumentParser:
    """Return the parser; help texts are filled in only when they will be shown."""
    parser = argparse.ArgumentParser(prog=prog, description=description, allow_abbrev=False)
    texts = attribute_docstrings(cls) if with_help else {}
    for setting in fields(cls):
        help_text = f"{texts.get(setting.name, '')} (default: {setting.default!r}; {environment_name(setting.name)})"
        parser.add_argument(
            "--" + setting.name.replace("_", "-"),
            dest=setting.name,
            metavar=None if setting.name in choices else _type_of(setting).__name__.upper(),
            type=_type_of(setting),
            choices=choices.get(setting.name),
            default=None,
            help=help_text.replace("%", "%%"),
        )
    return parser


def parse(
    cls: type[S], argv: Sequence[str], environ: Mapping[str, str], *, prog: str, description: str, choices: Mapping[str, tuple[str, ...]]
) -> S:
    """Return the settings: option, else environment variable, else default.

    Raises:
        SystemExit: 2 after the usage, for an unknown option or a value that cannot be meant; 0 after the help.
    """
    parser = parser_for(cls, prog=prog, description=description, choices=choices, with_help=bool({"-h", "--help"} & set(argv)))
    given = vars(parser.parse_args(list(argv)))
    values: dict[str, Any] = {}
    for setting in fields(cls):
        value = given[setting.name]
        name = environment_name(setting.name)
        if value is None and environ.get(name, "") != "":
            try:
                value = _type_of(setting)(environ[name])
            except ValueError:
                parser.error(f"{name}={environ[name]!r} is no {_type_of(setting).__name__}")
            if setting.name in choices and value not in choices[setting.name]:
                parser.error(f"{name}={value!r} is none of {', '.join(choices[setting.name])}")
        values[setting.name] = setting.default if value is None else value
    return cls(**values)


def _type_of(setting: "Field[Any]") -> type:
    return type(setting.default)
