"""ExaBGP as a child process: how it is started, what it says in its log, how it ends.

It ends with the engine, at the latest by the kernel's hand (PR_SET_PDEATHSIG), and its helper with it.

Whoever stops a container, or a whole node, may send SIGTERM to all processes in it at once (systemd does). ExaBGP would close its sessions
then, before the engine has withdrawn anything, and under graceful restart routers would keep the routes. So SIGTERM is blocked in ExaBGP
and what it starts (a signal mask outlives exec); the engine tells it to end by SIGHUP, which means the same to it.
"""

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog

from baremetal_lb.bgp.exabgp_config import render
from baremetal_lb.engine.relay import SOCKET_VARIABLE

log = structlog.get_logger(__name__)
CONFIG_NAME = "exabgp.conf"
HELPER = f"{sys.executable} -m baremetal_lb.engine.relay"
STOP_GRACE_S = 3.0
_LONGEST_LINE = 1 << 16
_LINE_SHOWN = 500
_PR_SET_PDEATHSIG = 1


class Exabgp:
    """One ExaBGP process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, directory: Path, relay_socket: Path, *, reactor_speed: float) -> "Exabgp":
        """Start it with the configuration that is there, or with one that has no sessions.

        Raises:
            OSError: it cannot be started, or the configuration not be written.
        """
        config = directory / CONFIG_NAME
        if not config.exists():
            descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(render([], HELPER))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "exabgp",
            "server",
            str(config),
            env={**os.environ, **environment(relay_socket, reactor_speed=reactor_speed)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
            start_new_session=True,
            preexec_fn=_end_with_engine_only,
        )
        return cls(process)

    async def wait(self) -> int:
        """Pass on its log until it ends, and return its exit code."""
        output = self._process.stdout
        while output is not None:
            try:
                line = await output.readline()
            except ValueError:  # longer than any line should be; what is left of it comes as the next one
                continue
            if not line:
                break
            _log_line(line.decode("utf-8", "replace").strip())
        return await self._process.wait()

    def kill(self) -> None:
        """Kill it, as it does not answer."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Tell it to end, and kill it if it does not."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGHUP)
        try:
            async with asyncio.timeout(STOP_GRACE_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()


def _user_name() -> str:
    """Return our user's name. A container's user may have none; ExaBGP insists on one that exists, and changes to nobody's rights."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return pwd.getpwall()[0].pw_name


def environment(relay_socket: Path, *, reactor_speed: float) -> Mapping[str, str]:
    """Return ExaBGP's settings: no socket of its own, no command line, no change of user, an answer to each command."""
    return {
        "exabgp_daemon_user": _user_name(),
        "exabgp_daemon_drop": "false",
        "exabgp_daemon_umask": "0o077",
        "exabgp_log_level": "WARNING",
        "exabgp_log_destination": "stderr",
        "exabgp_api_cli": "false",
        "exabgp_api_ack": "true",
        "exabgp_tcp_bind": "",
        "exabgp_reactor_speed": str(reactor_speed),
        SOCKET_VARIABLE: str(relay_socket),
    }


def _log_line(line: str) -> None:
    # A complaint about the configuration quotes the line at fault, and one of them has a password. Advice on files is for people.
    if line and "md5" not in line and not line.startswith("advice"):
        log.warning("exabgp_said", line=line[:_LINE_SHOWN])


def _end_with_engine_only() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
