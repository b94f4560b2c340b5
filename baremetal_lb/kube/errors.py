"""What can go wrong between us and the API server: the environment's fault, to be retried within bounds.

KubeError
  ApiError            the server answered, and it was no
  Unreachable         there was no answer; a write may or may not have taken effect
  KubeconfigError     we were not told how to reach it
  UnsupportedServer   it is too old
"""

import msgspec

from baremetal_lb.model.json_text import UNDECODABLE

LONGEST_RETRY_AFTER_S = 120.0
"""A server that asks for more is asked again after this."""
_TEXT_LIMIT = 300


class KubeError(Exception):
    """Base of all of them."""


class KubeconfigError(KubeError):
    """The kubeconfig, or the in-cluster credentials, cannot be used; the text says why."""


class NoObjectName(KubeError, ValueError):
    """No object can have this name or be in a namespace of it, so that there is no path to one."""


class UnsupportedServer(KubeError):
    """The API server is older than what we support."""


class Unreachable(KubeError):
    """No answer: refused, reset, timed out or cut short."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent
        """False: surely not sent. True: it may have taken effect; read and compare before writing again."""


class _Details(msgspec.Struct, rename="camel"):
    retry_after_seconds: float | None = None


class _Status(msgspec.Struct, rename="camel"):
    message: str | None = None
    reason: str | None = None
    details: _Details | None = None


class ApiError(KubeError):
    """An answer of 300 and above (``metav1.Status``, or whatever text stood there)."""

    def __init__(self, status: int, reason: str, message: str, retry_after_s: float | None = None, body: bytes = b"") -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        """``Conflict``, ``AlreadyExists``, ... or the HTTP reason phrase."""
        self.message = message
        self.retry_after_s = retry_after_s
        self.body = body
        """As received, cut at 64 KiB; never logged."""

    @classmethod
    def of(cls, status: int, phrase: str, retry_after: str | None, body: bytes) -> "ApiError":
        """Read an answer; anything but a Status keeps its first words."""
        try:
            said = msgspec.json.decode(body, type=_Status)
        except UNDECODABLE:
            said = _Status(message=" ".join(body[:_TEXT_LIMIT].decode(errors="replace").split()))
        wait = _seconds(retry_after)
        if wait is None and said.details is not None and said.details.retry_after_seconds is not None:
            wait = min(max(said.details.retry_after_seconds, 0.0), LONGEST_RETRY_AFTER_S)
        return cls(status, said.reason or phrase, said.message or "(no message)", wait, body)

    @property
    def is_not_found(self) -> bool:
        """The object, or its whole kind, is not there."""
        return self.status == 404

    @property
    def is_conflict(self) -> bool:
        """A precondition or resourceVersion did not hold."""
        return self.status == 409 and self.reason != "AlreadyExists"

    @property
    def already_exists(self) -> bool:
        """A create met an object of this name."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def is_expired(self) -> bool:
        """The resourceVersion or continue token is too old: list again."""
        return self.status == 410 or self.reason in {"Expired", "Gone"}


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After; None for a date (RFC 9110 §10.2.3: the API server sends none) and for nonsense."""
    try:
        return min(max(float(text), 0.0), LONGEST_RETRY_AFTER_S) if text else None
    except ValueError:
        return None
