"""A Docker daemon: the one that runs, else one that we start and, at the end, stop.

Some machines keep CAP_SYS_RESOURCE from everybody (bit 24 of CapBnd in /proc/self/status), and then every container that is to have all
capabilities fails to start, kind's nodes among them. There the daemon gets a runtime that removes this one capability from what it is
asked for and goes on as runc (runc_without_sys_resource.py).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from kind_cluster.commands import CommandFailed, Report, run, succeeds
from kind_cluster.places import STATE, cache

SYS_RESOURCE = 24
START_LIMIT_S = 60.0
SYSCTLS = ("kernel.panic", "kernel.panic_on_oops", "vm.overcommit_memory")
"""What a kubelet sets for the whole machine, from inside its node."""
_PID = STATE / "dockerd.pid"
_SYSCTLS_BEFORE = STATE / "sysctls.json"


class DockerUnavailable(Exception):
    """No Docker daemon runs, and none can be started; the text says why."""


def ensure_docker(report: Report) -> None:
    """See that a daemon answers.

    Raises:
        DockerUnavailable: with the reason.
    """
    if succeeds("docker", "info"):
        return
    if os.geteuid() != 0:
        raise DockerUnavailable("no Docker daemon answers, and only root can start one; start it, or join its group")
    STATE.mkdir(exist_ok=True)
    report("starting a Docker daemon")
    log = STATE / "dockerd.log"
    config = cache() / "daemon.json"
    config.write_text(json.dumps(_configuration()), encoding="utf-8")
    with log.open("ab") as output:
        try:
            daemon = subprocess.Popen(
                ["dockerd", "--config-file", str(config), "--pidfile", str(STATE / "dockerd.own.pid")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise DockerUnavailable(f"dockerd is not there: {error}; `apt-get install docker.io` brings it") from error
    _PID.write_text(str(daemon.pid), encoding="utf-8")
    deadline = time.monotonic() + START_LIMIT_S
    while not succeeds("docker", "info"):
        if daemon.poll() is not None or time.monotonic() > deadline:
            stop_docker()
            said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            raise DockerUnavailable(f"dockerd does not work on this machine: {' / '.join(said)}")
        time.sleep(0.2)


def stop_docker() -> None:
    """Stop the daemon that we started, if we did."""
    if not _PID.exists():
        return
    pid = int(_PID.read_text(encoding="utf-8"))
    _PID.unlink()
    if not _is_dockerd(pid):
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_LIMIT_S
    while _is_dockerd(pid) and time.monotonic() < deadline:
        time.sleep(0.1)


def remember_sysctls() -> None:
    """Note what kubelets are going to change, unless that is noted already."""
    if not _SYSCTLS_BEFORE.exists():
        STATE.mkdir(exist_ok=True)
        _SYSCTLS_BEFORE.write_text(json.dumps({name: _sysctl(name).read_text(encoding="utf-8").strip() for name in SYSCTLS}))


def restore_sysctls() -> None:
    """Give the machine back what was noted."""
    if not _SYSCTLS_BEFORE.exists():
        return
    for name, value in json.loads(_SYSCTLS_BEFORE.read_text(encoding="utf-8")).items():
        try:
            _sysctl(name).write_text(value, encoding="utf-8")
        except OSError as error:
            raise CommandFailed(f"{name} could not be set back to {value}: {error}") from error
    _SYSCTLS_BEFORE.unlink()


def remove_network(name: str) -> None:
    """Remove a Docker network, if it is there and nobody uses it."""
    if succeeds("docker", "network", "inspect", name):
        run("docker", "network", "rm", name)


def _configuration() -> dict[str, object]:
    bounding = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if line.startswith("CapBnd"))
    if int(bounding.split()[1], 16) >> SYS_RESOURCE & 1:
        return {}
    wrapper = cache() / "runc-without-sys-resource"
    program = Path(__file__).with_name("runc_without_sys_resource.py")
    # A copy: the daemon goes on using it when the checkout is gone.
    (cache() / program.name).write_bytes(program.read_bytes())
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {cache() / program.name} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    return {"runtimes": {"without-sys-resource": {"path": str(wrapper)}}, "default-runtime": "without-sys-resource"}


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _is_dockerd(pid: int) -> bool:
    try:
        return "dockerd" in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
    except OSError:
        return False
