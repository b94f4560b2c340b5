"""Trees of Debian, for images that are made where no registry of images is reachable."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from kind_cluster.commands import run

RELEASE = "bookworm"
USUAL_MIRROR = "http://deb.debian.org/debian"
_NOT_NEEDED = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def make_tree(tree: Path, packages: Sequence[str]) -> None:
    """Make a minimal Debian with these packages in an empty folder; about a minute.

    Raises:
        CommandFailed: debootstrap failed.
    """
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    run("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", RELEASE, tree, mirror())
    for place in _NOT_NEEDED:
        for found in (tree / place).glob("*"):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink()


def mirror() -> str:
    """Return the mirror that this machine installs from, if it is a Debian; the usual one otherwise."""
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] in ("deb", "URIs:"):
                uri = words[1] if words[0] == "URIs:" else next((word for word in words if "://" in word), "")
                if uri.rstrip("/").endswith("/debian"):
                    return uri
    return USUAL_MIRROR
