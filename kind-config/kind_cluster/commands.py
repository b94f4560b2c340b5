"""Running other programs: quietly, and with what they said when they fail."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

TAIL = 2000
"""Characters that are shown of a program that failed."""
Report = Callable[[str], None]


class CommandFailed(Exception):
    """A program that we need said no; the text is what it said."""


def run(
    *command: str | Path,
    stdin: IO[bytes] | None = None,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 1800.0,
) -> str:
    """Run a program to its end, with ``text`` or a file as its input, and return what it printed.

    Raises:
        CommandFailed: it ended with another code than 0, or not in time.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=None if text is not None else stdin or subprocess.DEVNULL,
            input=None if text is None else text.encode(),
            capture_output=True,
            env={**os.environ, **(environment or {})},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{' '.join(words[:4])} did not end within {timeout_s:.0f} s") from error
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        complaint = (done.stderr.decode(errors="replace").strip() or said.strip())[-TAIL:]
        raise CommandFailed(f"{' '.join(words[:4])} failed with code {done.returncode}: {complaint}")
    return said


def succeeds(*command: str | Path, timeout_s: float = 60.0) -> bool:
    """Tell whether a program ends well."""
    try:
        run(*command, timeout_s=timeout_s)
    except (CommandFailed, OSError):
        return False
    return True
