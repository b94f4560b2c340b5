"""Logs: one line for each change, a constant event name with known keys, JSON for machines or text for people.

    log = structlog.get_logger(__name__)
    log.info("announcer_changed", ip="203.0.113.7", announcer="node1")

Rules: the event name is a constant; what varies is a key. Values that only our own types have (Reason, ObjectKey, addresses, sets) are
written as people write them. Keys that name a secret are never written, whatever is in them. What libraries log through the standard
module comes out in the same form, warnings and worse only. Lines that bytes of strangers cause are limited in rate, each event for itself
and each library for itself; ``suppressed`` of the next one that passes tells how many there were.

structlog draws tracebacks with rich where rich is installed, for which it imports all of it: 4 MiB and a tenth of a second that no
process here needs. So whoever imports this module before structlog has structlog without rich; rich itself can be imported after as ever.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from enum import Enum
from typing import Any, TextIO

if "structlog" in sys.modules or "rich" in sys.modules:
    import structlog
else:
    sys.modules["rich"] = None  # type: ignore[assignment] # makes importing it an ImportError, which structlog expects
    import structlog

    del sys.modules["rich"]

from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.visible import visible, visible_lines
from baremetal_lb.telemetry.event_table import FROM_STRANGERS
from baremetal_lb.telemetry.rate_limit import RateLimit

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
SECRET_WORDS = ("password", "passwd", "secret", "token", "authorization", "credential", "private_key")
REDACTED = "[redacted]"


def configure_logging(*, level: str = "info", log_format: str = "json", stream: TextIO | None = None, **always: str) -> None:
    """Set up logging of the process; ``always`` are keys that every line carries (``component``, ``node``).

    Raises:
        KeyError: no such level.
    """
    out = stream if stream is not None else sys.stdout
    renderers = [structlog.processors.JSONRenderer(default=readable)] if log_format == "json" else [make_visible, _console(out)]
    structlog.configure(
        processors=[
            Limiter(RateLimit(), time.monotonic_ns),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            make_readable,
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**{key: value for key, value in always.items() if value})
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)


def _console(out: TextIO) -> Any:
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)


def make_visible(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write out what would steer a terminal or make a second line; only a traceback has lines. In containers Python's own form does it."""
    for key, value in event.items():
        if key in ("exception", "stack"):
            event[key] = visible_lines(value)
        elif isinstance(value, str) and not value.isprintable():
            event[key] = visible(value) if key == "event" else _Quoted(value)
    return event


class _Quoted:
    """A value that structlog writes in quotes, escaped once: of a string it decides by its blanks whether to escape it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return f"'{visible(self._text)}'"


class Limiter:
    """Drops lines that strangers cause too many of."""

    def __init__(self, limit: RateLimit, clock: Callable[[], int]) -> None:
        self._limit, self._clock = limit, clock

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the line, or end it.

        Raises:
            structlog.DropEvent: it is one too many.
        """
        name = str(event["event"])
        if name not in FROM_STRANGERS:
            return event
        suppressed = self._limit.take(f"{name} {event.get('logger', '')}", now=self._clock())
        if suppressed is None:
            raise structlog.DropEvent
        if suppressed:
            event["suppressed"] = suppressed
        return event


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the value of every key that names a secret, in nested mappings too."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def _redacted(key: object, value: Any) -> Any:
    if any(word in str(key).lower() for word in SECRET_WORDS):
        return REDACTED
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    return value


def make_readable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn values of our own types into what people write."""
    for key, value in event.items():
        if not isinstance(value, str | int | float | bool | None) and key != "exc_info":
            event[key] = readable(value)
    return event


def readable(value: Any) -> Any:
    """Return a value that JSON has: reasons by their token, sets sorted, containers item by item, anything else as its text."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Enum):
        return value.name if isinstance(value, Reason) else readable(value.value)
    if isinstance(value, Mapping):
        return {str(key): readable(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((readable(item) for item in value), key=str)
    if type(value) in {list, tuple}:  # a named tuple has a text of its own
        return [readable(item) for item in value]
    return str(value)


class _ToStructlog(logging.Handler):
    """Hands records of the standard module on, so that a library's warning looks like our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        log.log(record.levelno, "library_message", logger=record.name, text=record.getMessage(), exc_info=record.exc_info)
