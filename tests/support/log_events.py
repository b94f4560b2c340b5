"""Log events as the code writes them: found in the source, so that nothing that is logged can be forgotten in the reference."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("baremetal_lb", "controller", "speaker")
LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
    "log": "warning",
}
"""By method of the logger; ``log`` is the one that hands on what libraries say, warnings and worse."""
HIDDEN = frozenset({"exc_info"})


@dataclass(frozen=True, slots=True)
class Written:
    """One call of a logger."""

    name: str
    level: str
    keys: tuple[str, ...]
    place: str


def written() -> Iterator[Written]:
    """Yield every call of a module's logger.

    Raises:
        TypeError: an event name is not a constant.
    """
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        source = path.read_text()
        if "structlog.get_logger" in source:
            yield from _calls(ast.parse(source), str(path.relative_to(ROOT)))


def _calls(tree: ast.AST, place: str) -> Iterator[Written]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "log"):
            continue
        name = node.args[1 if node.func.attr == "log" else 0]
        if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
            raise TypeError(f"{place}:{node.lineno}: the name of an event is a constant; what varies is a key")
        keys = tuple(keyword.arg for keyword in node.keywords if keyword.arg and keyword.arg not in HIDDEN)
        yield Written(name.value, LEVELS[node.func.attr], keys, f"{place}:{node.lineno}")
