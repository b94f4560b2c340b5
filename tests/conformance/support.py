"""Both API servers behind one small client: every test of this folder runs on the embedded one and on the real one.

The real one is the oracle: where a test disagrees with it, the test is wrong; where the embedded one disagrees, that one is.
The real server is of this suite's own, since kube-controller-manager (namespaces, EndpointSlices) runs beside it.
"""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from baremetal_lb.lab.servers import free_port
from tests.support.wait import until

MERGE, STRATEGIC, JSON_PATCH, APPLY = (
    f"application/{kind}" for kind in ("merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml")
)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
THINGS = "/apis/example.test/v1/namespaces/{}/things"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Answer:
    """Status code, JSON body (or text) and headers."""

    code: int
    body: Any
    headers: dict[str, str]

    def __getitem__(self, path: str) -> Any:
        """Return what stands at a dotted path; None where it ends early."""
        value = self.body
        for name in path.split("."):
            value = (
                value.get(name)
                if isinstance(value, dict)
                else value[int(name)]
                if isinstance(value, list) and int(name) < len(value)
                else None
            )
        return value


class ApiUnderTest:
    """One API server, by its kubeconfig."""

    def __init__(self, name: str, kubeconfig: Path, kubectl: Path, home: Path) -> None:
        self.name, self.kubeconfig, self._kubectl, self._home = name, kubeconfig, kubectl, home
        config = yaml.safe_load(kubeconfig.read_text())
        self._url = config["clusters"][0]["cluster"]["server"]
        self._token = config["users"][0]["user"]["token"]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))

    def _open(self, method: str, path: str, body: Any, content_type: str, accept: str, timeout_s: float) -> Any:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": accept, "Content-Type": content_type, "User-Agent": "conformance/1"}
        return self._opener.open(urllib.request.Request(self._url + path, data, headers, method=method), timeout=timeout_s)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Answer:
        """Send one request."""
        path = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        try:
            with self._open(method, path, body, content_type, accept, 30) as answer:
                return self._answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return self._answer(error.code, error.read(), error.headers)

    @staticmethod
    def _answer(code: int, body: bytes, headers: Any) -> Answer:
        is_json = (headers.get("Content-Type") or "").startswith("application/json")
        return Answer(code, json.loads(body) if is_json and body else body.decode(), {k.lower(): v for k, v in headers.items()})

    @contextmanager
    def watch(self, path: str, timeout_s: int = 10, **query: str) -> Iterator[Iterator[dict[str, Any]]]:
        """Open a watch and give its events; it ends by itself after the timeout."""
        accept = query.pop("accept", "application/json")
        text = urllib.parse.urlencode({"watch": "1", "timeoutSeconds": str(timeout_s), **query})
        with self._open("GET", f"{path}?{text}", None, "application/json", accept, timeout_s + 10) as answer:
            yield (json.loads(line) for line in answer)

    def new_namespace(self) -> str:
        """Make a namespace of its own for a test."""
        name = f"c-{uuid.uuid4().hex[:10]}"
        assert self("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).code == 201
        return name

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self._home), "NO_COLOR": "1"}

    def kubectl(self, *arguments: str, stdin: str | dict[str, Any] | None = None, fails: bool = False) -> str:
        """Run the ordinary kubectl and return what it prints (both streams when it is to fail)."""
        given = json.dumps(stdin) if isinstance(stdin, dict) else stdin
        done = subprocess.run(
            [self._kubectl, *arguments], input=given, capture_output=True, text=True, timeout=60, env=self._environment(), check=False
        )
        assert (done.returncode != 0) is fails, f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if fails else "")

    @contextmanager
    def kubectl_running(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run kubectl in the background, its output readable line by line."""
        with subprocess.Popen(
            [self._kubectl, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment()
        ) as process:
            try:
                yield process
            finally:
                process.terminate()


class EmbeddedServer:
    """The embedded server as a process, that may be killed and started again on the same state."""

    def __init__(self, work: Path, *more: str) -> None:
        self.kubeconfig, self._work, self._more = work / "kubeconfig", work, more
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "baremetal_lb.lab.api_shell", "--port", str(self._port), "--kubeconfig-out", str(self.kubeconfig)]
        with (self._work / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, "--state", str(self._work / "state"), *self._more], stdout=log, stderr=log)
        until(self._is_ready, deadline_s=20, describe=(self._work / "log").read_text)

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{self._port}/readyz", timeout=2) as answer:
                return bool(answer.read() == b"ok") and self.kubeconfig.exists()
        except OSError:
            return False

    def stop(self, *, kill: bool = False) -> float:
        """Stop it, by SIGTERM or SIGKILL; return how many seconds it took."""
        assert self._process is not None
        begin = time.monotonic()
        (self._process.kill if kill else self._process.terminate)()
        self._process.wait(15)
        return time.monotonic() - begin


def definition() -> dict[str, Any]:
    """A CRD with the features that ours use: defaults, enum, bounds, pattern, keyed lists, status, columns, two versions."""
    condition = {
        "type": "object",
        "required": ["type", "status"],
        "properties": {name: {"type": "string"} for name in ("type", "status", "reason")},
    }
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9},
            "color": {"type": "string", "default": "red", "enum": ["red", "blue"]},
            "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "port": {"x-kubernetes-int-or-string": True},
            "nested": {"type": "object", "properties": {"deep": {"type": "boolean", "default": True}}},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }
    status = {
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "conditions": {"type": "array", "items": condition, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        },
    }
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Tags", "type": "string", "jsonPath": ".spec.tags"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    version = {
        "served": True,
        "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": spec, "status": status}}},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.test"},
        "spec": {
            "group": "example.test",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing", "shortNames": ["tg"], "categories": ["examples"]},
            "versions": [{"name": "v1", "storage": True, **version}, {"name": "v1beta1", "storage": False, **version}],
        },
    }


def thing(name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A Thing."""
    body = {"size": 1} if spec is None else spec
    return {"apiVersion": "example.test/v1", "kind": "Thing", "metadata": {"name": name, **metadata}, "spec": body}


def service(name: str, **spec: Any) -> dict[str, Any]:
    """A Service with one port."""
    body = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}], **spec}
    if body["type"] != "LoadBalancer":
        del body["allocateLoadBalancerNodePorts"]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}, "data": data}
