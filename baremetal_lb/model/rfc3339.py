"""RFC 3339 timestamps as Kubernetes writes and takes them, and the time inside: integer ns since the epoch, nothing lost on the way.

    metav1.Time       2026-01-31T09:05:00Z            format_time
    metav1.MicroTime  2026-01-31T09:05:00.000250Z     format_microtime: always six digits, since the API server refuses others
    exactly           2026-01-31T09:05:00.5Z          format_exact: a fraction only where there is one

Read are UTC and numeric offsets (§5.6) with any number of digits of a fraction, of which nine count; not leap seconds, which Kubernetes
refuses, too. Years are those of four digits, 0001 to 9999.
"""

import re
from datetime import date, datetime, timedelta

from baremetal_lb.model.time import SECOND

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - all is UTC here, and without a zone isoformat writes none
_FIRST_DAY = date(1970, 1, 1).toordinal()
_FIRST = (date.min.toordinal() - _FIRST_DAY) * 86_400
_END = (date.max.toordinal() + 1 - _FIRST_DAY) * 86_400


def parse_time(text: str) -> int:
    """Return ns since the epoch.

    Raises:
        ValueError: no RFC 3339 timestamp.
    """
    ns = time_or_none(text)
    if ns is None:
        raise ValueError(f"{text[:64]!r} is no RFC 3339 timestamp (2026-01-31T12:00:00Z)")
    return ns


def time_or_none(value: object) -> int | None:
    """Return ns since the epoch; None for whatever is no RFC 3339 timestamp."""
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _FIRST_DAY
    except ValueError:
        return None
    seconds = days * 86_400 + int(hour) * 3_600 + int(minute) * 60 + int(second)
    if sign is not None:
        offset = int(hours) * 3_600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
        if not _FIRST <= seconds < _END:
            return None
    return seconds * SECOND + (int(fraction.ljust(9, "0")) if fraction else 0)


def format_time(utc: int) -> str:
    """Return a metav1.Time: whole seconds, rounded down.

    Raises:
        OverflowError: no year of four digits.
    """
    return (_EPOCH + timedelta(seconds=utc // SECOND)).isoformat() + "Z"


def format_microtime(utc: int) -> str:
    """Return a metav1.MicroTime, rounded down.

    Raises:
        OverflowError: no year of four digits.
    """
    return (_EPOCH + timedelta(microseconds=utc // 1_000)).isoformat(timespec="microseconds") + "Z"


def format_exact(utc: int) -> str:
    """Return all of a time, to the ns.

    Raises:
        OverflowError: no year of four digits.
    """
    fraction = utc % SECOND
    return f"{format_time(utc)[:-1]}.{fraction:09d}".rstrip("0") + "Z" if fraction else format_time(utc)
