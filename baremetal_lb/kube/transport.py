"""The transport: one authenticated HTTP connection pool to the API server, bytes in and bytes out.

The official client does what is hard (kubeconfig with exec plugins, in-cluster tokens that rotate, TLS) and nothing else: its typed
models decode 30 times slower and are never imported.

    caller --request()--> ApiClient (auth, TLS, pool) --> bytes | ApiError | Unreachable
           --open()-----> the response, not read yet (watches)

Rules: each request has a total timeout, since a half-open connection otherwise hangs for ever. Nothing is retried here, since only
the caller knows whether a write may be repeated (aiohttp sends a GET, PUT or DELETE once more when a kept-alive connection turns out
to be closed: each PUT and DELETE of ours carries a precondition, so the second one meets a conflict).
Credentials are asked for on each request, so a rotated token is used at once.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
import yaml
from kubernetes.aio import config as client_config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration as ClientConfiguration

from baremetal_lb.kube.errors import ApiError, KubeconfigError, Unreachable, UnsupportedServer
from baremetal_lb.model.json_text import UNDECODABLE

MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
OLDEST_SUPPORTED: Final = (1, 31)
CONNECT_TIMEOUT_S: Final = 10.0
DEFAULT_TOTAL_S: Final = 30.0
_IN_CLUSTER = (
    "the in-cluster service account, which a container started outside a cluster does not have, nor one that a kubelet started before it "
    "had heard of the Service kubernetes (the kubelet will start it again)"
)
_MALFORMED = (
    client_config.ConfigException,
    yaml.YAMLError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)
"""What the client's loaders raise: they meet a malformed file with whatever their code stumbles over."""
_BODY_LIMIT = 64 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, order=True)
class ServerVersion:
    """Version of an API server."""

    major: int
    minor: int
    text: str = ""
    """``v1.37.2``."""


class _Version(msgspec.Struct, rename="camel"):
    major: str
    minor: str
    git_version: str = ""


class Transport:
    """An open connection pool. Use it as an async context manager.

    With ``kubeconfig`` None and no ``url`` the in-cluster service account is used. ``url`` is for servers that want no more than a
    bearer token, such as a test's proxy on loopback.
    """

    def __init__(
        self,
        kubeconfig: str | Path | None = None,
        *,
        context: str | None = None,
        url: str | None = None,
        token: str | None = None,
        user_agent: str = "baremetal-lb",
    ) -> None:
        self._kubeconfig, self._context, self._url, self._token = kubeconfig, context, url, token
        self._user_agent = user_agent
        self._api: Any = None
        self.requests: Counter[tuple[str, str]] = Counter()
        """Answers by (method, status code); code "" where there was none."""

    async def __aenter__(self) -> Self:
        """Read the credentials and open the pool.

        Raises:
            KubeconfigError: they cannot be read.
        """
        configuration = await self._configuration()
        if (urlsplit(configuration.host).hostname or "") in _LOOPBACK or (self._kubeconfig is None and self._url is None):
            # A proxy in the environment of the node is no way to an API server in the cluster or on this host.
            configuration.client_session_kwargs = {"trust_env": False}
        self._api = ApiClient(configuration)
        self._api.user_agent = self._user_agent
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    async def _configuration(self) -> Any:
        configuration = ClientConfiguration()
        if self._url is not None:
            configuration.host = self._url.rstrip("/")
            if self._token is not None:
                configuration.api_key["BearerToken"] = f"Bearer {self._token}"
            return configuration
        try:
            if self._kubeconfig is None:
                client_config.load_incluster_config(client_configuration=configuration)
            else:
                await client_config.load_kube_config(
                    config_file=str(self._kubeconfig), context=self._context, client_configuration=configuration, persist_config=False
                )
        except _MALFORMED as error:
            where = _IN_CLUSTER if self._kubeconfig is None else f"kubeconfig {self._kubeconfig}"
            raise KubeconfigError(f"cannot use {where}: {error}") from error
        return configuration

    @property
    def host(self) -> str:
        """URL of the API server."""
        return str(self._api.configuration.host)

    async def _send(
        self, method: str, path: str, query: Query, *, body: Any, content_type: str | None, total_s: float
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        try:
            request = await self._api.param_serialize(
                method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=min(CONNECT_TIMEOUT_S, total_s))
            answer = await self._api.call_api(*request, _request_timeout=timeout)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self.requests[method, ""] += 1
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}", was_sent=False) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.requests[method, ""] += 1
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}", was_sent=True) from error
        response: aiohttp.ClientResponse = answer.response
        self.requests[method, str(response.status)] += 1
        return response

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: Any = None,
        content_type: str | None = None,
        total_s: float = DEFAULT_TOTAL_S,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield its answer, whose content is not read yet; ``total_s`` bounds the reading too.

        Raises:
            ApiError: the answer is no 2xx.
            Unreachable: there is none, or it broke off while it was read.
        """
        response = await self._send(method, path, query, body=body, content_type=content_type, total_s=total_s)
        try:
            if not 200 <= response.status < 300:
                text = await response.content.read(_BODY_LIMIT)
                raise ApiError.of(response.status, response.reason or "", response.headers.get("Retry-After"), text)
            yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}", was_sent=True) from error
        finally:
            response.close()  # of an unfinished stream nothing can be reused; a finished one has gone back to the pool by itself

    async def request(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: Any = None,
        content_type: str | None = None,
        total_s: float = DEFAULT_TOTAL_S,
    ) -> bytes:
        """Send a request and return the whole body of its answer.

        Raises:
            ApiError: the answer is no 2xx.
            Unreachable: there is none within ``total_s``; a write may have taken effect.
        """
        async with self.open(method, path, query, body=body, content_type=content_type, total_s=total_s) as response:
            return await response.read()

    async def server_version(self) -> ServerVersion:
        """Ask the server for its version.

        Raises:
            KubeError: as any request; UnsupportedServer where the answer cannot be read.
        """
        data = await self.request("GET", "/version")
        try:
            said = msgspec.json.decode(data, type=_Version)
            # Some distributions write "31+".
            return ServerVersion(int(said.major.rstrip("+")), int(said.minor.rstrip("+")), said.git_version)
        except (ValueError, *UNDECODABLE) as error:
            raise UnsupportedServer(f"{self.host} does not tell its version as an API server does: {error}") from error

    async def check_version(self) -> ServerVersion:
        """Return the version of a server that is new enough.

        Raises:
            UnsupportedServer: it is older than what we support.
            KubeError: as any request.
        """
        version = await self.server_version()
        if (version.major, version.minor) < OLDEST_SUPPORTED:
            oldest = ".".join(map(str, OLDEST_SUPPORTED))
            raise UnsupportedServer(
                f"the API server at {self.host} is Kubernetes {version.text or f'{version.major}.{version.minor}'}; "
                f"baremetal-lb needs {oldest} or newer"
            )
        return version
