"""What is written down of a lab, and where.

Each lab has one directory, ``<root>/NAME``: its state file, its kubeconfig, its logs and the socket of its supervisor. The root is
``/run/baremetal-lb`` for root, ``$XDG_RUNTIME_DIR/baremetal-lb`` for anybody else, or else ``/tmp/baremetal-lb-UID``: memory of this
boot, as the lab itself is. ``BMLB_LAB_STATE`` names another one.

The state file is replaced as a whole, before the step that it announces, so that ``down`` knows at least as much as there is.
"""

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from baremetal_lb.lab.errors import LabError, NoSuchLab
from baremetal_lb.lab.layout import NAME_PATTERN, Layout
from baremetal_lb.lab.processes import ProcessId

ROOT_VARIABLE = "BMLB_LAB_STATE"
SYSTEM_NAMESPACE = "baremetal-lb-system"
_STATE, _LOCK_SUFFIX = "state.json", ".lock"


def state_root() -> Path:
    """Return the directory of all labs of this user, made if it is not there.

    Raises:
        LabError: it belongs to somebody else, or cannot be made.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        root = Path(named)
    elif os.geteuid() == 0:
        root = Path("/run/baremetal-lb")
    elif os.environ.get("XDG_RUNTIME_DIR") and os.access(os.environ["XDG_RUNTIME_DIR"], os.W_OK):
        root = Path(os.environ["XDG_RUNTIME_DIR"]) / "baremetal-lb"
    else:
        root = Path(f"/tmp/baremetal-lb-{os.geteuid()}")  # noqa: S108  # its owner is checked below
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{root}, where labs are written down, cannot be used: {error}; set {ROOT_VARIABLE} to another directory") from None
    if root.is_symlink() or root.stat().st_uid != os.geteuid():
        raise LabError(f"{root} belongs to somebody else; set {ROOT_VARIABLE} to a directory of your own")
    return root


@dataclass(frozen=True, slots=True)
class LabState:
    """The state file of one lab."""

    name: str
    nodes: int
    api: str
    """``embedded`` or ``kube``."""
    mark: str
    """In the environment of each process of the lab."""
    port: int = 0
    """TCP port of the API server on 127.0.0.1: in each namespace, and outside."""
    is_up: bool = False
    """It was built to the end. Without it, only ``down`` is of use."""
    owner_holder: ProcessId | None = None
    """The process that holds the user namespace of a lab without root; None for a lab of root."""
    supervisor: ProcessId | None = None
    routers: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a state file.

        Raises:
            ValueError: it is none.
        """
        fields: dict[str, Any] = json.loads(text)
        for name in ("owner_holder", "supervisor"):
            fields[name] = ProcessId(**fields[name]) if fields[name] else None
        return cls(**{**fields, "routers": tuple(fields.get("routers", ()))})

    @property
    def layout(self) -> Layout:
        """Names and addresses."""
        return Layout(self.name, self.nodes, self.routers)


@dataclass(frozen=True, slots=True)
class LabDirectory:
    """The directory of one lab, be it there or not."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        """The directory itself."""
        return self.root / self.name

    @property
    def kubeconfig(self) -> Path:
        """Credentials of the lab's administrator; valid in each namespace and outside."""
        return self.path / "kubeconfig"

    @property
    def logs(self) -> Path:
        """One file for each process, ``WHAT.log``."""
        return self.path / "logs"

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.path / "supervisor.sock"

    def read(self) -> LabState:
        """Return the state.

        Raises:
            NoSuchLab: there is no such lab, or nothing but an empty directory of it.
        """
        try:
            return LabState.from_json((self.path / _STATE).read_text())
        except FileNotFoundError:
            raise NoSuchLab(f"there is no lab {self.name!r}; {_existing(self.root)}") from None

    def write(self, state: LabState) -> LabState:
        """Replace the state file, and return the state."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        new = self.path / (_STATE + ".new")
        new.write_text(json.dumps(asdict(state), indent=1))
        new.replace(self.path / _STATE)
        return state

    def update(self, state: LabState, **changes: Any) -> LabState:
        """Replace some fields of the state file, and return the state."""
        return self.write(replace(state, **changes))

    def remove(self) -> None:
        """Remove the directory and all in it."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    @contextmanager
    def lock(self, *, wait_s: float = 0) -> Iterator[None]:
        """Hold the lab against other commands; ends with the process at the latest.

        Raises:
            LabError: somebody else has it.
        """
        path = self.root / (self.name + _LOCK_SUFFIX)
        file = _lock(path, wait_s)
        if file is None:
            raise LabError(f"another command is at work on lab {self.name!r}; try again when it is done")
        try:
            yield
        finally:
            if not self.path.exists():
                path.unlink(missing_ok=True)
            os.close(file)


def _lock(path: Path, wait_s: float) -> int | None:
    end = time.monotonic() + wait_s
    while True:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one who had it before may have removed the file: then we hold a lock that nobody else will see.
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(file).st_ino:
                    return file
        os.close(file)
        if time.monotonic() >= end:
            return None
        time.sleep(0.05)


def lab_directory(name: str) -> LabDirectory:
    """Return the directory of a lab.

    Raises:
        LabError: no lab can have this name.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise LabError(f"a lab is called by up to 20 lower case letters, digits and dashes; {name!r} is no such name")
    return LabDirectory(state_root(), name)


def lab_names(root: Path) -> tuple[str, ...]:
    """Return the labs that there are, also those that are not complete."""
    return tuple(sorted(entry.name for entry in root.iterdir() if entry.is_dir() and re.fullmatch(NAME_PATTERN, entry.name)))


def _existing(root: Path) -> str:
    names = lab_names(root)
    return f"there are: {', '.join(names)}" if names else "`bmlb lab up` makes one"
