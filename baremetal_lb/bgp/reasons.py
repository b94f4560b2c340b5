"""Why a node does not advertise an IP, or has no session with a peer."""

from baremetal_lb.model.reasons import Reason


class RouteReason(Reason):
    """First those of a Service and its IPs on one node, then those of routes to one peer."""

    NotInLedger = "The ledger has no entry for the IP; the controller has not allocated it."
    LedgerNamesAnother = "The ledger gives the IP to another Service."
    NoPool = "The IP is in no IPAddressPool."
    NoAdvertisement = "No BGPAdvertisement speaks of the pool and the Service."
    NotSelectedByAdvertisement = "No BGPAdvertisement of the pool that matches the Service selects this node."
    ConflictingLocalPref = "Two BGPAdvertisements that match the Service give one route different local preferences."
    NodeNotFound = "The node has no Node object."
    NetworkUnavailable = "The node has the condition NetworkUnavailable."
    ExcludedByLabel = "The node has the label node.kubernetes.io/exclude-from-external-load-balancers."
    NodeDraining = "The node is being drained."
    NoLocalEndpoint = "The Service's externalTrafficPolicy is Local and the node has no usable endpoint of it."
    OnlyTerminatingEndpoints = (
        "The Service's externalTrafficPolicy is Local and its endpoints on the node are terminating, while others are ready."
    )
    NoUsableEndpoint = "The Service has no usable endpoint of this IP family."
    ExternalIPNotAdmitted = (
        "The external IP is in no pool and no reservation that admits the Service's namespace, or another Service holds it."
    )
    ClusterIPOutsideServiceCIDR = "The cluster IP is in no ServiceCIDR."
    AggregateOutsidePools = "The aggregate is not wholly inside the pools, so it would attract what is not ours."

    NoPeer = "No BGPPeer that the advertisement names keeps a session with this node."
    PeerNotNamed = "No BGPAdvertisement that matches the Service on this node names this peer."
    FamilyNotCarried = "Sessions with this peer carry no routes of this IP family."


class SessionReason(Reason):
    """Why a node has no session with a peer."""

    NodeNotSelected = "The peer's nodeSelectors do not select this node."
    NoRouterHeard = "No router was heard on the interface; an unnumbered session needs its Router Advertisements."
    NoSourceAddress = "The node has no address to call the peer from."
    NoPassword = "The password is not known: its Secret could not be read."  # a sentence, not a password
    NotWritable = "A value of the session is outside the alphabet of what is written into ExaBGP's configuration."
    HeldDownByBFD = "BFD has seen the path to the peer fail; the session is held down until BFD is up again, or the limit is over."
    AddressTaken = "Another peer on this node has the same address; ExaBGP keeps one session for each."
