"""Times as the API server writes and takes them; inside, a time is ns since the epoch."""

from datetime import UTC, datetime

from baremetal_lb.model.time import SECOND


def timestamp(moment_utc: int) -> str:
    """Return ``metav1.Time`` of ns since the epoch: whole seconds, UTC."""
    return f"{datetime.fromtimestamp(moment_utc // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def microtime(moment_utc: int) -> str:
    """Return ``metav1.MicroTime`` of ns since the epoch: always six digits, since the API server refuses other numbers of them."""
    seconds, rest = divmod(moment_utc, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06d}Z"
