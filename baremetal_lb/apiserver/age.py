"""RFC 3339 timestamps of Kubernetes to integer nanoseconds since the epoch, and ages, without a calendar library.

Pure packages read no clock and import none of its modules; the way from an integer to a timestamp is ``model.time``'s.
"""

import re

from baremetal_lb.model.time import SECOND

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:([Zz])|([+-])(\d\d):(\d\d))")


def _days(year: int, month: int, day: int) -> int:
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def parse_time(text: object) -> int | None:
    """Read any RFC 3339 timestamp; None when it is none."""
    found = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    offset = 0 if found[8] else (int(found[10]) * 3600 + int(found[11]) * 60) * (1 if found[9] == "+" else -1)
    seconds = _days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return seconds * SECOND + int((found[7] or "0").ljust(9, "0"))


def format_age(duration: int) -> str:
    """Write a duration (ns) as kubectl does: the two largest units while they matter, else one."""
    seconds = max(duration, 0) // SECOND
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{seconds % 60}s" if seconds % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years, days = divmod(days, 365)
    return f"{years}y" + (f"{days}d" if days and years < 8 else "")
