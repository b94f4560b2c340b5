"""Takes a lab down, whatever is left of it, and leaves nothing behind.

Three traces are followed, since any of them may be missing after a crash: the processes in the state file, all processes that carry
the lab's mark or are in its namespaces, and the namespaces that carry its name. Doing it twice does no harm.
"""

import signal
import time
from contextlib import suppress

from baremetal_lb.lab import netns
from baremetal_lb.lab.errors import LabError, NoSuchLab
from baremetal_lb.lab.layout import PREFIX
from baremetal_lb.lab.privilege import is_privileged
from baremetal_lb.lab.processes import ProcessId, inside, kill_all, marked
from baremetal_lb.lab.state import LabDirectory, LabState

_SUPERVISOR_S = 5.0
_ROUNDS = 5
"""A process that is being born while its kin are killed is found in the next round."""


def down(directory: LabDirectory) -> None:
    """Take a lab down.

    Raises:
        NoSuchLab: there is nothing of a lab of this name.
        LabError: another command is at work on it, or something would not go.
    """
    with directory.lock(wait_s=10):
        if not directory.path.exists() and not (is_privileged() and netns.names(_prefix(directory.name))):
            directory.read()
        take_down(directory)


def take_down(directory: LabDirectory) -> None:
    """Remove all that is there of a lab; the caller has its lock.

    Raises:
        LabError: something would not go.
    """
    state: LabState | None = None
    with suppress(NoSuchLab, ValueError, TypeError, KeyError):
        state = directory.read()
    if state is not None and state.supervisor is not None:
        _end(state.supervisor)
    left: tuple[ProcessId, ...] = ()
    for _ in range(_ROUNDS):
        found = _processes(directory.name, state)
        if not found:
            break
        left = kill_all(found)
    if left:
        raise LabError(f"processes that would not end: {', '.join(str(process.pid) for process in left)}")
    if is_privileged():
        netns.remove(_prefix(directory.name))
    directory.remove()


def _end(supervisor: ProcessId) -> None:
    """Let the supervisor end what it started; one that does not is killed with all the others."""
    supervisor.send(signal.SIGTERM)
    end = time.monotonic() + _SUPERVISOR_S
    while supervisor.is_running and time.monotonic() < end:
        time.sleep(0.01)


def _processes(name: str, state: LabState | None) -> set[ProcessId]:
    """Return every process of the lab that runs now."""
    found = set(marked(state.mark)) if state is not None else set()
    namespaces: list[tuple[str, int]] = []
    if is_privileged():
        namespaces += [("net", inode) for inode in netns.inodes(_prefix(name))]
    if state is not None and state.owner_holder is not None and state.owner_holder.is_running:
        found.add(state.owner_holder)
    if namespaces:
        found |= set(inside(namespaces))
    return found


def _prefix(name: str) -> str:
    return f"{PREFIX}{name}."
