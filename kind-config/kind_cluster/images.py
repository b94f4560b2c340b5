"""The images of a cluster: released ones where a registry is reachable, else our own, made once and kept in the cache.

node       kind's released image; else node_image.py
base       python:3.11-slim-bookworm; else a Debian with Python
project    deploy/image/Dockerfile, on the base
outside    FRR and a client, on the base: what is beside the cluster
"""

import os
import re
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from baremetal_lb.lab.build import ETCD_VERSION, KUBERNETES_VERSION
from kind_cluster.commands import Report, run, succeeds
from kind_cluster.debian import make_tree
from kind_cluster.node_image import build_node_image, import_tree
from kind_cluster.places import CHECKOUT, CONFIG, cache
from kind_cluster.programs import CONTAINERD, COREDNS, KIND, module_source

VERSION = version("baremetal-lb")
PROJECT = f"baremetal-lb:{VERSION}"
OUTSIDE = "baremetal-lb-outside:kind"
RELEASED_BASE = "python:3.11-slim-bookworm"
PULL_LIMIT_S = 600.0
_HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_BASE_PACKAGES = ("python3", "python3-venv", "python3-pip-whl", "python3-setuptools-whl", "ca-certificates")


def node_image(report: Report) -> str:
    """Return the image of a node."""
    defaults = module_source(report, "sigs.k8s.io/kind", KIND) / "pkg/apis/config/defaults/image.go"
    found = re.search(r'Image = "([^"]+)"', defaults.read_text(encoding="utf-8"))
    if found and _is_pulled(found[1], report):
        return found[1]
    sources = [*sorted((CONFIG / "node").rglob("*")), Path(__file__).with_name("node_image.py")]
    recipe = sha256(b"".join(path.read_bytes() for path in sources if path.is_file()))
    recipe.update(f"{KUBERNETES_VERSION} {ETCD_VERSION} {CONTAINERD} {COREDNS} {KIND}".encode())
    tag = f"baremetal-lb-kind-node:v{KUBERNETES_VERSION}-{recipe.hexdigest()[:10]}"
    return _once(tag, lambda: build_node_image(tag, report), report)


def base_image(report: Report) -> str:
    """Return an image with Python."""
    if _is_pulled(RELEASED_BASE, report):
        return RELEASED_BASE
    tag = f"baremetal-lb-python:{sha256(' '.join(_BASE_PACKAGES).encode() + _certificates()).hexdigest()[:10]}"

    def build() -> None:
        report("making a Debian with Python (about a minute)")
        tree = cache() / "base"
        make_tree(tree, _BASE_PACKAGES)
        # The package index may be one that only this machine's certificates vouch for.
        (tree / "etc/ssl/certs/ca-certificates.crt").write_bytes(_certificates())
        import_tree(tree, tag, ["ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
        run("rm", "-rf", tree)

    return _once(tag, build, report)


def project_image(base: str, report: Report) -> str:
    """Build the image of the project as the checkout is; return its tag."""
    report("building the project's image (a minute the first time)")
    arguments = {"BASE_IMAGE": base, "VERSION": VERSION}
    if base != RELEASED_BASE:
        arguments["PIP_CERT"] = str(_HOST_CERTIFICATES)
    if index := os.environ.get("PIP_INDEX_URL"):
        arguments["PIP_INDEX_URL"] = index
    _build(CHECKOUT / "deploy/image/Dockerfile", CHECKOUT, PROJECT, arguments)
    return PROJECT


def outside_image(base: str, report: Report) -> str:
    """Build the image of the router and the clients beside the cluster; return its tag."""
    report("building the image of router and clients (half a minute the first time)")
    _build(CONFIG / "router/Dockerfile", CONFIG / "router", OUTSIDE, {"BASE_IMAGE": base})
    return OUTSIDE


def _build(dockerfile: Path, context: Path, tag: str, arguments: dict[str, str]) -> None:
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    # On the machine's own network: a bridge of Docker's cannot reach a package index on a private one everywhere.
    run("docker", "build", "-q", "--network", "host", "-f", dockerfile, "-t", tag, *given, context, environment={"DOCKER_BUILDKIT": "0"})


def _is_pulled(image: str, report: Report) -> bool:
    """Tell whether a released image is there, or can be had."""
    if succeeds("docker", "image", "inspect", image):
        return True
    report(f"asking for {image}")
    return succeeds("docker", "pull", "-q", image, timeout_s=PULL_LIMIT_S)


def _once(tag: str, build: Callable[[], None], report: Report) -> str:
    """See that an image is there: in the daemon, in the cache, or made now and kept in the cache."""
    archive = cache() / f"{tag.replace(':', '-')}.tar.zst"
    if succeeds("docker", "image", "inspect", tag):
        return tag
    if archive.exists():
        report(f"loading {tag} from the cache (ten seconds)")
        run("sh", "-c", 'zstd -dc "$1" | docker load -q', "sh", archive)
        return tag
    build()
    for old in archive.parent.glob(f"{tag.partition(':')[0]}-*.tar.zst"):
        old.unlink()
    partial = archive.with_suffix(".partial")
    run("sh", "-c", 'docker save "$1" | zstd -q -3 -T0 -f -o "$2"', "sh", tag, partial)
    partial.rename(archive)
    return tag


def _certificates() -> bytes:
    return _HOST_CERTIFICATES.read_bytes() if _HOST_CERTIFICATES.exists() else b""
