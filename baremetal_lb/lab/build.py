"""The Kubernetes server binaries: found, or built once with Go and kept outside the checkout.

`k8s.io/kubernetes` cannot be installed by `go install`, since its go.mod replaces its staging modules by folders of its own tree.
So a wrapper module requires it, and replaces each staging module by the published one of the same release (v0.37.2 for v1.37.2).

    $XDG_CACHE_HOME/baremetal-lb/servers/kubernetes-1.37.2/   etcd kube-apiserver kube-controller-manager kube-proxy kubectl
    $XDG_CACHE_HOME/baremetal-lb/build-kube, build-etcd       wrapper modules, kept for the next version
    $XDG_CACHE_HOME/baremetal-lb/go-1.26.6/                   Go, where the machine has none that is new enough (lab/go.py)

A binary appears by rename only when it is whole, and a lock admits one builder, so two runs never disturb each other. Cold, on two
cores, it takes about ten minutes; everything after that is a look at five files.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from baremetal_lb.lab.go import NoGo, find_or_install

KUBERNETES_VERSION = "1.37.2"
ETCD_VERSION = "3.6.16"
BINARIES_VARIABLE = "BMLB_KUBE_BINARIES"
"""Environment variable: a folder that has the binaries already."""
KUBERNETES_BINARIES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl")
BINARIES = ("etcd", *KUBERNETES_BINARIES)
STAGING = (
    "api",
    "apiextensions-apiserver",
    "apimachinery",
    "apiserver",
    "cli-runtime",
    "client-go",
    "cloud-provider",
    "cluster-bootstrap",
    "code-generator",
    "component-base",
    "component-helpers",
    "controller-manager",
    "cri-api",
    "cri-client",
    "cri-streaming",
    "csi-translation-lib",
    "dynamic-resource-allocation",
    "endpointslice",
    "externaljwt",
    "kms",
    "kube-aggregator",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "metrics",
    "mount-utils",
    "pod-security-admission",
    "sample-apiserver",
    "sample-cli-plugin",
    "sample-controller",
    "streaming",
)
_REPORT_EVERY_S = 5.0

Report = Callable[[str], None]


class ServersUnavailable(Exception):
    """The binaries are not there and cannot be built; the text says what to do."""


def cache_folder() -> Path:
    """Return our folder under $XDG_CACHE_HOME, by default ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baremetal-lb"


def servers_folder() -> Path:
    """Return the folder where the binaries are, or would be."""
    given = os.environ.get(BINARIES_VARIABLE)
    return Path(given) if given else cache_folder() / "servers" / f"kubernetes-{KUBERNETES_VERSION}"


def missing_binaries(folder: Path) -> tuple[str, ...]:
    """Return the names of the binaries that the folder does not have."""
    return tuple(name for name in BINARIES if not os.access(folder / name, os.X_OK))


def find_or_build(report: Report) -> Path:
    """Return a folder that has all binaries; ``report`` is called with a line of progress now and then.

    Raises:
        ServersUnavailable: with the next thing to do.
    """
    folder = servers_folder()
    if not missing_binaries(folder):
        return folder
    if os.environ.get(BINARIES_VARIABLE):
        raise ServersUnavailable(f"{BINARIES_VARIABLE}={folder} has no {', '.join(missing_binaries(folder))}")
    folder.mkdir(parents=True, exist_ok=True)
    with _only_builder(folder, report):
        missing = missing_binaries(folder)
        go = _go(report) if missing else ""
        if "etcd" in missing:
            _build_etcd(go, folder, report)
        if wanted := [name for name in KUBERNETES_BINARIES if name in missing]:
            _build_kubernetes(go, folder, wanted, report)
    return folder


def _go(report: Report) -> str:
    try:
        return find_or_install(cache_folder(), report)
    except NoGo as error:
        raise ServersUnavailable(
            f"the real API server needs Go once, to build Kubernetes {KUBERNETES_VERSION}, and {error}. "
            f"Install Go (https://go.dev/doc/install), or set {BINARIES_VARIABLE} to a folder with {', '.join(BINARIES)}"
        ) from error


