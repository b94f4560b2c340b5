"""How commands speak to a lab's supervisor; see ``supervisor`` for the requests."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.processes import ProcessId
from baremetal_lb.lab.state import LabDirectory
from baremetal_lb.lab.supervisor import ProcessSpec

T = TypeVar("T")
_ANSWER_S = 20.0
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Running:
    """What the supervisor says of one process."""

    name: str
    state: str
    """``running``, ``paused``, ``restarting`` or ``stopped``."""
    pid: int | None
    started: int | None
    restarts: int
    last_exit: int | None


class Control:
    """The supervisor of one lab, from outside."""

    def __init__(self, directory: LabDirectory) -> None:
        self.directory = directory

    def processes(self) -> dict[str, Running]:
        """Return what there is, by name.

        Raises:
            LabError: the supervisor does not answer.
        """
        return {fields["name"]: Running(**fields) for fields in self.request("list")["processes"]}

    def start(self, spec: ProcessSpec) -> None:
        """Run this process until told otherwise.

        Raises:
            LabError: the supervisor does not answer, or has a process of this name.
        """
        self.request("start", process=asdict(spec))

    def request(self, do: str, **members: Any) -> dict[str, Any]:
        """Ask for something, and return the answer.

        Raises:
            LabError: the supervisor does not answer, or says no.
        """
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ANSWER_S)
                connection.connect(str(self.directory.socket))
                connection.sendall(json.dumps({"do": do, **members}).encode() + b"\n")
                with connection.makefile() as answers:
                    answer: dict[str, Any] = json.loads(answers.readline() or "{}")
        except (OSError, ValueError) as error:
            name = self.directory.name
            raise LabError(f"the supervisor of lab {name!r} does not answer ({error}); `bmlb lab down --name {name}` cleans up") from None
        if "error" in answer or "processes" not in answer:
            raise LabError(f"the supervisor says no to {do}: {answer.get('error', 'it ended')}")
        return answer

    def wait_for(self, predicate: Callable[[], T], what: str, *, of: Sequence[str] = (), deadline_s: float = 30) -> T:
        """Wait until the predicate returns something true, and return that; an OSError or LabError in it means "not yet".

        Raises:
            LabError: the deadline passed, or one of the processes ``of`` whom this is asked has died; with the end of its log.
        """
        end, why = time.monotonic() + deadline_s, ""
        while True:
            try:
                if seen := predicate():
                    return seen
            except (OSError, LabError) as error:
                why = f": {error}"
            processes = self.processes()
            for name in of:
                process = processes.get(name)
                if process is None or process.state == "restarting" or process.restarts:
                    raise LabError(f"{name} died while the lab waited for {what}{self.tail(name)}")
            if time.monotonic() >= end:
                raise LabError(f"{what} was not seen within {deadline_s:g} s{why}{''.join(map(self.tail, of))}")
            time.sleep(0.05)

    def tail(self, name: str) -> str:
        """Return the end of a process's log, for an error message."""
        log = self.directory.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
        return f"\nthe end of {log}:\n" + "\n".join("    " + line for line in lines) if lines else f"\n({log} is empty)"


def start_supervisor(directory: LabDirectory, environment: dict[str, str], descriptors: Sequence[int] = ()) -> ProcessId:
    """Start the supervisor of a lab, and return it when it answers.

    Raises:
        LabError: it died; with its log.
    """
    directory.logs.mkdir(mode=0o700, exist_ok=True)
    log = directory.logs / "supervisor.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "baremetal_lb.lab.supervisor", str(directory.path)],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=tuple(descriptors),
            start_new_session=True,
        )
    end = time.monotonic() + 20
    while not _answers(directory.socket):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise LabError(f"the supervisor did not start:\n{log.read_text(errors='replace').strip()}")
        time.sleep(0.01)
    supervisor = ProcessId.of(process.pid)
    assert supervisor is not None
    return supervisor


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True
