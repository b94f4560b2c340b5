r"""The API server as a pure function of its requests: ``handle`` takes a request and the time, and returns a response or a watch.

    request -> route -> verb -> (old object, new object) -> common rules -> kind's rules -> store -> response
                                                                                       \-> occurrence -> watches

It is not kube-apiserver. It does what a person with kubectl and this project's processes need (the kinds in ``resources``, custom
kinds, their ordinary verbs), refuses anything else with a sentence (404, 405, 415), and behaves like the real one where both do the
same: one conformance suite runs on both. There is no authentication or authorization here, no admission, no aggregation, no CEL.

Invariants: a write happens whole or not at all (the store is touched last); one revision per write; a write that changes nothing is
none; nothing that a client sends raises out of ``handle``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from baremetal_lb.apiserver import discovery, errors, protobuf
from baremetal_lb.apiserver.definitions import served_by
from baremetal_lb.apiserver.deleting import DEFINITIONS, Deleting
from baremetal_lb.apiserver.errors import Refusal
from baremetal_lb.apiserver.faults import Fault, FaultAction, Faults
from baremetal_lb.apiserver.messages import Request, Response, json_response
from baremetal_lb.apiserver.reading import Reader
from baremetal_lb.apiserver.resources import BUILTINS, Resource
from baremetal_lb.apiserver.services import ServiceNetworks
from baremetal_lb.apiserver.store import Store
from baremetal_lb.apiserver.targets import Target
from baremetal_lb.apiserver.watches import Watch
from baremetal_lb.apiserver.writing import Writing
from baremetal_lb.model.ids import ObjectKey

MAXIMUM_BODY = 3 << 20
"""Bytes; that of the real server."""
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
VERSION = {
    "major": "1", "minor": "37", "gitVersion": "v1.37.0-embedded", "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none", "compiler": "none", "platform": "python",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with."""

    networks: ServiceNetworks = field(default_factory=ServiceNetworks)
    """Service CIDRs; dual stack by default, as the lab needs."""
    remembered: int = 20_000
    """Writes that watchers may be behind before they are told 410."""
    path_prefix: str = ""
    """What the shell takes off the path of each request; links in answers carry it."""


