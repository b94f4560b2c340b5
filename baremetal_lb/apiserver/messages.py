"""Requests and responses as values, and the forms in which objects are answered (whole, metadata only, Table)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from baremetal_lb.apiserver.kinds import shown
from baremetal_lb.apiserver.resources import Object, Resource
from baremetal_lb.apiserver.tables import cells_of, columns_of


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``path`` is decoded, ``query`` has the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = "application/json"
    accept: str = "application/json"
    user_agent: str = ""

    def asks(self, name: str) -> bool:
        """Tell whether a boolean query parameter is set."""
        return self.query.get(name, "") in ("1", "true", "True")


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; with ``is_reset`` the connection is closed instead of sending it (a fault on demand)."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    is_reset: bool = False


def json_response(value: Any, code: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return a response with a JSON body."""
    return Response(code, msgspec.json.encode(value) + b"\n", headers=tuple(headers))


class Form(Enum):
    """How objects are answered."""

    WHOLE = ""
    METADATA = "PartialObjectMetadata"
    TABLE = "Table"


def form_of(accept: str) -> Form:
    """Return the form that an Accept header asks for (its first alternative that is JSON)."""
    for alternative in accept.split(","):
        kind, *parameters = (part.strip() for part in alternative.split(";"))
        wanted = {name: value for name, _, value in (parameter.partition("=") for parameter in parameters)}
        if kind in ("application/json", "*/*"):
            return next(
                (form for form in (Form.TABLE, Form.METADATA) if form.value and wanted.get("as", "").startswith(form.value)), Form.WHOLE
            )
    return Form.WHOLE


@dataclass(frozen=True, slots=True)
class View:
    """How one request wants objects of one kind shown."""

    resource: Resource
    form: Form = Form.WHOLE
    included: str = "Metadata"
    """``includeObject`` of a Table: None, Metadata or Object."""

    def one(self, value: Object, *, now: int) -> dict[str, Any]:
        """Show one object."""
        if self.form is Form.TABLE:
            return self.table([value], {"resourceVersion": value["metadata"]["resourceVersion"]}, now=now)
        return _metadata(value) if self.form is Form.METADATA else shown(self.resource, value)

    def many(self, values: Sequence[Object], metadata: Mapping[str, Any], *, now: int) -> dict[str, Any]:
        """Show a list."""
        if self.form is Form.TABLE:
            return self.table(values, metadata, now=now)
        if self.form is Form.METADATA:
            kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            return {**kind, "metadata": metadata, "items": [_metadata(value) for value in values]}
        items = [shown(self.resource, value) for value in values]
        if not self.resource.is_custom:
            items = [{name: item for name, item in value.items() if name not in ("kind", "apiVersion")} for value in items]
        return {"kind": self.resource.list_kind, "apiVersion": self.resource.api_version, "metadata": metadata, "items": items}

    def table(self, values: Sequence[Object], metadata: Mapping[str, Any], *, now: int) -> dict[str, Any]:
        """Show a Table."""
        rows = [{"cells": cells_of(self.resource, value, now=now), **self._included(value)} for value in values]
        kind = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return {**kind, "columnDefinitions": columns_of(self.resource), "rows": rows}

    def _included(self, value: Object) -> dict[str, Any]:
        match self.included:
            case "None":
                return {}
            case "Object":
                return {"object": shown(self.resource, value)}
            case _:
                return {"object": _metadata(value)}


def _metadata(value: Object) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]}
