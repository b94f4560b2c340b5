"""Why this speaker does not announce an IP that a Service or the ledger names."""

from baremetal_lb.model.reasons import Reason


class SilenceReason(Reason):
    """The decision of this node, next to the election's ExclusionReason."""

    NotInLedger = "The ledger has no entry for the IP; the controller has not allocated it."
    LedgerNamesAnother = "The ledger gives the IP to another Service."
    NotInStatus = "No Service that the ledger gives the IP to has it in its status."
    AnotherNode = "Another node announces the IP."
    YieldedToMember = "Cut off from the API server, this node found another member announcing the IP and answering for it."