@contextmanager
def _only_builder(folder: Path, report: Report) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another run is building the Kubernetes servers: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_etcd(go: str, folder: Path, report: Report) -> None:
    package = "go.etcd.io/etcd/server/v3"
    module = _wrapper_module(go, "build-etcd", [package], [f"-require={package}@v{ETCD_VERSION}"])
    report(f"building etcd {ETCD_VERSION} (about a minute, once)")
    _build(go, module, {"etcd": package}, folder, report, ldflags="-s -w")


def _build_kubernetes(go: str, folder: Path, names: Sequence[str], report: Report) -> None:
    packages = {name: f"k8s.io/kubernetes/cmd/{name}" for name in names}
    staging_version = f"v0.{KUBERNETES_VERSION.partition('.')[2]}"
    edits = [f"-require=k8s.io/kubernetes@v{KUBERNETES_VERSION}"]
    edits += [f"-replace=k8s.io/{name}=k8s.io/{name}@{staging_version}" for name in STAGING]
    module = _wrapper_module(go, "build-kube", [f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_BINARIES], edits)
    report(f"building {', '.join(names)} {KUBERNETES_VERSION} (about ten minutes on two cores, once)")
    major, minor, _ = KUBERNETES_VERSION.split(".")
    version = "k8s.io/component-base/version"
    flags = f"-s -w -X {version}.gitVersion=v{KUBERNETES_VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    _build(go, module, packages, folder, report, ldflags=flags)


def _wrapper_module(go: str, name: str, packages: Sequence[str], edits: Sequence[str]) -> Path:
    """Write the module that requires what is built; it imports the commands behind a build tag that is never set."""
    module = cache_folder() / name
    module.mkdir(parents=True, exist_ok=True)
    if not (module / "go.mod").exists():
        _run([go, "mod", "init", "x"], module)
    imports = "\n".join(f'import _ "{package}"' for package in packages)
    (module / "t.go").write_text(f"//go:build tools\n\npackage x\n\n{imports}\n", encoding="utf-8")
    _run([go, "mod", "edit", *edits], module)
    return module


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServersUnavailable(f"{' '.join(command[:3])} failed: {done.stderr.strip()}")


def _build(go: str, module: Path, packages: dict[str, str], folder: Path, report: Report, *, ldflags: str) -> None:
    """Compile into a folder beside the final one, then move each binary into place.

    ``go build -o FOLDER/`` names a binary after the last element of its package path: etcd's is v3, so one package is built to a file.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as temporary:
        out = Path(temporary)
        target = str(out / next(iter(packages))) if len(packages) == 1 else f"{out}/"
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
        command = [go, "build", "-v", "-o", target, "-ldflags", ldflags, *packages.values()]
        _compile(command, module, environment, report)
        for name in packages:
            (out / name).replace(folder / name)


def _compile(command: Sequence[str], module: Path, environment: dict[str, str], report: Report) -> None:
    """Run the compiler; it says one line per download and per package, of which the count is told every few seconds."""
    tail: list[str] = []
    packages, told = 0, time.monotonic()
    with subprocess.Popen(command, cwd=module, env=environment, stderr=subprocess.PIPE, text=True) as compiler:
        assert compiler.stderr is not None
        for line in compiler.stderr:
            tail = [*tail[-20:], line]
            packages += not line.startswith("go: ")
            if time.monotonic() - told >= _REPORT_EVERY_S:
                told = time.monotonic()
                report(line.strip() if line.startswith("go: ") else f"compiled {packages} packages")
    if compiler.returncode:
        raise ServersUnavailable(f"go build failed:\n{''.join(tail)}")


if __name__ == "__main__":
    try:
        find_or_build(lambda line: print(f"servers: {line}", flush=True))  # noqa: T201  # the program's progress
    except ServersUnavailable as error:
        sys.exit(f"servers: {error}")
