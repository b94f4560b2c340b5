"""What all commands share that talk to a running cluster: where it is, reading it, and telling apart why it could not be read.

Exit codes: 3, the API server said no or nothing; each message names the next command to try.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

import typer

from baremetal_lb.cli.kubeconfig import kubeconfig_path
from baremetal_lb.cli.output import complain
from baremetal_lb.kube.errors import ApiError, KubeconfigError, KubeError, Unreachable
from baremetal_lb.kube.resources import Resource
from baremetal_lb.model.ids import IDENTITIES, Identity
from baremetal_lb.model.json_text import NotJSON, decode_json

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

T = TypeVar("T")
Object = dict[str, Any]
API_ERROR = 3
PAGE_LIMIT = 500
_PATIENCE_S = 15.0
_LONGEST_ANSWER = 1 << 30
"""Octets of one page: any that an API server sends."""

Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Path of the kubeconfig. Default: as kubectl finds it.")]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig.")]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", "--install-namespace", help="Namespace of the install. Default: the one of the identity.")
]
IdentityOption = Annotated[str, typer.Option("--identity", help="baremetal-lb, or metallb: whose API group is read.")]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster and which install in it."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    identity_name: str = "baremetal-lb"

    @property
    def identity(self) -> Identity:
        """The identity, as a value."""
        if self.identity_name not in IDENTITIES:
            raise typer.BadParameter(f"one of: {', '.join(IDENTITIES)}", param_hint="--identity")
        return IDENTITIES[self.identity_name]

    @property
    def home(self) -> str:
        """The namespace of the install."""
        return self.namespace or self.identity.default_namespace

    @property
    def owner(self) -> str:
        """The install id in the ledger, as the controller gives it by default."""
        return f"{self.identity.name}/{self.home}"

    def run(self, do: "Callable[[Transport], Awaitable[T]]") -> T:
        """Open the API server, do something with it, close it again; end with a sentence and exit code 3 where that is not possible."""
        from baremetal_lb.kube.transport import Transport  # noqa: PLC0415 - half a second that no help text is to wait for

        async def main() -> T:
            async with Transport(kubeconfig_path(self.kubeconfig), context=self.context or None, user_agent="bmlb") as transport:
                return await do(transport)

        try:
            return asyncio.run(main())
        except KubeError as error:
            sentence, *more = _sentence(error)
            complain(f"Error: {sentence}", *more)
            raise typer.Exit(API_ERROR) from None


class NoSuchKind(KubeError):
    """The API server does not serve one of our kinds."""


def no_such_kind(transport: "Transport", resource: Resource) -> NoSuchKind:
    """Return the error for a kind that is not served."""
    where = urlsplit(transport.host)  # the path may be a token, as the lab's embedded server has it
    return NoSuchKind(f"the API server at {where.scheme}://{where.netloc} has no {resource.plural} of {resource.api_version}")


async def fetch_all(transport: "Transport", resource: Resource, namespace: str = "", *, field_selector: str = "") -> list[Object]:
    """Return all objects of a kind, page by page, each with its apiVersion and kind as the list gives them.

    Raises:
        NoSuchKind: the API server has no such kind.
        KubeError: no answer, or another no.
    """
    found: list[Object] = []
    token = ""
    while True:
        query = [("limit", str(PAGE_LIMIT)), *([("continue", token)] if token else [])]
        query += [("fieldSelector", field_selector)] if field_selector else []
        try:
            page = _object(await transport.request("GET", resource.path(namespace), query, total_s=_PATIENCE_S))
        except ApiError as error:
            if error.is_expired and token:  # what was read is of a list that is gone: once more from the start
                found, token = [], ""
                continue
            if error.is_not_found:
                raise no_such_kind(transport, resource) from None
            raise
        kind = str(page.get("kind", "")).removesuffix("List")
        found += [{"apiVersion": page.get("apiVersion"), "kind": kind, **item} for item in page.get("items") or ()]
        token = page.get("metadata", {}).get("continue") or ""
        if not token:
            return found


def _object(data: bytes) -> Object:
    try:
        return dict(decode_json(data, longest=_LONGEST_ANSWER, type=Object))
    except NotJSON as error:
        raise KubeError(f"the answer is no JSON object: {error}") from None


async def fetch_object(transport: "Transport", resource: Resource, name: str, namespace: str = "") -> Object | None:
    """Return one object; None where there is none of this name.

    Raises:
        NoSuchKind: the API server has no such kind.
        KubeError: no answer, or another no.
    """
    try:
        return _object(await transport.request("GET", resource.path(namespace, name), total_s=_PATIENCE_S))
    except ApiError as error:
        if not error.is_not_found:
            raise
        if f'"{name}"' not in error.message:  # an object that is not there is named in the answer; a kind that is not there is not
            raise no_such_kind(transport, resource) from None
        return None


def _sentence(error: KubeError) -> tuple[str, ...]:
    """Return what went wrong and what to try next."""
    match error:
        case KubeconfigError():
            return str(error), "Name another one with --kubeconfig or KUBECONFIG; `kubectl config view` shows the one in use."
        case Unreachable():
            return f"the API server does not answer: {error}", "`kubectl cluster-info` shows whether it does for kubectl."
        case NoSuchKind():
            return f"{error}: baremetal-lb is not installed there", "`bmlb crds | kubectl apply --server-side -f -` adds its kinds."
        case ApiError(status=401):
            return "the API server does not accept these credentials (401)", "`kubectl auth whoami` shows whose they are."
        case ApiError(status=403):
            return f"not allowed: {error.message}", "`kubectl auth can-i --list` shows what is."
    return (str(error),)
