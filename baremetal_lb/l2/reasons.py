"""Why a frame got no answer."""

from baremetal_lb.model.reasons import Reason


class DropReason(Reason):
    """Why a well-formed frame got no answer; malformed ones have a MalformedReason."""

    NotAnnounced = "This interface announces no IP that the frame is about."
    WrongDestination = "The frame was sent to somebody else."
    AdvertisementOfOthers = "The frame tells about an address, and not about one of ours."
    ForeignAnnouncement = "Another hardware address tells that it has an IP that we announce."
    OwnFrame = "The frame comes from this node itself."
    InvalidRequester = "The hardware address to answer to is a group or all zeros."
    SendFailed = "The interface did not take the reply."
    ReceiveFailed = "The interface could not be read."
    ReceiveBufferFull = "Frames came faster than they were read, so the kernel dropped them."
