"""Network namespaces and what is in them, by iproute2.

``ip -batch`` takes many commands at once, which makes a lab in a second; a failed line names itself.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.tools import search_path

DIRECTORY = Path("/run/netns")


def run(command: Sequence[str], *, text: str = "", deadline_s: float = 30) -> str:
    """Run a system command with this standard input, and return what it said.

    Raises:
        LabError: with what it said.
    """
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"PATH": search_path(os.environ)},
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=deadline_s,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(command)}` did not end within {deadline_s:g} s") from None
    if done.returncode:
        raise LabError(f"`{' '.join(command)}` failed ({done.returncode}): {(done.stderr or done.stdout).strip()}")
    return done.stdout


def batch(lines: Sequence[str], *, namespace: str | None = None) -> None:
    """Run iproute2 commands, in this namespace or where this process is.

    Raises:
        LabError: with the line that failed.
    """
    where = ["-n", namespace] if namespace else []
    run(["ip", *where, "-batch", "-"], text="\n".join(lines) + "\n")


def entering(namespace: str, command: Sequence[str]) -> list[str]:
    """Return the command that runs this one in a namespace. It keeps its pid, and /sys shows that namespace's interfaces."""
    return ["ip", "netns", "exec", namespace, *command]


def set_sysctls(namespace: str, settings: Sequence[tuple[str, str]]) -> None:
    """Write settings of /proc/sys/net, each named with slashes and without ``net/``; ``!name`` may be absent from this kernel.

    Raises:
        LabError: with the one that failed.
    """
    lines = []
    for name, value in settings:
        path = f"/proc/sys/net/{name.removeprefix('!')}"
        guard = f"[ ! -e {path} ] || " if name.startswith("!") else ""
        lines.append(f"{guard}echo {value} > {path} || exit 1")
    run(entering(namespace, ["sh", "-s"]), text="\n".join(lines) + "\n")


def names(prefix: str) -> tuple[str, ...]:
    """Return the namespaces whose names begin like this."""
    if not DIRECTORY.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in DIRECTORY.iterdir() if entry.name.startswith(prefix)))


def inodes(prefix: str) -> tuple[int, ...]:
    """Return the inode of each of these namespaces, as in ``/proc/PID/ns/net``; none for a name whose namespace never came to be."""
    own = Path("/proc/self/ns/net").stat()
    found = ((DIRECTORY / name).stat() for name in names(prefix))
    return tuple(stat.st_ino for stat in found if stat.st_dev == own.st_dev)


def remove(prefix: str) -> None:
    """Remove all namespaces whose names begin like this, with the interfaces in them.

    Raises:
        LabError: with the one that could not be removed.
    """
    for name in names(prefix):
        run(["ip", "netns", "delete", name])
