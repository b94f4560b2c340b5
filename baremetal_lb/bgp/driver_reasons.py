"""Why sessions or routes are not as wanted."""

from baremetal_lb.model.reasons import Reason


class DriverReason(Reason):
    """What keeps ExaBGP from doing what is wanted."""

    NotConnected = "The engine cannot be reached; what it advertises stays as it is."
    ExaBgpNotRunning = "ExaBGP is not running; it is being started again."
    NoAnswer = "ExaBGP has not answered a command for 10 seconds."
    ReloadWithoutEffect = "ExaBGP has not taken its new configuration; it is told again."
    ConfigurationRefused = "ExaBGP refuses the configuration of this session; the others are kept as they are."
    SessionNotWritable = "A value of this session cannot stand in ExaBGP's configuration; the session is left out, the others are kept."
    ConfigurationNotWritten = "The configuration of ExaBGP could not be written; the last one stays."
    RouteRefused = "ExaBGP refuses a route."
    WrongPeerASN = "The peer's OPEN has our own AS number, but an external peer was asked for."
