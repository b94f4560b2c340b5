"""Forms of output that commands share: tables for people, documents for programs.

Tables have kubectl's look: capitals above, no lines. On a terminal they fit its width, in a pipe they are as wide as they
need. Colour is rich's decision: none when the output is no terminal, nor with NO_COLOR.
"""

import json
from enum import Enum
from typing import Annotated, Any

import typer
import yaml
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 10_000
"""Columns in a pipe: a line is never folded, so each is one row for whoever greps."""
GAP = "  "
PROBLEM_FOUND = 1


class Output(Enum):
    """Forms of output."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"

    @property
    def is_document(self) -> bool:
        """Tell whether a program reads it."""
        return self in (Output.JSON, Output.YAML)


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="table, wide, json, yaml or name.")]


class PlainDumper(yaml.SafeDumper):
    """Writes out what is there twice, instead of anchors and aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        """Return True: nothing is an alias."""
        return True


def open_console() -> Console:
    """Return the console that tables are printed on."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


class PlainTable:
    """Rows of texts, each column as wide as it needs. Only where they do not fit are cells folded, by rich, at twenty times the cost."""

    def __init__(self, *headings: str) -> None:
        self._rows: list[tuple[str, ...]] = [headings]

    def add_row(self, *cells: str) -> None:
        """Add a row with a cell for each heading."""
        self._rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Write it out, or let rich fold it."""
        widths = [max(map(cell_len, column)) for column in zip(*self._rows, strict=True)]
        if sum(widths) + len(GAP) * (len(widths) - 1) <= options.max_width:
            for row in self._rows:
                line = GAP.join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
                yield Segment(line.rstrip() + "\n")
            return
        headings, *rows = self._rows
        table = Table(*headings, box=None, header_style=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(cell, overflow="fold") for cell in row))  # a Text: what stands in square brackets is no markup
        yield table


def make_table(*headings: str) -> PlainTable:
    """Return an empty table with kubectl's look."""
    return PlainTable(*headings)


def print_document(document: dict[str, Any], output: Output) -> None:
    """Print a document as JSON or YAML."""
    text = json.dumps(document, indent=2) + "\n" if output is Output.JSON else yaml.safe_dump(document, sort_keys=False)
    typer.echo(text, nl=False)
