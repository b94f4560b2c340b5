"""Why nobody reaches a Service for which everything else is in order."""

from baremetal_lb.model.reasons import Reason


class UnreachedReason(Reason):
    """What is still to come, or to come back."""

    NotLookedAt = "No controller has looked at the Service yet."
    NotWritten = "The Service is to have an IP, and no controller has written it into its status yet."
    NotReported = "A node is elected, and does not report yet that it announces the IP."
    SessionDown = "The IP is advertised, and no session that it is advertised over is up."
