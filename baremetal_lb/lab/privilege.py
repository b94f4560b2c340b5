"""The right to make network namespaces: root's own, or that of a user namespace of our own.

Without root, a lab lives in a user, network and mount namespace that one *holder* process keeps (user_namespaces(7)); inside, this
user is root over the lab and over nothing else. Each later command that has to touch the lab's network joins it with nsenter(1).
The machine's own network stays out of reach: the socket by which ``kubectl`` reaches the API server is opened before, and handed in.

In the holder's mount namespace /run is a new tmpfs, as ``ip netns`` keeps its names there; the lab's own directory is mounted back into
it when it was under /run.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from baremetal_lb.lab.errors import LabError, NotPossibleHere
from baremetal_lb.lab.processes import MARK_VARIABLE, ProcessId
from baremetal_lb.lab.state import ROOT_VARIABLE
from baremetal_lb.lab.tools import search_path

_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_READY = "ready"
_FORBIDDEN = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ("kernel/unprivileged_userns_clone", "0"),
    ("user/max_user_namespaces", "0"),
    ("user/max_net_namespaces", "0"),
)
"""Settings under /proc/sys, and the value at which they forbid what we need."""


def is_privileged() -> bool:
    """Tell whether this process may make network namespaces and mounts as it is."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            capabilities = int(line.split()[1], 16)
            return all(capabilities >> bit & 1 for bit in (_CAP_NET_ADMIN, _CAP_SYS_ADMIN))
    return False


def forbidding_settings(proc_sys: Path = Path("/proc/sys")) -> tuple[str, ...]:
    """Return the settings that forbid user namespaces on this machine, each as ``name = value``."""
    found = []
    for name, value in _FORBIDDEN:
        path = proc_sys / name
        if path.exists() and path.read_text().strip() == value:
            found.append(f"{name.replace('/', '.')} = {value}")
    return tuple(found)


def require_user_namespaces() -> None:
    """Check that this user may make a user namespace with networks in it, by making one.

    Raises:
        NotPossibleHere: with what forbids it.
    """
    command = ["unshare", "-Urnm", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/run"]
    tried = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return
    settings = forbidding_settings()
    because = f"the machine forbids it by {', '.join(settings)}" if settings else f"unshare said: {tried.stderr.strip()}"
    raise NotPossibleHere(
        f"without root, a lab needs a user namespace of its own, and {because}.\n"
        "Run the same command as root (sudo), or let root allow user namespaces, for example with\n"
        f"    sudo sysctl -w {_allowing(settings)}"
    )


def _allowing(settings: Sequence[str]) -> str:
    opposite = {"1": "0", "0": "1"}
    wanted = []
    for setting in settings or ("kernel.unprivileged_userns_clone = 0",):
        name, _, value = setting.partition(" = ")
        wanted.append(f"{name}={'10000' if name.startswith('user.') else opposite[value]}")
    return " ".join(wanted)


def start_holder(root: Path, mark: str, log: Path) -> ProcessId:
    """Start the holder of a new user namespace, and return it when the namespace is ready to be joined.

    Raises:
        LabError: it died; with its log.
    """
    script = [sys.executable, "-m", "baremetal_lb.lab.privilege", str(root)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["unshare", "-Urnm", "--propagation", "private", *script],
            env=_environment() | {MARK_VARIABLE: mark, ROOT_VARIABLE: str(root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as said:
        if said.readline().decode().strip() != _READY:
            process.kill()
            process.wait()
            raise LabError(f"the user namespace of the lab could not be set up:\n{log.read_text().strip()}")
    holder = ProcessId.of(process.pid)
    assert holder is not None
    return holder


def joining(holder: ProcessId | None, command: Sequence[str]) -> list[str]:
    """Return the command that runs this one where the lab is.

    Raises:
        LabError: the holder is gone, and the lab with it.
    """
    if holder is None:
        return list(command)
    if not holder.is_running:
        raise LabError("the lab's user namespace is gone (its holder process died); `bmlb lab down` cleans up")
    return ["nsenter", "-t", str(holder.pid), "-U", "-n", "-m", "--preserve-credentials", "--", *command]


def _environment() -> dict[str, str]:
    return dict(os.environ) | {"PATH": search_path(os.environ)}


def _hold(root: Path) -> None:
    """Set up the mounts of the namespaces that this process is in, say so, and hold them for ever."""
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    Path("/run/netns").mkdir()
    if not root.exists():
        root.mkdir(parents=True)
        subprocess.run(["mount", "-c", "--bind", f"/proc/self/fd/{directory}", str(root)], check=True, pass_fds=[directory])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.close(directory)
    sys.stdout.write(_READY + "\n")
    sys.stdout.flush()
    sys.stdout.close()
    os.close(1)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    _hold(Path(sys.argv[1]))
