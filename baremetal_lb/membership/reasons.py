"""Why a Lease tells the roster nothing."""

from baremetal_lb.model.reasons import Reason


class LeaseReason(Reason):
    """What is wrong with a speaker's Lease; what was known of its member stands."""

    NotASpeaker = "The Lease is not named speaker-NODE."
    MissingFacts = "The Lease has no annotation with the member's facts."
    MalformedFacts = "The member's facts in the Lease's annotation cannot be read."
    TooManyMembers = "The roster is full."
