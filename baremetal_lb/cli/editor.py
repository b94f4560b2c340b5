"""A document in the person's editor: what was written is not lost, whatever becomes of it.

document --> file --> $VISUAL, $EDITOR or vi --> document
              |
              kept, and named, unless what followed went well: a fault, a conflict, no answer, a "no", Ctrl-C
"""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from baremetal_lb.api.yaml_nodes import read_document
from baremetal_lb.api.yaml_writer import to_yaml
from baremetal_lb.cli.change import USAGE, refuse
from baremetal_lb.cli.output import PROBLEM_FOUND, complain


@contextmanager
def edited(document: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield the document as a person left it in the editor; ``name`` begins the file's name.

    Raises:
        typer.Exit: 2 there is no editor, 1 it failed or what was written is no document; the sentence has been printed.
    """
    descriptor, place = tempfile.mkstemp(prefix=f"{name}-", suffix=".yaml")
    path, before = Path(place), to_yaml(document)
    os.close(descriptor)
    path.write_text(before, encoding="utf-8")
    try:
        _run_editor(path)
        yield _read(path)
    except BaseException:  # Ctrl-C too: it is somebody's work
        if path.read_bytes() == before.encode():
            path.unlink()
        else:
            complain(f"What you wrote is kept in {path}")
        raise
    path.unlink()


def _read(path: Path) -> dict[str, Any]:
    document, flaw = read_document(path.read_bytes().decode("utf-8", "surrogateescape"))
    if flaw is not None:
        where = f"line {flaw.line}{f', {flaw.field}' if flaw.field else ''}"
        raise refuse(f"what was written cannot be read: {where}: {flaw.reason.sentence} {flaw.message}".rstrip(), code=PROBLEM_FOUND)
    if not isinstance(document, dict):
        raise refuse("what was written is no object with fields; nothing was done", code=PROBLEM_FOUND)
    return document


def _run_editor(path: Path) -> None:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        said = f"the editor {command!r} cannot be run: {error}", "Name another one in EDITOR, or change by options."
        raise refuse(*said, code=USAGE) from None
    if code:
        raise refuse(f"the editor {command!r} ended with code {code}; nothing was done", code=PROBLEM_FOUND)
