"""Why an object, or a part of it, is not in force: the reasons that configuration problems carry."""

from baremetal_lb.model.reasons import Reason


class ConfigurationReason(Reason):
    """What can be wrong with a custom resource. Tokens appear in conditions, events and the output of ``validate`` and ``plan``."""

    # the document and its frame
    SyntaxError = "The document cannot be read as YAML or JSON."
    InvalidEncoding = "The document is no UTF-8 text."
    TooLarge = "The file is larger than all objects of a large cluster, and is not read."
    NobodyWrites = "The file is a pipe that nobody writes to."
    WrongTag = "The value does not fit its YAML tag, or Kubernetes does not know the tag."
    InvalidKey = "A key of an object is null, a list or an object; it must be a text."
    ImpossibleNumber = "The number is not finite, or has more than 64 bit; no API server takes it."
    BrokenCharacter = "The text has half of a character (a lone surrogate), which UTF-8 cannot carry."
    TooManyAliases = "Aliases make the document larger than any of ours can be."
    TooManyDirectives = "The document begins with more YAML directives, or longer ones, than any of ours needs."
    MoreFaults = "The document has more faults than are told one by one."
    DuplicateKey = "A field is given twice in one object."
    NotAnObject = "The document is no Kubernetes object."
    TooDeep = "The object is nested deeper than any of ours can be."
    MissingName = "The object has no name."
    InvalidName = "The name cannot be the name of a Kubernetes object."
    UnknownVersion = "The API version is not served."
    OtherGroup = "The object belongs to the API group of another install and is not read."
    OtherNamespace = "The object is not in the namespace of the install; only those count."
    DuplicateObject = "Another object of this kind has the same name."

    # what the schema says
    MissingField = "A required field is missing."
    UnknownField = "There is no such field; it has no effect."
    WrongType = "The value has a wrong type."
    OutOfRange = "The value is outside its range."
    NotAllowed = "The value is none of those that are allowed."
    TooLong = "The value is longer than it may be."
    TooFew = "The list has fewer items than it needs."
    InvalidFormat = "The value does not have the form that it needs."

    # addresses
    UnparsableRange = "The text is neither a CIDR nor a range of addresses."
    ReversedRange = "The range ends before it starts."
    MixedFamilyRange = "The range mixes IPv4 and IPv6."
    BareAddress = "A single address needs its prefix length here."
    SurroundingSpace = "The CIDR has spaces around it, which other implementations refuse."
    OverlappingRanges = "Two ranges of the object overlap."
    OverlapsOtherPool = "The addresses overlap with those of another pool."
    OverlapsOtherReservation = "The addresses are reserved already; the older reservation has them."
    ExcludesNothing = "What is excluded lies outside the pool."
    InvalidAddress = "The text is no IP address."
    InvalidDuration = "The text is no duration, or one that cannot be meant."
    MalformedEntry = "The ledger entry cannot be read."

    # lists and selectors
    DuplicateValue = "The same value is listed twice."
    DuplicateSelector = "The same selector, or the same expression in one, is listed twice."
    InvalidSelector = "The label selector cannot be evaluated."

    # references
    UnknownPool = "There is no pool of this name."
    SelectsNoPool = "The advertisement selects pools, and no pool is selected."
    UnknownPeer = "There is no BGPPeer of this name."
    UnknownBFDProfile = "There is no BFDProfile of this name."
    UnknownCommunity = "The text is no community, and no Community object defines it as an alias."
    UnknownSecret = "There is no Secret of this name in the namespace of the install."
    UnusableSecret = "The Secret does not hold a password in the form that is needed."

    # layer 2
    InvalidInterfaceName = "The text is not taken as the name of a network interface."
    DelayWithoutPreemption = "A preemption delay has a meaning with policy Delayed only."

    # BGP
    InvalidCommunity = "The community value is outside its range or has a wrong form."
    DuplicateCommunity = "The alias is defined already."
    AggregationWithServiceSelectors = "An aggregate speaks for all Services of a prefix, so service selectors exclude it."
    AggregationTooShort = "The aggregate is wider than the addresses of the pool."
    LocalPrefConflict = "Another advertisement gives the same routes another local preference."
    MissingASN = "The autonomous system number is missing."
    ConflictingASN = "The number of the peer's autonomous system is given twice."
    MultihopWithinAS = "Multihop is for peers in another autonomous system."
    MissingAddress = "The peer has neither an address nor an interface."
    ConflictingAddress = "The peer has an address and an interface."
    InvalidRouterID = "A router id is an IPv4 address."
    InvalidPassword = "The password has a character that is not taken, or is too long."  # a sentence
    InvalidTimers = "The BGP timers do not go together."
    ConflictingPassword = "The password is given twice."
    DuplicatePeer = "Another peer has the same address in the same VRF on the same nodes."
    RouterIDConflict = "Another peer in the same VRF on the same nodes has another router id."
    LocalASNConflict = "Another peer in the same VRF on the same nodes is told another own autonomous system."
    KeepaliveNotSupported = "ExaBGP sends keepalives at a third of the hold time, whatever is asked for."
    ConnectTimeNotSupported = "ExaBGP tries to connect in its own time, with growing pauses of up to a minute."
    DisableMPWithoutEffect = "The field has no effect; dualStackAddressFamily says what is meant."
    OutgoingInVRFOnly = "Connections go out through the VRF; none is taken from it, since ExaBGP only calls."
    EchoNotSupported = "The BFD echo function is not there; sessions run without it."
    EchoWithIPv6 = "BFD echo does not work for IPv6, and IPv6 addresses would go to this peer."
