"""Purity of modules, read from their source: what they import of the outside, and what they read of a clock, a terminal or a file.

Everything is pure unless it is listed as impure; and what is listed must be so. ``PureContract`` makes import-linter check it.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

INSIDE = frozenset({
    "__future__", "abc", "array", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "csv",
    "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq", "hmac", "html",
    "ipaddress", "itertools", "json", "keyword", "math", "msgspec", "numbers", "operator", "re", "sortedcontainers", "statistics", "string",
    "struct", "sys", "textwrap", "types", "typing", "unicodedata", "urllib.parse", "uuid", "weakref", "yaml", "zlib",
})  # fmt: skip
"""Libraries that pure modules may import; a library that is not here is of the outside until somebody has thought about it."""
READS = frozenset({
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "sys.argv", "sys.exit", "sys.modules", "sys.path", "sys.stdin", "sys.stdout", "sys.stderr", "uuid.getnode", "uuid.uuid1", "uuid.uuid4",
    "uuid.uuid6", "uuid.uuid7", "__import__", "breakpoint", "compile", "eval", "exec", "input", "open", "print",
})  # fmt: skip
"""Functions and values of modules that are pure otherwise, and of no module at all."""


@dataclass(frozen=True, slots=True)
class Impurity:
    """One place in a module that reaches outside."""

    module: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"


def impurities(module: str, source: str, *, allowed: frozenset[str] = frozenset()) -> tuple[Impurity, ...]:
    """Return what a module's source reaches outside for; ``allowed`` may be imported beside INSIDE, such as packages of ours."""
    tree = ast.parse(source)
    found = [Impurity(module, line, f"imports {told}") for line, name, told in _imports(tree) if not _is_of(name, INSIDE | allowed)]
    names = dict(_names(tree))
    found += [
        Impurity(module, node.lineno, f"reads {read}")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and (read := _resolved(node, names)) in READS
    ]
    return tuple(dict.fromkeys(found))


def source_of(module: str, root: Path) -> str:
    """Return the source of a module of a package under ``root``.

    Raises:
        FileNotFoundError: it has none.
    """
    place = root.joinpath(*module.split("."))
    return (place / "__init__.py" if place.is_dir() else place.with_suffix(".py")).read_text()


def expanded(lines: Iterable[str]) -> frozenset[str]:
    """Return the modules that lines such as ``"package: one two"`` name."""
    return frozenset(f"{package}.{name}" for line in lines for package, _, names in [line.partition(": ")] for name in names.split())


def allowed_in(module: str, allowed: Iterable[str]) -> frozenset[str]:
    """Return the libraries that lines ``"package: library"`` allow a module."""
    return frozenset(
        name for line in allowed for package, _, names in [line.partition(": ")] if _is_of(module, {package}) for name in names.split()
    )


def unused(allowed: Iterable[str], sources: Mapping[str, str]) -> tuple[str, ...]:
    """Return what lines ``"package: library"`` allow to no purpose, as sentences; ``sources`` are by module."""
    return tuple(
        f"{package} may import {library} and does not: take it off the list"
        for line in allowed
        for package, _, libraries in [line.partition(": ")]
        for library in libraries.split()
        if not any(
            _is_of(name, {library})
            for module, source in sources.items()
            if _is_of(module, {package})
            for _, name, _ in _imports(ast.parse(source))
        )
    )


def verdicts(
    modules: Iterable[str], imported: Mapping[str, Iterable[str]], found: Mapping[str, tuple[Impurity, ...]], impure: frozenset[str]
) -> tuple[str, ...]:
    """Return what is wrong with a list of impure modules, as sentences; ``imported`` are the modules of ours that each one imports."""
    known = sorted(modules)
    wrong = [f"{name} is listed as impure and is not there" for name in sorted(impure.difference(known))]
    for module in known:
        drawn_in = sorted(impure.intersection(imported.get(module, ())))
        if module not in impure:
            wrong += [str(each) for each in found.get(module, ())]
            wrong += [f"{module} imports {name}, which is impure" for name in drawn_in]
        elif not found.get(module) and not drawn_in:
            wrong.append(f"{module} is listed as impure and reaches outside nowhere: take it off the list")
    return tuple(wrong)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, full name and the module as it is written, of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}", node.module) for alias in node.names)


def _is_of(name: str, libraries: AbstractSet[str]) -> bool:
    """Tell whether a full name is one of these libraries, or of one."""
    parts = name.split(".")
    return any(".".join(parts[:end]) in libraries for end in range(1, len(parts) + 1))


def _names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what each imported name stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                (alias.asname or alias.name.partition(".")[0], alias.name if alias.asname else alias.name.partition(".")[0])
                for alias in node.names
            )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
    for node in tree.body:  # what a module defines by a builtin's name is no builtin in it; a method or an argument hides it nowhere else
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, f".{node.name}"


def _resolved(node: ast.expr, names: Mapping[str, str]) -> str:
    """Return the full name of an expression such as ``datetime.now``; "" where it is no name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        head = _resolved(node.value, names)
        return f"{head}.{node.attr}" if head else ""
    return ""
