"""The allocator: which IPs a Service should have."""

from collections.abc import Mapping

from baremetal_lb.ipam.decision import Decision
from baremetal_lb.ipam.ledger import Ledger
from baremetal_lb.model.views import ServiceView


def decide(service: ServiceView, ledger: Ledger, *, namespaces: Mapping[str, Mapping[str, str]], now_utc: int) -> Decision:
    """Decide what a Service should have; ``namespaces`` maps names to labels (absent: no labels), ``now_utc`` is ns since the epoch."""
    raise NotImplementedError
