"""Go durations as texts, and as integer nanoseconds."""

import re
from decimal import Decimal

from baremetal_lb.model.time import HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND

_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1, "us": MICROSECOND, "µs": MICROSECOND, "μs": MICROSECOND, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR}
_MAX = 2**63 - 1
"""Go keeps a duration in an int64 of ns: about 292 years."""


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
