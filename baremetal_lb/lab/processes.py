"""Processes of a lab, named so that no other one is ever meant.

A pid alone may have been given to another process meanwhile; a pid with its start time (``/proc/PID/stat``, field 22, clock ticks since
boot) is unique. Processes whose pid was never written down, since their parent was killed a moment too early, are found by the mark
that all processes of a lab carry in their environment, and by the namespaces they are in.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MARK_VARIABLE = "BMLB_LAB_MARK"
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, for as long as the machine runs."""

    pid: int
    started: int
    """Clock ticks since boot."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the process that has this pid now, None if there is none or it is a zombie."""
        try:
            text = (_PROC / str(pid) / "stat").read_text()
        except OSError:
            return None
        # The command stands in parentheses and may hold anything, so count from the last one.
        fields = text[text.rindex(")") + 2 :].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def is_running(self) -> bool:
        """Tell whether it still runs."""
        return ProcessId.of(self.pid) == self

    def send(self, number: signal.Signals) -> bool:
        """Send it a signal; False when it is gone."""
        if not self.is_running:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False


def marked(mark: str) -> Iterator[ProcessId]:
    """Find all processes that carry this lab's mark."""
    needle = f"{MARK_VARIABLE}={mark}".encode()
    for pid in _pids():
        with suppress(OSError):
            if needle in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                process = ProcessId.of(pid)
                if process is not None:
                    yield process


def inside(namespaces: Iterable[tuple[str, int]]) -> Iterator[ProcessId]:
    """Find all processes that are in one of these namespaces, each given as its kind (``net``, ``user``) and inode."""
    wanted = {f"{kind}:[{inode}]" for kind, inode in namespaces}
    for pid in _pids():
        for kind in ("net", "user"):
            with suppress(OSError):
                if str((_PROC / str(pid) / "ns" / kind).readlink()) in wanted:
                    process = ProcessId.of(pid)
                    if process is not None:
                        yield process
                    break


def kill_all(processes: Iterable[ProcessId], *, deadline_s: float = 5) -> tuple[ProcessId, ...]:
    """Kill them and wait until they are gone; return those that are still there at the deadline. Never kills this process itself."""
    left = [process for process in processes if process.pid != os.getpid()]
    for process in left:
        process.send(signal.SIGKILL)
    end = time.monotonic() + deadline_s
    while left := [process for process in left if process.is_running]:
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    return tuple(left)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
