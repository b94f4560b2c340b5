"""The Kubernetes server binaries: found, or built once with Go and kept outside the checkout.

`k8s.io/kubernetes` cannot be installed by `go install`, since its go.mod replaces its staging modules by folders of its own tree.
So a wrapper module requires it, and replaces each staging module by the published one of the same release (v0.37.2 for v1.37.2).

    $XDG_CACHE_HOME/baremetal-lb/servers/kubernetes-1.37.2/   etcd kube-apiserver kube-controller-manager kube-proxy kubectl
    $XDG_CACHE_HOME/baremetal-lb/build-kube, build-etcd       wrapper modules (lab/gobuild.py)
    $XDG_CACHE_HOME/baremetal-lb/go-1.26.6/                   Go, where the machine has none that is new enough (lab/go.py)

Cold, on two cores, it takes about ten minutes; everything after that is a look at five files.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from baremetal_lb.lab import gobuild
from baremetal_lb.lab.go import NoGo, find_or_install
from baremetal_lb.lab.gobuild import BuildFailed, Report, cache_folder

KUBERNETES_VERSION = "1.37.2"
ETCD_VERSION = "3.6.16"
BINARIES_VARIABLE = "BMLB_KUBE_BINARIES"
"""Environment variable: a folder that has the binaries already."""
KUBERNETES_BINARIES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl")
NODE_BINARIES = ("kubelet", "kubeadm", "kube-scheduler")
"""What whole nodes need besides; built where somebody asks for them."""
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


class ServersUnavailable(Exception):
    """The binaries are not there and cannot be built; the text says what to do."""


def servers_folder() -> Path:
    """Return the folder where the binaries are, or would be."""
    given = os.environ.get(BINARIES_VARIABLE)
    return Path(given) if given else cache_folder() / "servers" / f"kubernetes-{KUBERNETES_VERSION}"


def find_or_build(report: Report, more: Sequence[str] = ()) -> Path:
    """Return a folder that has all binaries, and ``more``; ``report`` is called with a line of progress now and then.

    Raises:
        ServersUnavailable: with the next thing to do.
    """
    folder, wanted = servers_folder(), (*BINARIES, *more)
    if not gobuild.missing(folder, wanted):
        return folder
    if os.environ.get(BINARIES_VARIABLE):
        raise ServersUnavailable(f"{BINARIES_VARIABLE}={folder} has no {', '.join(gobuild.missing(folder, wanted))}")
    try:
        with gobuild.only_builder(folder, report, "the Kubernetes servers"):
            missing = gobuild.missing(folder, wanted)
            go = find_go(report) if missing else ""
            if "etcd" in missing:
                _build_etcd(go, folder, report)
            if names := [name for name in missing if name != "etcd"]:
                _build_kubernetes(go, folder, names, report)
    except BuildFailed as error:
        raise ServersUnavailable(str(error)) from error
    return folder


def find_go(report: Report) -> str:
    """Return a Go command that builds the servers.

    Raises:
        ServersUnavailable: with the next thing to do.
    """
    try:
        return find_or_install(cache_folder(), report)
    except NoGo as error:
        raise ServersUnavailable(
            f"the real API server needs Go once, to build Kubernetes {KUBERNETES_VERSION}, and {error}. "
            f"Install Go (https://go.dev/doc/install), or set {BINARIES_VARIABLE} to a folder with {', '.join(BINARIES)}"
        ) from error


def _build_etcd(go: str, folder: Path, report: Report) -> None:
    package = "go.etcd.io/etcd/server/v3"
    module = gobuild.wrapper_module(go, "build-etcd", [package], [f"-require={package}@v{ETCD_VERSION}"])
    report(f"building etcd {ETCD_VERSION} (about a minute, once)")
    gobuild.build(go, module, {"etcd": package}, folder, report)


def _build_kubernetes(go: str, folder: Path, names: Sequence[str], report: Report) -> None:
    staging_version = f"v0.{KUBERNETES_VERSION.partition('.')[2]}"
    edits = [f"-require=k8s.io/kubernetes@v{KUBERNETES_VERSION}"]
    edits += [f"-replace=k8s.io/{name}=k8s.io/{name}@{staging_version}" for name in STAGING]
    commands = {name: f"k8s.io/kubernetes/cmd/{name}" for name in (*KUBERNETES_BINARIES, *NODE_BINARIES)}
    module = gobuild.wrapper_module(go, "build-kube", list(commands.values()), edits)
    report(f"building {', '.join(names)} {KUBERNETES_VERSION} (about ten minutes on two cores, once)")
    major, minor, _ = KUBERNETES_VERSION.split(".")
    version = "k8s.io/component-base/version"
    flags = f"-s -w -X {version}.gitVersion=v{KUBERNETES_VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    gobuild.build(go, module, {name: commands[name] for name in names}, folder, report, ldflags=flags)


if __name__ == "__main__":
    try:
        find_or_build(lambda line: print(f"servers: {line}", flush=True))  # noqa: T201  # the program's progress
    except ServersUnavailable as error:
        sys.exit(f"servers: {error}")
