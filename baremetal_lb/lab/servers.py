"""A real control plane on this machine: etcd, kube-apiserver, kube-controller-manager, each a process with a pid file.

    work/
      etcd/  certs/  sa.key  tokens.csv  audit-policy.yaml  audit.log
      etcd.log  etcd.pid  apiserver.log  ...                           a process is known by its pid file, not by who started it,
      USER.kubeconfig                                                  so that `lab down` can stop what `lab up` left running

Users are those of the token file, each with a random token; `admin` is in system:masters, all others start with no right at all
(RBAC). The audit log (level Metadata) says who asked for what: the tests of "an unchanged world is not written to" read it.
Data survive a stop of the API server, since etcd goes on.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from baremetal_lb.lab.build import find_or_build

START_TIMEOUT_S = 60.0
"""Cold caches of a slow disk; a warm start takes 3 s."""
STOP_TIMEOUT_S = 10.0
_AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}

__all__ = ["ControlPlane", "ServerDied", "ServerOptions", "find_or_build", "free_port", "kube_proxy_command"]


class ServerDied(RuntimeError):
    """A server ended, or never became ready; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What to start, and where."""

    binaries: Path
    work: Path
    """Made if it is not there; a work folder that was used before gives the same cluster again."""
    port: int
    """TCP port of the API server."""
    etcd_port: int
    """Two of them: this one for clients, the next one for peers."""
    users: tuple[str, ...] = ("admin",)
    address: str = "127.0.0.1"
    """Where the API server listens, and what kubeconfigs name."""
    service_cidrs: tuple[str, ...] = ("10.96.0.0/16", "fd00:10:96::/112")
    prefix: tuple[str, ...] = ()
    """Put before each command, to run it elsewhere: ``("nsenter", "-t", "123", "-n")``."""
    api_arguments: tuple[str, ...] = ()
    """More options of kube-apiserver."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Tokens given; users without get random ones."""


def free_port(count: int = 1) -> int:
    """Return a port such that it and the next ``count - 1`` are free on loopback."""
    for _ in range(100):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            if all(_is_free(port + i) for i in range(1, count)):
                return port
    raise OSError(f"no {count} free ports in a row on loopback")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True


