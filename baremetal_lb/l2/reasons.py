"""Why a frame got no answer, and why an IP is left to another member or taken back."""

from baremetal_lb.model.reasons import Reason


class DropReason(Reason):
    """Why a well-formed frame got no answer; malformed ones have a MalformedReason."""

    NotAnnounced = "This interface announces no IP that the frame is about."
    WrongDestination = "The frame was sent to somebody else."
    AdvertisementOfOthers = "The frame tells about an address, and not about one of ours."
    ForeignAnnouncement = "Another hardware address tells that it has an IP that we announce."
    OwnFrame = "The frame comes from this node itself."
    AnswerToProbe = "The frame answers a question of this node."
    InvalidRequester = "The hardware address to answer to is a group or all zeros."
    SendFailed = "The interface did not take the reply."
    ReceiveFailed = "The interface could not be read."
    ReceiveBufferFull = "Frames came faster than they were read, so the kernel dropped them."


class YieldReason(Reason):
    """Why a speaker that is cut off from the API server leaves an IP to another one, does not, or takes it back."""

    MemberAnswered = "Another member announced the IP, and answered when it was asked for."
    Unconfirmed = "An announcement in a member's name was heard, and nobody answered when the IP was asked for."
    NobodyAnswered = "Nobody answered any more when the IP was asked for."
    InTouchAgain = "The speaker is in touch with the API server again."
    NoLongerNamed = "Neither a Service nor the ledger names the IP any more."
