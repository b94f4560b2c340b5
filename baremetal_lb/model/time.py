"""Time is an argument: integer nanoseconds, from a clock that the shell reads.

``now`` is keyword-only wherever it is taken. Monotonic and wall-clock values have the same type and are never mixed: names of
wall-clock values end in ``_utc``.
"""

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
