"""What the driver knows of one session: how it stands, which routes it has, what the peer said last."""

from baremetal_lb.bgp.driver_reasons import DriverReason
from baremetal_lb.bgp.exabgp_commands import attributes_of, next_hop_of
from baremetal_lb.bgp.exabgp_events import FsmChanged, Negotiated, NeighborSeen, Notified, Opened, RouteSeen, StateChanged
from baremetal_lb.bgp.exabgp_notifications import notification_words
from baremetal_lb.bgp.rib import PeerRib
from baremetal_lb.bgp.session import Attributes, Prefix, SessionError, SessionSpec, SessionState, SessionStateName
from baremetal_lb.model.net import IPAddress, family_of


class DrivenPeer:
    """One session, by its remote address."""

    def __init__(self, remote: IPAddress, *, now_utc: int) -> None:
        self.remote = remote
        self.spec: SessionSpec | None = None
        """The last one wanted; None: it was there when we came, and was never wanted."""
        self.is_wanted = False
        self.rib = PeerRib()
        self.is_up = False
        self.is_closing = False
        self.is_end_of_rib_due = False
        self.learned_asn: int | None = None
        self.seen: dict[Prefix, RouteSeen] = {}
        """What ExaBGP held when we came, until it can be compared with what is wanted."""
        self._state = SessionStateName.IDLE
        self._since_utc = now_utc
        self._error: SessionError | None = None
        self._hold_time_s: int | None = None
        self.peer_asn: int | None = None

    def adopt(self, neighbor: NeighborSeen | None, routes: dict[Prefix, RouteSeen], *, now_utc: int) -> None:
        """Take what ExaBGP was seen to keep."""
        self.seen = routes
        self.rib.hold(dict.fromkeys(routes))
        if neighbor is None:
            self._set_state(SessionStateName.IDLE, now_utc=now_utc)
            self.is_up = False
            return
        self._set_state(neighbor.state, now_utc=now_utc)
        self.is_up = self.is_end_of_rib_due = neighbor.state is SessionStateName.ESTABLISHED
        self._hold_time_s, self.peer_asn = neighbor.hold_time_s, neighbor.peer_asn

    def recognize(self) -> None:
        """Compare what was seen with what is wanted, once both are known: what is equal need not be sent."""
        if not self.seen or self.spec is None or self.rib.wanted is None:
            return
        for prefix, route in self.seen.items():
            wanted = self.rib.wanted.get(prefix)
            if wanted is not None and prefix in self.rib.held and _is_same(self.spec, route, wanted):
                self.rib.held[prefix] = wanted
        self.seen = {}

    def handle(self, event: StateChanged | FsmChanged | Opened | Negotiated | Notified, *, now_utc: int) -> None:
        """Take an event of this session."""
        match event:
            case StateChanged(is_up=True):
                self.is_up = self.is_end_of_rib_due = True
                self.rib.compare_all()
                self._set_state(SessionStateName.ESTABLISHED, now_utc=now_utc)
            case StateChanged(reason=reason):
                self._go_down(reason, now_utc=now_utc)
            case FsmChanged(state=state):
                self._set_state(state, now_utc=now_utc)
            case Opened(asn=asn):
                self.peer_asn = asn
            case Negotiated(hold_time_s=hold_time_s):
                self._hold_time_s = hold_time_s
            case Notified(direction=direction, code=code, subcode=subcode, text=text):
                self._error = SessionError(direction, code, subcode, notification_words(code, subcode, text), now_utc)

    def _go_down(self, reason: str, *, now_utc: int) -> None:
        if self.is_up and not reason.startswith(("notification", "stop, message", "graceful restarted")):
            self._error = SessionError("Local", None, None, f"The connection was lost: {reason or 'no reason given'}.", now_utc)
        self.is_up = self.is_end_of_rib_due = False
        self._hold_time_s = None
        self._set_state(SessionStateName.IDLE, now_utc=now_utc)

    def fail(self, reason: DriverReason, particulars: str, *, now_utc: int) -> None:
        """Say why there is no session, in our own words."""
        self._error = SessionError("Local", None, None, f"{reason.sentence} {particulars}".rstrip(), now_utc)

    def remove(self, *, now_utc: int) -> None:
        """ExaBGP keeps it no more, nor anything that it held for it."""
        self.is_up = self.is_closing = self.is_end_of_rib_due = False
        self._hold_time_s = None
        self.seen = {}
        self.rib.hold({})
        self._set_state(SessionStateName.IDLE, now_utc=now_utc)

    def _set_state(self, state: SessionStateName, *, now_utc: int) -> None:
        if state is not self._state:
            self._state, self._since_utc = state, now_utc

    def state(self) -> SessionState | None:
        """Return how it stands, None if it is not wanted."""
        if self.spec is None or not self.is_wanted:
            return None
        advertised = len(self.rib.held) if self.is_up else 0
        return SessionState(
            self.spec.peer, self.remote, self._state, self._since_utc, self._error, self._hold_time_s, advertised, self.peer_asn
        )


def _is_same(spec: SessionSpec, route: RouteSeen, wanted: Attributes) -> bool:
    next_hop = next_hop_of(spec, family_of(route.prefix.network_address))
    return next_hop in ("self", route.next_hop) and attributes_of(spec, wanted) == route.words
