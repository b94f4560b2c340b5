"""Forms of output that commands share: tables for people, documents for programs.

Tables have kubectl's look: capitals above, no lines. On a terminal they fit its width, in a pipe they are as wide as they
need. Colour is rich's decision: none when the output is no terminal, nor with NO_COLOR.

This is the one door to the terminal: no other module of the command line prints (tests/unit/house/test_printing.py). What passes it is
text: a character that would steer the terminal is written out (:mod:`baremetal_lb.model.visible`), square brackets are no markup.

    say, complain    lines to standard output and standard error, each of them one line whatever is in it
    open_console     tables and colour (:func:`styled`)
    print_document   JSON and YAML, with the same characters escaped as these languages escape them, so that they read back the same
"""

import json
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from baremetal_lb.api.yaml_writer import to_yaml
from baremetal_lb.model.visible import visible, visible_lines

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


class TextConsole(Console):
    """A console on which all text is text: strings, those in cells too, are lines without markup, and no style of ours is lost."""

    def render_str(self, text: str, *, style: str | Style = "", **others: Any) -> Text:
        """Turn a string into what is printed, which rich does with each here."""
        return Text(visible(text), style=style, justify=others.get("justify"), overflow=others.get("overflow"))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as ever, and write out what a :class:`rich.text.Text` brought along."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible_lines(segment.text), segment.style)


def open_console(*, to_stderr: bool = False) -> Console:
    """Return the console that tables are printed on."""
    console = TextConsole(highlight=False, stderr=to_stderr)
    return console if console.is_terminal else TextConsole(highlight=False, stderr=to_stderr, width=PIPED_WIDTH)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Return a line of texts, some of them with a style: ``styled(("error:", "bold red"), " no such lab")``."""
    pairs = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((visible(text), style) for text, style in pairs))


def say(*lines: str) -> None:
    """Print lines."""
    typer.echo("\n".join(map(visible, lines)))


def complain(*lines: str) -> None:
    """Print lines on standard error."""
    typer.echo("\n".join(map(visible, lines)), err=True)


def confirm(question: str) -> None:
    """Ask at the terminal.

    Raises:
        typer.Abort: the answer was no.
    """
    typer.confirm(visible(question), abort=True)


class PlainTable:
    """Rows of texts, each column as wide as it needs. Only where they do not fit are cells folded, by rich, at twenty times the cost."""

    def __init__(self, *headings: str) -> None:
        self._rows: list[tuple[str, ...]] = [headings]

    def add_row(self, *cells: str) -> None:
        """Add a row with a cell for each heading. Written out here and not as it is printed: it counts for the width."""
        self._rows.append(tuple(map(visible, cells)))

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


def print_json(document: object) -> None:
    """Print a document as JSON, in ASCII."""
    typer.echo(json.dumps(document, indent=2))


def print_yaml(documents: Sequence[object], *, width: int = 80) -> None:
    """Print documents as YAML."""
    typer.echo(to_yaml(*documents, width=width), nl=False)


def print_document(document: dict[str, Any], output: Output) -> None:
    """Print a document as JSON or YAML."""
    if output is Output.JSON:
        print_json(document)
    else:
        print_yaml([document])
