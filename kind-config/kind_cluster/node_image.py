"""The image of a kind node, made from packages: Debian, what the kind module ships for its own image, and binaries built with Go.

    debootstrap ---------------------------+
    files of sigs.k8s.io/kind, images/base +--> tree of a node --> containerd of ours loads the control plane's images into it
    kubelet, kubeadm, containerd, ... -----+                   --> docker import

kindnetd, kind's own network, is no Go module of its own: pod-routes (kind-config/node) does its work.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from baremetal_lb.lab.build import KUBERNETES_VERSION
from kind_cluster.commands import CommandFailed, Report, run, succeeds
from kind_cluster.debian import make_tree
from kind_cluster.places import CONFIG, cache
from kind_cluster.programs import COREDNS, KIND, find_node_programs, module_source

PACKAGES = (
    *("systemd", "dbus", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount", "kmod", "libseccomp2", "bash"),
    *("ca-certificates", "curl", "jq", "procps", "containernetworking-plugins", "runc", "hostname", "netbase"),
)
ETCD_TAG = "3.7.0-0"
"""The tag that kubeadm of this release wants; what we give it is the etcd of baremetal_lb.lab.build, whose storage is the same."""
PAUSE_TAG = "3.10"
REGISTRY = "registry.k8s.io"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_PATH = "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SIGNAL = "STOPSIGNAL SIGRTMIN+3"


def build_node_image(tag: str, report: Report) -> None:
    """Build it.

    Raises:
        CommandFailed, BuildFailed, ServersUnavailable: with what went wrong.
    """
    programs, kubernetes = find_node_programs(report)
    files = module_source(report, "sigs.k8s.io/kind", KIND) / "images" / "base" / "files"
    work = cache() / "node"
    shutil.rmtree(work, ignore_errors=True)
    tree = work / "tree"
    report("making the tree of a node (Debian; about a minute)")
    make_tree(tree, PACKAGES)
    _fill(tree, files, programs, kubernetes)
    report("making the control plane's images, and loading them into the tree (about half a minute)")
    _preload(tree, work, programs, _control_plane_images(tree, work, programs, kubernetes))
    import_tree(tree, f"{tag}-unsigned", ["ENV container=docker", 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]'])
    # docker import refuses STOPSIGNAL.
    run("docker", "build", "-q", "-t", tag, "-", text=f"FROM {tag}-unsigned\n{_SIGNAL}\n", environment={"DOCKER_BUILDKIT": "0"})
    shutil.rmtree(work)


def _fill(tree: Path, files: Path, programs: Path, kubernetes: Path) -> None:
    shutil.copytree(files, tree, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for folder in ("usr/local/bin", "kind/bin"):  # a module's files are read-only, and not executable
        for program in (tree / folder).iterdir():
            program.chmod(0o755)
    _install(CONFIG / "node" / "pod-routes", tree / "usr/local/bin", 0o755)
    _install(CONFIG / "node" / "pod-routes.service", tree / "etc/systemd/system", 0o644)
    _install(CONFIG / "node" / "default-cni.yaml", tree / "kind/manifests", 0o644)
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        _install(programs / name, tree / "usr/local/bin", 0o755)
    for name in ("kubelet", "kubeadm", "kubectl"):
        _install(kubernetes / name, tree / "usr/bin", 0o755)
    # Where the machine has control groups of version 1 the kubelet does not start without being told so; elsewhere it makes no difference.
    options = "--runtime-cgroups=/system.slice/containerd.service --fail-cgroupv1=false"
    (tree / "etc/default").mkdir(exist_ok=True)
    (tree / "etc/default/kubelet").write_text(f"KUBELET_EXTRA_ARGS={options}", encoding="utf-8")
    # A containerd without CAP_SYS_RESOURCE cannot lower the score by which the kernel chooses whom to kill; it is not worth a failure.
    configuration = tree / "etc/containerd/config.toml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true"), encoding="utf-8")
    (tree / "kind/version").write_text(f"v{KUBERNETES_VERSION}", encoding="utf-8")
    _install(CONFIG / "node" / "finish", tree, 0o755)
    run("chroot", tree, "/finish")
    (tree / "finish").unlink()


def _install(source: Path, folder: Path, mode: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / source.name)
    (folder / source.name).chmod(mode)


def import_tree(tree: Path, tag: str, changes: Sequence[str]) -> None:
    """Make an image of one layer from a tree; ``changes`` are lines of a Dockerfile.

    Raises:
        CommandFailed: Docker refused it.
    """
    with subprocess.Popen(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE) as tar:
        run("docker", "import", *(word for change in changes for word in ("-c", change)), "-", tag, stdin=tar.stdout)
    if tar.returncode:
        raise CommandFailed(f"tar of {tree} failed")


def _control_plane_images(tree: Path, work: Path, programs: Path, kubernetes: Path) -> list[str]:
    servers = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    made = [_small_image(work, kubernetes / name, f"{REGISTRY}/{name}:v{KUBERNETES_VERSION}") for name in servers]
    made.append(_small_image(work, kubernetes / "etcd", f"{REGISTRY}/etcd:{ETCD_TAG}"))
    made.append(_small_image(work, programs / "coredns", f"{REGISTRY}/coredns/coredns:{COREDNS}", entry='ENTRYPOINT ["coredns"]'))
    made.append(_small_image(work, programs / "pause", f"{REGISTRY}/pause:{PAUSE_TAG}", entry='ENTRYPOINT ["pause"]'))
    proxy = _proxy_tree(tree, work / "kube-proxy")
    _install(kubernetes / "kube-proxy", proxy / "usr/local/bin", 0o755)
    tag = f"{REGISTRY}/kube-proxy:v{KUBERNETES_VERSION}"
    import_tree(proxy, tag, [_PATH])
    return [*made, tag]


def _small_image(work: Path, program: Path, tag: str, *, entry: str = "") -> str:
    """Make an image of one static program."""
    folder = work / program.name
    _install(program, folder / "usr/local/bin", 0o755)
    (folder / "tmp").mkdir()
    import_tree(folder, tag, [_PATH, *([entry] if entry else [])])
    return tag


def _proxy_tree(tree: Path, folder: Path) -> Path:
    """Return the tree of kube-proxy's image: nft, conntrack and iptables, with every library that they or iptables' extensions load."""
    for name in ("usr/local/bin", "usr/sbin", "usr/bin", _LIBRARIES, "usr/lib64", "tmp", "run", "etc"):
        (folder / name).mkdir(parents=True)
    for name in ("lib", "lib64", "sbin", "bin"):
        (folder / name).symlink_to(f"usr/{name}")
    for name in ("xtables-nft-multi", "nft", "conntrack"):
        shutil.copy2(tree / "usr/sbin" / name, folder / "usr/sbin")
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            (folder / "usr/sbin" / f"{name}{suffix}").symlink_to("xtables-nft-multi")
    shutil.copy2(tree / "usr/bin/dash", folder / "usr/bin/sh")
    shutil.copytree(tree / _LIBRARIES / "xtables", folder / _LIBRARIES / "xtables", symlinks=True)
    shutil.copy2(tree / "lib64/ld-linux-x86-64.so.2", folder / "usr/lib64")
    extensions = [f"/{path.relative_to(tree)}" for path in (tree / _LIBRARIES / "xtables").glob("*.so")]
    said = run("chroot", tree, "ldd", "/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack", "/bin/dash", *extensions)
    for library in sorted({line.split()[2] for line in said.splitlines() if "=> /" in line}):
        shutil.copy2(tree / library.lstrip("/"), folder / _LIBRARIES)
    return folder


def _preload(tree: Path, work: Path, programs: Path, images: Sequence[str]) -> None:
    """Load images into the store of the tree's containerd, by running ours on it."""
    archive, state = work / "images.tar", work / "containerd"
    run("docker", "save", "-o", archive, *images)
    root, socket = tree / "var/lib/containerd", state / "socket"
    shutil.rmtree(root, ignore_errors=True)
    state.mkdir()
    with (state / "log").open("wb") as log:
        command = [programs / "containerd", "--root", root, "--state", state, "--address", socket, "--log-level", "warn"]
        path = f"{programs}:{os.environ['PATH']}"
        daemon = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, env={**os.environ, "PATH": path})
    try:
        deadline = time.monotonic() + 30
        while not succeeds(programs / "ctr", "-a", socket, "version"):
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise CommandFailed(f"containerd did not start: {(state / 'log').read_text(encoding='utf-8')[-500:]}")
            time.sleep(0.1)
        run(programs / "ctr", "-a", socket, "-n", "k8s.io", "images", "import", "--platform", "linux/amd64", "--local", archive)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
