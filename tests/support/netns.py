"""Network namespaces for tests: nameless, held open by a file descriptor, so that nothing is left behind however a test ends.

A namespace lives as long as something refers to it: here that is one descriptor of this process. ``close`` (or the death of the
process) removes the namespace with all that is in it. Works as root, and without root inside ``unshare -Urn``.

    with Lab() as lab:
        node, client = lab.host("198.51.100.1/24"), lab.host("198.51.100.2/24")    # each with eth0 on one bridge, in a namespace of its own
        client.run("ip", "neigh")                 # a command inside
        sock = client.call(open_socket)           # Python inside; a socket stays in its namespace
"""

import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}; network namespaces take root, or `unshare -Urn` around the test run")


class Namespace:
    """One network namespace, loopback up."""

    def __init__(self) -> None:
        self._fd = _in_thread(_unshare)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """A path that ``ip link set DEV netns`` takes."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def close(self) -> None:
        """Remove it with all that is in it, unless processes still live there."""
        os.close(self._fd)

    def enter(self) -> None:
        """Move the calling thread inside, for good: for threads and children that end there."""
        _check(_libc.setns(self._fd, _CLONE_NEWNET), "setns")

    def call(self, function: Callable[[], T]) -> T:
        """Call a function inside, in a thread of its own."""

        def inside() -> T:
            self.enter()
            return function()

        return _in_thread(inside)

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command inside."""
        return subprocess.Popen(command, text=True, preexec_fn=self.enter, pass_fds=(self._fd,), **options)  # noqa: PLW1509 - setns alone runs there

    def run(self, *command: str, text: str = "") -> str:
        """Run a command inside, with ``text`` as its input, and return its output; fails with what it said."""
        with self.popen(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            output = process.communicate(text, timeout=60)[0]
        assert process.returncode == 0, f"{' '.join(command)}: {output}"
        return output

    def set_sysctl(self, name: str, value: int) -> None:
        """Set ``net.*`` in this namespace alone."""
        self.call(lambda: Path("/proc/sys", name.replace(".", "/")).write_text(str(value)))


def _unshare() -> int:
    _check(_libc.unshare(_CLONE_NEWNET), "unshare")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _in_thread(function: Callable[[], T]) -> T:
    """Call in a new thread, whose namespace may differ from ours."""
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


class BorrowedNamespace(Namespace):
    """A namespace that somebody else made and removes, by its path."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)


class Host(Namespace):
    """A namespace with ``eth0`` on the lab's bridge."""

    def __init__(self, lab: "Lab", number: int, addresses: tuple[str, ...]) -> None:
        super().__init__()
        self._lab, self.port, self.mac = lab, f"p{number}", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        self.add_interface("eth0", self.port, self.mac)
        for address in addresses:
            extra = ("nodad",) if ":" in address else ()
            self.run("ip", "address", "add", address, "dev", "eth0", *extra)

    def add_interface(self, name: str, port: str, mac: str) -> None:
        """Add an interface on the same bridge."""
        switch = self._lab.switch
        switch.run("ip", "link", "add", port, "type", "veth", "peer", "name", name, "netns", self.path)
        switch.run("ip", "link", "set", port, "master", "br0", "up")
        self.set_sysctl(f"net.ipv6.conf.{name}.accept_dad", 0)
        self.run("ip", "link", "set", name, "address", mac, "up")

    def connect(self, other: "Host", name: str) -> None:
        """Lay a cable to the other host, an interface of this name at both ends, past the bridge: it drops some malformed frames."""
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", other.path)
        for host in (self, other):
            host.run("ip", "link", "set", name, "up")

    def cut(self) -> None:
        """Pull the cable."""
        self._lab.switch.run("ip", "link", "set", self.port, "down")

    def heal(self) -> None:
        """Plug the cable in again."""
        self._lab.switch.run("ip", "link", "set", self.port, "up")

    def neighbour(self, address: str) -> str:
        """Return the hardware address that this host's kernel knows for an IP, "" for none."""
        words = self.run("ip", "neigh", "show", address, "dev", "eth0").split()
        return words[words.index("lladdr") + 1] if "lladdr" in words else ""

    def resolve(self, address: str) -> None:
        """Make the kernel ask for the hardware address of an IP, by sending it a datagram."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def send() -> None:
            with socket.socket(family, socket.SOCK_DGRAM) as opened:
                opened.sendto(b"x", (address, 9))

        self.call(send)


class Lab:
    """A bridge in a namespace of its own, and hosts on it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._numbers = itertools.count(1)
        self.switch = Namespace()
        self._stack.callback(self.switch.close)

    def __enter__(self) -> Self:
        try:
            # Without snooping at first: a bridge that snoops floods groups that it does not know only while it has no querier.
            self.switch.set_sysctl("net.ipv6.conf.default.accept_dad", 0)
            self.switch.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            self.switch.run("ip", "link", "set", "br0", "up")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def host(self, *addresses: str) -> Host:
        """Add a host with these addresses, each with its prefix length."""
        host = Host(self, next(self._numbers), addresses)
        self._stack.callback(host.close)
        return host

    def on_exit(self, function: Callable[[], object]) -> None:
        """Call this before the namespaces go."""
        self._stack.callback(function)
