"""How often something may happen that strangers cause: token buckets, by key. Pure: the time is an argument.

A bucket holds ``burst`` tokens at first and gets one each ``interval``, up to ``burst``. Law: within any time T a key passes at most
``burst + T / interval`` times. A key that is not among the first ``KEYS_MAX`` shares one bucket with all others of that kind, so that no
number of keys makes more lines, or more memory, than ``KEYS_MAX + 1`` buckets.
"""

from typing import Final

from baremetal_lb.model.time import SECOND

LINE_BURST: Final = 20
LINE_INTERVAL: Final = 10 * SECOND
"""Of one event: twenty lines at once, then six a minute."""
KEYS_MAX: Final = 64
OTHERS: Final = ""
"""Key of the bucket that all keys share for which there was no room."""


class TokenBucket:
    """One bucket; ``interval`` and ``now`` in ns, ``now`` of a monotonic clock."""

    __slots__ = ("_burst", "_filled_at", "_interval", "_tokens")

    def __init__(self, burst: int, interval: int, *, now: int) -> None:
        self._burst, self._interval = burst, interval
        self._tokens, self._filled_at = burst, now

    def take(self, *, now: int) -> bool:
        """Take a token; tell whether there was one."""
        gained = max(0, now - self._filled_at) // self._interval
        if gained:
            self._tokens = min(self._burst, self._tokens + gained)
            self._filled_at += gained * self._interval
        if not self._tokens:
            return False
        self._tokens -= 1
        return True


class RateLimit:
    """Buckets by key, and how much each of them has held back."""

    __slots__ = ("_buckets", "_burst", "_interval", "_suppressed")

    def __init__(self, burst: int = LINE_BURST, interval: int = LINE_INTERVAL) -> None:
        self._burst, self._interval = burst, interval
        self._buckets: dict[str, TokenBucket] = {}
        self._suppressed: dict[str, int] = {}

    def take(self, key: str, *, now: int) -> int | None:
        """Return how many were held back since the last one that passed, if this one passes; None if it is held back itself."""
        if key not in self._buckets and len(self._buckets) >= KEYS_MAX:
            key = OTHERS
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._burst, self._interval, now=now)
        if bucket.take(now=now):
            return self._suppressed.pop(key, 0)
        self._suppressed[key] = self._suppressed.get(key, 0) + 1
        return None
