"""What a path names, and bodies that are for it."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from baremetal_lb.apiserver import errors, protobuf
from baremetal_lb.apiserver.errors import Cause
from baremetal_lb.apiserver.messages import Request, Response, View, form_of, json_response
from baremetal_lb.apiserver.resources import Object, Resource
from baremetal_lb.model.ids import ObjectKey


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: one object, or a collection when ``name`` is empty."""

    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    @property
    def key(self) -> ObjectKey:
        """Key of the object."""
        return ObjectKey(self.namespace, self.name)

    @property
    def ignored(self) -> str:
        """Top-level field that a write to this path never changes, and never owns."""
        return "spec" if self.subresource else "status" if self.resource.has_status else ""

    def not_found(self) -> errors.Refusal:
        """Return the 404 for it."""
        return errors.not_found(self.resource.group, self.resource.plural, self.name)

    def conflict(self, why: str) -> errors.Refusal:
        """Return a 409 for it."""
        return errors.conflict(self.resource.group, self.resource.plural, self.name, why)

    def invalid(self, causes: Iterable[Cause]) -> errors.Refusal:
        """Return the 422 for it."""
        return errors.invalid(self.resource.group, self.resource.kind, self.name, causes)


def body_of(request: Request, resource: Resource) -> Object:
    """Read a body.

    Raises:
        Refusal: 400 or 415.
    """
    kind = request.content_type.partition(";")[0].strip()
    if kind == protobuf.MEDIA_TYPE and request.method != "PATCH":
        return protobuf.decode(request.body)
    if request.method in ("POST", "PUT", "DELETE") and kind not in ("", "application/json", "application/octet-stream"):
        raise errors.unsupported_media_type(kind, ["application/json"])
    try:
        value = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): json parse error: {error}"
        ) from None
    if not isinstance(value, dict):
        raise errors.bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): no map")
    return value


def checked(value: Object, target: Target) -> Object:
    """Return a body with its kind, version and metadata in order.

    Raises:
        Refusal: 400 when it is not for this path.
    """
    resource = target.resource
    kind, version = value.get("kind") or resource.kind, value.get("apiVersion") or resource.api_version
    if resource.is_custom and not (value.get("kind") and value.get("apiVersion")):
        raise errors.bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): Object 'Kind' is missing")
    if (kind, version) != (resource.kind, resource.api_version):
        expected = f"the expected API version ({resource.api_version}, {resource.kind})"
        raise errors.bad_request(f"the API version in the data ({version}, {kind}) does not match {expected}")
    metadata = value.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata is no map")
    if metadata.get("namespace", target.namespace) != target.namespace:
        raise errors.bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if target.name and metadata.get("name", target.name) != target.name:
        raise errors.bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})")
    metadata = {name: item for name, item in metadata.items() if item is not None and item not in ({}, []) and name != "selfLink"}
    return {**value, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def view_of(request: Request, resource: Resource) -> View:
    """Return how a request wants objects shown."""
    return View(resource, form_of(request.accept), request.query.get("includeObject", "Metadata"))


def answer(target: Target, request: Request, value: Object, code: int = 200, *, now: int) -> Response:
    """Answer with one object."""
    return json_response(view_of(request, target.resource).one(value, now=now), code)
