"""Texts of files, directories and standard input, as they are read for objects. Bounded in size, and in the wait for whoever writes.

An octet that is not UTF-8 becomes a lone surrogate (PEP 383), which valid UTF-8 never gives: so only the document that has it is lost,
and ``yaml_nodes`` says so with its line.
"""

import os
import select
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from baremetal_lb.api.reasons import ConfigurationReason as Why

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
SIZE_MAX = 256 * 2**20
"""Octets of one file: the objects of a large cluster, several times over."""
PIPE_PATIENCE_S = 10.0
"""Wait for somebody to open a named pipe for writing; once it is open, what comes is awaited like standard input."""


class SourceError(Exception):
    """A file or directory that cannot be read, or a document that is broken where nobody takes problems; the text says which."""


def texts(paths: Iterable[str | Path]) -> Iterator[tuple[str, str | Why]]:
    """Yield each file, as it was given, with its text, or with why it has none that can be used.

    Raises:
        SourceError: a path cannot be read, or a directory has no file for us.
    """
    for path in paths:
        if str(path) == "-":
            yield "-", _decoded(sys.stdin.buffer.read(SIZE_MAX + 1))
            continue
        for file in _files(Path(path)):
            try:
                data = _read(file)
            except OSError as error:
                raise SourceError(f"{file}: {error.strerror or error}") from None
            yield str(file), data if isinstance(data, Why) else _decoded(data)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise SourceError(f"{path}: no {', '.join(sorted(SUFFIXES))} file in it")
    return files


def _read(path: Path) -> bytes | Why:
    # Opening a pipe would wait without end for a writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        is_pipe = stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
        first = _first_of_pipe(stream.fileno()) if is_pipe else b""
        if first is None:
            return Why.NobodyWrites
        os.set_blocking(stream.fileno(), True)
        return first + stream.read(SIZE_MAX + 1)


def _first_of_pipe(descriptor: int) -> bytes | None:
    """Return what was read while it was found out that somebody writes; None: nobody does."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    if waiting.poll(PIPE_PATIENCE_S * 1000):
        return b""
    try:
        return os.read(descriptor, 1) or None
    except BlockingIOError:  # somebody has it open, and is silent yet
        return b""


def _decoded(data: bytes) -> str | Why:
    if len(data) > SIZE_MAX:
        return Why.TooLarge
    return data.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n")
