"""Time is an argument: integer nanoseconds, from a clock that the shell reads.

``now`` is keyword-only wherever it is taken. Monotonic and wall-clock values have the same type and are never mixed: names of
wall-clock values end in ``_utc``.
"""

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def format_time(utc: int) -> str:
    """Write a metav1.Time (whole seconds): ``2026-01-31T09:05:00Z``."""
    days, second = divmod(utc // SECOND, 86_400)
    year, month, day = _civil(days)
    return f"{year:04}-{month:02}-{day:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a day since the epoch, by the well-known arithmetic on a year that starts in March (leap day last)."""
    days += 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1
