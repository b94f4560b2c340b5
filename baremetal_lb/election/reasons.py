"""Why a node does not announce an IP, and why nobody does."""

from baremetal_lb.model.reasons import Reason


class ExclusionReason(Reason):
    """First those of one node, then those of an IP as a whole."""

    NoSpeaker = "No speaker runs on this node, as far as the roster knows."
    SpeakerNotAlive = "The speaker of this node is not alive."
    SpeakerNotServing = "The speaker of this node is not serving: it is starting or leaving, or cannot use its sockets."
    NodeNotFound = "The node has no Node object."
    NetworkUnavailable = "The node has the condition NetworkUnavailable."
    ExcludedByLabel = "The node has the label node.kubernetes.io/exclude-from-external-load-balancers."
    NodeDraining = "The node is being drained."
    NotSelectedByAdvertisement = "No L2Advertisement of the pool that matches the Service selects this node."
    InterfaceMissing = "The node has none of the interfaces that the L2Advertisement names, or no interface fit to announce on."
    InterfaceWithoutCarrier = "None of the node's interfaces in question has a carrier."
    InterfaceWithoutFamily = "None of the node's interfaces in question can answer for this IP family."
    NoLocalEndpoint = "The Service's externalTrafficPolicy is Local and the node has no usable endpoint of it."

    NoService = "No Service uses the IP."
    NoPool = "The IP is in no IPAddressPool."
    NoAdvertisement = "No L2Advertisement speaks of the pool and the Service."
    SharedIPWithServiceSelectors = "The Service asks for a shared IP and is matched by an L2Advertisement with serviceSelectors."
    NoUsableEndpoint = "The Service has no usable endpoint of this IP family."
    NoCandidate = "Every node is excluded."
    LeftOutOfSharedIP = "No node could announce the shared IP for this Service beside the older ones on it; it is announced for those."
