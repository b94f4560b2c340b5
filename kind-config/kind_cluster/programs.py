"""The programs of a cluster and of its operator: found in the cache, or built with Go once.

containerd, its shim, ctr     containers on each node
coredns                       the cluster's DNS
kind, helm                    for whoever makes a cluster, and installs on it
(Kubernetes and etcd)         baremetal_lb.lab.build
"""

from dataclasses import dataclass
from pathlib import Path

from baremetal_lb.lab import gobuild
from baremetal_lb.lab.build import NODE_BINARIES, find_go, find_or_build
from kind_cluster.commands import Report, run
from kind_cluster.places import CONFIG, cache

KIND = "v0.33.0"
HELM = "v4.3.1"
CONTAINERD = "v2.4.2"
COREDNS = "v1.14.6"


@dataclass(frozen=True, slots=True)
class Program:
    """One module and the commands that come from it."""

    module: str
    version: str
    packages: tuple[str, ...]
    names: tuple[str, ...]
    lasts: str
    """How long it takes on two cores, with nothing cached."""
    tags: str = ""


TOOLS = (
    Program("sigs.k8s.io/kind", KIND, ("sigs.k8s.io/kind",), ("kind",), "ten seconds"),
    Program("helm.sh/helm/v4", HELM, ("helm.sh/helm/v4/cmd/helm",), ("helm",), "three minutes"),
)
_CONTAINERD = "github.com/containerd/containerd/v2"
NODE_PROGRAMS = (
    Program(
        _CONTAINERD,
        CONTAINERD,
        tuple(f"{_CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
        ("containerd", "containerd-shim-runc-v2", "ctr"),
        "a minute",
        tags="no_aufs no_zfs no_btrfs no_devmapper",
    ),
    Program("github.com/coredns/coredns", COREDNS, ("github.com/coredns/coredns",), ("coredns",), "three minutes"),
)


def find_tools(report: Report) -> Path:
    """Return the folder with kind and helm.

    Raises:
        BuildFailed, ServersUnavailable: with the next thing to do.
    """
    return _find(TOOLS, report)


def find_node_programs(report: Report) -> tuple[Path, Path]:
    """Return the folder with the containers' programs, and that with Kubernetes and etcd.

    Raises:
        BuildFailed, ServersUnavailable: with the next thing to do.
    """
    kubernetes = find_or_build(report, NODE_BINARIES)
    folder = _find(NODE_PROGRAMS, report)
    if gobuild.missing(folder, ["pause"]):
        run(
            find_go(report), "build", "-C", CONFIG / "node" / "pause", "-ldflags", "-s -w", "-o", folder / "pause", ".",
            environment={"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        )  # fmt: skip
    return folder, kubernetes


def module_source(report: Report, module: str, version: str) -> Path:
    """Return where Go keeps the source of a module, after it has been fetched."""
    go = find_go(report)
    run(go, "mod", "download", f"{module}@{version}")
    return Path(run(go, "env", "GOMODCACHE").strip()) / f"{module}@{version}"


def _find(wanted: tuple[Program, ...], report: Report) -> Path:
    folder = cache() / "bin"
    with gobuild.only_builder(folder, report, "the programs of a cluster"):
        for program in wanted:
            # The version stands beside the programs: another one is built anew.
            mark = folder / f".{program.names[0]}-{program.version}"
            if mark.exists() and not gobuild.missing(folder, program.names):
                continue
            report(f"building {', '.join(program.names)} {program.version} (about {program.lasts}, once)")
            packages = [f"{package}@{program.version}" for package in program.packages]
            gobuild.install(find_go(report), packages, folder, report, tags=program.tags)
            mark.touch()
    return folder
