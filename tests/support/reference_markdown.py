"""What the generated pages of the reference have in common."""

from collections.abc import Iterable

NOTE = "<!-- made by `make reference`; do not edit -->\n"


def cell(text: str) -> str:
    """Return a text that can stand in a table; what stands in angle brackets outside of code is no HTML."""
    parts = text.replace("|", "\\|").replace("``", "`").split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table."""
    heads = list(heads)
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in rows)]
