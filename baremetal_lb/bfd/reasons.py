"""Why a BFD packet is not taken, beside what is malformed about it; counted."""

from baremetal_lb.model.reasons import Reason


class BfdDrop(Reason):
    """Why a well-formed packet is discarded (RFC 5880 §6.8.6)."""

    WrongTTL = "The TTL is not 255 (single hop), or less than the profile's minimumTtl (multihop), so it came from too far."
    UnknownDiscriminator = "It names a session that is not there."
    WrongSource = "It names a session with another address."
    NoSession = "No session is wanted with its sender."
    NotDown = "It names no session, though its sender says that it is not Down."
    UnexpectedAuthentication = "It has an authentication section, which no session asks for."


class BfdReason(Reason):
    """Why BFD is not as wanted; told in the status of a session and in logs."""

    HoldEnded = "BFD has been down for longer than the hold limit; the session is tried without it until BFD is up again."
    NotRunning = "The BFD process (bmlb bfd) of this node does not answer; nobody watches the path to the peer."
    PortTaken = "Another program has the BFD port of this node."
    TooMany = "More BFD sessions are wanted than one node keeps."