class ApiServer:
    """All objects and the rules on them. One thread, no clock, no chance: ``new_uid`` gives the next UUID text."""

    def __init__(
        self, *, new_uid: Callable[[], str], journal: Callable[[bytes], None] = lambda _line: None, settings: Settings = Settings()
    ) -> None:
        self.store = Store(journal=journal, remembered=settings.remembered)
        self.faults = Faults()
        self.requests = 0
        self._prefix = settings.path_prefix
        self._definitions: dict[str, tuple[Resource, ...]] = {}
        self._served: dict[tuple[str, str, str], Resource] = {}
        self._deleting = Deleting(self.store, resources=self.resources, on_definition=self._serve)
        self._writing = Writing(self.store, self._deleting, new_uid=new_uid, networks=settings.networks, on_definition=self._serve)
        self._reader = Reader(self.store)
        self._index()

    def resources(self) -> Iterable[Resource]:
        """Return all that is served."""
        return self._served.values()

    def start(self, lines: Iterable[bytes] = (), *, now_utc: int) -> int:
        """Load journal lines, make the namespaces that every cluster has; return how many lines were read."""
        count = self.store.load(lines)
        for _, definition in self.store.items(DEFINITIONS):
            self._definitions[definition["metadata"]["name"]] = tuple(served_by(definition))
        self._index()
        namespaces = self._served["", "v1", "namespaces"]
        for name in NAMESPACES:
            if self.store.get(("", "namespaces"), ObjectKey("", name)) is None:
                self._writing.create(Target(namespaces, "", ""), {"metadata": {"name": name}}, Request("POST", ""), now=now_utc)
        return count

    def handle(self, request: Request, *, now_utc: int, is_exempt: bool = False) -> Response | Watch:
        """Answer one request at a moment (ns since the epoch); an exempt one meets no fault on demand."""
        self.requests += 1
        fault = None if is_exempt or request.path.startswith("/_faults") else self.faults.meet(request.method, request.path)
        try:
            if fault is not None and (answer := self._suffered(fault)):
                return answer
            if len(request.body) > MAXIMUM_BODY:
                raise errors.too_large(MAXIMUM_BODY)
            response = self._route(request, fault, now_utc)
        except Refusal as refusal:
            headers = [("Retry-After", str(refusal.retry_after_s))] if refusal.retry_after_s is not None else []
            return json_response(refusal.status, refusal.code, headers)
        except errors.MALFORMED as error:
            broken = errors.bad_request(f"the request has a field of a type that is not expected there ({type(error).__name__}: {error})")
            return json_response(broken.status, broken.code)
        if fault is not None and fault.action is FaultAction.ResetAfter:
            return Response(0, b"", is_reset=True)
        return response

    def _suffered(self, fault: Fault) -> Response | None:
        match fault.action:
            case FaultAction.Error:
                reasons = {409: "Conflict", 429: "TooManyRequests", 410: "Expired", 403: "Forbidden", 503: "ServiceUnavailable"}
                raise Refusal(fault.code, reasons.get(fault.code, "InternalError"), fault.message, retry_after_s=fault.retry_after_s)
            case FaultAction.ResetBefore:
                return Response(0, b"", is_reset=True)
            case FaultAction.Expired:
                raise errors.expired("fault on demand")
            case _:
                return None

    def _route(self, request: Request, fault: Fault | None, now: int) -> Response | Watch:
        parts = [part for part in request.path.split("/") if part]
        match parts:
            case ["healthz" | "readyz" | "livez", *_]:
                return Response(200, b"ok", "text/plain")
            case ["version"]:
                return json_response(VERSION)
            case ["_faults"]:
                return self._of_faults(request)
            case ["api" | "apis" | "openapi", *_]:
                if (document := self._document(parts)) is not None:
                    return json_response(document)
        if parts[:3] == ["apis", discovery.AUTHORIZATION_GROUP, "v1"]:
            return self._review(request, parts[3:])
        target = self._target(parts)
        return self._of_object(request, target, now) if target.name else self._of_collection(request, target, fault, now)

    def _document(self, parts: list[str]) -> object | None:
        match parts:
            case ["api"]:
                return discovery.api_versions()
            case ["apis"]:
                return discovery.group_list(self.resources())
            case ["api", version]:
                return discovery.resource_list(version, self.resources())
            case ["apis", group]:
                return discovery.group(group, self.resources())
            case ["apis", group, version]:
                return discovery.resource_list(f"{group}/{version}", self.resources())
            case ["openapi", "v3"]:
                return discovery.openapi_root(self.resources(), self._prefix)
            case ["openapi", "v3", *path]:
                return discovery.openapi_document("/".join(path), self.resources())
            case _:
                return None

    def _of_faults(self, request: Request) -> Response:
        if request.method == "POST":
            wishes = msgspec.json.decode(request.body)
            for wish in wishes if isinstance(wishes, list) else [wishes]:
                self.faults.add(wish)
        elif request.method == "DELETE":
            self.faults.clear()
        return json_response(self.faults.listed())

    def _review(self, request: Request, rest: list[str]) -> Response:
        if rest != ["selfsubjectaccessreviews"] or request.method != "POST":
            raise errors.no_such_resource()
        review = protobuf.decode(request.body) if request.content_type == protobuf.MEDIA_TYPE else msgspec.json.decode(request.body)
        return json_response({**review, "status": {"allowed": True, "reason": "the embedded API server allows everything"}}, 201)

    def _target(self, parts: list[str]) -> Target:
        """Read ``[namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]`` below the group and version."""
        skipped = 2 if parts[:1] == ["api"] else 3
        if parts[:1] not in (["api"], ["apis"]) or len(parts) <= skipped:
            raise errors.no_such_resource()
        group, version = ("", parts[1]) if skipped == 2 else (parts[1], parts[2])
        rest, namespace = parts[skipped:], ""
        if rest[0] == "watch":
            raise errors.method_not_allowed("the deprecated /watch/ paths are not served; add ?watch=1 to a list instead")
        if rest[0] == "namespaces" and len(rest) > 2 and (group, version, rest[2]) in self._served:
            namespace, rest = rest[1], rest[2:]
        resource = self._served.get((group, version, rest[0]))
        if resource is None or len(rest) > 3 or (namespace and not resource.is_namespaced):
            raise errors.no_such_resource()
        name, subresource = (*rest[1:], "", "")[:2]
        if subresource not in ("", "finalize", *(["status"] if resource.has_status else [])):
            raise Refusal(404, "NotFound", f"the embedded API server has no subresource {subresource!r} of {resource.plural}")
        return Target(resource, namespace, name, subresource)

    def _of_object(self, request: Request, target: Target, now: int) -> Response:
        match request.method:
            case "GET":
                return self._reader.get(request, target, now=now)
            case "PUT":
                return self._writing.put(target, request, now=now)
            case "PATCH":
                return self._writing.patch(target, request, now=now)
            case "DELETE" if not target.subresource:
                return self._deleting.delete(target, request, now=now)
        raise errors.method_not_allowed(f"the embedded API server does not {request.method} {target.resource.plural}/{target.subresource}")

    def _of_collection(self, request: Request, target: Target, fault: Fault | None, now: int) -> Response | Watch:
        match request.method:
            case "GET" if request.asks("watch"):
                return self._reader.watch(request, target, fault, now=now)
            case "GET":
                return self._reader.list(request, target, fault, now=now)
            case "POST":
                return self._writing.post(target, request, now=now)
            case "DELETE":
                return self._deleting.delete_collection(target, request, self._reader.selected(request, target), now=now)
        raise errors.method_not_allowed(f"the embedded API server does not {request.method} a collection of {target.resource.plural}")

    def _serve(self, name: str, definition: dict[str, object] | None) -> None:
        """Begin, change or end to serve what a definition defines."""
        if definition is None:
            self._definitions.pop(name, None)
        else:
            self._definitions[name] = tuple(served_by(definition))
        self._index()

    def _index(self) -> None:
        everything = [*BUILTINS, *(resource for name in sorted(self._definitions) for resource in self._definitions[name])]
        self._served.clear()
        self._served.update({(resource.group, resource.version, resource.plural): resource for resource in everything})
        self._reader.end_watches({resource.storage for resource in everything})
