"""Waiting without sleeping: a predicate, one deadline, and what was seen last when it passes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


class NotSeen(AssertionError):
    """The predicate never held before the deadline."""


def until(predicate: Callable[[], T], deadline_s: float = 10, describe: Callable[[], object] | None = None) -> T:
    """Call the predicate until it returns something true, and return that.

    An AssertionError raised by the predicate counts as "not yet", so that a predicate may consist of asserts.

    Raises:
        NotSeen: with the last value, or what ``describe`` returns.
    """
    end, pause = time.monotonic() + deadline_s, _FIRST_PAUSE_S
    while True:
        last = _attempt(predicate)
        if last and not isinstance(last, AssertionError):
            return last
        if time.monotonic() >= end:
            raise NotSeen(_sentence(predicate, deadline_s, last, describe))
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)


async def auntil(predicate: Callable[[], T | Awaitable[T]], deadline_s: float = 10, describe: Callable[[], object] | None = None) -> T:
    """Do what ``until`` does, without blocking the event loop; the predicate may be a coroutine function.

    Raises:
        NotSeen: with the last value, or what ``describe`` returns.
    """
    end, pause = time.monotonic() + deadline_s, _FIRST_PAUSE_S
    while True:
        last: T | AssertionError
        try:
            value = predicate()
            last = await value if isinstance(value, Awaitable) else value
        except AssertionError as error:
            last = error
        if last and not isinstance(last, AssertionError):
            return last
        if time.monotonic() >= end:
            raise NotSeen(_sentence(predicate, deadline_s, last, describe))
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)


def _attempt(predicate: Callable[[], T]) -> T | AssertionError:
    try:
        return predicate()
    except AssertionError as error:
        return error


def _sentence(predicate: object, deadline_s: float, last: object, describe: Callable[[], object] | None) -> str:
    name = getattr(predicate, "__qualname__", repr(predicate))
    seen = describe() if describe is not None else last
    return f"{name} did not hold within {deadline_s} s; last seen: {seen!r}"