class ControlPlane:
    """The servers of one cluster. All methods block; each may be called from another process than the one that started them."""

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.work = options.work
        self.url = f"https://{options.address}:{options.port}"
        self._context: ssl.SSLContext | None = None

    # --- start and stop ---

    def start(self) -> None:
        """Start etcd and the API server, and return when it is ready.

        Raises:
            ServerDied: one of them does not come up.
        """
        self._write_files()
        self._spawn("etcd", self._etcd_command())
        self.start_api()

    def start_api(self) -> None:
        """Start the API server on the data that are there, and return when it is ready."""
        self._spawn("apiserver", self._apiserver_command())
        self._wait("apiserver", lambda: self.call("GET", "/readyz") == b"ok")

    def stop_api(self) -> None:
        """Stop the API server; etcd keeps the data."""
        self._stop("apiserver")

    def start_controller_manager(self, *controllers: str) -> None:
        """Start kube-controller-manager (all its controllers, or the named ones), and wait for the default ServiceAccount."""
        options, work = self.options, self.work
        self._spawn(
            "controller-manager",
            [
                str(options.binaries / "kube-controller-manager"),
                f"--kubeconfig={self.kubeconfig('admin')}",
                f"--service-account-private-key-file={work / 'sa.key'}",
                "--use-service-account-credentials=false",
                "--bind-address=127.0.0.1",
                "--secure-port=0",
                "--leader-elect=false",
                f"--controllers={','.join(controllers) or '*'}",
                "--allocate-node-cidrs=false",
            ],
        )
        if not controllers:
            self._wait("controller-manager", lambda: self.call("GET", "/api/v1/namespaces/default/serviceaccounts/default"))

    def stop(self) -> None:
        """Stop everything that runs; nothing happens when nothing does."""
        for name in ("controller-manager", "apiserver", "etcd"):
            self._stop(name)

    def pid(self, name: str) -> int | None:
        """Return the pid of ``etcd``, ``apiserver`` or ``controller-manager`` while it runs."""
        try:
            pid, started = (self.work / f"{name}.pid").read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    # --- clients ---

    def kubeconfig(self, user: str) -> Path:
        """Return a kubeconfig of one of the users.

        Raises:
            KeyError: no such user.
        """
        if user not in self.options.users:
            raise KeyError(user)
        return self.work / f"{user}.kubeconfig"

    def call(self, method: str, path: str, body: Any = None, *, user: str = "admin", content_type: str = "application/json") -> bytes:
        """Send one request and return the body of the answer; for set-up and inspection, not for programs.

        Raises:
            urllib.error.HTTPError: the answer is no 2xx.
            OSError: no answer.
        """
        if self._context is None:
            self._context = ssl.create_default_context(cafile=str(self.work / "certs" / "apiserver.crt"))
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310 - the scheme is https, see above
        request.add_header("Authorization", f"Bearer {self._tokens()[user]}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", content_type)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._context))
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with opener.open(request, timeout=30) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                # Kinds that were installed a moment ago are answered so until their storage is ready.
                if error.code != 429 or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def kubectl(self, *arguments: str, stdin: str | None = None, user: str = "admin") -> str:
        """Run kubectl and return what it prints.

        Raises:
            subprocess.CalledProcessError: with ``stderr``.
        """
        command = [str(self.options.binaries / "kubectl"), f"--kubeconfig={self.kubeconfig(user)}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    # --- within ---

    def _write_files(self) -> None:
        options, work = self.options, self.work
        (work / "certs").mkdir(parents=True, exist_ok=True)
        if not (work / "sa.key").exists():
            subprocess.run(["openssl", "genrsa", "-out", str(work / "sa.key"), "2048"], check=True, capture_output=True)
        _write_private(work / "audit-policy.yaml", yaml.safe_dump(_AUDIT_POLICY))
        tokens = self._tokens() if (work / "tokens.csv").exists() else {}
        tokens = {user: options.tokens.get(user) or tokens.get(user) or secrets.token_hex(16) for user in options.users}
        rows = (f"{token},{user},{user}" + (',"system:masters"' if user == "admin" else "") for user, token in tokens.items())
        _write_private(work / "tokens.csv", "\n".join(rows) + "\n")
        for user, token in tokens.items():
            _write_private(work / f"{user}.kubeconfig", self._kubeconfig_text(user, token))

    def _kubeconfig_text(self, user: str, token: str) -> str:
        cluster = {"server": self.url, "certificate-authority": str(self.work / "certs" / "apiserver.crt")}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "lab", "cluster": cluster}],
                "users": [{"name": user, "user": {"token": token}}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
                "current-context": "lab",
            }
        )

    def _tokens(self) -> dict[str, str]:
        rows = (line.split(",") for line in (self.work / "tokens.csv").read_text(encoding="utf-8").splitlines())
        return {row[1]: row[0] for row in rows}

    def _etcd_command(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{self.options.etcd_port + i}" for i in range(2))
        return [
            str(self.options.binaries / "etcd"),
            f"--data-dir={self.work / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def _apiserver_command(self) -> list[str]:
        options, work = self.options, self.work
        return [
            str(options.binaries / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{options.etcd_port}",
            f"--secure-port={options.port}",
            f"--bind-address={options.address}",
            "--advertise-address=10.255.255.254",  # only the Endpoints of the kubernetes Service would name it, and those are off
            "--endpoint-reconciler-type=none",
            f"--cert-dir={work / 'certs'}",
            f"--service-cluster-ip-range={','.join(options.service_cidrs)}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={work / 'sa.key'}",
            f"--service-account-signing-key-file={work / 'sa.key'}",
            f"--token-auth-file={work / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--audit-policy-file={work / 'audit-policy.yaml'}",
            f"--audit-log-path={work / 'audit.log'}",
            *options.api_arguments,
        ]

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        if self.pid(name) is not None:
            return
        with (self.work / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*self.options.prefix, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.work, start_new_session=True
            )
        (self.work / f"{name}.pid").write_text(f"{process.pid} {_start_time(process.pid)}", encoding="utf-8")

    def _wait(self, name: str, is_ready: Callable[[], object]) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                if is_ready():
                    return
            except (OSError, urllib.error.URLError):
                pass  # not listening yet, not ready yet, or the object is not there yet
            for server in ("etcd", name):
                if self.pid(server) is None:
                    raise ServerDied(f"{server} ended:\n{self._log_end(server)}")
            if time.monotonic() > end:
                raise ServerDied(f"{name} was not ready after {START_TIMEOUT_S} s:\n{self._log_end(name)}")
            time.sleep(0.05)

    def _log_end(self, name: str) -> str:
        try:
            return (self.work / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-3000:]
        except OSError:
            return "(no log)"

    def _stop(self, name: str) -> None:
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + STOP_TIMEOUT_S
            while self.pid(name) is not None:
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                    end = float("inf")
                time.sleep(0.02)
        (self.work / f"{name}.pid").unlink(missing_ok=True)


def _start_time(pid: int) -> str:
    """Return when the process started (field 22 of /proc/PID/stat), "" when it has ended; with the pid it names one process for ever."""
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)  # reap it, if it is a child of ours
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def kube_proxy_command(
    binaries: Path, kubeconfig: Path, node: str, *, cluster_cidrs: Sequence[str] = (), mode: str = "nftables"
) -> list[str]:
    """Return the command of kube-proxy for one node, to be run inside that node's network namespace."""
    return [
        str(binaries / "kube-proxy"),
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node}",
        f"--proxy-mode={mode}",
        *([f"--cluster-cidr={','.join(cluster_cidrs)}"] if cluster_cidrs else []),
        "--conntrack-max-per-core=0",  # these are of the whole machine, not of a namespace: leave them alone
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--healthz-bind-address=127.0.0.1:10256",
        "--metrics-bind-address=127.0.0.1:10249",
    ]
