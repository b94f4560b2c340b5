"""What is wanted of a session, and how it stands: values. Intervals and times are in ns."""

from dataclasses import dataclass

from baremetal_lb.model.net import IPAddress
from baremetal_lb.packet.bfd import State


@dataclass(frozen=True, slots=True)
class BfdSpec:
    """One session of this node; where it goes, and how it is kept."""

    peer: str
    """Name of the BGPPeer: unique."""
    remote: IPAddress
    local: IPAddress
    interface: str | None = None
    """Link or VRF device that packets are sent and taken on; None: as the kernel routes. Link-local remotes need it."""
    is_multihop: bool = False
    """RFC 5883: other port, and TTLs down to ``minimum_ttl``."""
    desired_min_tx: int = 300_000_000
    required_min_rx: int = 300_000_000
    detect_mult: int = 3
    is_passive: bool = False
    minimum_ttl: int = 254

    @property
    def place(self) -> tuple[bool, IPAddress, str]:
        """What a packet says of its session while it does not know our discriminator."""
        return self.is_multihop, self.remote, self.interface or ""

    @property
    def path(self) -> tuple[object, ...]:
        """What cannot change without another session."""
        return (*self.place, self.local)


@dataclass(frozen=True, slots=True)
class BfdStatus:
    """How a session stands."""

    peer: str
    state: State = State.DOWN
    since: int = 0
    """Of the state; monotonic, comparable on one machine."""
    fell_at: int | None = None
    """When it went from Up to Down for another reason than the peer's wish, if it was not Up since, and the peer did not say since that
    it wants no BFD."""
    diagnostic: int = 0
    """Why it is not Up (RFC 5880 §4.1)."""
    remote_state: State = State.DOWN
    detection_time: int = 0
    transmit_interval: int = 0
    """As negotiated, before jitter."""
