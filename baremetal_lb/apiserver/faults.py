"""Faults on demand: what a test or a lab wants the next matching requests to suffer.

    POST /_faults   {"method": "PATCH", "path": "/services/.*/status$", "action": "Error", "code": 409, "count": 2, "skip": 1}
    GET /_faults    what is still to come          DELETE /_faults   nothing any more

``method`` is a verb of HTTP or absent (any), ``path`` a regular expression searched in the path. ``skip`` matching requests pass, then
``count`` suffer.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from baremetal_lb.apiserver.errors import bad_request

MAXIMUM_FAULTS = 64


class FaultAction(Enum):
    """What happens to a request; the name is what people write."""

    Error = "answered with `code`, `message` and `retryAfterSeconds`, without effect"
    ResetBefore = "the connection is closed without effect and without an answer"
    ResetAfter = "the request takes effect, then the connection is closed without an answer"
    EmptyList = "a list is answered with no items"
    Expired = "a list or watch is answered 410, whatever it asks for"
    SilentWatch = "a watch opens and says nothing"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to come."""

    action: FaultAction
    method: str | None = None
    path: str = ""
    code: int = 500
    message: str = "fault on demand"
    retry_after_s: int | None = None
    count: int = 1
    skip: int = 0


class Faults:
    """Those to come, in the order in which they were asked for; the first that matches counts."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, wish: Any) -> None:
        """Take a wish as POSTed.

        Raises:
            Refusal: 400 when it cannot be understood.
        """
        try:
            fault = Fault(
                FaultAction[wish["action"]], wish.get("method"), str(wish.get("path", "")), int(wish.get("code", 500)),
                str(wish.get("message", "fault on demand")), wish.get("retryAfterSeconds"),
                int(wish.get("count", 1)), int(wish.get("skip", 0)),
            )  # fmt: skip
            re.compile(fault.path)
        except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
            known = "; ".join(f"{action.name}: {action.value}" for action in FaultAction)
            raise bad_request(f"a fault is a map with an action ({known}): {error}") from error
        if len(self._faults) >= MAXIMUM_FAULTS:
            raise bad_request(f"{MAXIMUM_FAULTS} faults are waiting already; DELETE /_faults")
        self._faults.append(fault)

    def clear(self) -> None:
        """Drop all."""
        self._faults.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return what is still to come."""
        return [
            {"action": f.action.name, "method": f.method, "path": f.path, "code": f.code, "count": f.count, "skip": f.skip}
            for f in self._faults
        ]

    def meet(self, method: str, path: str) -> Fault | None:
        """Return the fault that this request suffers, and count it."""
        for index, fault in enumerate(self._faults):
            if fault.method in (None, method) and re.search(fault.path, path):
                if fault.skip:
                    self._faults[index] = replace(fault, skip=fault.skip - 1)
                    return None
                if fault.count > 1:
                    self._faults[index] = replace(fault, count=fault.count - 1)
                else:
                    del self._faults[index]
                return fault
        return None
