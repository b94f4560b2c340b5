"""When a better candidate takes an IP back from the node that announces it well (``preemption`` of L2Advertisement). Pure.

    policy Never      the IP stays where it is for as long as it can
    policy Delayed    a candidate of greater weight (``preferredNodeSelectors``) gets it once it has been such without a break for the delay

A person's wish (annotation ``announcer``) needs no policy and waits for nothing; the load of nodes is never a reason to move an IP. The
ledger's preferred announcer is rewritten and the speakers move the IP, the new one before the old one stops.

Each better candidate has a time of its own: one that comes and goes starts anew each time, and does not keep another, steady one from
its turn while it is away. What is not observed is not a break: the caller looks whenever something changed.
"""

from baremetal_lb.election.elect import Election
from baremetal_lb.model.net import IPAddress


class Preemption:
    """Since when which candidates have been better, by IP; ``now`` is monotonic, in ns."""

    def __init__(self) -> None:
        self._since: dict[IPAddress, dict[str, int]] = {}

    def due(self, address: IPAddress, election: Election, *, now: int) -> int | None:
        """Take an election that the preferred announcer has won; return after how many ns ``best`` is to be preferred instead.

        0: now. None: never, as things are.
        """
        delay = election.preemption_delay
        if delay is None or not election.better or election.best is None:
            self.forget(address)
            return None
        before = self._since.get(address, {})
        since = {node: before.get(node, now) for node in election.better}
        self._since[address] = since
        return max(0, since[election.best] + delay - now)

    def forget(self, address: IPAddress) -> None:
        """Let nobody have been better: the IP has moved, is gone, or its preferred announcer cannot announce."""
        self._since.pop(address, None)

    def clear(self) -> None:
        """Forget everything, since nobody looked for a while."""
        self._since.clear()
