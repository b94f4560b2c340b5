"""Passwords of BGP peers: Secrets, read one by one by name, since a speaker may read those that the installation names and list none.

Each is looked at when a peer begins to name it, and again every interval, so a new password is picked up. What was read stays while the
API server does not answer; that there is no such Secret, or that it may not be read, is an answer too. Passwords live in here and in the
engine's configuration file, and nowhere else.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from baremetal_lb.api.secrets import SecretReason, password_of
from baremetal_lb.kube.errors import ApiError, KubeError
from baremetal_lb.kube.resources import Resource
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.json_text import LONGEST_OBJECT, decode_json

log = structlog.get_logger(__name__)
SECRETS = Resource("", "v1", "secrets")
RETRY_S = 1.0
_TIMEOUT_S = 5.0


class Secrets:
    """What the Secrets hold that are wanted; ``on_change`` is called when that changes."""

    def __init__(self, transport: Transport, namespace: str, *, interval_s: float, on_change: Callable[[], None]) -> None:
        self._transport, self._namespace, self._interval_s, self._on_change = transport, namespace, interval_s, on_change
        self._wanted: frozenset[str] = frozenset()
        self._answers: dict[str, str | SecretReason] = {}
        self._wake = asyncio.Event()

    def want(self, names: frozenset[str]) -> None:
        """Keep these up to date, and forget all others."""
        if names == self._wanted:
            return
        self._wanted = names
        self._answers = {name: answer for name, answer in self._answers.items() if name in names}
        self._wake.set()

    @property
    def has_answers(self) -> bool:
        """Tell whether each was read, or refused, once."""
        return self._wanted <= self._answers.keys()

    def password(self, name: str) -> str | None:
        """Return the password of a Secret; None where it has none for us."""
        answer = self._answers.get(name)
        return answer if isinstance(answer, str) else None

    @property
    def reasons(self) -> Mapping[str, SecretReason]:
        """Why Secrets give no password, by name."""
        return {name: answer for name, answer in self._answers.items() if isinstance(answer, SecretReason)}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._wake.clear()
            has_all = True
            for name in sorted(self._wanted):
                has_all &= await self._look(name)
            try:
                async with asyncio.timeout(self._interval_s if has_all else RETRY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self, name: str) -> bool:
        """Read one; tell whether the API server answered."""
        try:
            data = await self._transport.request("GET", SECRETS.path(self._namespace, name), total_s=_TIMEOUT_S)
            answer: str | SecretReason = password_of(decode_json(data, longest=LONGEST_OBJECT, type=dict[str, Any]))
        except ApiError as error:
            if error.status not in {403, 404}:
                return False
            answer = SecretReason.SecretNotGranted if error.status == 403 else SecretReason.SecretMissing
        except (KubeError, ValueError):
            return False
        if name in self._wanted and self._answers.get(name) != answer:
            self._answers[name] = answer
            log.info("secret_read", secret=name, reason=answer if isinstance(answer, SecretReason) else None)
            self._on_change()
        return True
