"""Backoff: how long to wait after a failure. Exponential, jittered, bounded, and forgotten after a success."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Waits of ``base_s`` * 2^n, at most ``cap_s``, each times a random factor from 0.5 to 1.5, so that many clients spread."""

    base_s: float = 0.5
    cap_s: float = 10.0
    """A speaker behind an API server that fails in four ways after another should still be back within half a minute."""
    rng: random.Random = field(default_factory=random.Random)
    failures: int = 0
    """Failures since the last success."""

    def next_s(self, at_least_s: float | None = None) -> float:
        """Count a failure and return how long to wait; never less than what the server asked for (Retry-After)."""
        wait = min(self.cap_s, self.base_s * 2.0 ** min(self.failures, 30)) * self.rng.uniform(0.5, 1.5)
        self.failures += 1
        return max(wait, at_least_s or 0.0)

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = 0
