"""Programs built from Go modules: into a folder of the cache, whole or not at all, by one builder at a time.

    $XDG_CACHE_HOME/baremetal-lb/build-NAME    wrapper modules, kept for the next version

A module whose go.mod replaces others by folders of its own tree cannot be installed by `go install`: a wrapper module requires it, and
replaces what has to be replaced. A binary appears by rename only when it is whole, and a lock admits one builder, so two runs never
disturb each other.
"""

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_REPORT_EVERY_S = 5.0

Report = Callable[[str], None]


class BuildFailed(Exception):
    """What was wanted is not there and cannot be built; the text says what to do."""


def cache_folder() -> Path:
    """Return our folder under $XDG_CACHE_HOME, by default ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baremetal-lb"


def missing(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return those names that are no programs in the folder."""
    return tuple(name for name in names if not os.access(folder / name, os.X_OK))


@contextmanager
def only_builder(folder: Path, report: Report, what: str) -> Iterator[None]:
    """Make the folder, and wait until nobody else builds into it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another run is building {what}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wrapper_module(go: str, name: str, packages: Sequence[str], edits: Sequence[str]) -> Path:
    """Write the module that requires what is built; it imports the commands behind a build tag that is never set.

    Raises:
        BuildFailed: Go refuses it.
    """
    module = cache_folder() / name
    module.mkdir(parents=True, exist_ok=True)
    if not (module / "go.mod").exists():
        _run([go, "mod", "init", "x"], module)
    imports = "\n".join(f'import _ "{package}"' for package in packages)
    (module / "t.go").write_text(f"//go:build tools\n\npackage x\n\n{imports}\n", encoding="utf-8")
    _run([go, "mod", "edit", *edits], module)
    return module


def build(go: str, module: Path, packages: Mapping[str, str], folder: Path, report: Report, *, ldflags: str = "-s -w") -> None:
    """Compile the packages of a wrapper module, by the name that each binary is to have, then move each into place.

    ``go build -o FOLDER/`` names a binary after the last element of its package path: etcd's is v3, so one package is built to a file.

    Raises:
        BuildFailed: with the end of what the compiler said.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as temporary:
        out = Path(temporary)
        target = str(out / next(iter(packages))) if len(packages) == 1 else f"{out}/"
        command = [go, "build", "-v", "-o", target, "-ldflags", ldflags, *packages.values()]
        _compile(command, module, {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}, report)
        for name in packages:
            (out / name).replace(folder / name)


def install(go: str, packages: Sequence[str], folder: Path, report: Report, *, tags: str = "") -> None:
    """Install commands (``module/path@version``, all of one module) that need no wrapper, under their own names.

    Raises:
        BuildFailed: with the end of what the compiler said.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as temporary:
        command = [go, "install", "-v", *(["-tags", tags] if tags else []), "-ldflags", "-s -w", *packages]
        _compile(command, Path(temporary), {"CGO_ENABLED": "0", "GOBIN": temporary, "GOFLAGS": "-buildvcs=false"}, report)
        for program in Path(temporary).iterdir():
            program.replace(folder / program.name)


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(f"{' '.join(command[:3])} failed: {done.stderr.strip()}")


def _compile(command: Sequence[str], folder: Path, environment: Mapping[str, str], report: Report) -> None:
    """Run the compiler; it says one line per download and per package, of which the count is told every few seconds."""
    tail: list[str] = []
    packages, told = 0, time.monotonic()
    with subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True) as compiler:
        assert compiler.stderr is not None
        for line in compiler.stderr:
            tail = [*tail[-20:], line]
            packages += not line.startswith("go: ")
            if time.monotonic() - told >= _REPORT_EVERY_S:
                told = time.monotonic()
                report(line.strip() if line.startswith("go: ") else f"compiled {packages} packages")
    if compiler.returncode:
        raise BuildFailed(f"{' '.join(command[:2])} failed:\n{''.join(tail)}")
