"""What the server answers when it refuses: a metav1.Status as an exception, with the words of the real kube-apiserver.

Each refusal is raised where it is found and becomes the response in one place (``server.ApiServer.handle``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong, with a reason of metav1.CauseType (``FieldValueInvalid``...)."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Refusal(Exception):
    """A request that is answered with a Status of kind Failure."""

    def __init__(
        self, code: int, reason: str, message: str, details: dict[str, Any] | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.retry_after_s = details, retry_after_s
        if retry_after_s is not None:
            self.details = {**(details or {}), "retryAfterSeconds": retry_after_s}

    @property
    def status(self) -> dict[str, Any]:
        """The metav1.Status."""
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason}
        return {**status, **({"details": self.details} if self.details else {}), "code": self.code}


MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What code meets that takes a field of a client's object for what it is not; kinds of Kubernetes itself have no schema here."""


def _details(group: str, kind: str, name: str, causes: Iterable[Cause] = ()) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind}
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    return {key: value for key, value in {**details, "causes": listed}.items() if value}


def qualified(group: str, plural: str) -> str:
    """Return ``plural.group``, or the plural alone for the core group."""
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> Refusal:
    """404 for an object."""
    return Refusal(404, "NotFound", f'{qualified(group, plural)} "{name}" not found', _details(group, plural, name))


def no_such_resource() -> Refusal:
    """404 for a path that is not served."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, plural: str, name: str) -> Refusal:
    """409 for a create."""
    return Refusal(409, "AlreadyExists", f'{qualified(group, plural)} "{name}" already exists', _details(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str) -> Refusal:
    """409 for a stale resourceVersion, a failed precondition or a foreign field owner."""
    return Refusal(
        409, "Conflict", f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}', _details(group, plural, name)
    )


STALE = "the object has been modified; please apply your changes to the latest version and try again"


def invalid(group: str, kind: str, name: str, causes: Iterable[Cause]) -> Refusal:
    """422 with every field that is wrong."""
    listed = tuple(causes)
    text = str(listed[0]) if len(listed) == 1 else "[" + ", ".join(map(str, listed)) + "]"
    return Refusal(422, "Invalid", f'{qualified(group, kind)} "{name}" is invalid: {text}', _details(group, kind, name, listed))


def bad_request(message: str) -> Refusal:
    """400."""
    return Refusal(400, "BadRequest", message)


def forbidden(group: str, plural: str, name: str, why: str, causes: Iterable[Cause] = ()) -> Refusal:
    """403."""
    return Refusal(403, "Forbidden", f'{qualified(group, plural)} "{name}" is forbidden: {why}', _details(group, plural, name, causes))


def expired(message: str) -> Refusal:
    """410: the asked resourceVersion is older than what is remembered."""
    return Refusal(410, "Expired", message)


def method_not_allowed(message: str) -> Refusal:
    """405, with a sentence on what this server does instead."""
    return Refusal(405, "MethodNotAllowed", message)


def unsupported_media_type(content_type: str, accepted: Iterable[str]) -> Refusal:
    """415, naming what is accepted."""
    return Refusal(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format ({content_type}) - accepted media types include: {', '.join(accepted)}",
    )


def too_large(limit: int) -> Refusal:
    """413."""
    return Refusal(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")
