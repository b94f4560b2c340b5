"""System programs that a lab needs, and who has them.

They are looked for in the directories of the system administrator too, as an ordinary user's PATH often lacks them.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from baremetal_lb.lab.errors import NotPossibleHere
from baremetal_lb.lab.router_spec import RouterKind

SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "vtysh": "frr",
    "bird": "bird2",
    "gobgpd": "gobgpd",
}
"""Program to its package on Debian and Ubuntu."""
_OTHER_INSTALLERS = {"dnf": "dnf install -y", "zypper": "zypper install -y", "pacman": "pacman -S --noconfirm", "apk": "apk add"}


def search_path(environ: Mapping[str, str]) -> str:
    """Return PATH with the system's directories behind it."""
    path = environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([*filter(None, path), *SYSTEM_DIRECTORIES]))


def missing(programs: Iterable[str], path: str) -> tuple[str, ...]:
    """Return those of the programs that are not on this path, in their order."""
    return tuple(program for program in programs if shutil.which(program, path=path) is None)


def install_command(programs: Iterable[str], *, is_root: bool) -> str:
    """Return the one command that installs these programs."""
    packages = " ".join(dict.fromkeys(PACKAGES[program] for program in programs))
    installer = next((command for tool, command in _OTHER_INSTALLERS.items() if shutil.which(tool)), "apt-get install -y")
    if Path("/usr/bin/apt-get").exists():
        installer = "apt-get install -y"
    return f"{'' if is_root else 'sudo '}{installer} {packages}"


_OF_ROUTERS = {RouterKind.FRR: "vtysh", RouterKind.BIRD: "bird", RouterKind.GOBGP: "gobgpd"}


def require_router(kind: RouterKind) -> None:
    """Check that the programs of a router are there.

    Raises:
        NotPossibleHere: names what is not, and the command that installs it.
    """
    require([_OF_ROUTERS[kind]])


def require(programs: Iterable[str]) -> None:
    """Check that the programs are there.

    Raises:
        NotPossibleHere: names each that is not, and the command that installs them.
    """
    absent = missing(programs, search_path(os.environ))
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        command = install_command(absent, is_root=os.geteuid() == 0)
        raise NotPossibleHere(f"{', '.join(absent)} {verb} not installed, and the lab needs it. Install with:\n    {command}")
