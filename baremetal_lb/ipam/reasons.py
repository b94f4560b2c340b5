"""Why a Service has no IP, or not the one that it asks for; the same words in conditions, events, metrics and `bmlb plan`."""

from baremetal_lb.model.reasons import Reason


class AllocationReason(Reason):
    """Every "no" of the allocator. Some cost a Service its IP, others only say what was not honoured; the Decision tells which.

    The last ones are told of single pools only, where a Service is explained.
    """

    NotLoadBalancer = "The Service is not of type LoadBalancer."
    ClassNotOurs = "The Service has a loadBalancerClass that this install does not serve."
    BeingDeleted = "The Service is being deleted and gets no new IP."
    Headless = "A headless Service (clusterIP None) cannot have an external IP."
    ClusterIPMissing = "The Service has no clusterIP yet, so that its IP family is unknown."
    ClusterIPsMalformed = "The clusterIPs are neither one address nor one of each family."
    NotEnoughClusterIPs = "ipFamilyPolicy RequireDualStack needs a clusterIP of each family."
    NoPools = "There is no IPAddressPool."
    RequestMalformed = "The requested IPs cannot be read: write one IP, or one of each family with a comma between."
    RequestedTwice = "Both spec.loadBalancerIP and the annotation loadBalancerIPs are set; use one of them."
    RequestFamilyMismatch = "The requested IPs are not of the families of the Service."
    RequestedPoolMismatch = "The requested IP is not in the requested pool."
    UnknownPool = "The requested pool does not exist."
    AddressNotInPool = "The IP is in no pool."
    AddressesInDifferentPools = "The requested IPs are not in one pool."
    AddressBuggy = "The IP ends in .0 or .255, which its pool avoids."
    AddressExcluded = "The IP is excluded from its pool."
    AddressReserved = "The IP is reserved for somebody else."
    AddressHeld = "The IP is held for a Service that was deleted a short while ago."
    AddressForeign = "The IP is in the ledger of another install."
    AddressInUse = "The IP is in use by another Service, and not both allow sharing."
    SharingAcrossNamespaces = "The IP is in use in another namespace, and its pool lets only Services of one namespace share an IP."
    SharingKeyDiffers = "The IP is shared under another sharing key."
    BackendsIncompatible = (
        "Services that share an IP must all have externalTrafficPolicy Cluster, "
        "or all Local in one namespace with the same selector that is not empty."
    )
    PortsClash = "Another Service on this IP has the same port."
    TooManySharers = "The IP has as many Services as an entry of the ledger can hold."
    SharingKeyTooLong = "The sharing key is too long to be recorded."
    TooManyPorts = "The Service has more ports than can be recorded for an IP that is shared."
    PoolNamespaceMismatch = "The pool does not admit the namespace of the Service."
    PoolServiceMismatch = "The pool does not admit Services with these labels."
    PoolDisabled = "The pool is disabled and gives out nothing new."
    PoolNotAutoAssigned = "The pool gives out addresses only on request (autoAssign is false)."
    PoolFamilyMissing = "The pool has no addresses of a family that the Service needs."
    PoolExhausted = "The pool has no free address."
    QuotaExceeded = "The namespace has used up its quota of the pool."
    NoEligiblePool = "No pool can serve the Service."

    PoolNotRequested = "The Service asks for another pool, or for an IP that is not in this one."
    PoolNotNeeded = "The pool could serve the Service, which keeps the IP that it has."
    PoolTriedLater = "The pool could serve the Service; another one is tried before it, and does."
