"""Times and durations as texts: RFC 3339 timestamps and Go durations, both as integer nanoseconds, without loss.

Implements the UTC and numeric-offset forms of RFC 3339 §5.6 with up to nine digits of fraction; not leap seconds (refused).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from baremetal_lb.model.time import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1, "us": MICROSECOND, "µs": MICROSECOND, "μs": MICROSECOND, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR}
_MAX = 2**63 - 1
"""Go keeps a duration in an int64 of ns: about 292 years."""


def parse_timestamp(text: str) -> int:
    """Return ns since the epoch.

    Raises:
        ValueError: no RFC 3339 timestamp.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:64]!r} is no RFC 3339 timestamp (2026-01-31T12:00:00Z)")
    date, clock, fraction, zone = match.groups()
    offset = UTC if zone in "Zz" else _offset(zone)
    moment = datetime.strptime(f"{date}T{clock}", "%Y-%m-%dT%H:%M:%S").replace(tzinfo=offset)
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return whole * SECOND + int((fraction or "0").ljust(9, "0"))


def _offset(zone: str) -> timezone:
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    if minutes >= 24 * 60:
        raise ValueError(f"{zone} is no offset from UTC")
    return timezone(timedelta(minutes=minutes if zone[0] == "+" else -minutes))


def format_timestamp(ns: int) -> str:
    """Return RFC 3339 in UTC, with a fraction only where there is one: ``2026-01-31T12:00:00Z``."""
    whole, fraction = divmod(ns, SECOND)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=whole)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{text}Z"


def parse_duration(text: str) -> int:
    """Return the ns of a Go duration (``90s``, ``1h30m``, ``1.5s``, ``0``), as ``time.ParseDuration`` reads it.

    Raises:
        ValueError: no Go duration, or more than an int64 of ns.
    """
    if len(text) > 64 or _DURATION.fullmatch(text) is None:
        raise ValueError(f"{text[:64]!r} is no duration (90s, 1m30s)")
    total = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    if total > _MAX:
        raise ValueError(f"{text!r} is longer than a duration can be")
    return -total if text.startswith("-") else total
